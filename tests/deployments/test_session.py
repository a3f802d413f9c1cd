"""Driving deployments on several endpoints from one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from support.deploying import Rig

from orchestrator.deployments import driving
from orchestrator.deployments.context import Context
from orchestrator.errors import UnknownEndpoint
from orchestrator.store import deployments as store


async def test_an_endpoint_that_is_gone_keeps_no_other_from_its_turn(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def in_memory(*_: Any) -> AsyncIterator[Context]:
        yield rig.context()

    monkeypatch.setattr(driving, "open_context", in_memory)
    here = rig.record()
    elsewhere = replace(here, id="elsewhere", endpoint="a-table-taken-out", name="other")
    with rig.ledger.database.write() as connection:
        store.add(connection, elsewhere)
    with pytest.raises(UnknownEndpoint):
        await driving.settle(rig.ledger, [elsewhere, here])
    assert rig.reread(here).state == "deployed"

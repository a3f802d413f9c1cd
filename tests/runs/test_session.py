"""Driving runs on several endpoints from one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger import open_ledger
from orchestrator.runs import session
from orchestrator.store import runs as store
from orchestrator.store.runs import Run


def test_each_endpoint_reports_its_own_runs_only(
    home: Path, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every step of a run would be said once for each endpoint."""
    followed: dict[str, set[str]] = {}

    class Loop:
        def __init__(self, context: Any, *_: Any) -> None:
            followed[context.config.name] = set(context.followed)

        async def run(self, stop: asyncio.Event) -> None:
            pass

    monkeypatch.setattr(session, "EndpointLoop", Loop)
    (home / "ftorch.toml").write_text('[endpoints.other]\ntype = "local"\n')
    here, there = make_run(endpoint="local"), make_run(endpoint="other")
    with open_ledger(home, create=True) as ledger:
        with ledger.database.write() as connection:
            for run in (here, there):
                store.add(connection, run, run.reason)
        ids = [here.id, there.id]
        asyncio.run(session.drive(ledger.workspace, ledger.database, ids=ids, followed=ids))
    assert followed == {"local": {here.id}, "other": {there.id}}

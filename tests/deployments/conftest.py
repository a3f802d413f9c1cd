"""An account in memory, and workers that deploy there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.deploying import MODEL, Rig, make_rig
from support.fake_account import FakeAccount
from support.fake_endpoint import FakeClock

from orchestrator.store.database import Database
from orchestrator.store.runs import Run


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def account(clock: FakeClock) -> FakeAccount:
    return FakeAccount(clock)


@pytest.fixture
def rig(database: Database, account: FakeAccount, tmp_path: Path) -> Rig:
    return make_rig(database, account, tmp_path)


@pytest.fixture
def run_of_azure(make_run: Callable[..., Run], rig: Rig) -> Callable[..., Run]:
    """A recorded run on the account's endpoint, succeeded unless told otherwise."""

    def make(**changes: object) -> Run:
        ended: dict[str, object] = {"state": "succeeded", "fine_tuned_model": MODEL, "finished_at": 2000.0}
        run = make_run(endpoint="azure", endpoint_type="azure", **{**ended, **changes})
        return rig.add_run(run)

    return make

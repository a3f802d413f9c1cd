"""What a user may request of a run, and what is said where it can't be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.actions import request_action
from orchestrator.config import EndpointConfig, Workspace
from orchestrator.errors import ActionRefused
from orchestrator.ledger import Ledger
from orchestrator.runs.states import FINAL, RequestedAction, State
from orchestrator.store import runs as store
from orchestrator.store.database import Database
from orchestrator.store.runs import Run


@pytest.fixture
def ledger(database: Database, tmp_path: Path) -> Ledger:
    endpoints = {"fake": EndpointConfig("fake", "openai"), "plain": EndpointConfig("plain", "compatible")}
    return Ledger(Workspace(tmp_path, tmp_path, str(database.engine.url), endpoints), database)


@pytest.fixture
def record(database: Database, make_run: Callable[..., Run]) -> Callable[..., Run]:
    """Records a run in this state."""

    def record(**changes: Any) -> Run:
        run = make_run(**{"endpoint": "fake", **changes})
        with database.write() as connection:
            store.add(connection, run)
        return run

    return record


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_any_run_that_is_not_over_can_be_cancelled(state, ledger, record):
    run = record(state=state)
    request_action(ledger, run.id, RequestedAction.CANCEL)
    assert ledger.run(run.id).requested_action == "cancel"


@pytest.mark.parametrize(
    ("state", "requested", "because"),
    [
        (State.SUCCEEDED, RequestedAction.CANCEL, "can't be cancelled: it has finished"),
        (State.PENDING, RequestedAction.PAUSE, "it has no job yet"),
        (State.UPLOADING, RequestedAction.PAUSE, "it has no job yet"),
        (State.RUNNING, RequestedAction.UNPAUSE, "can't be unpaused: it is running, not paused"),
        (State.PAUSED, RequestedAction.PAUSE, "can't be paused: it is already paused"),
    ],
)
def test_what_can_not_be_done_is_refused_and_not_recorded(state, requested, because, ledger, record):
    run = record(state=state, finished_at=1.0 if state in FINAL else None)
    with pytest.raises(ActionRefused, match=because):
        request_action(ledger, run.id, requested)
    assert ledger.run(run.id).requested_action is None


def test_what_the_endpoint_can_not_do_is_refused(ledger, record):
    run = record(state=State.RUNNING, endpoint="plain")
    with pytest.raises(ActionRefused, match=f"can't pause jobs on plain; ftorch cancel {run.id} ends it"):
        request_action(ledger, run.id, RequestedAction.PAUSE)


def test_a_run_that_the_host_paused_is_let_go_on_there(ledger, record):
    run = record(state=State.PAUSED, endpoint="plain")
    with pytest.raises(ActionRefused, match="unpause it on plain, then run: ftorch resume"):
        request_action(ledger, run.id, RequestedAction.UNPAUSE)

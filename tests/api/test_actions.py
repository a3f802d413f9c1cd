"""What a user may wish of a run, and what is said where it can't come true."""

from __future__ import annotations

import pytest

from orchestrator.api.actions import request_action
from orchestrator.config import EndpointConfig, Workspace
from orchestrator.errors import ActionRefused
from orchestrator.ledger import Ledger
from orchestrator.runs.states import FINAL, RequestedAction, State


@pytest.fixture
def ledger(db, tmp_path):
    endpoints = {"fake": EndpointConfig("fake", "openai"), "plain": EndpointConfig("plain", "compatible")}
    return Ledger(Workspace(tmp_path, tmp_path, str(db.engine.url), endpoints), db)


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_any_run_that_is_not_over_can_be_cancelled(state, ledger, make_run, reread):
    run = make_run(state=state)
    request_action(ledger, run.id, RequestedAction.CANCEL)
    assert reread(run).requested_action == "cancel"


@pytest.mark.parametrize(
    ("state", "requested", "because"),
    [
        (State.SUCCEEDED, RequestedAction.CANCEL, "can't be cancelled: it is over"),
        (State.PENDING, RequestedAction.PAUSE, "there is no job yet"),
        (State.UPLOADING, RequestedAction.PAUSE, "there is no job yet"),
        (State.RUNNING, RequestedAction.UNPAUSE, "can't be unpaused: it is running, not paused"),
        (State.PAUSED, RequestedAction.PAUSE, "can't be paused: it is paused already"),
    ],
)
def test_a_wish_that_can_not_come_true_is_refused_and_not_recorded(
    state, requested, because, ledger, make_run, reread
):
    run = make_run(state=state, finished_at=1.0 if state in FINAL else None)
    with pytest.raises(ActionRefused, match=because):
        request_action(ledger, run.id, requested)
    assert reread(run).requested_action is None


def test_what_the_endpoint_can_not_do_is_refused(ledger, make_run):
    run = make_run(state=State.RUNNING, endpoint="plain")
    with pytest.raises(ActionRefused, match="plain can't pause jobs"):
        request_action(ledger, run.id, RequestedAction.PAUSE)

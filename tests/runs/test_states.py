"""The table of moves, the one function that moves a run, and what the store keeps of it."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.endpoints.objects import read_job
from orchestrator.runs.states import FINAL, MOVES, POLLED, SLOT_HOLDERS, State, state_of
from orchestrator.runs.steps import STEPS

PAIRS = list(itertools.product(State, State))


def test_every_state_can_be_reached_and_the_final_ones_are_the_three_ends():
    reached = {State.PENDING}
    while more := {to for state in reached for to in MOVES[state]} - reached:
        reached |= more
    assert reached == set(State)
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED} == FINAL
    assert set(MOVES) == set(State)


def test_every_state_is_driven_by_exactly_one_part_of_the_program():
    parts = [set(STEPS), set(POLLED), set(FINAL)]
    assert set().union(*parts) == set(State)
    assert sum(map(len, parts)) == len(State)
    assert not FINAL & set(SLOT_HOLDERS)


def test_any_unfinished_run_can_be_cancelled_and_can_fail():
    for state in set(State) - FINAL:
        assert {State.CANCELLED, State.FAILED} <= MOVES[state]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("validating_files", State.QUEUED), ("pending", State.QUEUED), ("created", State.QUEUED),
        ("running", State.RUNNING), ("Running", State.RUNNING), ("pausing", State.RUNNING),
        ("resuming", State.RUNNING), ("paused", State.PAUSED), ("succeeded", State.COLLECTING),
        ("failed", State.FAILED), ("cancelled", State.CANCELLED), ("canceled", State.CANCELLED),
        ("completed", State.COLLECTING), ("SUCCESS", State.COLLECTING), ("error", State.FAILED),
        ("user_error", State.FAILED), ("FAILED_VALIDATION", State.FAILED), ("expired", State.FAILED),
        ("deleted", State.FAILED), ("being_born", None), ("", None),
    ],
)  # fmt: skip
def test_a_status_of_the_endpoint_means_a_state(status, state):
    assert state_of(read_job({"id": "j", "status": status})) is state


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"fine_tuned_model": "ft:m"}, State.COLLECTING),
        ({"error": {"code": "oom", "message": "out of memory"}}, State.FAILED),
        ({"error": {}}, None),
        ({"finished_at": 1_800_000_000}, State.COLLECTING),
        ({"finished_at": 1_800_000_000, "error": {"message": "bad"}}, State.FAILED),
    ],
)
def test_where_the_word_is_unknown_the_rest_of_the_job_tells_its_end(said, state):
    assert state_of(read_job({"id": "j", "status": "JOB_STATE_42", **said})) is state
    assert state_of(read_job({"id": "j", "status": "running", **said})) is State.RUNNING  # a known word decides

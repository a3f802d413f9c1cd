"""The table of moves, the one function that moves a run, and what the store keeps of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from orchestrator.errors import IllegalMove, LostLease
from orchestrator.runs.states import FINAL, MOVES, POLLED, SLOT_HOLDERS, State, move, state_for
from orchestrator.runs.steps import STEPS
from orchestrator.store.runs import RUNS

PAIRS = list(itertools.product(State, State))


@pytest.mark.parametrize(("before", "to"), [(a, b) for a, b in PAIRS if b in MOVES[a]])
def test_a_legal_move_is_committed_with_its_line_of_history(before, to, db, make_run, context, history, reread):
    run = make_run(context, state=before)
    with db.write() as connection:
        moved = move(connection, run, to, "because", owner=context.owner, now=5.0, changes={"trained_tokens": 7})
    last = history(run)[-1]
    assert reread(run) == moved
    assert (moved.state, moved.reason, moved.version, moved.trained_tokens) == (to, "because", 2, 7)
    assert (last.from_state, last.to_state, last.version, last.reason, last.owner) == (
        before, to, 2, "because", context.owner,
    )  # fmt: skip
    assert moved.is_over == (to in FINAL)


@pytest.mark.parametrize(("before", "to"), [(a, b) for a, b in PAIRS if b not in MOVES[a]])
def test_an_illegal_move_raises_and_writes_nothing(before, to, db, make_run, context, history, reread):
    run = make_run(context, state=before)
    with pytest.raises(IllegalMove), db.write() as connection:
        move(connection, run, to, "because", owner=context.owner, now=5.0)
    assert reread(run) == run
    assert len(history(run)) == 1


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
    "changes",
    [{"version": 9}, {"lease_owner": "somebody else"}, {"lease_owner": None}, {"lease_expires_at": 4.0}],
    ids=["a stale version", "another's lease", "no lease", "a lease run out"],
)
def test_a_worker_that_lost_the_run_writes_nothing(changes, db, make_run, context, history, reread):
    run = make_run(context, **changes)
    mine = replace(run, version=1)
    for write in (
        lambda connection: move(connection, mine, State.UPLOADING, "x", owner=context.owner, now=5.0),
        lambda connection: RUNS.note(connection, mine, context.owner, 5.0, {"reason": "x"}),
    ):
        with pytest.raises(LostLease), db.write() as connection:
            write(connection)
    assert reread(run) == run
    assert len(history(run)) == 1


def test_entering_a_final_state_ends_the_wish_and_tells_the_time(db, make_run, context):
    run = make_run(context, requested_action="cancel")
    with db.write() as connection:
        moved = move(connection, run, State.CANCELLED, "as wished", owner=context.owner, now=77.0)
    assert (moved.requested_action, moved.finished_at, moved.is_over) == (None, 77.0, True)


def test_a_move_forgets_what_the_run_waited_for(db, make_run, context):
    run = make_run(context, due_at=99.0)
    with db.write() as connection:
        assert move(connection, run, State.UPLOADING, "x", owner=context.owner, now=5.0).due_at is None


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("validating_files", State.QUEUED), ("pending", State.QUEUED), ("created", State.QUEUED),
        ("running", State.RUNNING), ("Running", State.RUNNING), ("pausing", State.RUNNING),
        ("resuming", State.RUNNING), ("paused", State.PAUSED), ("succeeded", State.COLLECTING),
        ("failed", State.FAILED), ("cancelled", State.CANCELLED), ("canceled", State.CANCELLED),
        ("being_born", None), ("", None),
    ],
)  # fmt: skip
def test_a_status_of_the_endpoint_means_a_state(status, state):
    assert state_for(status) is state

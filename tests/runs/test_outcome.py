"""What a step returns is written in one transaction, or not at all."""

from __future__ import annotations

import pytest

from orchestrator.engine.machine import Move, Wait
from orchestrator.errors import LostLease
from orchestrator.runs.states import State, record
from orchestrator.store import records
from orchestrator.store.records import Model


def test_a_wait_is_shown_and_due_without_a_new_version(make_run, context, clock, history):
    run = make_run(context)
    waiting = record(context, run, Wait(clock.now() + 9, "no slot", {"trained_tokens": 3}))
    assert (waiting.state, waiting.reason, waiting.due_at) == (State.PENDING, "no slot", clock.now() + 9)
    assert (waiting.version, waiting.trained_tokens) == (1, 3)
    assert len(history(run)) == 1
    assert context.listener.noted_runs == [run.id]


def test_a_guard_that_says_wait_leaves_the_run_where_it_is(make_run, context):
    run = make_run(context)
    waiting = record(context, run, Move(State.UPLOADING, "go", guard=lambda _: Wait(9, "not yet", blocked=True)))
    assert (waiting.state, waiting.reason) == (State.PENDING, "not yet")
    assert context.blocked == {run.id}


def test_a_run_that_goes_on_is_blocked_no_more(make_run, context):
    run = make_run(context)
    record(context, run, Wait(0, "over budget", blocked=True))
    record(context, run, Move(State.UPLOADING, "go", guard=lambda _: None))
    assert context.blocked == set()


def test_what_else_is_written_fails_together_with_the_move(make_run, context, reread, db):
    run = make_run(context, state=State.COLLECTING)

    def also(connection):
        records.add_model(connection, Model("fake", "ft:x", run.id, "x", 1.0))
        raise RuntimeError("the disk went away")

    with pytest.raises(RuntimeError):
        record(context, run, Move(State.SUCCEEDED, "model", also=also))
    assert reread(run) == run
    with db.read() as connection:
        assert records.models_newest(connection) == []
    assert context.listener.moves == []


def test_a_lost_run_writes_nothing_else_either(make_run, context, db):
    run = make_run(context, state=State.COLLECTING, lease_owner="another")

    def also(connection):
        records.add_model(connection, Model("fake", "ft:x", run.id, "x", 1.0))

    with pytest.raises(LostLease):
        record(context, run, Move(State.SUCCEEDED, "model", also=also))
    with db.read() as connection:
        assert records.models_newest(connection) == []


def test_only_a_committed_intent_may_be_sent(make_run, context):
    run = make_run(context, state=State.UPLOADING)
    lost = make_run(context, state=State.UPLOADING, lease_owner="another")
    intent = Move(State.CREATING, "asking", {"creation_attempts": 1, "creation_open": True})
    with pytest.raises(LostLease):
        record(context, lost, intent)
    record(context, run, intent)
    assert context.fresh_intents == {(run.id, 2)}


def test_the_intent_to_spend_money_is_on_the_disk_before_it_is_spent(make_run, context, db, monkeypatch):
    asked = []
    write = db.write
    monkeypatch.setattr(db, "write", lambda *, durable=False: asked.append(durable) or write(durable=durable))
    run = make_run(context, state=State.UPLOADING)
    asked.clear()
    record(context, run, Move(State.CREATING, "asking"))
    assert asked == [True]

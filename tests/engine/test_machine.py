"""What holds for the states and moves of every kind of item."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.items import ME, Bench, KindOfItem

from orchestrator.engine import crashpoints
from orchestrator.engine.machine import Move, Wait
from orchestrator.errors import FtorchError, IllegalMove, LostLease


def test_every_state_is_in_the_table_and_can_be_reached(kind: KindOfItem) -> None:
    reached = {kind.first}
    while more := {to for state in reached for to in kind.machine.moves[state]} - reached:
        reached |= more
    assert reached == set(kind.states) == set(kind.machine.moves)
    assert kind.machine.final
    assert kind.end in kind.machine.final


def test_every_state_is_driven_or_final_or_waits_for_something_else(kind: KindOfItem) -> None:
    assert not set(kind.loop.steps) & kind.machine.final
    assert kind.working in kind.loop.steps


def test_every_legal_move_is_committed_with_its_line_of_history(bench: Bench) -> None:
    machine, now = bench.kind.machine, bench.clock.now()
    for before, to in itertools.product(bench.kind.states, bench.kind.states):
        if to in machine.moves[before]:
            item = bench.held(state=before.value, due_at=99.0, requested_action="cancel")
            with bench.database.write() as connection:
                moved = machine.move(connection, item, to, "because", owner=ME, now=now)
            line = bench.history(item)[-1]
            assert bench.reread(item) == moved
            assert (moved.state, moved.reason, moved.version, moved.due_at) == (to, "because", 2, None)
            assert (line.from_state, line.to_state, line.version) == (before, to, 2)
            assert (line.item_id, line.reason, line.at, line.owner) == (item.id, "because", now, ME)
            is_over = to in machine.final
            assert (moved.finished_at, moved.requested_action) == ((now, None) if is_over else (None, "cancel"))


def test_every_illegal_move_raises_and_writes_nothing(bench: Bench) -> None:
    machine = bench.kind.machine
    for before, to in itertools.product(bench.kind.states, bench.kind.states):
        if to not in machine.moves[before]:
            item = bench.held(state=before.value)
            with pytest.raises(IllegalMove, match=f"{machine.rows.kind} {item.id} can't go from {before} to {to};"):
                machine.record(bench.worker(), item, Move(to, "because"))
            assert bench.reread(item) == item
            assert len(bench.history(item)) == 1


def test_an_item_is_read_as_it_was_recorded_with_the_first_line_of_its_history(bench: Bench) -> None:
    item = bench.add(due_at=7.0, requested_action="cancel")
    assert bench.reread(item) == item
    [line] = bench.history(item)
    assert (line.item_id, line.version, line.from_state, line.to_state) == (item.id, 1, None, item.state)
    assert (line.reason, line.at, line.owner) == ("recorded", item.created_at, None)


def test_a_swap_makes_a_new_version_and_a_note_does_not(bench: Bench) -> None:
    item, now = bench.held(), bench.clock.now()
    noted = bench.write("note", item, ME, now + 1, {"due_at": 9.0})
    assert noted == bench.reread(item) == replace(item, due_at=9.0, updated_at=now + 1)
    swapped = bench.write("swap", noted, ME, now + 2, {"reason": "goes on"})
    assert swapped == bench.reread(item) == replace(noted, reason="goes on", version=2, updated_at=now + 2)


def _never(_connection: Any) -> None:
    raise AssertionError("what belongs to a move is written without it")


Write = Callable[[Bench, Any], object]
WRITES: dict[str, Write] = {
    "swap": lambda bench, item: bench.write("swap", item, ME, bench.clock.now(), {"reason": "stolen"}),
    "note": lambda bench, item: bench.write("note", item, ME, bench.clock.now(), {"reason": "stolen"}),
    "move": lambda bench, item: bench.kind.machine.record(
        bench.worker(), item, Move(bench.kind.end, "stolen", also=_never)
    ),
    "wait": lambda bench, item: bench.kind.machine.record(bench.worker(), item, Wait(1.0, "stolen")),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "changes",
    [{"version": 9}, {"lease_owner": "other"}, {"lease_owner": None}, {"lease_expires_at": 0.0}],
    ids=["a stale version", "another's lease", "no lease", "a lease that has expired"],
)
def test_who_lost_an_item_writes_nothing(bench: Bench, write: str, changes: dict[str, Any]) -> None:
    item = bench.held(**changes)
    kind = bench.rows.kind
    with pytest.raises(LostLease, match=f"took over {kind} {item.id};"):
        WRITES[write](bench, replace(item, version=1))
    assert bench.reread(item) == item
    assert len(bench.history(item)) == 1


def test_an_item_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(FtorchError, match="nothere0"):
        bench.read("get", "nothere0")


# --- recording an outcome --------------------------------------------------------------------------------------


def test_a_wait_is_shown_and_due_without_a_new_version(bench: Bench) -> None:
    item, worker = bench.held(), bench.worker()
    waiting = bench.kind.machine.record(worker, item, Wait(99.0, "no slot", {"updated_at": 5.0}, blocked=True))
    assert (waiting.state, waiting.reason, waiting.due_at, waiting.version) == (item.state, "no slot", 99.0, 1)
    assert len(bench.history(item)) == 1
    assert worker.blocked == {item.id}


def test_a_guard_that_says_wait_leaves_the_item_where_it_is(bench: Bench) -> None:
    item, worker = bench.held(), bench.worker()
    wait = Wait(9.0, "not yet", blocked=True)
    waiting = bench.kind.machine.record(worker, item, Move(bench.kind.end, "go", guard=lambda _: wait))
    assert (waiting.state, waiting.reason, waiting.due_at) == (item.state, "not yet", 9.0)
    bench.kind.machine.record(worker, waiting, Move(bench.kind.end, "go", guard=lambda _: None))
    assert bench.reread(item).state == bench.kind.end
    assert worker.blocked == set()


def test_what_else_is_written_fails_together_with_the_move(bench: Bench) -> None:
    item = bench.held()
    others = bench.add()

    def also(connection: Any) -> None:
        bench.rows.request_action(connection, others.id, "cancel")
        raise RuntimeError("the disk went away")

    with pytest.raises(RuntimeError):
        bench.kind.machine.record(bench.worker(), item, Move(bench.kind.end, "x", also=also))
    assert [bench.reread(each) for each in (item, others)] == [item, others]


def test_what_was_requested_while_a_step_was_under_way_does_not_wait(bench: Bench) -> None:
    item = bench.held()
    bench.write("request_action", item.id, "cancel")
    waiting = bench.kind.machine.record(bench.worker(), item, Wait(9e9, "until later"))
    assert (waiting.requested_action, waiting.due_at) == ("cancel", None)
    again = bench.kind.machine.record(bench.worker(), waiting, Wait(9e9, "it can't be done now"))
    assert again.due_at == 9e9


def test_the_intent_to_spend_money_is_on_the_disk_and_this_processs_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, write = bench.kind.machine, bench.database.write
    durable: list[bool] = []
    if machine.intent is None:
        # An account knows a deployment by its name, and each request of a generation has an intent of its own.
        assert bench.rows.kind in ("deployment", "generation")
        return

    def noticing(*, durable: bool = False, found: list[bool] = durable) -> Any:
        found.append(durable)
        return write(durable=durable)

    worker, lost = bench.worker(), bench.held("other")
    item = bench.held()
    monkeypatch.setattr(bench.database, "write", noticing)
    with pytest.raises(LostLease):
        machine.record(worker, lost, Move(machine.intent, "asking"))
    intended = machine.record(worker, item, Move(machine.intent, "asking"))
    assert durable == [True, True]
    assert worker.fresh_intents == {(item.id, intended.version)}
    machine.record(worker, intended, Wait(0.0, "x"))
    assert durable[-1] is False


def test_every_commit_is_a_place_where_tests_kill(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    known = {*crashpoints.POINTS, *crashpoints.DEPLOYMENT_POINTS}
    known |= {*crashpoints.BATCH_POINTS, *crashpoints.GENERATION_POINTS}
    monkeypatch.setattr(crashpoints, "armed", passed.append)
    machine, first = bench.kind.machine, bench.kind.first
    recorded_by_loops = set(bench.kind.states) - ({first} - set(bench.kind.loop.steps))
    for before, to in itertools.product(recorded_by_loops, bench.kind.states):
        if to in machine.moves[before]:
            machine.record(bench.worker(), bench.held(state=before.value), Move(to, "because"))
    machine.record(bench.worker(), bench.held(), Wait(1.0, "x"))
    assert set(passed) <= known
    assert {f"before-commit-{machine.points}wait", f"after-commit-{machine.points}{bench.kind.end}"} <= set(passed)

"""Leases on every kind of item: claimed when free, kept alive, given back; and what is read by their holder."""

from __future__ import annotations

from typing import Any

import pytest
from support.items import ME, Bench

from orchestrator.store.leased import CLOCKS_APART


def claim(bench: Bench, owner: str, **options: Any) -> int:
    now = bench.clock.now()
    found: int = bench.write("claim", owner, now + 60, now, **options)
    return found


def test_a_free_item_is_leased_once(bench: Bench) -> None:
    items = [bench.add(), bench.add()]
    assert claim(bench, ME) == 2
    assert claim(bench, "other") == 0
    assert {bench.reread(item).lease_owner for item in items} == {ME}


def test_only_items_of_the_endpoint_the_states_and_the_ids_are_leased(bench: Bench) -> None:
    here, elsewhere, done = (
        bench.add(),
        bench.add(endpoint="else"),
        bench.add(state=bench.kind.end, finished_at=1.0),
    )
    state, ids = bench.kind.working, [here.id, elsewhere.id, done.id]
    assert claim(bench, ME, endpoint="fake", states=[bench.kind.end]) == 0, "what is over is nobody's to lease"
    assert claim(bench, ME, ids=[]) == 0
    assert claim(bench, ME, endpoint="fake", states=[state], ids=ids) == 1
    assert [bench.reread(item).lease_owner for item in (here, elsewhere, done)] == [ME, None, None]


def test_an_expired_lease_is_free_from_its_last_moment_on(bench: Bench) -> None:
    bench.held("gone")
    bench.clock.pass_(59.9)
    assert claim(bench, ME) == 0
    bench.clock.pass_(0.1)
    assert claim(bench, ME) == 1


def test_the_lease_of_a_dead_owner_is_free_at_once(bench: Bench) -> None:
    item = bench.held("dead")
    assert claim(bench, ME, abandoned=["other"]) == 0
    assert claim(bench, ME, abandoned=["dead"]) == 1
    assert bench.reread(item).lease_owner == ME


def test_claiming_leaves_an_owners_own_leases_as_they_are(bench: Bench) -> None:
    item = bench.held(ME)
    bench.clock.pass_(30)
    assert claim(bench, ME, abandoned=[ME]) == 0
    assert bench.reread(item) == item


def test_a_lease_is_renewed_while_it_is_held_and_not_revived_after(bench: Bench) -> None:
    item, others, now = bench.held(ME), bench.held("other"), bench.clock.now()
    assert bench.write("renew", ME, now + 90, now + 30) == 1
    assert bench.write("renew", ME, now + 200, now + 90) == 0
    assert bench.reread(item).lease_expires_at == now + 90
    assert bench.reread(others) == others


def test_renewing_shortens_a_lease_that_ends_too_late_after_the_clock_was_set_back(bench: Bench) -> None:
    item = bench.held(ME)
    bench.clock.pass_(-3600)
    assert bench.write("renew", ME, bench.clock.now() + 30, bench.clock.now()) == 1
    assert bench.reread(item).lease_expires_at == bench.clock.now() + 30


def test_released_leases_are_free(bench: Bench) -> None:
    mine, others = bench.held(ME), bench.held("other")
    assert set(bench.read("owners", "fake")) == set(bench.read("owners")) == {ME, "other"}
    assert bench.read("owners", "else") == []
    bench.write("release", ME)
    assert (bench.reread(mine).lease_owner, bench.reread(mine).lease_expires_at) == (None, None)
    assert bench.reread(others) == others


def test_who_holds_items_sees_the_due_ones_oldest_first(bench: Bench) -> None:
    now = bench.clock.now()
    third, second, first = (
        bench.held(created_at=at, due_at=due) for at, due in ((3.0, None), (2.0, now + 5), (1.0, now))
    )
    bench.held("other")
    bench.held(endpoint="else")
    bench.held(state=bench.kind.end, finished_at=1.0)
    which: dict[str, Any] = {"endpoint": "fake", "states": [bench.kind.working]}

    def ids(**options: Any) -> list[str]:
        return [item.id for item in bench.read("held", ME, **which, **options)]

    assert ids() == [first.id, second.id, third.id]
    assert ids(due_before=now) == [first.id, third.id]
    assert ids(due_before=now, limit=1) == [first.id]
    assert ids(ids=[second.id]) == [second.id]
    assert bench.read("next_due", ME, **which) == 0
    assert bench.read("next_due", ME, **which, ids=[second.id]) == now + 5
    assert bench.read("next_due", "nobody", **which) is None


@pytest.mark.parametrize(
    ("changes", "later", "holds"),
    [
        ({}, 0, True),
        ({}, 60, False),
        ({"lease_owner": "other"}, 0, False),
        ({"version": 2}, 0, False),
    ],
    ids=["it does", "the lease ends", "another took it", "it was moved since"],
)
def test_who_asks_whether_it_holds_an_item_is_told_by_the_database(
    bench: Bench, changes: dict[str, Any], later: float, holds: bool
) -> None:
    read = bench.held()
    with bench.database.write() as connection:
        connection.execute(bench.rows.table.update().values({"reason": "x", **changes}))
    bench.clock.pass_(later)
    assert bench.kind.machine.holds(bench.worker(), read) is holds


# --- what is waited for ----------------------------------------------------------------------------------------


def test_a_requested_action_is_recorded_without_a_lease_and_ends_the_wait(bench: Bench) -> None:
    item = bench.held("other", due_at=bench.clock.now() + 99)
    assert bench.write("request_action", item.id, "cancel") is True
    asked = bench.reread(item)
    assert (asked.requested_action, asked.due_at, asked.version) == ("cancel", None, item.version)


def test_nothing_can_be_requested_of_an_item_that_is_over(bench: Bench) -> None:
    item = bench.add(state=bench.kind.end, finished_at=1.0)
    assert bench.write("request_action", item.id, "cancel") is False
    assert bench.reread(item).requested_action is None


def test_waits_that_began_in_the_future_end(bench: Bench) -> None:
    now = bench.clock.now()
    future = {"due_at": now + 7200, "updated_at": now + CLOCKS_APART + 1}
    stale, elsewhere = bench.add(**future), bench.add(**future, endpoint="else")
    usual = bench.add(due_at=now + 9, updated_at=now + CLOCKS_APART - 1)
    bench.write("end_future_waits", "fake", now)
    assert (bench.reread(stale).due_at, bench.reread(stale).updated_at) == (None, now)
    assert [bench.reread(item) for item in (elsewhere, usual)] == [elsewhere, usual]

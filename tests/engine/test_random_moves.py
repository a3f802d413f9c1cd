"""Whatever workers do to an item, in whatever order: its history explains its state, and an end is an end."""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.items import KindOfItem

from orchestrator.errors import IllegalMove, LostLease
from orchestrator.store.migrate import open_database

OWNERS = ("one", "two")
LEASE = 30.0
owners = st.sampled_from(OWNERS)


class Moves(RuleBasedStateMachine):
    """Two workers with their own, perhaps outdated, view of one item."""

    template: Path
    kind: KindOfItem

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "ftorch.db")
        self.db = open_database(f"sqlite:///{self.folder / 'ftorch.db'}")
        self.now = 1000.0
        common = {"id": "r", "endpoint": "x", "state": self.kind.first.value, "reason": "recorded", "version": 1}
        self.item = self.kind.row(**{**self.kind.values, **common, "created_at": 1.0, "updated_at": 1.0})
        with self.db.write() as connection:
            self.rows.add(connection, self.item)
        self.seen = dict.fromkeys(OWNERS, self.item)
        self.ended: str | None = None

    @property
    def rows(self) -> Any:
        return self.kind.machine.rows

    @rule(owner=owners)
    def claim(self, owner: str) -> None:
        with self.db.write() as connection:
            self.rows.claim(connection, owner, self.now + LEASE, self.now, endpoint="x")
            self.seen[owner] = self.rows.get(connection, "r")

    @rule(owner=owners)
    def release(self, owner: str) -> None:
        with self.db.write() as connection:
            self.rows.release(connection, owner)

    @rule(owner=owners)
    def renew(self, owner: str) -> None:
        with self.db.write() as connection:
            self.rows.renew(connection, owner, self.now + LEASE, self.now)

    @rule(seconds=st.floats(-50, 50))
    def clock_jumps(self, seconds: float) -> None:
        self.now += seconds

    @rule(owner=owners, data=st.data(), legal=st.booleans())
    def try_to_move(self, owner: str, data: Any, legal: bool) -> None:
        mine, moves = self.seen[owner], self.kind.machine.moves
        to = data.draw(st.sampled_from(list(self.kind.states)))
        if legal and moves[mine.state]:
            to = sorted(moves[mine.state])[0]
        before = self._current()
        held = before.lease_owner == owner and (before.lease_expires_at or 0) > self.now
        allowed = to in moves[mine.state] and held and mine.version == before.version
        try:
            with self.db.write() as connection:
                move = self.kind.machine.move
                self.seen[owner] = move(connection, mine, to, "a try", owner=owner, now=self.now)
        except (LostLease, IllegalMove):
            assert not allowed
            assert self._current() == before
        else:
            assert allowed

    @rule(owner=owners)
    def request(self, owner: str) -> None:
        with self.db.write() as connection:
            is_over = self._current().state in self.kind.machine.final
            assert self.rows.request_action(connection, "r", "cancel") == (not is_over)

    @invariant()
    def history_explains_the_state(self) -> None:
        with self.db.read() as connection:
            history, item = self.rows.history(connection, "r"), self.rows.get(connection, "r")
        assert [line.version for line in history] == list(range(1, item.version + 1))
        assert history[-1].to_state == item.state
        for before, after in pairwise(history):
            assert after.from_state == before.to_state
            assert after.to_state in self.kind.machine.moves[before.to_state]

    @invariant()
    def an_end_is_an_end(self) -> None:
        state, final = self._current().state, self.kind.machine.final
        assert self.ended in (None, state)
        self.ended = state if state in final else None
        assert (self._current().finished_at is not None) == (state in final)

    def _current(self) -> Any:
        with self.db.read() as connection:
            return self.rows.get(connection, "r")

    def teardown(self) -> None:
        self.db.close()
        shutil.rmtree(self.folder)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_history_explains_every_state_and_ends_are_final(kind: KindOfItem, tmp_path: Path) -> None:
    template = tmp_path / "ftorch.db"
    open_database(f"sqlite:///{template}").close()
    moves: Any = type("MovesOfKind", (Moves,), {"template": template, "kind": kind})
    quick = settings(max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(moves, settings=quick)

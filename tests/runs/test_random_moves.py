"""Whatever workers do to a run, in whatever order: its history explains its state, and an end is an end."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from orchestrator.errors import IllegalMove, LostLease
from orchestrator.runs.states import FINAL, MOVES, State, move
from orchestrator.store import runs as store
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run

OWNERS = ("one", "two")
LEASE = 30.0
owners = st.sampled_from(OWNERS)


class Moves(RuleBasedStateMachine):
    """Two workers with their own, perhaps outdated, view of one run."""

    parent: Path

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.parent))
        self.db = open_database(f"sqlite:///{self.folder / 'ftorch.db'}")
        self.now = 1000.0
        fields = dict.fromkeys(Run.__dataclass_fields__)
        fields |= dict.fromkeys(("name", "fingerprint", "job_file", "endpoint", "endpoint_type", "model"), "x")
        fields |= {"training_path": "x", "training_sha256": "x", "method": {}, "metadata": {}, "seed": 1}
        fields |= {"seed_given": False, "creation_attempts": 0, "creation_open": False, "reason": "submitted"}
        self.run = Run(**{**fields, "id": "r", "state": "pending", "version": 1, "created_at": 1, "updated_at": 1})
        with self.db.write() as connection:
            store.add(connection, self.run, "submitted")
        self.seen = dict.fromkeys(OWNERS, self.run)
        self.ended: State | None = None

    @rule(owner=owners)
    def claim(self, owner: str) -> None:
        with self.db.write() as connection:
            store.RUNS.claim(connection, owner, self.now + LEASE, self.now, endpoint="x", states=list(State))
            self.seen[owner] = store.get(connection, "r")

    @rule(owner=owners)
    def release(self, owner: str) -> None:
        with self.db.write() as connection:
            store.RUNS.release(connection, owner)

    @rule(owner=owners)
    def renew(self, owner: str) -> None:
        with self.db.write() as connection:
            store.RUNS.renew(connection, owner, self.now + LEASE, self.now)

    @rule(seconds=st.floats(-50, 50))
    def clock_jumps(self, seconds: float) -> None:
        self.now += seconds

    @rule(owner=owners, to=st.sampled_from(State), legal=st.booleans())
    def try_to_move(self, owner: str, to: State, legal: bool) -> None:
        mine = self.seen[owner]
        if legal and MOVES[State(mine.state)]:
            to = sorted(MOVES[State(mine.state)])[0]
        before = self._current()
        held = before.lease_owner == owner and (before.lease_expires_at or 0) > self.now
        allowed = to in MOVES[State(mine.state)] and held and mine.version == before.version
        try:
            with self.db.write() as connection:
                self.seen[owner] = move(connection, mine, to, "a try", owner=owner, now=self.now)
        except (LostLease, IllegalMove):
            assert not allowed
            assert self._current() == before
        else:
            assert allowed

    @rule(owner=owners)
    def request(self, owner: str) -> None:
        with self.db.write() as connection:
            assert store.request_action(connection, "r", "cancel") == (self._state() not in FINAL)

    @invariant()
    def history_explains_the_state(self) -> None:
        with self.db.read() as connection:
            history, run = store.history(connection, "r"), store.get(connection, "r")
        assert [line.version for line in history] == list(range(1, run.version + 1))
        assert history[-1].to_state == run.state
        for before, after in pairwise(history):
            assert after.from_state == before.to_state
            assert after.to_state in MOVES[State(before.to_state)]

    @invariant()
    def an_end_is_an_end(self) -> None:
        state = self._state()
        assert self.ended in (None, state)
        self.ended = state if state in FINAL else None
        assert (self._current().finished_at is not None) == (state in FINAL)

    def _current(self) -> Run:
        with self.db.read() as connection:
            return replace(store.get(connection, "r"))

    def _state(self) -> State:
        return State(self._current().state)

    def teardown(self) -> None:
        self.db.close()
        shutil.rmtree(self.folder)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_history_explains_every_state_and_ends_are_final(tmp_path):
    Moves.parent = tmp_path
    quick = settings(
        max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Moves, settings=quick)

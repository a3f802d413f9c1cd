"""Waiting for runs and sweeps, for scripts: watched while another process drives them, driven here if none does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.api import runs
from orchestrator.api.host import WAITS, Host
from orchestrator.api.stopping import left_behind
from orchestrator.errors import Stopped, WaitTimedOut
from orchestrator.ledger import Ledger, is_followed
from orchestrator.runs.context import NullListener
from orchestrator.runs.session import drive
from orchestrator.runs.states import State
from orchestrator.runs.waiting import is_held
from orchestrator.store.runs import Run, Transition
from orchestrator.sweeps.overview import overview_by_id
from orchestrator.sweeps.supervisor import SweepSupervisor, supervisor_of

_LOOK_SECONDS = 1.0
_COURSE = (
    *(State.PENDING, State.UPLOADING, State.CREATING, State.QUEUED, State.RUNNING),
    *(State.COLLECTING, State.SUCCEEDED),
)
"""The states of a run for which all goes well, in order."""


def wait(
    ledger: Ledger,
    keys: Sequence[str],
    host: Host,
    *,
    timeout: float | None = None,
    is_any: bool = False,
    state: State | None = None,
) -> list[Run]:
    """Wait until all of these runs and sweeps, or `is_any` of them, have finished or reached the `state`; returns
    their runs as they are then.

    A key is the id of a run, the name of a sweep, or another name, which means its newest run. What waits for a
    person is not waited for. A failed or cancelled run is a failure, and so is a sweep without a succeeded trial.
    Raises NoSuchRun, AmbiguousRun, WaitTimedOut after `timeout` seconds, Stopped, and what driving raises.
    """
    waiting = _Waiting(ledger, _subjects(ledger, keys), host, is_any, state)
    try:
        _, is_stopped = host.run(lambda stop: waiting.until_enough(stop, timeout))
    finally:
        waiting.look()
    if is_stopped and not waiting.is_enough:
        raise Stopped(_left(ledger, waiting.unfinished))
    waiting.conclude()
    if waiting.is_late and not waiting.is_enough:
        raise WaitTimedOut(left=_left(ledger, waiting.unfinished).removeprefix("stopped; "))
    return waiting.runs


def _left(ledger: Ledger, unfinished: Sequence[Run]) -> str:
    """What becomes of the unfinished runs without this process."""
    alone = [run for run in unfinished if not is_followed(run, time.time())]
    if alone or not unfinished:
        return left_behind(ledger.workspace, alone)
    return f"stopped; another process follows {', '.join(f'run {run.id}' for run in unfinished)}"


# --- What is waited for ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Subject:
    """A run, or a sweep, which may add runs."""

    ledger: Ledger
    run_id: str | None = None
    sweep_id: str | None = None
    supervisor: SweepSupervisor | None = None
    """Of a sweep whose endpoint is still configured."""

    @property
    def run_ids(self) -> list[str]:
        """Of the run, or of the trials that the sweep's job file asks for."""
        if self.sweep_id is None:
            return [str(self.run_id)]
        _, trials = self.ledger.sweep(self.sweep_id)
        return [trial.run_id for trial in trials if trial.listed]

    @property
    def adds_more(self) -> bool:
        """Whether it is a sweep that has trials to draw, to drive or to try again."""
        return self.supervisor is not None and self.supervisor.has_work()


def _subjects(ledger: Ledger, keys: Sequence[str]) -> list[_Subject]:
    """Each once, in the order of the keys."""
    found: dict[str, _Subject] = {}
    for key in keys:
        sweeps = [each.sweep for each in ledger.sweeps(key)]
        for each in sweeps:
            is_known = each.endpoint in ledger.workspace.endpoints
            looked_after = supervisor_of(ledger, each) if is_known else None
            found.setdefault(each.id, _Subject(ledger, sweep_id=each.id, supervisor=looked_after))
        if not sweeps:
            run_id = ledger.run(key).id
            found.setdefault(run_id, _Subject(ledger, run_id=run_id))
    return list(found.values())


class _Waiting(NullListener):
    """What is known of the subjects; shows each run once it has ended."""

    def __init__(
        self, ledger: Ledger, subjects: Sequence[_Subject], host: Host, is_any: bool, state: State | None
    ) -> None:
        self.is_late = False
        """Whether the time is up."""
        self._ledger = ledger
        self._subjects = subjects
        self._host = host
        self._is_any = is_any
        self._state = state
        self._runs: dict[str, Run] = {}
        self._enough = asyncio.Event()
        self._named = {each.run_id for each in subjects}
        self._shown = {run.id for run in self._read() if run.is_over} - self._named

    @property
    def runs(self) -> list[Run]:
        """Those of all subjects, oldest first."""
        return list(self._runs.values())

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self._runs.values() if not run.is_over]

    @property
    def is_enough(self) -> bool:
        """Whether what is waited for has happened."""
        return (any if self._is_any else all)(map(self._is_reached, self._subjects))

    def look(self) -> None:
        """Read all runs, and show those that have ended since."""
        for run in self._read():
            self._note(run)

    def conclude(self) -> None:
        """Show what has not ended, and note what failed and what waits."""
        reached = [each for each in self._subjects if self._is_reached(each)]
        judged = reached if self._is_any and reached else self._subjects
        for subject in judged:
            if subject.sweep_id is not None:
                self._host.show_sweep(overview_by_id(self._ledger, subject.sweep_id))
            else:
                self._show(self._runs[str(subject.run_id)])
        for subject in judged:
            if self._has_failed(subject):
                self._host.failed()
            elif not self.is_late and subject not in reached:
                self._host.failed(WAITS)

    # --- waiting ------------------------------------------------------------------------------------------------

    async def until_enough(self, stop: asyncio.Event, timeout: float | None) -> None:
        """Watch, and drive as soon as nobody else does. Ends early if `stop` is set or the time is up."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._enough.set())
        timer = None if timeout is None else asyncio.get_running_loop().call_later(timeout, self._end_late)
        try:
            await self._watch()
        finally:
            stopping.cancel()
            if timer is not None:
                timer.cancel()

    def _end_late(self) -> None:
        self.is_late = True
        self._enough.set()

    async def _watch(self) -> None:
        while not self._enough.is_set():
            self.look()
            if self.is_enough:
                return
            if self._is_left_alone():
                await self._drive()
                return
            if self._rests():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), _LOOK_SECONDS)

    def _is_left_alone(self) -> bool:
        """Whether nobody drives one of the runs, or a sweep that has more to do."""
        now = time.time()
        followed = {run.id for run in self.unfinished if is_followed(run, now)}
        return any(not followed.intersection(each.run_ids) for each in self._subjects if not self._is_reached(each))

    def _rests(self) -> bool:
        """Whether everything left is paused: the process that follows it does not end that."""
        return all(run.state == State.PAUSED for run in self.unfinished)

    async def _drive(self) -> None:
        """Until there is nothing left to do, all that is left waits for a person, or it is enough."""
        self._ledger.hasten([run for run in self.unfinished if is_held(run)])  # the person may have seen to it
        await drive(
            self._ledger.workspace,
            self._ledger.database,
            ids=[run.id for run in self.unfinished],
            listener=self,
            followed=list(self._runs),
            stop=self._enough,
            supervisors=[each.supervisor for each in self._subjects if each.supervisor and each.adds_more],
        )

    def moved(self, run: Run, transition: Transition) -> None:
        self._note(run)
        if (self._is_any or self._state is not None) and self.is_enough:
            self._enough.set()

    def warned(self, text: str) -> None:
        self._host.say(text)

    # --- what is known ------------------------------------------------------------------------------------------

    def _read(self) -> list[Run]:
        return runs.by_ids(self._ledger, {run_id for each in self._subjects for run_id in each.run_ids})

    def _note(self, run: Run) -> None:
        self._runs[run.id] = run
        if run.is_over:
            self._show(run)

    def _show(self, run: Run) -> None:
        if run.id in self._shown:
            return
        self._shown.add(run.id)
        if run.id in self._named:
            self._host.show_runs([run])
        else:
            self._host.show_trial(run)

    def _of(self, subject: _Subject) -> list[Run]:
        return [self._runs[run_id] for run_id in subject.run_ids if run_id in self._runs]

    def _is_reached(self, subject: _Subject) -> bool:
        """Whether it has finished, or one of its runs has reached the state that is waited for."""
        found = self._of(subject)
        if self._state is not None and any(_has_reached(run, self._state) for run in found):
            return True
        return all(run.is_over for run in found) and not subject.adds_more

    def _has_failed(self, subject: _Subject) -> bool:
        """Whether its run has failed or was cancelled, or its sweep has finished without a success."""
        found = self._of(subject)
        is_good = any(run.state == State.SUCCEEDED for run in found)
        return not is_good and all(run.is_over for run in found) and self._is_reached(subject)


def _has_reached(run: Run, state: State) -> bool:
    """Whether the run is in the state, or all went well and it is beyond."""
    current = State.RUNNING if run.state == State.PAUSED else State(run.state)
    if state in _COURSE and current in _COURSE:
        return _COURSE.index(current) >= _COURSE.index(state)
    return run.state == state

"""Continuing where the last process stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.api import batches, followups, generation, runs, sweeps
from orchestrator.api.actions import request_action
from orchestrator.api.host import Host
from orchestrator.api.observing import observed
from orchestrator.ledger import Ledger
from orchestrator.runs.states import RequestedAction
from orchestrator.runs.waiting import is_held, stands_still
from orchestrator.store.runs import Run
from orchestrator.sweeps.supervisor import SweepSupervisor, supervisors


def resume(
    ledger: Ledger,
    host: Host,
    key: str | None = None,
    *,
    now: bool = False,
    again: bool = False,
    same_account: bool = False,
) -> list[Run]:
    """Resume everything, or the runs and sweeps of a name, or the run of an id; returns the runs that were
    unfinished, as they are then.

    With `now`, every wait is cut short. With `again`, the job of the run `key` is requested once more, although it
    may exist: that can be paid twice, and only the user can decide it. With `same_account`, what is on hold for
    another account's key continues with the current key.

    One failure doesn't stop the rest. Batches come last: they may take a day. Raises NoSuchRun, ActionRefused if
    there is nothing to request `again`, and Stopped.
    """
    if again and key is not None:
        request_action(ledger, key, RequestedAction.AGAIN)
    left = _unfinished(ledger, key)
    if same_account:
        ledger.forget_account(left.active, ledger.batches() if key is None else ())
    if left.is_any:
        host.say(f"resuming {left.said}")
        for run in left.active:
            if stands_still(run, time.time()):
                way = f"check {run.endpoint}, or run: ftorch cancel {run.id}"
                host.say(f"run {run.id} has not changed for more than a day ({run.reason}): {way}")
        ledger.hasten([run for run in left.active if now or is_held(run)])
    with observed(ledger, host):
        carried_on = _carry_on(ledger, left, host, key)
    if not any(carried_on):
        host.say("Nothing to resume: every run has finished. See: ftorch status")
    return runs.by_ids(ledger, left.run_ids)


def _carry_on(ledger: Ledger, left: _Unfinished, host: Host, key: str | None) -> list[bool]:
    """Each kind of work in its order; whether there was any."""
    return [
        _step(host, lambda: left.is_any and followups.remove_leftovers(ledger, host, _ids(ledger, key))),
        _step(host, lambda: left.is_any and _follow(ledger, left, host)),
        _step(host, lambda: followups.deploy_due(ledger, host, _ids(ledger, key))),
        _step(host, lambda: sweeps.evaluate_due(ledger, host, key, left.sweep_ids)),
        _step(host, lambda: followups.evaluate_due(ledger, host, _ids(ledger, key))),
        _step(host, lambda: followups.finish_deployments(ledger, host, _ids(ledger, key))),
        _step(host, lambda: key is None and generation.resume(ledger, host)),
        _step(host, lambda: key is None and batches.resume(ledger, host)),
    ]


def _step(host: Host, carry_on: Callable[[], bool]) -> bool:
    """Whether there was anything to do, failed or not."""
    with host.going_on():
        return carry_on()
    return True


def _ids(ledger: Ledger, key: str | None) -> list[str] | None:
    """The runs of the name, read again for each step: a sweep may have drawn more."""
    return None if key is None else [run.id for run in ledger.runs(key)]


@dataclass(frozen=True)
class _Unfinished:
    """The unfinished runs and sweeps."""

    active: Sequence[Run]
    """All of them, including trials of sweeps."""
    sweeps: Sequence[SweepSupervisor]

    @property
    def is_any(self) -> bool:
        return bool(self.sweeps or self.others)

    @property
    def others(self) -> list[Run]:
        """The runs outside these sweeps."""
        trials = {run_id for each in self.sweeps for run_id in each.run_ids}
        return [run for run in self.active if run.id not in trials]

    @property
    def sweep_ids(self) -> set[str]:
        return {each.sweep_id for each in self.sweeps}

    @property
    def run_ids(self) -> set[str]:
        """Of all runs, and of those that the sweeps have drawn meanwhile."""
        return {run.id for run in self.active} | {run_id for each in self.sweeps for run_id in each.run_ids}

    @property
    def said(self) -> str:
        counted = [(len(self.others), "run"), (len(self.sweeps), "sweep")]
        return " and ".join(f"{number} {what}{'s' if number > 1 else ''}" for number, what in counted if number)


def _unfinished(ledger: Ledger, key: str | None) -> _Unfinished:
    looked_after = supervisors(ledger, key) if ledger.sweeps(key) else []
    return _Unfinished([run for run in ledger.runs(key, only_active=True) if not run.is_over], looked_after)


def _follow(ledger: Ledger, left: _Unfinished, host: Host) -> bool:
    sweeps.follow(ledger, left.sweeps, host, left.others)
    return True

"""The product of crashes and faults, generated: what is in it, what `make test` takes, and one case of it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace

from faults.bench import Bench, Worker, in_bench
from faults.catalogue import ON_CREATE, ON_UPLOAD, Fault
from faults.dialects import Dialect, can_pause
from faults.invariants import violations
from faults.profiles import PROFILES
from orchestrator.endpoints.interface import Parts
from orchestrator.runs.states import State

ALL = os.environ.get("FTORCH_FAULTS") == "all"
"""Whether the whole product is asked for."""
IN_PARTS = ("open-upload", "part", "complete-upload")
PARTS = Parts(above=1, size=1000)
_TELLING = ("none", "dropped", "answer-lost", "arrives-late", "429-seconds", "500-though-done")
_AGAIN = 10
_AROUND_THE_CREATE = (
    *("before-commit-creating", "after-commit-creating", "before-create", "after-create", "after-job-look"),
    *("before-commit-queued", "after-commit-queued"),
)


@dataclass(frozen=True)
class Case:
    """The first upload and the first create meet their faults; the user may wish something of the running job; the
    first process dies when it passes `crash` for the `passing`-th time ("" for no crash).

    Which request of an upload meets the fault is its `route`: the whole upload, or a step of one in parts.
    """

    dialect: Dialect
    on_create: str = "none"
    on_upload: str = "none"
    route: str = "upload"
    requested_action: str = ""
    crash: str = ""
    passing: int = 1
    profile: str = "honest"

    @property
    def may_stay_unknown(self) -> bool:
        """Whether nothing on the host can settle a create whose answer was lost. The host of the marks pages by
        nothing: with other jobs in its list nobody knows whether that was all of it."""
        is_cut_short = self.dialect == "marks" and self.profile in ("pages-of-one", "strangers")
        return is_cut_short or not PROFILES[self.profile].is_settleable

    @property
    def end(self) -> State:
        if ON_CREATE[self.on_create].refuses or ON_UPLOAD[self.on_upload].refuses:
            return State.FAILED
        return State.CANCELLED if self.requested_action == "cancel" else State.SUCCEEDED

    @property
    def number(self) -> int:
        """The same for the same case on every machine."""
        return int.from_bytes(hashlib.sha256(repr(self).encode()).digest()[:4], "big")


def bases(dialect: Dialect, *, pairs: bool) -> list[Case]:
    """Every fault on create, every one on upload, every wish; with `pairs` both faults at once. No crash yet."""
    found = [Case(dialect, on_create=fault) for fault in ON_CREATE]
    found += [Case(dialect, on_upload=fault) for fault in ON_UPLOAD]
    found += [
        Case(dialect, requested_action=requested_action)
        for requested_action in ("cancel", "pause")
        if requested_action != "pause" or can_pause(dialect)
    ]
    if dialect != "marks":  # hosts of that dialect take no parts
        found += [Case(dialect, on_upload=fault, route=route) for fault in ON_UPLOAD for route in IN_PARTS]
    if pairs:
        found += [Case(dialect, on_create, on_upload) for on_create in ON_CREATE for on_upload in ON_UPLOAD]
    return list(dict.fromkeys(found))


def on_hosts(dialect: Dialect) -> list[Case]:
    """Every host profile with the faults that end in different ways. No crash yet: `crashes` adds them to the cases
    without a fault and with a lost answer.

    A request that something doubles on its way, on a host that shows nothing of it, is no case: no client can help.
    """
    cases = [
        Case(dialect, on_create=fault, profile=profile)
        for profile in PROFILES
        if profile != "honest"
        for fault in (*_TELLING, "made-twice", "409", "400", "list-lags")
    ]
    return [case for case in cases if not (case.on_create == "made-twice" and case.may_stay_unknown)]


@dataclass(frozen=True)
class Verdict:
    case: Case
    violations: list[str]
    died: bool
    passed: dict[str, int]
    """The crash points that the first process came by, and how often."""


def crashes(verdict: Verdict) -> list[Case]:
    """The case again with a kill at every place that it came by, the first and the last time that it did.

    A place that it does not come by would be no other case. Pairs of faults are left as they are, and of uploads in
    parts those are taken that end in different ways.
    """
    case = verdict.case
    if "none" not in (case.on_create, case.on_upload):
        return []
    if case.route in IN_PARTS and case.on_upload not in _TELLING:
        return []
    if case.profile != "honest" and case.on_create not in ("none", "answer-lost"):
        return []
    if case.profile != "honest":
        places = [place for place in _AROUND_THE_CREATE if place in verdict.passed]
        return [replace(case, crash=place) for place in places]
    times = [(place, passing) for place, count in verdict.passed.items() for passing in sorted({1, count})]
    return [replace(case, crash=place, passing=passing) for place, passing in times]


def sample(cases: list[Case], size: int) -> list[Case]:
    """Always the same `size` of them."""
    return sorted(cases, key=lambda case: case.number)[:size]


def prove_alone(case: Case) -> Verdict:
    """The verdict on a case, on a bench of its own."""
    return in_bench(case.dialect, lambda bench: _prove(case, bench))


async def _prove(case: Case, bench: Bench) -> Verdict:
    """Submit, die, resume; then look at what is left."""
    bench.wire.profile = PROFILES[case.profile]
    bench.wire.plan("create", _lasting(ON_CREATE[case.on_create]))
    bench.parts = PARTS if case.route in IN_PARTS else None
    bench.wire.plan(case.route, _lasting(ON_UPLOAD[case.on_upload]))
    first = bench.new_worker(case.crash, case.passing)
    run_id = await _submitted(bench, first)
    await _worked_on(case, run_id, first, bench)
    await bench.resume_until_over()
    passed = Counter(first.passed)
    wrong = violations(bench, {run_id: case.end}, may_stay_unknown=case.may_stay_unknown)
    return Verdict(case, wrong, first.is_dead, dict(passed))


def _lasting(fault: Fault) -> list[Fault]:
    """A fault passes, a refusal does not: the same request is refused again."""
    return [fault] * (_AGAIN if fault.refuses else 1)


async def _submitted(bench: Bench, first: Worker) -> str:
    """A user whose submission died before its commit submits again; who does so after it finds the same run."""
    run_id = await bench.submit(first) or await bench.submit()
    assert run_id is not None
    return run_id


async def _worked_on(case: Case, run_id: str, first: Worker, bench: Bench) -> None:
    """One process drives the run, and the same one carries out the wish, as far as it lives."""
    if not case.requested_action:
        await bench.work(first)
        return
    bench.holds_training = True
    await bench.work(first, until=lambda: bench.run(run_id).state == State.RUNNING)
    if bench.run(run_id).state == State.RUNNING:
        bench.request(run_id, case.requested_action)
        await bench.work(first, until=lambda: bench.run(run_id).requested_action is None)
    bench.holds_training = False
    if case.requested_action == "cancel":
        bench.request(run_id, "cancel")
    else:
        await bench.work(bench.new_worker(), until=lambda: bench.run(run_id).requested_action is None)
        bench.request(run_id, "unpause")

"""One case of the product of crashes, faults and hosts: its name, and what is wrong when it is over."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, fields

from faults.bench import Bench, Worker, in_bench
from faults.catalogue import ON_CREATE, ON_SERVING, ON_UPLOAD, Fault
from faults.dialects import DIALECTS, Dialect, pages
from faults.invariants import violations
from faults.profiles import PROFILES
from orchestrator.endpoints.interface import Parts
from orchestrator.runs.states import State

ALL = os.environ.get("FTORCH_FAULTS") == "all"
"""Whether the whole product is asked for."""
IN_PARTS = ("open-upload", "part", "complete-upload")
SERVING = "serve"
ANNOUNCED = "announce"
"""The step before an upload on hosts that want to be told of it."""
PARTS = Parts(above=1, size=1000)
_AGAIN = 10


@dataclass(frozen=True)
class Case:
    """The first upload and the first create meet their faults; the user may wish something of the running job; the
    first process dies when it passes `crash` for the `passing`-th time ("" for no crash).

    Which request of an upload meets the fault is its `route`: the whole upload, what announces it, or a step of
    one in parts. On a host that serves models on request, it may be that request instead.
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
        """Whether nothing on the host can settle a create whose answer was lost."""
        is_cut_short = not pages(self.dialect) and self.profile in ("pages-of-one", "strangers")
        return is_cut_short or not PROFILES[self.profile].is_settleable

    @property
    def fault_of_route(self) -> Fault:
        return (ON_SERVING if self.route == SERVING else ON_UPLOAD)[self.on_upload]

    @property
    def end(self) -> State:
        is_upload = self.route != SERVING  # a model that is not served yet waits for the user
        if ON_CREATE[self.on_create].refuses or (is_upload and self.fault_of_route.refuses):
            return State.FAILED
        return State.CANCELLED if self.requested_action == "cancel" else State.SUCCEEDED

    @property
    def name(self) -> str:
        """What differs from a life without trouble, such as `marks,on_create=dropped,crash=after-create`."""
        told = [(field.name, getattr(self, field.name)) for field in fields(self)[1:]]
        plain = Case(self.dialect)
        return ",".join([self.dialect, *(f"{key}={value}" for key, value in told if value != getattr(plain, key))])

    @classmethod
    def named(cls, name: str) -> Case:
        """The case of this name. Raises TypeError and ValueError for what is no name of a case."""
        dialect, *told = name.split(",")
        values = dict(item.split("=", 1) for item in told)
        passing = int(values.pop("passing", 1))
        return cls(_dialect(dialect), passing=passing, **values)

    @property
    def number(self) -> int:
        """The same for the same case on every machine."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big")


def _dialect(name: str) -> Dialect:
    [found] = [dialect for dialect in DIALECTS if dialect == name]
    return found


@dataclass(frozen=True)
class Verdict:
    case: Case
    violations: list[str]
    died: bool
    passed: dict[str, int]
    """The crash points that the first process came by, and how often."""

    @property
    def words(self) -> str:
        """What is wrong, and how to see it alone."""
        return f"{self.violations}; alone: python tests/faults/one_case.py '{self.case.name}'"


def prove_alone(case: Case) -> Verdict:
    """The verdict on a case, on a bench of its own."""
    return in_bench(case.dialect, lambda bench: _prove(case, bench))


async def _prove(case: Case, bench: Bench) -> Verdict:
    """Submit, die, resume; then look at what is left."""
    bench.wire.profile = PROFILES[case.profile]
    bench.wire.plan("create", _lasting(ON_CREATE[case.on_create]))
    bench.parts = PARTS if case.route in IN_PARTS else None
    bench.wire.plan(case.route, _lasting(case.fault_of_route))
    first = bench.new_worker(case.crash, case.passing)
    run_id = await _submitted(bench, first)
    await _worked_on(case, run_id, first, bench)
    await bench.resume_until_over()
    passed = Counter(first.passed)
    most_jobs = 2 if ON_CREATE[case.on_create].makes_two else 1
    wrong = violations(bench, {run_id: case.end}, may_stay_unknown=case.may_stay_unknown, most_jobs=most_jobs)
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
        if ON_CREATE[case.on_create].makes_two:
            await _held_until_it_follows_one(run_id, first, bench)
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


async def _held_until_it_follows_one(run_id: str, first: Worker, bench: Bench) -> None:
    """Training lasts longer than it takes to see that there are two jobs: what has trained to its end is paid."""
    bench.holds_training = True
    for worker in (first, bench.new_worker()):
        await bench.work(worker, until=lambda: bool(bench.run(run_id).job_id) or bench.run(run_id).is_over)
    bench.holds_training = False

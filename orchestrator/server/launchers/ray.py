"""Programs as jobs of a Ray cluster. Ray starts, queues and stops them; their folders say what they did.

A submission_id is used once: a reused one is refused only while the head lives. So after an
unclear answer the key is looked up, and if nothing is found, the next start has another key.

A training of several processes runs on one node if the cluster has one that is large enough, and otherwise as a
group of workers over several (`workergroup.py`).
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrator.server.launchers.environment import FIXED
from orchestrator.server.launchers.interface import (
    NO_GROUP,
    NOT_SHARED,
    WORKER_LOST,
    LaunchError,
    Phase,
    Program,
    State,
    UnreachableError,
    Waiting,
)
from orchestrator.server.launchers.package import note_use, shared_package
from orchestrator.server.launchers.rayjobs import RayJobs, Resources, TokenRefusedError
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.launchers.workergroup import Needs

ENTRY = "orchestrator.server.launchers.entry"
GROUP = "orchestrator.server.launchers.workergroup"
POLL_SECONDS = 2.0
"""Between two requests for the state of a job."""
OTHER_PYTHONS = ("python3", "python")
"""Where Ray is looked for on the head, after the trainer's Python: those of its PATH."""
PROBE_TRIES = 30
"""A worker looks for the folder every second: network storage may show it late."""
_PHASES = {"PENDING": Phase.PENDING, "RUNNING": Phase.RUNNING, "STOPPED": Phase.STOPPED, "SUCCEEDED": Phase.ENDED}


class RayLauncher:
    """Programs go on when this process ends: another one finds them by their keys."""

    outlives = True

    def __init__(self, settings: RaySettings, python: str = sys.executable, jobs: RayJobs | None = None) -> None:
        self._settings = settings
        self._jobs = jobs or RayJobs(settings)
        self.python = settings.python or python
        self._asked_at: dict[str, float] = {}
        self._last: dict[str, State] = {}
        self._refusals: dict[str, str] = {}
        self._has_groups = True

    @contextmanager
    def room(self, processes: int, waiting: Waiting) -> Iterator[None]:
        """Nothing is held here: Ray queues. The cluster must answer. See `Launcher.room`."""
        self._reached(waiting)
        missing = self._missing(processes)
        if missing:
            waiting.note(missing)
        yield

    def start(self, key: str, program: Program) -> None:
        """See `Launcher.start`."""
        needs, processes = self._settings, program.processes
        body: dict[str, Any] = {
            "submission_id": key,
            "runtime_env": dict(needs.runtime_env),
            "metadata": {"ftorch_folder": str(program.folder)},
        }
        if self._spans_nodes(processes):
            body |= {"entrypoint": self._group(program)}
        else:
            body |= {
                "entrypoint": self._entrypoint(program),
                "entrypoint_num_gpus": needs.gpus * processes,
                "entrypoint_num_cpus": needs.cpus * processes,
            }
        note_use(program.log.parent, shared_package(needs.storage))
        with _token_may_return():
            self._refusals[key] = self._jobs.submit(body)

    def look(self, key: str, seconds: float = 0.0) -> State:
        """See `Launcher.look`; asks the head every POLL_SECONDS at most. Raises LaunchError for a runtime_env that
        can't be set up."""
        until = time.monotonic() + seconds
        while True:
            state = self._polled(key)
            left = until - time.monotonic()
            if not state.phase.is_active or left <= 0:
                return state
            time.sleep(min(left, POLL_SECONDS))

    def stop(self, key: str, seconds: float) -> None:
        """See `Launcher.stop`. The GPU is free only once the job is no longer active."""
        if self.look(key).phase.is_active:
            self._jobs.stop(key)
            self._asked_at.pop(key, None)
            self.look(key, seconds)

    def logs(self, key: str) -> str:
        """See `Launcher.logs`."""
        return self._jobs.logs(key)

    def _reached(self, waiting: Waiting) -> None:
        """Wait until the head answers. A refusal ends it, unless an earlier attempt ran there and it may pass."""
        was_told = False
        while True:
            try:
                self._jobs.version()
                return
            except (UnreachableError, LaunchError) as error:
                if isinstance(error, LaunchError) and not waiting.is_patient:
                    raise
                if not was_told:
                    waiting.note(f"{error}. The training waits for it")
                was_told = True
            until = time.monotonic() + POLL_SECONDS
            while time.monotonic() < until:
                waiting.tick()
                time.sleep(0.5)

    def _missing(self, processes: int) -> str:
        """What the whole cluster lacks for this; empty if nothing, or if it doesn't say."""
        whole = self._resources().whole
        lacking = [
            f"{count:g} {name}s and has {whole.get(name, 0.0):g}"
            for name, count in self._wanted(processes).items()
            if whole and whole.get(name, 0.0) < count
        ]
        if not lacking:
            return ""
        return (
            f"The job asks Ray at {self._settings.address} for {', and for '.join(lacking)} in all. It waits until "
            "a node with them joins; otherwise cancel it, and set gpus and cpus"
        )

    def _spans_nodes(self, processes: int) -> bool:
        """Whether no node of the cluster could ever hold all of this many processes."""
        if processes == 1 or not self._has_groups:
            return False
        wanted, nodes = self._wanted(processes), self._resources().nodes
        return bool(nodes) and not any(
            all(node.get(name, 0.0) >= count for name, count in wanted.items()) for node in nodes
        )

    def _wanted(self, processes: int) -> dict[str, float]:
        return {"GPU": self._settings.gpus * processes, "CPU": self._settings.cpus * processes}

    def _resources(self) -> Resources:
        try:
            return self._jobs.resources()
        except (UnreachableError, LaunchError):
            return Resources()

    def _polled(self, key: str) -> State:
        now, last = time.monotonic(), self._last.get(key)
        if last is not None and now - self._asked_at.get(key, now - POLL_SECONDS) < POLL_SECONDS:
            return last
        with _token_may_return():
            job = self._jobs.job(key)
        self._asked_at[key] = now
        state = state_of(job) if job is not None else State(Phase.UNKNOWN, 0, self._refusals.get(key, ""))
        self._has_groups &= state.phase is not Phase.ENDED or state.status != NO_GROUP
        self._last[key] = state if self._has_groups else _without_group(state)
        return self._last[key]

    def _entrypoint(self, program: Program) -> str:
        """The shell command: look for the folder, then run the program with this very package."""
        command = [self.python, "-P", "-m", ENTRY, str(program.log), program.module, *program.arguments]
        tests = [_test("-r", program.probe, PROBE_TRIES), *(_test("-d", folder, 1) for folder in program.reads)]
        return "; ".join([*tests, f"exec {self._environment()} {shlex.join(command)}"])

    def _group(self, program: Program) -> str:
        """The shell command on the head: the same in a group of workers, with the first Python there that has
        Ray."""
        needs = Needs(
            processes=program.processes,
            gpus=self._settings.gpus,
            cpus=self._settings.cpus,
            python=self.python,
            package=str(shared_package(self._settings.storage)),
            probe=str(program.probe),
            reads=[str(folder) for folder in program.reads],
        )
        arguments = shlex.join([GROUP, needs.text(), str(program.log), program.module, *program.arguments])
        pythons = [self.python, *OTHER_PYTHONS]
        has_ray = shlex.quote('import importlib.util as i, sys; sys.exit(i.find_spec("ray") is None)')
        sentence = shlex.quote(f"ftorch: none of {', '.join(pythons)} has the package ray on the head")
        return (
            f"{_test('-r', program.probe, PROBE_TRIES)}; for p in {shlex.join(pythons)}; do "
            f'PYTHONSAFEPATH=1 "$p" -c {has_ray} 2>/dev/null && '
            f'exec {self._environment()} PYTHONSAFEPATH=1 "$p" -m {arguments}; done; '
            f"echo {sentence}; exit {NO_GROUP}"
        )

    def _environment(self) -> str:
        variables = {**FIXED, "PYTHONPATH": str(shared_package(self._settings.storage))}
        return "env " + " ".join(f"{name}={shlex.quote(text)}" for name, text in variables.items())


@contextmanager
def _token_may_return() -> Iterator[None]:
    """A token that expires while a job trains is no reason to give the job up."""
    try:
        yield
    except TokenRefusedError as error:
        raise UnreachableError(str(error)) from error


def state_of(job: Mapping[str, Any]) -> State:
    """The state of a job as Ray describes it. Raises LaunchError for a runtime_env that can't be set up."""
    message = str(job.get("message") or "")
    phase = _PHASES.get(job["status"])
    if phase is not None:
        return State(phase, 0, message)
    if job.get("error_type") == "RUNTIME_ENV_SETUP_FAILURE":
        raise LaunchError(f"Ray could not set up the runtime_env: {' '.join(message.split())[-600:]}")
    status = job.get("driver_exit_code")
    if status is None:
        return State(Phase.LOST, 0, message)
    if status == WORKER_LOST:
        return State(Phase.LOST, 0, _last_line(message))
    return State(Phase.ENDED, 128 - status if status > 128 else status, message)


def _without_group(state: State) -> State:
    """A group that could not be made began nothing: the next attempt waits for one node."""
    if state.phase is not Phase.ENDED or state.status != NO_GROUP:
        return state
    words = f"no node has room for all processes, and {_last_line(state.message)}: now it waits for one node"
    return State(Phase.UNKNOWN, 0, words)


def _last_line(message: str) -> str:
    """What a program said last of its end."""
    lines = message.strip().splitlines()
    return lines[-1].removeprefix("ftorch: ") if lines else ""


def _test(kind: str, path: object, tries: int) -> str:
    """Shell: end with NOT_SHARED, and a sentence, if the path isn't there after this many seconds."""
    quoted = shlex.quote(str(path))
    sentence = shlex.quote(f"ftorch: {path} is not on this worker")
    return (
        f"n=0; until test {kind} {quoted}; do n=$((n+1)); "
        f"test $n -ge {tries} && {{ echo {sentence}; exit {NOT_SHARED}; }}; sleep 1; done"
    )

"""A Ray cluster in virtual time: its Jobs API with the answers of Ray 2.60, its queue, and trainers on its workers.

Time passes only while the code under test sleeps, so an hour takes milliseconds and every run is the same.
"""

from __future__ import annotations

import json
import os
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.server.launchers.interface import NO_GROUP, WORKER_LOST
from orchestrator.server.launchers.ray import GROUP
from orchestrator.server.trainers.interface import Step
from orchestrator.server.trainers.lora.folder import LEFT, TrainingFolder, put_json
from orchestrator.server.trainers.lora.training.fence import Fence, Left

START_SECONDS = 1.5
PENDING_SECONDS = 900.0
NODE_SECONDS = 18.0
"""From the death of a worker node until its jobs are FAILED."""
STOPPING_SECONDS = 3.0
TOTAL = 12
CHECKPOINTS = (6, 12)
STATE_EVERY = 3


@dataclass
class ScriptedTrainer:
    """The program on a worker: a step per second, a state after every third, and a model that shows its steps."""

    path: Path
    number: int
    life: int
    fenced: bool = True
    """False: it doesn't read the file `attempt`, to see that tests notice."""
    status: int | None = None
    wrote: bool = False
    trespassed: bool = False
    """It went on after it was replaced."""
    was_replaced: bool = False
    """It ran on until it found that a newer attempt counts."""
    _fence: Fence | None = None
    _done: list[int] = field(default_factory=list)

    def tick(self) -> None:
        """A second of its time."""
        if self.status is None:
            counts = TrainingFolder(self.path).current_attempt() == self.number
            try:
                self._work()
                self.trespassed |= not counts
            except Left:
                TrainingFolder(self.path).attempt(self.number).leave()
                self.status, self.was_replaced = LEFT, not counts
            except FileNotFoundError:
                self.status = 74

    def _work(self) -> None:
        folder = TrainingFolder(self.path)
        attempt = folder.attempt(self.number)
        if self._fence is None:
            self._fence = Fence(folder, attempt)
            if not self.fenced:
                self._fence.hold = lambda: None  # type: ignore[method-assign]
            self._fence.hold()
            found = folder.newest_state()
            if found is not None:
                self._done = json.loads((found[1] / "state").read_bytes())
            self._fence.say("from", step=len(self._done))
            self.wrote = True
            return
        put_json(attempt.heartbeat, {"life": self.life, "step": len(self._done)})
        if self._fence.must_stop():
            self._keep()
            raise Left
        if len(self._done) < TOTAL:
            self._step(self._fence)
        else:
            self._fence.finish({"adapter": json.dumps(self._done).encode()})
            self.status = 0

    def close(self) -> None:
        """Give the file of its events back."""
        if self._fence is not None:
            os.close(self._fence._events._descriptor)

    def _step(self, fence: Fence) -> None:
        self._done.append(len(self._done) + 1)
        number = len(self._done)
        step = Step(number, TOTAL, 1, 1.0 / number, 0.5)
        fence.step(step)
        if number in CHECKPOINTS:
            fence.checkpoint(step, {"adapter": json.dumps(self._done).encode()})
        if number % STATE_EVERY == 0:
            self._keep()

    def _keep(self) -> None:
        assert self._fence is not None
        self._fence.state(len(self._done), {"state": json.dumps(self._done).encode()})


@dataclass
class Job:
    """As Ray describes it, and the process that runs it."""

    request: dict[str, Any]
    since: float
    status: str = "PENDING"
    message: str = "Job has not started yet."
    error_type: str | None = None
    exit_code: int | None = None
    trainer: ScriptedTrainer | None = None
    failing_at: float | None = None
    stopping_at: float | None = None

    @property
    def is_active(self) -> bool:
        return self.status in ("PENDING", "RUNNING")

    def end(self, status: str, message: str, error_type: str | None = None) -> None:
        self.status, self.message, self.error_type = status, message, error_type


class ScriptedRay:
    """The cluster, its clock, and everything that can go wrong with them."""

    def __init__(self, gpus: int = 1) -> None:
        self.now = 0.0
        self.gpus = gpus
        self.nodes: list[int] = []
        """The GPUs of each node, if it says so."""
        self.head_has_ray = True
        """Whether a Python on the head has the package, which a group of workers needs."""
        self.jobs: dict[str, Job] = {}
        self.is_up = True
        self.started: list[tuple[str, ScriptedTrainer]] = []
        """Every trainer that ever ran, with its submission_id."""
        self.posts: list[str] = []
        self.faults: list[str] = []
        """Of the next requests that start a job: "lost request", "lost answer", "doubled", "error"."""
        self.token: str | None = None
        self.storage_is_shared = True
        self.fenced = True
        self.plans: list[tuple[float, Callable[[], None]]] = []
        """What happens when, soonest first."""

    def close(self) -> None:
        """Give the files of all trainers back."""
        for _, trainer in self.started:
            trainer.close()

    # --- time ---

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the world go on."""
        until = self.now + seconds
        while self.now < until:
            step = min(until, (self.now // 1.0 + 1.0)) - self.now
            self.now += step
            if self.now % 1.0 == 0.0:
                self._second()

    def plan(self, at: float, what: Callable[[], None]) -> None:
        self.plans.append((at, what))
        self.plans.sort(key=lambda pair: pair[0])

    def _second(self) -> None:
        self._queue()
        for _, trainer in self.started:
            trainer.tick()
        for job in self.jobs.values():
            self._settle(job)
        while self.plans and self.plans[0][0] <= self.now:
            self.plans.pop(0)[1]()

    def _queue(self) -> None:
        busy = sum(job.status == "RUNNING" for job in self.jobs.values())
        for key, job in self.jobs.items() if self.is_up else ():
            if job.status != "PENDING" or self.now - job.since < START_SECONDS:
                continue
            if busy < self.gpus:
                busy += 1
                self._run(key, job)
            elif self.now - job.since > PENDING_SECONDS:
                words = "Job supervisor actor failed to start within 900 seconds."
                job.end("FAILED", words, "JOB_SUPERVISOR_ACTOR_START_TIMEOUT")

    def _run(self, key: str, job: Job) -> None:
        job.status, job.message = "RUNNING", "Job is currently running."
        command = shlex.split(job.request["entrypoint"])
        if not self.storage_is_shared:
            probe = command[command.index("-r") + 1].rstrip(";")
            words = f"Job entrypoint command failed with exit code 78\nftorch: {probe} is not on this worker"
            job.end("FAILED", words, "JOB_ENTRYPOINT_COMMAND_ERROR")
            job.exit_code = 78
            return
        if GROUP in command and not self.head_has_ray:
            words = "Job entrypoint command failed with exit code 69\nftorch: none of python3 has the package ray"
            job.end("FAILED", words, "JOB_ENTRYPOINT_COMMAND_ERROR")
            job.exit_code = NO_GROUP
            return
        path, number = command[command.index("train") + 1 :][:2]
        number = number.rstrip(";")
        job.trainer = ScriptedTrainer(Path(path), int(number), len(self.started), self.fenced)
        self.started.append((key, job.trainer))

    def _settle(self, job: Job) -> None:
        if job.status != "RUNNING" or job.trainer is None:
            return
        if job.failing_at is not None:
            if self.now >= job.failing_at:
                job.end("FAILED", "Job supervisor actor died: its node died", "JOB_SUPERVISOR_ACTOR_DIED")
        elif job.stopping_at is not None and self.now >= job.stopping_at:
            job.trainer.status = -15 if job.trainer.status is None else job.trainer.status
            job.end("STOPPED", "Job was intentionally stopped.")
        elif job.trainer.status is not None:
            job.exit_code = job.trainer.status % 256 if job.trainer.status >= 0 else 128 - job.trainer.status
            words = f"Job entrypoint command failed with exit code {job.exit_code}"
            words += "\nftorch: process 1 was lost" if job.exit_code == WORKER_LOST else ""
            if job.exit_code == 0:
                job.end("SUCCEEDED", "Job finished successfully.")
            else:
                job.end("FAILED", words, "JOB_ENTRYPOINT_COMMAND_ERROR")

    # --- what goes wrong ---

    def kill_head(self, seconds: float, *, forgets: bool = True) -> None:
        """The head is gone for so long. Trainers go on; it forgets its jobs unless it keeps them in Redis."""
        self.is_up = False
        if forgets:
            self.jobs = {}
        self.plan(self.now + seconds, self._restart)

    def lose_rank(self) -> None:
        """One of the workers of each group: its process ends, and the group says so."""
        for job in self.jobs.values():
            if job.status == "RUNNING" and job.trainer is not None:
                job.trainer.status = WORKER_LOST

    def kill_node(self, *, process_goes_on: bool) -> None:
        """The worker node of each running job."""
        for job in self.jobs.values():
            if job.status == "RUNNING" and job.trainer is not None and job.failing_at is None:
                job.failing_at = self.now + NODE_SECONDS
                if not process_goes_on:
                    job.trainer.status = -9

    def kill_trainers(self) -> None:
        """Each trainer, with SIGKILL."""
        for _, trainer in self.started:
            if trainer.status is None:
                trainer.status = -9

    def _restart(self) -> None:
        self.is_up = True

    # --- the API ---

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """For httpx2.MockTransport."""
        if not self.is_up:
            raise httpx2.ConnectError("Connection refused")
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return httpx2.Response(401, text="Unauthorized: Missing authentication token")
        parts = request.url.path.strip("/").split("/")[1:]
        if parts == ["version"]:
            return httpx2.Response(200, json={"version": "4", "ray_version": "2.60.0"})
        if parts == ["cluster_status"]:
            usage = {"CPU": [0.0, 2.0], "GPU": [0.0, float(self.gpus)]}
            nodes = {
                f"node{number}": {"CPU": [0.0, 2.0], "GPU": [0.0, float(gpus)]}
                for number, gpus in enumerate(self.nodes)
            }
            report = {"clusterStatus": {"loadMetricsReport": {"usage": usage, "usageByNode": nodes}}}
            return httpx2.Response(200, json={"result": True, "msg": "", "data": report})
        if request.method == "POST" and parts == ["jobs"]:
            return self._posted(json.loads(request.content))
        job = self.jobs.get(parts[1])
        if job is None:
            return httpx2.Response(404, text=f"Job {parts[1]} does not exist")
        if parts[2:] == ["stop"]:
            if job.status == "PENDING":
                job.end("STOPPED", "Job was intentionally stopped.")
            elif job.status == "RUNNING" and job.stopping_at is None:
                job.stopping_at = self.now + STOPPING_SECONDS
            return httpx2.Response(200, json={"stopped": True})
        if parts[2:] == ["logs"]:
            return httpx2.Response(200, json={"logs": "The output goes to the folder\n"})
        shown = {"type": "SUBMISSION", "submission_id": parts[1], "status": job.status, "message": job.message}
        more = {"error_type": job.error_type, "driver_exit_code": job.exit_code, "metadata": {}}
        return httpx2.Response(200, json={**shown, **more})

    def _posted(self, body: dict[str, Any]) -> httpx2.Response:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost request":
            raise httpx2.ReadTimeout("timed out")
        answer = self._submitted(body)
        if fault == "doubled":
            answer = self._submitted(body)
        if fault == "lost answer":
            raise httpx2.ReadTimeout("timed out")
        return httpx2.Response(500, text="Traceback: an agent died") if fault == "error" else answer

    def _submitted(self, body: dict[str, Any]) -> httpx2.Response:
        key = body["submission_id"]
        self.posts.append(key)
        if key in self.jobs:
            words = (
                f"ValueError: Job with submission_id {key} already exists. Please use a different submission_id."
            )
            return httpx2.Response(500, text=f"Traceback (most recent call last):\nRuntimeError: {words}")
        self.jobs[key] = Job(body, self.now)
        return httpx2.Response(200, json={"job_id": key, "submission_id": key})


class Process:
    """Something in a thread that can be killed while it sleeps or waits for an answer, as a process can: it never
    comes back, and no `finally` of it runs."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._over = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.was_killed = False

    def run(self) -> None:
        """Until it ends or is killed."""
        threading.Thread(target=self._run, daemon=True).start()
        self._over.wait()

    def kill(self) -> None:
        """From inside: this never returns."""
        self.was_killed = True
        self._over.set()
        threading.Event().wait()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error
        self._over.set()

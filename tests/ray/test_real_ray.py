"""Trainings on a real Ray head: each gives one model, whatever is lost or killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from support.modelfolders import model_folder
from support.randomllama import short_rows

from orchestrator.server.app import Settings, create_app, running
from orchestrator.server.launchers.rayjobs import RayJobs
from orchestrator.server.launchers.settings import RaySettings

from .conftest import LORA_PYTHON, TOKEN, Head, needs_lora, trainers
from .program import TOTAL
from .wire import Wire

WHOLE = list(range(1, TOTAL + 1))
KILLS = int(os.environ.get("FTORCH_RAY_KILLS", "20"))


@dataclass
class Job:
    """One training and the processes that follow it, one after another."""

    folder: Path
    model: Path
    address: str
    followers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def training(self) -> Path:
        return self.folder / self.folder.name

    def follow(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "training.jsonl").write_text('{"messages": []}\n')
        script = Path(__file__).with_name("follower.py")
        with (self.folder / "follower.log").open("ab") as log:
            follower = subprocess.Popen(
                [sys.executable, str(script), str(self.folder), self.address, str(self.model)],
                stdout=log,
                stderr=log,
                env={**os.environ, "FTORCH_RAY_TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        self.followers.append(follower)
        return follower

    def finish(self, seconds: float = 180) -> None:
        """Follow it to its end, with another process for each that ended before, as the scheduler does."""
        deadline = time.monotonic() + seconds
        while not self.said("model"):
            assert time.monotonic() < deadline, (self.folder / "follower.log").read_text()
            if self.followers[-1].poll() is not None:
                self.follow()
            time.sleep(0.2)
        self.followers[-1].wait(60)

    def said(self, kind: str) -> list[Any]:
        path = self.folder / "reported.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [said[kind] for line in lines if kind in (said := json.loads(line))]

    def reached(self, step: int) -> None:
        deadline = time.monotonic() + 120
        while step not in self.said("step"):
            assert time.monotonic() < deadline, (self.folder / "follower.log").read_text()
            time.sleep(0.05)

    def train_on(self, steps: int) -> None:
        """Wait for so many lines more of the program that trains, or for the model."""
        deadline = time.monotonic() + 120
        wanted = self._lines() + steps
        while self._lines() < wanted and not self.said("model"):
            assert time.monotonic() < deadline, (self.folder / "follower.log").read_text()
            if self.followers[-1].poll() is not None:
                self.follow()
            time.sleep(0.05)

    def _lines(self) -> int:
        return sum(map(len, self.events().values()))

    def events(self) -> dict[str, list[dict[str, Any]]]:
        """What each attempt wrote."""
        return {
            path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
            for path in sorted(self.training.glob("attempts/*/events.jsonl"))
        }

    def require_one_model(self) -> None:
        """One model, of all steps, and no attempt that two programs wrote."""
        assert self.said("model") == [WHOLE]
        assert sorted(set(self.said("step"))) == WHOLE
        for number, events in self.events().items():
            assert [event["kind"] for event in events].count("from") <= 1, number
            steps = [event["step"] for event in events if event["kind"] == "step"]
            assert steps == sorted(set(steps)), number


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTORCH_RAY_TOKEN", TOKEN)


@pytest.fixture
def jobs(head: Head) -> RayJobs:
    return RayJobs(RaySettings(head.address, Path("/"), "FTORCH_RAY_TOKEN"))


@pytest.fixture
def make(tmp_path: Path, head: Head) -> Iterator[Callable[..., Job]]:
    """Makes a job whose name no other test uses."""
    model = model_folder(tmp_path / "model")
    header = b'{"layer.q_proj.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}'
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    made: list[Job] = []

    def job(address: str = head.address) -> Job:
        made.append(Job(tmp_path / f"job-{os.urandom(4).hex()}", model, address))
        return made[-1]

    yield job
    for each in made:
        for follower in each.followers:
            follower.kill()
            follower.wait()
        for pid in trainers(each.training):
            os.kill(pid, signal.SIGKILL)


def test_a_training_without_mishap(make: Callable[..., Job], jobs: RayJobs) -> None:
    job = make()
    job.follow()
    job.finish()
    job.require_one_model()
    found = jobs.job(f"{job.training.name}-1")
    assert found is not None
    assert (found["status"], found["driver_exit_code"]) == ("SUCCEEDED", 0)
    assert "on GPU 0" in job.said("note")


@pytest.mark.parametrize("fault", ["lost answer", "doubled", "lost request"])
def test_what_happens_to_a_request_on_the_wire(
    make: Callable[..., Job], head: Head, jobs: RayJobs, fault: str
) -> None:
    with Wire(head.address, fault) as wire:
        job = make(wire.address)
        job.follow()
        job.finish()
    job.require_one_model()
    assert wire.faults == 1
    assert len(job.events()) == 1
    assert job.said("attempt") == ["2" if fault == "lost request" else "1"]


def test_a_follower_that_is_killed_is_replaced_without_a_second_training(make: Callable[..., Job]) -> None:
    job = make()
    follower = job.follow()
    job.reached(8)
    follower.kill()
    follower.wait()
    job.finish()
    job.require_one_model()
    assert list(job.events()) == ["1"]


def test_a_killed_trainer_continues_from_its_state(make: Callable[..., Job]) -> None:
    job = make()
    job.follow()
    job.reached(12)
    for pid in trainers(job.training):
        os.kill(pid, signal.SIGKILL)
    job.finish()
    job.require_one_model()
    assert job.events()["2"][0]["step"] >= 10


def test_a_stopped_job_leaves_the_gpu_to_the_next(make: Callable[..., Job], jobs: RayJobs) -> None:
    job = make()
    follower = job.follow()
    job.reached(6)
    (job.folder / "pause").touch()
    assert follower.wait(60) != 0
    found = jobs.job(f"{job.training.name}-1")
    assert found is not None
    assert found["status"] in ("STOPPED", "FAILED")
    other = make()
    other.follow()
    other.finish()
    other.require_one_model()
    (job.folder / "pause").unlink()
    job.follow()
    job.finish()
    job.require_one_model()


def test_a_killed_and_restarted_head_makes_no_second_model(make: Callable[..., Job], head: Head) -> None:
    job = make()
    job.follow()
    job.reached(12)
    head.kill()
    time.sleep(1)
    head.start()
    job.finish()
    job.require_one_model()


def test_random_kills(make: Callable[..., Job], head: Head) -> None:
    """Of the follower, the trainer and the head, each while a program trains."""
    random, began = Random(1), time.monotonic()
    kills: Counter[str] = Counter()
    trained = attempts = 0
    while kills.total() < KILLS:
        job = make()
        job.follow()
        for _ in range(random.randint(1, 3)):
            job.train_on(random.randint(1, 15))
            if job.said("model"):
                break
            kind = random.choice(["follower", "trainer", "trainer", "head"])
            _kill(kind, job, head)
            kills[kind] += 1
        job.finish(300)
        job.require_one_model()
        trained += 1
        attempts += len(job.events())
        shutil.rmtree(job.training)
    seconds = time.monotonic() - began
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kills.items()))
    print(f"kills: {told}; {trained} trainings, {attempts} attempts, {trained} models in {seconds:.0f} s")


def _kill(kind: str, job: Job, head: Head) -> None:
    if kind == "head":
        head.kill()
        time.sleep(1)
        head.start()
    elif kind == "trainer":
        for pid in trainers(job.training):
            os.kill(pid, signal.SIGKILL)
    else:
        job.followers[-1].kill()
        job.followers[-1].wait()


def test_a_wrong_address_is_named(make: Callable[..., Job], head: Head) -> None:
    assert httpx2.get(head.address, trust_env=False).status_code < 500
    job = make(f"{head.address}/not-ray")
    job.follow().wait(60)
    assert "is not the address of a Ray dashboard" in (job.folder / "follower.log").read_text()


@needs_lora
async def test_the_endpoint_trains_a_language_model_on_the_cluster(head: Head, llama: Path, tmp_path: Path) -> None:
    """From an upload over the API to the model, with the real program: a random Llama of 329k parameters."""
    ray = RaySettings(head.address, tmp_path / "storage", "FTORCH_RAY_TOKEN", LORA_PYTHON, gpus=1, cpus=1)
    settings = Settings(models={"llama": llama}, python=LORA_PYTHON, ray=ray)
    app = create_app(tmp_path / "endpoint", settings=settings)
    transport = httpx2.ASGITransport(app=app)
    rows = "".join(json.dumps(row) + "\n" for row in short_rows(20))
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://local/v1", timeout=60) as client,
        running(app),
    ):
        sent = {"file": ("rows.jsonl", rows.encode())}
        file = (await client.post("/files", files=sent, data={"purpose": "fine-tune"})).json()
        numbers = {"n_epochs": 2, "batch_size": 5, "num_processes": 1}
        method = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
        wanted = {"model": "llama", "training_file": file["id"], "method": method}
        answer = await client.post("/fine_tuning/jobs", json=wanted)
        assert answer.is_success, answer.text
        job = answer.json()
        deadline = time.monotonic() + 240
        while job["status"] not in ("succeeded", "failed"):
            assert time.monotonic() < deadline, job
            await asyncio.sleep(0.5)
            job = (await client.get(f"/fine_tuning/jobs/{job['id']}")).json()
    assert job["status"] == "succeeded", job["error"]
    assert list((tmp_path / "storage" / "trainings").glob("*/*")) == []

"""ftorch's side of a training: what it reports of a program, and what it makes of the program's end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.server.launchers import process
from orchestrator.server.trainers.interface import Step, Training, TrainingFailedError
from orchestrator.server.trainers.lora import attempts
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import Recorded

Program = Callable[[str], LoraTrainer]


class PausedError(Exception):
    """What a report raises once its job was paused."""


def test_steps_notes_and_checkpoints_are_reported_in_their_order(program: Program, training: Training) -> None:
    report = Recorded()
    weights = program(
        """
        fence.note("hello")
        fence.step(step(1), tokens=7)
        fence.checkpoint(step(1), {"adapter": b"one"})
        fence.step(step(2))
        fence.finish({"adapter": b"two"})
        """
    ).train(training, report)
    assert report.told == ["hello", 1, (1, "one"), 2]
    assert (weights / "adapter").read_text() == "two"


def test_while_nothing_happens_the_report_is_called_all_the_same(program: Program, training: Training) -> None:
    report = Recorded()
    program("time.sleep(1.5); fence.finish({})").train(training, report)
    assert report.waits >= 2


def test_a_report_that_raises_stops_the_program_after_its_state(program: Program, training: Training) -> None:
    class Pausing(Recorded):
        def step(self, step: Step) -> None:
            raise PausedError

    stopping = program(
        """
        fence.step(step(1))
        while not fence.must_stop():
            time.sleep(0.01)
        keep(1)
        raise Left
        """
    )
    with pytest.raises(PausedError):
        stopping.train(training, Pausing())
    assert TrainingFolder(training.folder).newest_state() is not None


def test_a_program_that_does_not_stop_is_killed(
    program: Program, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pausing(Recorded):
        def step(self, step: Step) -> None:
            raise PausedError

    monkeypatch.setattr(attempts, "STOP_SECONDS", 0.2)
    with pytest.raises(PausedError):
        program("beat(attempt); time.sleep(0.3); fence.step(step(1)); time.sleep(60)").train(training, Pausing())
    beat = json.loads(TrainingFolder(training.folder).attempt(1).heartbeat.read_bytes())
    assert not is_running(beat["pid"])


def test_the_next_call_tells_what_the_last_one_could_not(program: Program, training: Training) -> None:
    """Steps and checkpoints after the last state are made again, so they are not told."""
    with pytest.raises(OSError, match="SIGKILL"):
        program(
            """
            fence.say("from", step=0)
            fence.step(step(1))
            fence.checkpoint(step(1), {"adapter": b"one"})
            keep(1)
            fence.step(step(2))
            fence.checkpoint(step(2), {"adapter": b"two"})
            os.kill(os.getpid(), signal.SIGKILL)
            """
        ).train(training, Untaken())
    report = Recorded()
    program('fence.say("from", step=1); fence.step(step(2)); fence.finish({})').train(training, report)
    assert report.told == [1, (1, "one"), 2]


class Untaken(Recorded):
    """Ended before it took the checkpoints."""

    def checkpoint(self, step: Step, weights: Path) -> None:
        pass


def test_a_checkpoint_that_a_later_attempt_made_again_is_told_once(program: Program, training: Training) -> None:
    report = Recorded()
    for begun, kept in ((0, 1), (1, 2)):
        body = f"""
            fence.say("from", step={begun})
            fence.step(step({kept}))
            if {kept} == 1:
                keep(1)
                fence.step(step(2))
            fence.checkpoint(step(2), {{"adapter": b"two"}})
            if {kept} == 2:
                keep(2)
            os.kill(os.getpid(), signal.SIGKILL)
            """
        with pytest.raises(OSError, match="SIGKILL"):
            program(body).train(training, Untaken() if begun == 0 else report)
    program('fence.say("from", step=2); fence.finish({})').train(training, report)
    assert [told for told in report.told if isinstance(told, tuple)] == [(2, "two")]


def test_of_a_step_made_twice_the_later_one_counts(program: Program, training: Training) -> None:
    def killed(body: str) -> None:
        with pytest.raises(OSError, match="SIGTERM"):
            program(f"{body}; os.kill(os.getpid(), signal.SIGTERM)").train(training, Recorded())

    killed('fence.say("from", step=0); fence.step(step(1)); keep(1); fence.step(step(2, 99))')
    killed('fence.say("from", step=1); fence.step(step(2)); keep(2); fence.step(step(3))')
    steps: list[Step] = []

    class Keeping(Recorded):
        def step(self, step: Step) -> None:
            steps.append(step)

    program('fence.say("from", step=2); fence.finish({})').train(training, Keeping())
    assert [(step.step, step.total_steps) for step in steps] == [(1, 4), (2, 4)]


def test_a_failure_says_what_the_program_found(program: Program, training: Training) -> None:
    with pytest.raises(TrainingFailedError, match=r"^no such thing$"):
        program('fence.fail(message="no such thing")').train(training, Recorded())


def test_a_program_that_dies_shows_the_end_of_its_log(program: Program, training: Training) -> None:
    dying = program('print("first\\n" + "next\\n" * 40 + "the last words"); sys.exit(3)')
    with pytest.raises(TrainingFailedError, match=r"status 3\. Its last output: (next\n)+the last words$") as found:
        dying.train(training, Recorded())
    assert "first" not in str(found.value)


def test_a_full_disk_is_the_machines_and_not_the_jobs(program: Program, training: Training) -> None:
    with pytest.raises(OSError, match="No space left"):
        program('print("No space left on device"); sys.exit(74)').train(training, Recorded())


KILLED = """
fence.say("plan", tokens=attempt.limits.most_tokens or 4096, longest=1000, may_checkpoint={may_checkpoint},
          is_checkpointing=attempt.limits.must_checkpoint)
if not ({fits}):
    os.kill(os.getpid(), signal.SIGKILL)
fence.finish({{}})
"""


@pytest.fixture
def memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's count of such kills can't be raised in a test without filling the memory."""
    kills = iter(range(100))
    monkeypatch.setattr(process, "kills_for_memory", lambda: next(kills))


@pytest.mark.usefixtures("memory_runs_out")
def test_out_of_memory_it_is_tried_with_smaller_micro_batches(program: Program, training: Training) -> None:
    report = Recorded()
    fits = "attempt.limits.most_tokens == 1024"
    program(KILLED.format(fits=fits, may_checkpoint=True)).train(training, report)
    assert [str(note).partition("; ")[2] for note in report.told] == [
        f"training continues with micro-batches of at most {tokens} tokens" for tokens in ("2,048", "1,024")
    ]


@pytest.mark.usefixtures("memory_runs_out")
def test_out_of_memory_with_one_row_activations_are_computed_twice(program: Program, training: Training) -> None:
    report = Recorded()
    fits = "attempt.limits.must_checkpoint and attempt.limits.most_tokens == 1000"
    program(KILLED.format(fits=fits, may_checkpoint=True)).train(training, report)
    assert "with gradient checkpointing and micro-batches of at most 1,000 tokens" in str(report.told[-1])


@pytest.mark.usefixtures("memory_runs_out")
def test_out_of_memory_for_good_the_training_fails(program: Program, training: Training) -> None:
    killed = program(KILLED.format(fits=False, may_checkpoint=False))
    with pytest.raises(TrainingFailedError, match=r"single example of 1,000 tokens .* kernel ended .* Set grad"):
        killed.train(training, Recorded())
    with pytest.raises(TrainingFailedError, match="while the base model was loaded"):
        program("os.kill(os.getpid(), signal.SIGKILL)").train(training, Recorded())


def test_a_newer_attempt_ends_an_older_one(program: Program, training: Training, tmp_path: Path) -> None:
    """As when another machine took the training over: the older one leaves, and nothing of it is told."""
    body = """
        if attempt.number == 1:
            fence.step(step(1))
            while True:
                fence.step(step(2))
                time.sleep(0.01)
        fence.finish({})
        """
    told = Recorded()

    def train() -> None:
        with pytest.raises(OSError, match="Another process continues"):
            program(body).train(training, told)

    older = threading.Thread(target=train, daemon=True)
    older.start()
    wait_for(lambda: told.told)
    TrainingFolder(training.folder).begin_attempt()
    older.join(20)
    assert not older.is_alive()
    assert TrainingFolder(training.folder).attempt(1).result() is None


def test_a_second_training_waits_for_the_device(program: Program, training: Training, tmp_path: Path) -> None:
    first = program('(folder.path / "began").touch(); time.sleep(1); fence.finish({})')
    threading.Thread(target=first.train, args=(training, Recorded()), daemon=True).start()
    wait_for((training.folder / "began").exists)
    report = Recorded()
    second = replace(training, folder=tmp_path / "second")
    program("fence.finish({})").train(second, report)
    assert report.told == ["Waiting for another training on this machine"]
    assert (training.folder / "attempts" / "1" / "result.json").exists()


def test_a_program_ends_with_the_process_that_follows_it(
    training: Training, program: Program, tmp_path: Path
) -> None:
    program("beat(attempt); time.sleep(60)")
    follower = subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, str(tmp_path), str(training.base.folder)],
        cwd=Path(__file__).parents[4],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    heartbeat = TrainingFolder(training.folder).attempt(1).heartbeat
    wait_for(heartbeat.exists)
    pid = json.loads(heartbeat.read_bytes())["pid"]
    follower.send_signal(signal.SIGKILL)
    follower.wait()
    wait_for(lambda: not is_running(pid))


FOLLOWER = """
import sys
from pathlib import Path
from orchestrator.server.trainers.interface import Base, Requested, Training
from orchestrator.server.trainers.lora.trainer import LoraTrainer

class Report:
    def __getattr__(self, name):
        return lambda *args: None

top, model = map(Path, sys.argv[1:])
lora = LoraTrainer(str(top / "python"))
numbers = lora.resolve(20, "supervised", Requested())
base = Base("small", model)
lora.train(Training(top / "training.jsonl", None, "supervised", numbers, 1, top / "folder", base), Report())
"""


def test_a_base_model_that_changed_is_noticed(program: Program, training: Training, model: Path) -> None:
    with pytest.raises(OSError, match="SIGKILL"):
        program("os.kill(os.getpid(), signal.SIGKILL)").train(training, Recorded())
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "model.safetensors").write_bytes(weights)
    with pytest.raises(TrainingFailedError, match="changed since this training began"):
        program("fence.finish({})").train(training, Recorded())


def test_a_base_model_without_weights_fails_the_training(program: Program, training: Training, model: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(TrainingFailedError, match=r"can't be read: .* has no \*\.safetensors file"):
        program("fence.finish({})").train(training, Recorded())


def test_a_python_that_is_missing_is_named(training: Training, tmp_path: Path) -> None:
    lora = LoraTrainer(str(tmp_path / "nowhere"))
    with pytest.raises(TrainingFailedError, match=r"nowhere, can't be started: No such file .* ftorch\[lora\]"):
        lora.train(training, Recorded())


def test_a_python_without_torch_is_told_what_to_install(training: Training, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    lora = LoraTrainer(str(bare / "bin" / "python"))
    with pytest.raises(
        TrainingFailedError,
        match=r"has no torch\. Run: .*bare/bin/python -m pip install .*(torch>=|ftorch\[lora\])",
    ):
        lora.train(training, Recorded())


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

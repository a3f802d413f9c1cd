"""The lora trainer, ftorch's side: it prepares the folder, has the program started, and reports what that one
writes."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.server.launchers.children import end, started
from orchestrator.server.launchers.interface import Launcher, LaunchError, Waiting
from orchestrator.server.launchers.process import ProcessLauncher
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.trainers.interface import (
    AnswerError,
    Base,
    Checked,
    Hyperparameters,
    Method,
    Model,
    Report,
    Requested,
    RowsRefusedError,
    Training,
    TrainingFailedError,
)
from orchestrator.server.trainers.lora import hyperparameters
from orchestrator.server.trainers.lora.attempts import PROGRAM, Attempts, ending
from orchestrator.server.trainers.lora.failures import needs_packages
from orchestrator.server.trainers.lora.folder import TrainingFolder, read_json
from orchestrator.server.trainers.lora.job import Job, prepared_job, staged
from orchestrator.server.trainers.lora.serving.choosing import ModelHosts


class LoraTrainer:
    """Fine-tunes open-weights models with LoRA, in a Python that has torch. See docs/open-weights.md."""

    name = "lora"

    def __init__(
        self, python: str = sys.executable, hosts: ModelHosts | None = None, ray: RaySettings | None = None
    ) -> None:
        """`python` has the packages of ftorch[lora]. `hosts` answer; a process that only trains needs none. Without
        `ray`, trainings are child processes."""
        self._python = python
        self._hosts = hosts
        self._ray = ray

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        """See `Trainer.resolve` and `hyperparameters.py`."""
        return hyperparameters.resolve(examples, method, requested)

    def check(self, training: Training) -> Checked:
        """Render every row with the model's own tokenizer and template, on this machine. See `Trainer.check`."""
        folder, _ = self._prepared(training)
        folder.checked.unlink(missing_ok=True)
        log = folder.path / "check.log"
        command = [self._python, "-P", "-m", PROGRAM, "check", str(folder.path), "0"]
        try:
            process = started(command, folder.path / "package", log)
        except LaunchError as error:
            raise TrainingFailedError(str(error)) from error
        try:
            process.wait()
        finally:
            end(process)
        found = read_json(folder.checked)
        if found is None:
            raise ending(process.returncode, log)
        if "missing" in found:
            raise TrainingFailedError(needs_packages(self._python, found["missing"]))
        if "failed" in found:
            raise TrainingFailedError(found["failed"])
        if "refused" in found:
            raise RowsRefusedError(found["refused"], found["role"])
        return Checked(found["tokens"], found["notes"])

    def train(self, training: Training, report: Report) -> Path:
        """Train in a program of the trainer's Python. See `Trainer.train`.

        Raises OSError if the machine ended the program, and not the training itself: it may be tried again.
        """
        folder, job = self._prepared(training)
        launcher, processes = self._launcher(), job.options["num_processes"]
        waiting = Waiting(report.waiting, report.note, is_patient=folder.current_attempt() > 0)
        attempts = Attempts(folder, launcher, report, processes, reads=[Path(job.base_folder)])
        try:
            with launcher.room(processes, waiting):
                return attempts.weights()
        except LaunchError as error:
            raise TrainingFailedError(str(error)) from error

    def load(self, weights: Path | None, base: Base | None) -> Model:
        """A light handle; the model itself is in a host process. See `Trainer.load`."""
        if self._hosts is None or base is None:
            raise AnswerError("This process has no host for open-weights models.")
        return self._hosts.handle(weights, base)

    def close(self) -> None:
        """End the host processes."""
        if self._hosts is not None:
            self._hosts.close()

    def _launcher(self) -> Launcher:
        if self._ray is None:
            return ProcessLauncher(self._python)
        from orchestrator.server.launchers.ray import RayLauncher

        return RayLauncher(self._ray, self._python)

    def _prepared(self, training: Training) -> tuple[TrainingFolder, Job]:
        folder = TrainingFolder(training.folder)
        if self._ray is None:
            return folder, prepared_job(folder, training)
        cpus = self._ray.cpus * training.hyperparameters.options["num_processes"]
        return folder, prepared_job(folder, staged(training), threads=max(1, int(cpus)))

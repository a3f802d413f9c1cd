"""Sweeps recorded in a real project, and trials that end as a test says, without an endpoint."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import update

from orchestrator.config import find_workspace
from orchestrator.jobfile import load_job_file
from orchestrator.ledger import Ledger
from orchestrator.store import records, runs as run_store, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.schema import runs
from orchestrator.store.sweeps import RecordedTrial
from orchestrator.sweeps.plan import SweepPlan, plan_sweep
from orchestrator.sweeps.submission import SubmittedSweep, record_sweep
from orchestrator.sweeps.supervisor import SweepSupervisor, supervisor_of
from support.project import Project

NOW = 1_800_000_000.0
GRID = "[sweep.space]\nn_epochs = [1, 2, 3]"


def write_sweep(project: Project, space: str = "[sweep.space]\nn_epochs = [1, 2]", **replaced: str) -> None:
    """A job file with two trials, or those of a `space`, and a validation file to rank them on."""
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines(keepends=True)
    (project.root / "jobs" / "valid.jsonl").write_text("".join(rows[:3]).replace("Switch on", "Put on"))
    data = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"'
    project.write_job(space, **{"training_file": data, "n_epochs": "", **replaced})


@dataclass
class Sweeping:
    """A project's job file with `[sweep]`, and its database."""

    project: Project
    database: Database
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def ledger(self) -> Ledger:
        return Ledger(find_workspace(self.project.root), self.database)

    def write(self, sweep: str = GRID, **replaced: str) -> Path:
        data = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"'
        return self.project.write_job(sweep, **{"training_file": data, "n_epochs": "", **replaced})

    def plan(self, sweep: str = GRID, endpoint: str | None = None, **replaced: str) -> SweepPlan:
        path = self.write(sweep, **replaced)
        return plan_sweep(load_job_file(path), find_workspace(self.project.root), endpoint)

    def submit(self, sweep: str = GRID, endpoint: str | None = None, **replaced: str) -> SubmittedSweep:
        planned = self.plan(sweep, endpoint, **replaced)
        return record_sweep(planned, self.database, now=NOW, rng=self.rng)

    def supervisor(self, submitted: SubmittedSweep) -> SweepSupervisor:
        return supervisor_of(self.ledger, submitted.sweep)

    def trials(self, submitted: SubmittedSweep) -> list[RecordedTrial]:
        with self.database.read() as connection:
            return store.trials_of(connection, submitted.sweep.id)

    def run(self, trial: RecordedTrial) -> Run:
        with self.database.read() as connection:
            return run_store.get(connection, trial.run_id)

    def runs(self) -> list[Run]:
        with self.database.read() as connection:
            return run_store.newest(connection)

    def end(self, trial: RecordedTrial, state: str = "succeeded", **columns: Any) -> None:
        """What a worker would write in the end."""
        values: Mapping[str, Any] = {
            "state": state,
            "finished_at": NOW,
            "version": 9,
            "requested_action": None,
            **columns,
        }
        with self.database.write() as connection:
            connection.execute(update(runs).where(runs.c.id == trial.run_id).values(**values))

    def score(self, trial: RecordedTrial, loss: float) -> None:
        """End it well, with this validation loss on the whole file."""
        with self.database.write() as connection:
            records.add_metrics(connection, [Metric(trial.run_id, 10, 10, full_valid_loss=loss)])
        self.end(trial, fine_tuned_model=f"model-{trial.number}", job_id=f"job-{trial.run_id}")

    def train(self, trial: RecordedTrial, losses: Mapping[int, float], total: int) -> None:
        """Let it run, and measure these validation losses by step."""
        found = [Metric(trial.run_id, step, total, valid_loss=loss) for step, loss in losses.items()]
        values = {"state": "running", "job_id": f"job-{trial.run_id}"}
        with self.database.write() as connection:
            records.add_metrics(connection, found)
            connection.execute(update(runs).where(runs.c.id == trial.run_id).values(**values))

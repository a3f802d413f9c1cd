"""Start-up cost of the command, as ratios against baselines measured in the same run.

The commands of one round run one after another, so that a machine that gets slower slows all of them; each figure
is the median over the rounds.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from orchestrator.runs.states import State
from orchestrator.store import runs
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run

ROUNDS = 15
RUNS = 1000
MANY_RUNS = 100_000
STEPS = 10
"""Measured in each of the many runs."""
FTORCH = str(Path(sys.executable).with_name("ftorch"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import click": [sys.executable, "-c", "import click"],
    "import sqlalchemy.orm, click, rich.table": [
        sys.executable,
        "-c",
        "import sqlalchemy.orm, click, rich.table",
    ],
    "ftorch --help": [FTORCH, "--help"],
    "ftorch --version": [FTORCH, "--version"],
    "ftorch status": [FTORCH, "status"],
    "ftorch status, many runs": [FTORCH, "status"],
}


def main() -> None:
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        fill(Path(few))
        shutil.copy(Path(few) / "ftorch.db", many)
        multiply(Path(many) / "ftorch.db")
        seconds = measure({name: many if "many" in name else few for name in COMMANDS})
    for name, median in seconds.items():
        print(f"{median * 1000:7.0f} ms  {name}")
    bare, click = seconds["python -c pass"], seconds["import click"]
    for name in ("ftorch --help", "ftorch --version"):
        ratio = (seconds[name] - bare) / (click - bare)
        print(f"{ratio:7.2f} ×   {name}, over what `import click` adds to `python -c pass` (at most 6)")
    for name, number in (("ftorch status", RUNS), ("ftorch status, many runs", MANY_RUNS)):
        ratio = seconds[name] / seconds["import sqlalchemy.orm, click, rich.table"]
        print(f"{ratio:7.2f} ×   ftorch status with {number:,} runs, over those imports (at most 1.5)")


def fill(home: Path) -> None:
    """A database with runs of every state."""
    database = open_database(f"sqlite:///{home / 'ftorch.db'}")
    rng, states = random.Random(0), list(State)
    with database.write() as connection:
        for number in range(RUNS):
            runs.add(connection, example_run(number, rng.choice(states)), "made for the benchmark")
    database.close()


def multiply(path: Path) -> None:
    """Copy its runs until there are many, each older than the one before and with some steps: SQL takes seconds,
    where the store would take minutes."""
    with closing(sqlite3.connect(path)) as connection, connection:
        others = [name for _, name, *_ in connection.execute("PRAGMA table_info(runs)")]
        others = [name for name in others if name not in ("id", "created_at", "updated_at")]
        copies = "WITH RECURSIVE copy(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ?)"
        moved = "printf('%08d', id + n * ?), created_at - n * ?, updated_at - n * ?"
        connection.execute(
            f"{copies} INSERT INTO runs (id, created_at, updated_at, {', '.join(others)}) "
            f"SELECT {moved}, {', '.join(others)} FROM runs, copy",
            (MANY_RUNS // RUNS - 1, RUNS, RUNS, RUNS),
        )
        connection.execute(
            f"{copies} INSERT INTO metrics (run_id, step, total_steps, train_loss) "
            "SELECT id, n, ?, 1.0 / n FROM runs, copy",
            (STEPS, STEPS),
        )


def example_run(number: int, state: State) -> Run:
    now = time.time() - number
    return Run(
        id=f"{number:08d}",
        name="drone",
        sweep_id=None,
        fingerprint=f"{number:064d}",
        job_file="jobs/drone.toml",
        endpoint="local",
        endpoint_type="local",
        model="gpt-4.1-mini-2025-04-14",
        suffix="drone",
        method={"type": "supervised", "hyperparameters": {"n_epochs": 3}},
        seed=number,
        seed_given=False,
        metadata={},
        training_path="jobs/drone/train.jsonl",
        training_sha256="0" * 64,
        validation_path=None,
        validation_sha256=None,
        examples=259,
        tokens_per_epoch=253_421,
        estimated_cost_usd=0.0,
        max_cost_usd=None,
        poll_seconds=None,
        state=state,
        reason="made for the benchmark",
        version=1,
        created_at=now,
        updated_at=now,
    )


def measure(homes: Mapping[str, str]) -> dict[str, float]:
    """Median wall seconds of each command, with its state in this folder."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for round_number in range(ROUNDS + 1):
        for name, command in COMMANDS.items():
            environment = {**os.environ, "FTORCH_HOME": homes[name]}
            start = time.perf_counter()
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            if round_number:  # the first round warms the disk cache
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


if __name__ == "__main__":
    main()

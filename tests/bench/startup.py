"""Start-up cost of the command, as ratios against baselines measured in the same run.

The commands of one round run one after another, so that a machine that gets slower slows all of them; each figure
is the median over the rounds.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.runs.states import State
from orchestrator.store import runs
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run

ROUNDS = 15
RUNS = 1000
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
}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        fill(Path(home))
        seconds = measure({**os.environ, "FTORCH_HOME": home})
    for name, median in seconds.items():
        print(f"{median * 1000:7.0f} ms  {name}")
    bare, click = seconds["python -c pass"], seconds["import click"]
    for name in ("ftorch --help", "ftorch --version"):
        ratio = (seconds[name] - bare) / (click - bare)
        print(f"{ratio:7.2f} ×   {name}, over what `import click` adds to `python -c pass` (at most 6)")
    ratio = seconds["ftorch status"] / seconds["import sqlalchemy.orm, click, rich.table"]
    print(f"{ratio:7.2f} ×   ftorch status with {RUNS:,} runs, over those imports (at most 1.5)")


def fill(home: Path) -> None:
    """A database with runs of every state."""
    database = open_database(f"sqlite:///{home / 'ftorch.db'}")
    rng, states = random.Random(0), list(State)
    with database.write() as connection:
        for number in range(RUNS):
            runs.add(connection, example_run(number, rng.choice(states)), "made for the benchmark")
    database.close()


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


def measure(environment: dict[str, str]) -> dict[str, float]:
    """Median wall seconds of each command."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for round_number in range(ROUNDS + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            if round_number:  # the first round warms the disk cache
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


if __name__ == "__main__":
    main()

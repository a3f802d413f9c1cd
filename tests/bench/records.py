"""Seconds and peak memory of the commands that read the records, with very many of them.

One database holds many runs that are over, each with its job as the endpoint described it and its metrics, and one
run with very many events. Each command is a process whose peak memory is its own. `logs` is also timed until its
first line. The one argument, a folder, keeps the database for the next time.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from startup import example_run

from orchestrator.runs.states import State
from orchestrator.store.migrate import open_database

RUNS = 100_000
METRICS = 10
EVENTS = 1_000_000
FTORCH = str(Path(sys.executable).with_name("ftorch"))
TALKATIVE = f"{0:08d}"
COMMANDS = (
    ["status"],
    ["show", TALKATIVE],
    ["resume"],
    ["status", "--json"],
    ["status", "--all"],
    ["models"],
    ["logs", TALKATIVE],
)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if not (home / "ftorch.db").exists():
            fill(home)
        megabytes = (home / "ftorch.db").stat().st_size / 1e6
        print(f"{RUNS:,} runs, {EVENTS:,} events of one run, a database of {megabytes:,.0f} MB")
        print("SECONDS   FIRST LINE   PEAK MEMORY   COMMAND")
        for command in COMMANDS:
            measure(home, command)


def measure(home: Path, command: list[str]) -> None:
    """Run it in a process of its own, whose only child is the command."""
    arguments = [sys.executable, __file__, "measured", str(home), *command]
    first, whole, peak = json.loads(subprocess.run(arguments, stdout=subprocess.PIPE, check=True).stdout)
    print(f"{whole:7.2f}   {first:10.2f}   {peak:8.0f} MB   ftorch {' '.join(command)}", flush=True)


def measured(home: str, *command: str) -> None:
    started = time.perf_counter()
    environment = {**os.environ, "FTORCH_HOME": home}
    with subprocess.Popen([FTORCH, *command], env=environment, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        first = time.perf_counter() - started
        while running.stdout.read(1 << 20):
            pass
    assert running.returncode == 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps([first, time.perf_counter() - started, peak]))


# --- the records --------------------------------------------------------------------------------------------


def fill(home: Path) -> None:
    """Straight into the tables: through the store it would take minutes."""
    path = home / "ftorch.db"
    open_database(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection, connection:
        insert(connection, "runs", run_rows())
        insert(connection, "transitions", transition_rows())
        insert(connection, "metrics", metric_rows())
        insert(connection, "models", model_rows())
        insert(connection, "events", event_rows())


def insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = ", ".join(first)
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(first))})"
    connection.execute(statement, values(first))
    connection.executemany(statement, map(values, rows))


def values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(json.dumps(value) if isinstance(value, dict) else value for value in row.values())


def run_rows() -> Iterator[dict[str, Any]]:
    for number in range(RUNS):
        run = example_run(number, State.SUCCEEDED)
        job: dict[str, Any] = {
            "id": f"ftjob-{number:024d}",
            "object": "fine_tuning.job",
            "model": run.model,
            "status": "succeeded",
            "training_file": f"file-{number:024d}",
            "result_files": [f"file-{number:024d}"],
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
            "metadata": {"ftorch_run": run.id, "ftorch_fingerprint": run.fingerprint, "note": "n" * 400},
        }
        yield asdict(
            replace(
                run,
                finished_at=run.updated_at,
                job_id=job["id"],
                remote_status="succeeded",
                remote_job=job,
                fine_tuned_model=f"ft:{run.model}:acme:drone:{number:08d}",
            )
        )


def transition_rows() -> Iterator[dict[str, Any]]:
    for number in range(RUNS):
        for version, state in enumerate(("pending", "creating", "running", "succeeded"), start=1):
            yield {
                "run_id": f"{number:08d}",
                "version": version,
                "from_state": None,
                "to_state": state,
                "reason": "made for the benchmark",
                "at": float(version),
                "owner": None,
            }


def metric_rows() -> Iterator[dict[str, Any]]:
    for number in range(RUNS):
        for step in range(1, METRICS + 1):
            yield {"run_id": f"{number:08d}", "step": step, "total_steps": METRICS, "train_loss": 1 / step}


def model_rows() -> Iterator[dict[str, Any]]:
    for number in range(RUNS):
        yield {
            "endpoint": "local",
            "model": f"ft:gpt-4.1-mini-2025-04-14:acme:drone:{number:08d}",
            "run_id": f"{number:08d}",
            "base_model": "gpt-4.1-mini-2025-04-14",
            "created_at": float(number),
        }


def event_rows() -> Iterator[dict[str, Any]]:
    for number in range(EVENTS):
        yield {
            "run_id": TALKATIVE,
            "event_id": f"ftevent-{number:024d}",
            "position": number,
            "created_at": 1.7e9 + number // 7,
            "level": "info",
            "type": "metrics",
            "message": f"Step {number}/{EVENTS}: training loss=0.42",
            "data": {"step": number, "train_loss": 0.42},
        }


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "measured":
        measured(*sys.argv[2:])
    else:
        main()

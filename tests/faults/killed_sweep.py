"""Kill `ftorch` five times while it works on the drone sweep, and resume it: python tests/faults/killed_sweep.py

In the end there must be nine jobs on the endpoint, nine results, one upload of each file, and a ranking.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.project import FTORCH, Project, make_project

JOBS = Path(__file__).parents[2] / "jobs"
TRIALS, KILLS = 9, 5
SHORTEST, LONGEST = 1.0, 4.0
"""Seconds that a process lives."""


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rng, began = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        shutil.copy(JOBS / "drone-sweep.toml", project.root / "jobs")
        shutil.copytree(JOBS / "drone", project.root / "jobs" / "drone")
        lives = [_killed(project, rng) for _ in range(KILLS)]
        ended = project.process("resume")
        print(f"killed after {', '.join(f'{life:.1f} s' for life in lives)}; then resumed to the end")
        print(f"{time.monotonic() - began:.0f} s in all; exit code {ended.code}; stdout: {ended.out.strip()}")
        _report(project)


def _killed(project: Project, rng: random.Random) -> float:
    """Submit, or carry on where that is recorded already, and kill the process after a random time."""
    is_recorded = bool(_rows(project, "ftorch.db", "SELECT id FROM sweeps"))
    arguments = ["resume"] if is_recorded else ["submit", "jobs/drone-sweep.toml", "--yes"]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        [FTORCH, *arguments],
        cwd=project.root,
        env=dict(project.environment),
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
    )
    life = rng.uniform(SHORTEST, LONGEST)
    time.sleep(life)
    process.kill()
    process.wait()
    return life


def _report(project: Project) -> None:
    found = json.loads(project.process("sweep", "show", "drone-sweep", "--json").out)
    jobs = _rows(project, "local/endpoint.db", "SELECT id, status FROM jobs")
    uploads = _rows(project, "local/endpoint.db", "SELECT filename FROM files WHERE purpose = 'fine-tune'")
    models = _rows(project, "ftorch.db", "SELECT fine_tuned_model FROM runs WHERE state = 'succeeded'")
    runs = _rows(project, "ftorch.db", "SELECT id FROM runs")
    print(f"runs {len(runs)}, jobs on the endpoint {len(jobs)}, results {len(set(models))}")
    print(f"uploads: {', '.join(str(name) for (name,) in uploads)}")
    for place, point in enumerate(found["ranking"], start=1):
        print(f"{place}. {point['mean']:.4f} {point['parameters']}")
    assert len(runs) == len(jobs) == len(set(models)) == TRIALS
    assert len(uploads) == len({name for (name,) in uploads}) == 2
    assert len(found["ranking"]) == TRIALS


def _rows(project: Project, database: str, query: str) -> list[tuple[object, ...]]:
    path = project.root / ".ftorch" / database
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


if __name__ == "__main__":
    main()

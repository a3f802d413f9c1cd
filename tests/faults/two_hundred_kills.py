"""Kill `ftorch` two hundred times while it works on nine submissions: python tests/faults/two_hundred_kills.py

The endpoint is `ftorch serve` in a process of its own, behind a slow line, so that many kills fall between a
request and its answer. In the end there must be nine jobs and nine model ids.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.machine import Machine, end, machine
from faults.proxy import proxied

RUNS = 9
KILLS = 200
KILLED, ENDED = "killed", "ended before"
SHORTEST, LONGEST = 0.05, 2.5
"""Seconds that a process lives."""
SETTLING = 1.0
LATENCY = 0.15


def main() -> None:
    began = time.monotonic()
    rng = random.Random(20)
    with (
        tempfile.TemporaryDirectory() as folder,
        machine(Path(folder)) as (found, upstream),
        proxied(upstream, late_seconds=0.0) as proxy,
    ):
        proxy.wire.latency = LATENCY
        found.point_to(proxy.address, kind="compatible", settling=SETTLING, timeout=5.0, at_once=2)
        kills = _submit_all(found, rng)
        while kills[KILLED] < KILLS:
            how = _killed(found.start("resume"), rng)
            kills[how] += 1
            if how == ENDED and all(run["finished_at"] for run in found.project.status()):
                break
        last = found.project.process("resume")
        assert last.code == 0, last.err
        print(f"requests: {dict(proxy.wire.counts)}")
        _report(found, kills, time.monotonic() - began)


def _submit_all(found: Machine, rng: random.Random) -> Counter[str]:
    """Nine job files, each submitted and killed, and submitted again until it is recorded."""
    kills: Counter[str] = Counter()
    for number in range(RUNS):
        job = found.project.write_job(
            name=f'name = "greet-{number}"', endpoint='endpoint = "there"', model=f'model = "m"\nseed = {number}'
        )
        path = job.rename(job.with_name(f"greet-{number}.toml"))
        while len(found.project.status()) <= number:
            kills[_killed(found.start("submit", str(path), "--yes"), rng)] += 1
    return kills


def _killed(process: subprocess.Popen[str], rng: random.Random) -> str:
    """Let the process live for a random time; how it ended."""
    try:
        process.wait(rng.uniform(SHORTEST, LONGEST))
    except subprocess.TimeoutExpired:
        end(process, signal.SIGKILL)
        return KILLED
    return ENDED


def _report(found: Machine, kills: Counter[str], seconds: float) -> None:
    runs, jobs = found.project.status(), found.jobs()
    print(f"{kills[KILLED]} kills in {sum(kills.values())} processes, {seconds:.0f} s")
    print(f"runs: {len(runs)}, {dict(Counter(str(run['state']) for run in runs))}")
    print(f"jobs on the endpoint: {len(jobs)}, {dict(Counter(str(job['status']) for job in jobs))}")
    print(f"model ids: {len({run['fine_tuned_model'] for run in runs})}")
    print(f"files on the endpoint: {len(found.files())}")
    assert len(jobs) == len({job["fine_tuned_model"] for job in jobs}) == RUNS
    assert {run["fine_tuned_model"] for run in runs} == {job["fine_tuned_model"] for job in jobs}


if __name__ == "__main__":
    main()

"""What must hold in the end, whatever happened: "exactly once", in checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

from faults.bench import Bench
from orchestrator.endpoints.interface import chosen_id
from orchestrator.runs.states import FINAL, MOVES, State
from orchestrator.server.store.records import Job
from orchestrator.store.runs import Run


def violations(
    bench: Bench,
    ends: dict[str, State],
    *,
    surplus_files: int = 0,
    may_stay_unknown: bool = False,
    most_jobs: int | None = None,
) -> list[str]:
    """Sentences on what is wrong; none when all is well. `ends` are the runs and how each has to end.

    `surplus_files` are how many files too many are forgiven. With `may_stay_unknown` a run may end as unknown
    instead, with the way out in its reason and never with a second job. `most_jobs` were ever made for a run, those
    that were cancelled as surplus included: what they trained until then is paid.
    """
    return [
        *_wrong_ends(bench.runs(), ends, may_stay_unknown),
        *_wrong_jobs(bench, ends),
        *_surplus_jobs(bench, most_jobs),
        *_twice_uploaded(bench, surplus_files),
        *_wrongly_served(bench),
        *unexplained(bench),
    ]


def unexplained(bench: Bench) -> list[str]:
    """What is wrong with the histories: this has to hold at any moment."""
    found = []
    for run in bench.runs():
        history = bench.history(run)
        if [line.version for line in history] != list(range(1, run.version + 1)):
            found.append(f"{run.id}: versions {[line.version for line in history]}, the run has {run.version}")
        if history[-1].to_state != run.state or (run.state in FINAL) != run.is_over:
            found.append(f"{run.id}: is {run.state}, its history ends with {history[-1].to_state}")
        for before, after in pairwise(history):
            legal = after.to_state in MOVES[State(before.to_state)] and after.from_state == before.to_state
            if not legal or not after.reason:
                found.append(f"{run.id}: moved from {before.to_state} to {after.to_state}: {after.reason}")
    return found


def _wrong_ends(runs: list[Run], ends: dict[str, State], may_stay_unknown: bool) -> list[str]:
    found = {run.id: run for run in runs}
    wrong = [f"{run_id} is no recorded run" for run_id in ends.keys() - found.keys()]
    wrong += [f"{run_id} was recorded beside the others" for run_id in found.keys() - ends.keys()]
    for run_id in ends.keys() & found.keys():
        run = found[run_id]
        if run.state == State.UNKNOWN and may_stay_unknown:
            if "ftorch resume" not in run.reason:
                wrong.append(f"{run_id} is unknown and names no way out: {run.reason}")
        elif run.state != ends[run_id]:
            wrong.append(f"{run_id} is {run.state}, not {ends[run_id]}: {run.reason}")
        if run.state == State.SUCCEEDED and not run.fine_tuned_model:
            wrong.append(f"{run_id} succeeded without a model")
    return wrong


def _wrong_jobs(bench: Bench, ends: dict[str, State]) -> list[str]:
    """Exactly one job that was paid to its end for a run that succeeded, none for any other."""
    live: dict[str, list[Job]] = defaultdict(list)
    for job in bench.jobs():
        if job.status != "cancelled":
            live[_run_of(job, bench.runs()).id].append(job)
    wrong = []
    for run in bench.runs():
        ids, wanted = [job.id for job in live[run.id]], int(ends.get(run.id) == State.SUCCEEDED)
        if run.state == State.UNKNOWN and len(ids) <= 1:
            continue  # nothing was paid twice; where that is not allowed, its end is wrong
        if len(ids) != wanted:
            wrong.append(f"{run.id} has {len(ids)} jobs on the endpoint, not {wanted}")
        elif wanted and run.job_id not in ids:
            wrong.append(f"{run.id} follows {run.job_id}, which is not its job {ids[0]}")
    return wrong


def _run_of(job: Job, runs: list[Run]) -> Run:
    """By its seed, or by the id that was chosen for it."""
    [found] = [run for run in runs if job.seed == run.seed or job.id == chosen_id(run.creation_token or "")]
    return found


def _surplus_jobs(bench: Bench, most: int | None) -> list[str]:
    made = Counter(_run_of(job, bench.runs()).id for job in bench.jobs())
    return (
        [] if most is None else [f"{count} jobs were made, not {most}" for count in made.values() if count > most]
    )


def _twice_uploaded(bench: Bench, surplus: int) -> list[str]:
    counted = Counter(bench.files())
    return [f"{name} was uploaded {count} times" for name, count in counted.items() if count > 1 + surplus]


def _wrongly_served(bench: Bench) -> list[str]:
    """Where models are served on request: exactly the recorded one for a run that succeeded, and no other."""
    if bench.served is None:
        return []
    wrong = []
    for run in bench.runs():
        found = [name for name, description in bench.served.items() if run.id in description]
        wanted = [run.fine_tuned_model] if run.state == State.SUCCEEDED else []
        if found != wanted:
            wrong.append(f"{run.id} is served as {found}, not {wanted}")
    return wrong


def expected_end(run: Run) -> State:
    """How a run is to end: as it did where it is over, or waits for the user with a reason that is allowed."""
    return State(run.state) if run.is_over or waits_for_an_unknown_one(run) else State.SUCCEEDED


def waits_for_an_unknown_one(run: Run) -> bool:
    """It has no job, and gets none before the user settles the other."""
    return run.job_id is None and "looks the same to the endpoint and is unknown there" in run.reason

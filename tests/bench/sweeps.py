"""What the machinery of a sweep costs for 1,000 trials: planning, proposing, judging, ranking, but no training.

A grid is wanted in under 3 s, tpe within 1.5 × of Optuna's own ask and tell in memory, each in under 150 MB. Every
measurement runs in a process of its own and counts that process's time on the processor, since nothing here waits;
the ways that are compared take turns.
"""

from __future__ import annotations

import math
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from orchestrator.jobfile import JobFile, Sweep
from orchestrator.store.records import Metric
from orchestrator.sweeps.effects import effects
from orchestrator.sweeps.points import known_points
from orchestrator.sweeps.results import PointResult, TrialResult, TrialState, by_point, looks, rank, score_of
from orchestrator.sweeps.stopping import Judge
from orchestrator.sweeps.study import distributions, quiet
from orchestrator.sweeps.tpe import Proposer, suggestions
from orchestrator.sweeps.trials import Parameters, Trial, numbered, trial_job

TRIALS = 1_000
STEPS, LOOKS = 100, 10
ROUNDS = 2

GRID = {"n_epochs": [*range(1, 11)], "batch_size": [*range(1, 11)], "learning_rate_multiplier": [*range(1, 11)]}
RANGES = {
    "n_epochs": {"low": 1, "high": 10},
    "batch_size": {"low": 1, "high": 64, "log": True},
    "learning_rate_multiplier": {"low": 0.05, "high": 5.0, "log": True},
}


def main() -> None:
    show("a grid: planned, scored, ranked, explained", [alone(grid)])
    rounds = [(alone(judged_grid), alone(bare_pruning)) for _ in range(ROUNDS)]
    compare(f"the same grid with the median rule, {LOOKS} looks at each trial", "Optuna's report and prune", rounds)
    rounds = [(alone(tpe), alone(bare_tpe)) for _ in range(ROUNDS)]
    compare("tpe: proposed, scored, ranked", "Optuna's ask and tell", rounds)


def show(what: str, found: list[tuple[float, float]]) -> None:
    seconds, megabytes = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"{seconds:7.2f} s  {megabytes:4.0f} MB   {TRIALS:,} trials, {what}")


def compare(what: str, other: str, rounds: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    ours, bare = zip(*rounds, strict=True)
    show(what, list(ours))
    show(f"{other} alone", list(bare))
    ratio = statistics.median(a[0] / b[0] for a, b in rounds)
    print(f"{ratio:7.2f} ×            the former over the latter")


def alone(way: Callable[[], None]) -> tuple[float, float]:
    """Processor seconds and peak megabytes of a way, in a process that does nothing else."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, way).result()


def measured(way: Callable[[], None]) -> tuple[float, float]:
    start = time.process_time()
    way()
    seconds = time.process_time() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- the ways -----------------------------------------------------------------------------------------------


def grid() -> None:
    job, sweep = job_with({"space": GRID})
    results = []
    for trial in planned(job, sweep):
        results.append(ended(sweep, trial, course(trial.parameters)))
    conclude(sweep, results)


def judged_grid() -> None:
    job, sweep = job_with({"space": GRID, "stop": {"rule": "median"}})
    assert sweep.stop is not None
    judge, results = Judge(sweep.stop, STEPS // LOOKS), []
    for trial in planned(job, sweep):
        metrics, state = course(trial.parameters), TrialState.SUCCEEDED
        seen = looks(metrics, STEPS // LOOKS)
        for number in range(1, LOOKS + 1):
            if judge.judge(trial.number, dict([*seen.items()][:number])):
                state = TrialState.PRUNED
                break
        judge.end(trial.number, dict([*seen.items()][:number]), state)
        results.append(ended(sweep, trial, metrics, state))
    conclude(sweep, results)


def bare_pruning() -> None:
    from optuna import create_study
    from optuna.pruners import MedianPruner
    from optuna.trial import TrialState as OptunaState

    job, sweep = job_with({"space": GRID})
    with quiet():
        study = create_study(pruner=MedianPruner(4, n_min_trials=4))
    for trial in planned(job, sweep):
        asked, state = study.ask(), OptunaState.COMPLETE
        for step, loss in looks(course(trial.parameters), STEPS // LOOKS).items():
            asked.report(loss, step)
            if asked.should_prune():
                state = OptunaState.PRUNED
                break
        study.tell(asked, loss if state is OptunaState.COMPLETE else None, state=state)


def tpe() -> None:
    job, sweep = job_with({"strategy": "tpe", "trials": TRIALS, "space": RANGES})
    proposer, points, results = Proposer(job, sweep), list[PointResult](), list[TrialResult]()
    for number in range(1, TRIALS + 1):
        parameters = proposer.propose(points)
        assert parameters is not None
        trial = Trial(number, parameters)
        trial_job(job, trial)
        results.append(ended(sweep, trial, course(parameters)))
        points += by_point(results[-1:])
    conclude(sweep, results)


def bare_tpe() -> None:
    from optuna import create_study
    from optuna.samplers import TPESampler

    _, sweep = job_with({"strategy": "tpe", "trials": TRIALS, "space": RANGES})
    axes = distributions(sweep.space.axes)
    with quiet():
        study = create_study(sampler=TPESampler(seed=0))
    for _ in range(TRIALS):
        trial = study.ask(axes)
        study.tell(trial, course(trial.params)[-1].full_valid_loss)


# --- their parts --------------------------------------------------------------------------------------------


def job_with(sweep: Mapping[str, Any]) -> tuple[JobFile, Sweep]:
    data = {"training_file": "train.jsonl", "validation_file": "valid.jsonl"}
    job = JobFile.model_validate({"name": "bench", "model": "m", "data": data, "sweep": sweep})
    assert job.sweep is not None
    return job, job.sweep


def planned(job: JobFile, sweep: Sweep) -> list[Trial]:
    trials = list(numbered(known_points(sweep, examples=TRIALS, model=job.model), sweep.seeds))
    assert len(trials) == TRIALS
    for trial in trials:
        trial_job(job, trial)
    return trials


def course(parameters: Parameters) -> list[Metric]:
    """A loss that falls, to a depth that the parameters decide."""
    rate, epochs = float(parameters["learning_rate_multiplier"]), int(parameters["n_epochs"])
    depth = 0.2 + abs(math.log(rate / 0.7)) / 3 + abs(epochs - 4) / 20
    losses = [depth + (1.5 - depth) * math.exp(-5 * step / STEPS) for step in range(LOOKS, STEPS + 1, LOOKS)]
    metrics = [
        Metric("run", step, valid_loss=loss)
        for step, loss in zip(range(LOOKS, STEPS + 1, LOOKS), losses, strict=True)
    ]
    return [*metrics[:-1], Metric("run", STEPS, valid_loss=losses[-1], full_valid_loss=losses[-1])]


def ended(
    sweep: Sweep, trial: Trial, metrics: list[Metric], state: TrialState = TrialState.SUCCEEDED
) -> TrialResult:
    score = score_of(sweep, metrics, [], "model") if state is TrialState.SUCCEEDED else None
    return TrialResult(trial, state, score=score, final_step=STEPS)


def conclude(sweep: Sweep, results: list[TrialResult]) -> None:
    ranking = rank(sweep, results)
    assert ranking.best is not None
    assert effects(ranking.ranked, sweep.goal)
    suggestions(ranking)


if __name__ == "__main__":
    main()

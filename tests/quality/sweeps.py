"""Is a tpe sweep as good as the grid, and what does stopping save? python tests/quality/sweeps.py [SEEDS]

Real sweeps of the drone job on the local endpoint. Whole sweeps are compared, each with the same training seed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

import orchestrator
from orchestrator.ledger import open_ledger
from orchestrator.store.records import last_metrics
from orchestrator.sweeps.overview import Overview
from orchestrator.sweeps.results import TrialState

JOBS = Path(__file__).parents[2] / "jobs"
HEAD = """
name = "{name}"
model = "gpt-4.1-mini-2025-04-14"
seed = 1
[data]
training_file = "drone/train.jsonl"
validation_file = "drone/validation.jsonl"
"""
GRID = "[sweep.space]\nn_epochs = [1, 2, 3]\nlearning_rate_multiplier = [0.1, 0.5, 1.0]"
SAME_BOUNDS = "n_epochs = { low = 1, high = 3 }\nlearning_rate_multiplier = { low = 0.1, high = 1.0, log = true }"
WIDER = "n_epochs = { low = 1, high = 5 }\nlearning_rate_multiplier = { low = 0.05, high = 2.0, log = true }"
RATES = "n_epochs = [3]\nlearning_rate_multiplier = { low = 0.05, high = 2.0, log = true }"
TPE = '[sweep]\nstrategy = "tpe"\ntrials = 20\nseed = {seed}\n[sweep.space]\n{space}'
RANDOM = '[sweep]\nstrategy = "random"\ntrials = 16\nseed = {seed}\n[sweep.space]\n{space}'
MEDIAN = '[sweep.stop]\nrule = "median"'
STOPPED = {
    "rates alone, 3 epochs": (RATES, MEDIAN),
    "rates and batch sizes, 3 epochs": (f"{RATES}\nbatch_size = [1, 2, 4]", MEDIAN),
    "epochs and rates": (WIDER, MEDIAN),
    "epochs and rates, judged after the first epoch": (WIDER, f"{MEDIAN}\nwarmup_steps = 260"),
}
"""What is drawn at random, and the rule that stops it."""


def main() -> None:
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    with folder() as project:
        grid = swept(project, "grid", GRID)
        print(f"grid of 9: best validation loss {best(grid):.4f}, at {dict(point(grid))}", flush=True)
        for title, space in (("the grid's bounds", SAME_BOUNDS), ("wider bounds", WIDER)):
            for seed in seeds:
                tpe = swept(project, f"tpe-{space == WIDER:d}-{seed}", TPE.format(seed=seed, space=space))
                print(f"tpe of 20 in {title}, seed {seed}: {best(tpe):.4f} at {dict(point(tpe))}", flush=True)
        for title, (space, rule) in STOPPED.items():
            saved = [stopping(project, title, space, rule, seed) for seed in seeds]
            print(f"{title}: the median rule saved {fmean(saved):.0%} of the trained steps on average", flush=True)


def stopping(project: Path, title: str, space: str, rule: str, seed: int) -> float:
    """The share of steps that the rule saves of a random sweep of the same points."""
    random = RANDOM.format(seed=seed, space=space)
    name = f"{list(STOPPED).index(title)}-{seed}"
    whole = swept(project, f"whole-{name}", random)
    stopped = swept(project, f"stopped-{name}", f"{random}\n{rule}")
    pruned = sum(record.result.state is TrialState.PRUNED for record in stopped.trials)
    saved = 1 - steps(project, stopped) / steps(project, whole)
    print(
        f"random of 16, {title}, seed {seed}: {steps(project, whole):,} steps, best {best(whole):.4f}; "
        f"with the median rule {steps(project, stopped):,} ({saved:.0%} saved, {pruned} stopped), "
        f"best {best(stopped):.4f}",
        flush=True,
    )
    return saved


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        project = Path(path)
        (project / "ftorch.toml").touch()
        shutil.copytree(JOBS / "drone", project / "drone")
        yield project


def swept(project: Path, name: str, sweep: str) -> Overview:
    path = project / f"{name}.toml"
    path.write_text(HEAD.format(name=name) + sweep + "\n")
    return orchestrator.sweep(path)


def best(found: Overview) -> float:
    assert found.ranking.best is not None
    assert found.ranking.best.score is not None
    return found.ranking.best.score.value


def point(found: Overview) -> dict[str, object]:
    return dict(found.ranking.ranked[0].parameters)


def steps(project: Path, found: Overview) -> int:
    """How many steps its runs were trained."""
    with open_ledger(project) as ledger, ledger.database.read() as connection:
        last = last_metrics(connection, [record.run.id for record in found.trials])
    return sum(metric.step for metric in last.values())


if __name__ == "__main__":
    main()

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import OptunaMissing
from orchestrator.jobfile import JobFile, Sweep
from orchestrator.sweeps.results import PointResult, Score, TrialResult, TrialState, by_point
from orchestrator.sweeps.study import require_optuna
from orchestrator.sweeps.tpe import Proposer
from orchestrator.sweeps.trials import Parameters, Trial, point_key

RANGES = {"n_epochs": {"low": 1, "high": 9}, "learning_rate_multiplier": {"low": 0.1, "high": 2.0}}


def job_with(**sweep: Any) -> tuple[JobFile, Sweep]:
    data = {"training_file": "train.jsonl", "validation_file": "valid.jsonl"}
    job = JobFile.model_validate({"name": "x", "model": "m", "data": data, "sweep": sweep})
    assert job.sweep is not None
    return job, job.sweep


def point(parameters: Parameters, *scores: float) -> PointResult:
    trials = [Trial(number, parameters, number) for number in range(len(scores))]
    results = [
        TrialResult(t, TrialState.SUCCEEDED, score=Score(s, 9, "m")) for t, s in zip(trials, scores, strict=True)
    ]
    return by_point(results)[0]


def proposed(proposer: Proposer, points: list[PointResult], count: int) -> list[Parameters]:
    """`count` proposals, each trained before the next."""
    for _ in range(count):
        parameters = proposer.propose(points)
        assert parameters is not None
        points = [*points, point(parameters, float(parameters["learning_rate_multiplier"]))]
    return [each.parameters for each in points]


@pytest.mark.parametrize("strategy", ["random", "tpe"])
def test_proposals_go_on_in_another_process(strategy: str) -> None:
    if strategy == "tpe":
        pytest.importorskip("optuna")
    job, sweep = job_with(strategy=strategy, trials=20, seed=3, space=RANGES)
    whole = proposed(Proposer(job, sweep), [], 14)
    half = [point(parameters, float(parameters["learning_rate_multiplier"])) for parameters in whole[:12]]
    assert proposed(Proposer(job, sweep), half, 2) == whole
    assert len({point_key(parameters) for parameters in whole}) == 14


def test_a_point_that_ended_since_is_read_again() -> None:
    pytest.importorskip("optuna")
    job, sweep = job_with(strategy="tpe", trials=20, space=RANGES)
    over = [point({"n_epochs": n % 9 + 1, "learning_rate_multiplier": 1.0}, float(n)) for n in range(1, 31)]
    active = by_point([TrialResult(Trial(31, {"n_epochs": 9, "learning_rate_multiplier": 0.2}), TrialState.ACTIVE)])
    ended = [point({"n_epochs": 9, "learning_rate_multiplier": 0.2}, -9.0)]
    proposer = Proposer(job, sweep)
    proposer.propose([*over, *active])
    assert proposer.propose([*over, *ended]) == Proposer(job, sweep).propose([*over, *ended])
    assert proposer.propose([*over, *active]) != proposer.propose([*over, *ended])


def test_what_was_drawn_reads_as_people_write_it() -> None:
    pytest.importorskip("optuna")
    for strategy in ("random", "tpe"):
        job, sweep = job_with(strategy=strategy, trials=20, space=RANGES)
        for parameters in proposed(Proposer(job, sweep), [], 12):
            rate = parameters["learning_rate_multiplier"]
            assert rate == float(f"{rate:.4g}")


def test_a_point_picked_by_hand_teaches_tpe_with_what_the_job_file_says() -> None:
    pytest.importorskip("optuna")
    job, sweep = job_with(strategy="tpe", trials=20, space=RANGES)
    rising = [point({"n_epochs": n % 9 + 1, "batch_size": n}, float(n % 9)) for n in range(1, 37)]
    falling = [point({"n_epochs": n % 9 + 1, "batch_size": n}, -float(n % 9)) for n in range(1, 37)]
    assert Proposer(job, sweep).propose(rising) == Proposer(job, sweep).propose(falling)
    method = {"type": "supervised", "learning_rate_multiplier": 1.0}
    job = JobFile.model_validate({**job.model_dump(exclude={"sweep", "azure"}, by_alias=True), "method": method})
    assert Proposer(job, sweep).propose(rising) != Proposer(job, sweep).propose(falling)


def test_only_tpe_and_the_stopping_rules_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.sweeps.study.find_spec", lambda name: None)
    for strategy in ("grid", "random"):
        require_optuna(Sweep(strategy=strategy))
    with pytest.raises(OptunaMissing, match=r'sweep\.strategy "tpe" needs Optuna.* pip install \'optuna<6,>=5\''):
        require_optuna(Sweep(strategy="tpe"))
    with pytest.raises(OptunaMissing):
        Proposer(*job_with(strategy="tpe", trials=2, space=RANGES)).propose([])
    stopped = Sweep.model_validate({"stop": {"rule": "asha"}})
    with pytest.raises(OptunaMissing, match=r'sweep\.stop\.rule "asha" needs Optuna'):
        require_optuna(stopped)


def test_planning_a_grid_does_not_load_optuna(tmp_path: Path) -> None:
    code = (
        "import sys; from orchestrator.sweeps import effects, points, results, stopping, tpe; "
        "sys.exit('optuna' in sys.modules or 'numpy' in sys.modules or 'sqlalchemy.orm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0

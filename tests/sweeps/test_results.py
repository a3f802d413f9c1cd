from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.jobfile import Sweep
from orchestrator.store.records import Checkpoint, Metric
from orchestrator.sweeps.results import Score, looks, score_of

BEST = Sweep()
FINAL = Sweep(checkpoint="final")
ACCURACY = Sweep(metric="valid_accuracy")


def metric(
    step: int, valid: float | None = None, full: float | None = None, accuracy: float | None = None
) -> Metric:
    return Metric("run", step, valid_loss=valid, full_valid_loss=full, full_valid_accuracy=accuracy)


def checkpoint(step: int, **metrics: float) -> Checkpoint:
    return Checkpoint("run", f"ckpt-{step}", step, f"model:ckpt-step-{step}", metrics, 0.0)


COURSE = [metric(10, 0.9, 0.8, accuracy=0.5), metric(15, 0.1), metric(20, 0.5, 0.6, accuracy=0.7)]
CHECKPOINTS = [
    checkpoint(10, full_valid_loss=0.4, valid_loss=0.9, full_valid_mean_token_accuracy=0.9),
    checkpoint(20, full_valid_loss=0.6, valid_loss=0.5),
]


@pytest.mark.parametrize(
    ("sweep", "metrics", "checkpoints", "expected"),
    [
        (FINAL, COURSE, CHECKPOINTS, Score(0.6, 20, "model")),
        (BEST, COURSE, CHECKPOINTS, Score(0.4, 10, "model:ckpt-step-10")),
        (BEST, COURSE, [], Score(0.6, 20, "model")),
        (BEST, COURSE, CHECKPOINTS[1:], Score(0.6, 20, "model")),
        (ACCURACY, COURSE, CHECKPOINTS, Score(0.9, 10, "model:ckpt-step-10")),
        (BEST, [metric(10, 0.9), metric(12)], [], Score(0.9, 10, "model", is_whole=False)),
        (BEST, [metric(10, 0.1)], [checkpoint(10, full_valid_loss=0.5)], Score(0.5, 10, "model:ckpt-step-10")),
        (BEST, [metric(10, float("nan"), float("inf"))], [checkpoint(10, full_valid_loss=float("nan"))], None),
        (BEST, [], [], None),
    ],
)
def test_a_score_is_the_metric_as_the_sweep_wants_it(
    sweep: Sweep, metrics: Sequence[Metric], checkpoints: Sequence[Checkpoint], expected: Score | None
) -> None:
    assert score_of(sweep, metrics, checkpoints, "model") == expected


def test_a_look_is_the_mean_since_the_look_before() -> None:
    course = [metric(step, valid=float(step)) for step in range(1, 12)]
    assert looks(course, 5) == {5: 3.0, 10: 8.0}


def test_a_look_comes_only_when_the_trial_is_past_it() -> None:
    assert looks([metric(step, valid=1.0) for step in (1, 9)], 10) == {}
    assert looks([metric(10, valid=1.0)], 10) == {10: 1.0}
    assert looks([metric(4, valid=1.0), metric(11)], 10) == {10: 1.0}


def test_rare_measurements_stand_until_the_next() -> None:
    assert looks([metric(7, full=0.9), metric(21, full=0.5), metric(40)], 10) == {
        10: 0.9,
        20: 0.9,
        30: 0.5,
        40: 0.5,
    }


def test_what_is_no_number_is_no_look() -> None:
    assert looks([metric(5, valid=float("nan")), metric(12, valid=0.5), metric(20, valid=float("inf"))], 10) == {
        20: 0.5
    }


def test_nothing_measured_is_no_look() -> None:
    assert looks([], 10) == looks([metric(30)], 10) == {}


def test_a_checkpoint_without_a_models_name_is_not_the_best() -> None:
    """Nobody could ask it: on Nebius only the last one is served."""
    unnamed = [replace(each, model=f"ftjob-1:{each.checkpoint_id}") for each in CHECKPOINTS]
    assert score_of(BEST, COURSE, unnamed, "model") == Score(0.6, 20, "model")

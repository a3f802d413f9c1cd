"""The curves of a training: loss and accuracy by step, with its checkpoints; and those of several runs together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from orchestrator.reports.charts.chart import Axis, Chart, Line, Mark, Point
from orchestrator.store.records import Checkpoint, Metric

_STEPS = Axis("step")
_HUGE = 1000.0
"""From this ratio of the highest to the lowest loss on, the axis is logarithmic: the run diverged."""
_MANY = 100
"""From this number of points on, a line of single values only shows how much they vary."""
_WINDOWS = 20
_CHECKPOINT_LOSSES = ("full_valid_loss", "valid_loss")


def loss_chart(metrics: Sequence[Metric], checkpoints: Sequence[Checkpoint] = ()) -> Chart:
    """Training and validation loss; a dot for each checkpoint, at its validation loss where that is known."""
    lines = [
        *_course("training", "train_loss", metrics),
        *_course("validation", "valid_loss", metrics),
        Line("validation, whole file", _points(metrics, "full_valid_loss"), "full_valid_loss", is_strong=True),
    ]
    measured = {metric.step: metric for metric in metrics}
    marks = [_mark(checkpoint, measured.get(checkpoint.step)) for checkpoint in checkpoints]
    shown = [line for line in lines if line.known]
    return Chart("Loss", _STEPS, Axis("loss", _is_huge(shown)), shown, marks, "checkpoint")


def accuracy_chart(metrics: Sequence[Metric]) -> Chart:
    """Token accuracy of training and validation, 0..1."""
    whole = "full_valid_accuracy"
    lines = [
        *_course("training", "train_accuracy", metrics),
        *_course("validation", "valid_accuracy", metrics),
        Line("validation, whole file", _points(metrics, whole), whole, is_strong=True),
    ]
    return Chart("Token accuracy", _STEPS, Axis("accuracy"), [line for line in lines if line.known])


def overlaid(runs: Sequence[tuple[Line, Sequence[Metric]]], name: str | None = None) -> Chart:
    """One loss of several runs over each other: each line, which has no points yet, with the steps of its run.

    `name` is the loss; None chooses one that all of them have, the validation loss first. Where steps are many,
    means are drawn, so that the runs can be told apart.
    """
    name = name or _common_loss([metrics for _, metrics in runs])
    lines = [replace(line, points=_readable(_points(metrics, name))) for line, metrics in runs]
    shown = [line for line in lines if line.known]
    return Chart(_TITLES[name], _STEPS, Axis("loss", _is_huge(shown)), shown)


def has_validation(metrics: Sequence[Metric]) -> bool:
    """Whether a validation loss was measured."""
    return any(metric.valid_loss is not None or metric.full_valid_loss is not None for metric in metrics)


_TITLES = {
    "valid_loss": "Validation loss",
    "full_valid_loss": "Validation loss, whole file",
    "train_loss": "Training loss",
}


def _common_loss(runs: Sequence[Sequence[Metric]]) -> str:
    """The first that every measured run has at two steps or more; else the one that most runs have."""
    measured = [metrics for metrics in runs if metrics]
    counts = {name: [len(_points(metrics, name)) for metrics in measured] for name in _TITLES}
    common = (name for name, found in counts.items() if found and min(found) > 1)
    most = max(counts, key=lambda name: sum(number > 0 for number in counts[name]))
    return next(common, most)


def _readable(points: list[Point]) -> list[Point]:
    return _means(points, _window(points)) if len(points) > _MANY else points


def _course(label: str, name: str, metrics: Sequence[Metric]) -> list[Line]:
    """The values; if they are many, pale behind their mean, since each is measured on few examples."""
    points = _points(metrics, name)
    if len(points) <= _MANY:
        return [Line(label, points, name)]
    window = _window(points)
    mean = Line(f"{label}, mean of {window} steps", _means(points, window), f"{name}_mean")
    return [Line(label, points, name, is_pale=True), mean]


def _window(points: Sequence[Point]) -> int:
    return max(2, len(points) // _WINDOWS)


def _means(points: Sequence[Point], window: int) -> list[Point]:
    """At each point the mean of the last `window` values, or of as many as there are."""
    found: list[Point] = []
    total, last = 0.0, deque[float]()
    for x, y in points:
        if y is None or not isfinite(y):
            continue
        last.append(y)
        total += y
        if len(last) > window:
            total -= last.popleft()
        found.append((x, total / len(last)))
    return found


def _points(metrics: Sequence[Metric], name: str) -> list[Point]:
    return [(metric.step, value) for metric in metrics if (value := getattr(metric, name)) is not None]


def _mark(checkpoint: Checkpoint, measured: Metric | None) -> Mark:
    values = [checkpoint.metrics.get(key) for key in _CHECKPOINT_LOSSES]
    values += [measured.full_valid_loss, measured.valid_loss, measured.train_loss] if measured else []
    height = next((float(each) for each in values if isinstance(each, int | float) and isfinite(each)), None)
    return Mark(checkpoint.step, f"checkpoint at step {checkpoint.step:,}: {checkpoint.model}", height)


def _is_huge(lines: Sequence[Line]) -> bool:
    found = [y for line in lines for _, y in line.known]
    return bool(found) and min(found) > 0 and max(found) / min(found) >= _HUGE

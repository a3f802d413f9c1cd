"""The curves of a training: loss and accuracy by step, with its checkpoints; and those of several runs together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
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


def overlaid(title: str, lines: Sequence[Line]) -> Chart:
    """The losses of several runs over each other."""
    shown = [line for line in lines if line.known]
    return Chart(title, _STEPS, Axis("loss", _is_huge(shown)), shown)


def validation_points(metrics: Sequence[Metric]) -> list[Point]:
    """The validation loss by step, or the training loss of a run without a validation file.

    Means where the steps are many, so that several runs can be told apart.
    """
    whole, part = _points(metrics, "full_valid_loss"), _points(metrics, "valid_loss")
    found = whole if len(whole) > 1 else part or whole or _points(metrics, "train_loss")
    return _means(found, _window(found)) if len(found) > _MANY else found


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

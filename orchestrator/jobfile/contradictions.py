"""Settings of a job file that are each valid, and contradict each other."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import floor, log10, prod

from orchestrator.jobfile.job import JobFile, rate_keys
from orchestrator.jobfile.problems import Problem, absence, problem
from orchestrator.jobfile.sweep import (
    DIRECTIONS,
    LORA_AXES,
    MAX_TRIALS,
    Axis,
    Choices,
    Median,
    Point,
    Range,
    Sweep,
    Value,
)
from orchestrator.jobfile.tables import METHODS, TUNED
from orchestrator.tomlsource import KeyPath, TomlSource


def contradictions(job: JobFile, source: TomlSource) -> list[Problem]:
    """The problems of a job file whose keys are each valid."""
    return [*_sweep_problems(job, source), *_deployment_problems(job, source), *_rate_problems(job, source)]


def _deployment_problems(job: JobFile, source: TomlSource) -> list[Problem]:
    deployment = job.azure.deployment
    if job.sweep is None or deployment is None or not deployment.auto:
        return []
    finding = (
        "azure.deployment.auto is for single runs; in a sweep it would host every trial. Set it to false, and "
        f"when the sweep has finished, run: ftorch deployments create $(ftorch sweep best {job.name})"
    )
    return [problem(source, ("azure", "deployment"), finding)]


def _rate_problems(job: JobFile, source: TomlSource) -> list[Problem]:
    """The problems of a rate that is given twice."""
    found, [*keys] = [], rate_keys(source.data)
    multiplier = job.method.learning_rate_multiplier
    if len(keys) == 2:
        finding = "lora.learning_rate is an older name of method.learning_rate, which is set too; keep one of them"
        found.append(problem(source, keys[1], finding))
    if keys and multiplier != "auto":
        name = ".".join(keys[0])
        finding = f"{name} is absolute, but method.learning_rate_multiplier is {multiplier:g}; keep one of them"
        found.append(problem(source, keys[0], finding))
    return found


# --- [sweep] -----------------------------------------------------------------------------------------------------


_OF_ANY_METHOD = ("seed", "model", "training_file", "validation_file")
_FILES = ("training_file", "validation_file")

Finding = tuple[KeyPath, str]


def _sweep_problems(job: JobFile, source: TomlSource) -> list[Problem]:
    """The problems of a `[sweep]` whose keys are each valid; none without one."""
    sweep = job.sweep
    if sweep is None:
        return []
    found: list[Finding] = [
        *_what_to_try(job, sweep),
        *_parameters(job, sweep),
        *_how_many(sweep),
        *_rates(job, sweep),
        *_repeats(sweep),
        *_judging(job, sweep),
        *_files(sweep, source),
    ]
    return [problem(source, ("sweep", *key), finding) for key, finding in found]


def _what_to_try(job: JobFile, sweep: Sweep) -> Iterator[Finding]:
    axes = sweep.space.axes
    if sweep.strategy == "recommended":
        if axes:
            yield ("space",), 'sweep.space is for grid, random and tpe; "recommended" chooses its own points'
        if job.method.type == "reinforcement":
            yield (
                ("strategy",),
                'sweep.strategy "recommended" is only for supervised and dpo; give a space or points',
            )
    elif not axes and (sweep.strategy != "grid" or not sweep.points):
        yield ("space",), "sweep.space is empty; add a parameter, such as: n_epochs = [1, 2, 3]"
    if sweep.strategy == "grid":
        yield from _uncountable(axes)


def _uncountable(axes: Mapping[str, Axis]) -> Iterator[Finding]:
    for name, axis in axes.items():
        if isinstance(axis, Range) and (axis.size is None or axis.log):
            advice = "list its values" if axis.log else "give it a step, or list its values"
            yield (
                ("space", name),
                f'sweep.space.{name} is a continuous range, which a grid can\'t use; {advice}, or use "random"',
            )


def _parameters(job: JobFile, sweep: Sweep) -> Iterator[Finding]:
    known = {*METHODS[job.method.type].model_fields, *LORA_AXES, *_OF_ANY_METHOD}
    used: list[tuple[KeyPath, str, str]] = [
        (("space", name), f"sweep.space.{name}", name) for name in sweep.space.axes
    ]
    for number, point in enumerate(sweep.points, start=1):
        used += [(("points",), f"sweep.points #{number}: {name}", name) for name in point.parameters]
    for key, shown, name in used:
        if name not in known:
            fitting = ", ".join(kind for kind, method in METHODS.items() if name in method.model_fields)
            yield key, f'{shown} is for method.type {fitting}, not "{job.method.type}"'
    yield from _doubles(sweep.points)


def _doubles(points: Iterable[Point]) -> Iterator[Finding]:
    seen: dict[tuple[tuple[str, Value], ...], int] = {}
    for number, point in enumerate(points, start=1):
        first = seen.setdefault(tuple(point.parameters.items()), number)
        if first != number:
            yield ("points",), f"sweep.points #{number} is the same as #{first}; sweep.seeds repeats every point"


def _rates(job: JobFile, sweep: Sweep) -> Iterator[Finding]:
    """A learning rate is absolute or a multiplier, in each trial."""
    multiplier, absolute = "learning_rate_multiplier", "learning_rate"
    has_absolute = job.method.learning_rate != "auto"
    has_multiplier = job.method.learning_rate_multiplier != "auto"
    if sweep.strategy == "recommended" and has_absolute:
        yield ("strategy",), f'sweep.strategy "recommended" tries values of {multiplier}; leave out {absolute}'
    for where, names in _combinations(sweep):
        is_varied = absolute in names or multiplier in names
        if is_varied and (absolute in names or has_absolute) and (multiplier in names or has_multiplier):
            yield (where,), f"sweep.{where}: a trial would have both {absolute} and {multiplier}; keep one of them"


def _combinations(sweep: Sweep) -> Iterator[tuple[str, Collection[str]]]:
    if sweep.space.axes:
        yield "space", sweep.space.axes
    yield from (("points", point.parameters) for point in sweep.points)


def _how_many(sweep: Sweep) -> Iterator[Finding]:
    sizes = [axis.size for axis in sweep.space.axes.values()]
    counted = prod(number for number in sizes if number is not None)
    is_finite = bool(sizes) and None not in sizes
    if sweep.strategy in ("grid", "recommended"):
        if sweep.trials is not None:
            yield ("trials",), f'sweep.trials is for random and tpe; "{sweep.strategy}" has a fixed number'
        drawn = counted if is_finite and sweep.strategy == "grid" else 0
    elif sweep.trials is None:
        yield (
            ("strategy",),
            f'sweep.trials is missing; set the number of combinations for "{sweep.strategy}" to try',
        )
        drawn = 0
    else:
        drawn = sweep.trials
        if is_finite and drawn > counted:
            advice = "lower it, or use ranges" if counted <= MAX_TRIALS else "lower it"
            yield ("trials",), f"sweep.trials is {drawn}, but the space has only {counted} combinations; {advice}"
    total = (drawn + len(sweep.points)) * sweep.seeds
    if total > MAX_TRIALS:
        key = "space" if sweep.strategy == "grid" else "trials"
        advice = 'use strategy = "random" with trials = …' if sweep.strategy == "grid" else "lower trials or seeds"
        yield (key,), f"sweep: it has {_count(total)} trials, but at most {MAX_TRIALS:,} are allowed; {advice}"


def _count(number: int) -> str:
    return f"{number:,}" if number < 1e12 else f"about 1e{floor(log10(number))}"


def _repeats(sweep: Sweep) -> Iterator[Finding]:
    named = "seed" in sweep.space.axes or any("seed" in point.parameters for point in sweep.points)
    if sweep.seeds > 1 and named:
        yield (
            ("seeds",),
            "sweep.seeds sets the seeds of every point, so no point may set a seed",
        )


def _judging(job: JobFile, sweep: Sweep) -> Iterator[Finding]:
    best = DIRECTIONS[sweep.metric]
    if sweep.direction not in (None, best):
        yield ("direction",), f'sweep.direction must be "{best}" for {sweep.metric}; or leave it out'
    if not _is_validated(job, sweep) and (sweep.stop is not None or not sweep.by_evaluation):
        needs = f'sweep.metric "{sweep.metric}"' if sweep.stop is None else f'sweep.stop.rule "{sweep.stop.rule}"'
        key = ("metric",) if sweep.stop is None else ("stop", "rule")
        yield key, f"{needs} needs a validation file to be measured on; set data.validation_file"
    if sweep.by_evaluation:
        yield from _by_evaluation(job, sweep)
    trials = _known_trials(sweep)
    if isinstance(sweep.stop, Median) and trials is not None and trials <= sweep.stop.startup_trials:
        yield (
            ("stop", "startup_trials"),
            f"sweep.stop has no effect: it waits until {sweep.stop.startup_trials} trials have finished "
            f"(startup_trials), and there are only {trials}",
        )


def _by_evaluation(job: JobFile, sweep: Sweep) -> Iterator[Finding]:
    if job.evaluation is None:
        yield ("metric",), 'sweep.metric "evaluation" needs cases to ask; add [evaluation] with a file'
    elif TUNED not in job.evaluation.models:
        yield (
            ("metric",),
            'sweep.metric "evaluation" needs answers from the trials; add "tuned" to evaluation.models',
        )
    elif job.evaluation.metric in ("over_rejection", "missed_calls", "unnecessary_calls"):
        yield (
            ("metric",),
            f'sweep.metric "evaluation" can\'t rank by {job.evaluation.metric}: a model that always or never calls '
            'would win; set evaluation.metric to another metric, such as "accuracy"',
        )
    if sweep.strategy == "tpe":
        yield (
            ("strategy",),
            'sweep.strategy "tpe" needs results of earlier trials, but "evaluation" is measured after all have '
            'finished; use "random", or metric = "valid_loss"',
        )
    if sweep.checkpoint == "best" and "checkpoint" in sweep.model_fields_set:
        yield (
            ("checkpoint",),
            'sweep.checkpoint "best" is for valid_loss and valid_accuracy; with "evaluation" a trial counts as its '
            "final model",
        )


def _is_validated(job: JobFile, sweep: Sweep) -> bool:
    if job.data.validation_file or "validation_file" in sweep.space.axes:
        return True
    return bool(sweep.points) and not sweep.space.axes and all(p.validation_file for p in sweep.points)


def _known_trials(sweep: Sweep) -> int | None:
    """The number of trials; None if it is not given, or reported as a problem elsewhere."""
    if sweep.strategy == "recommended":
        return None
    sizes = [axis.size for axis in sweep.space.axes.values()]
    if sweep.strategy != "grid":
        return None if sweep.trials is None else (sweep.trials + len(sweep.points)) * sweep.seeds
    counted = [number for number in sizes if number is not None]
    if len(counted) < len(sizes):
        return None
    return ((prod(counted) if counted else 0) + len(sweep.points)) * sweep.seeds


def _files(sweep: Sweep, source: TomlSource) -> Iterator[Finding]:
    for name, axis in sweep.space.axes.items():
        if name in _FILES and isinstance(axis, Choices):
            yield from _absences(("space", name), f"sweep.space.{name}", axis.values, source)
    for number, point in enumerate(sweep.points, start=1):
        paths = [value for name, value in point.parameters.items() if name in _FILES]
        yield from _absences(("points",), f"sweep.points #{number}", paths, source)


def _absences(key: KeyPath, shown: str, paths: Iterable[Value], source: TomlSource) -> Iterator[Finding]:
    for value in paths:
        path = source.path.parent / str(value)
        if not os.path.exists(path):
            yield key, f"{shown}: {absence(path)}"

"""Problems of a job file, as sentences that name file, line, key, finding and allowed values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import floor, log10, prod
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from orchestrator.jobfile.generate import Generate
from orchestrator.jobfile.job import JobFile
from orchestrator.jobfile.sweep import (
    DIRECTIONS,
    MAX_TRIALS,
    STOPS,
    Axis,
    Choices,
    Median,
    Point,
    Range,
    Space,
    Sweep,
    Value,
)
from orchestrator.jobfile.tables import (
    METHODS,
    TUNED,
    Azure,
    Data,
    Deployment,
    Evaluation,
    Gate,
    Limits,
    Poll,
    Table,
)
from orchestrator.spelling import did_you_mean
from orchestrator.tomlsource import KeyPath, TomlSource


@dataclass(frozen=True)
class Problem:
    """One sentence, and its line."""

    line: int
    sentence: str


def problem(source: TomlSource, key: KeyPath, finding: str) -> Problem:
    """A problem at a key; `finding` follows the place."""
    return Problem(source.line(*key), f"{source.place(*key)}: {finding}")


def in_file_order(problems: Iterable[Problem]) -> list[str]:
    return [problem.sentence for problem in sorted(problems, key=lambda problem: problem.line)]


def absence(path: Path) -> str:
    """The text for a missing file, with the nearest name, or the way to write backslashes."""
    if _ESCAPED.search(str(path)):
        return _with_escapes(path)
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        names = []
    return f"there is no file {path}" + did_you_mean(path.name, names, "; did you mean {}?")


_ESCAPES = {
    "\b": ("\\b", "a backspace"),
    "\t": ("\\t", "a tab"),
    "\n": ("\\n", "a line break"),
    "\f": ("\\f", "a form feed"),
    "\r": ("\\r", "a carriage return"),
}
_ESCAPED = re.compile("[\b\t\n\f\r]")


def _with_escapes(path: Path) -> str:
    """A Windows path in double quotes, whose backslashes TOML turned into other characters."""
    typed = _ESCAPED.sub(lambda found: _ESCAPES[found[0]][0], str(path))
    found = [_ESCAPES[each] for each in dict.fromkeys(_ESCAPED.findall(str(path)))]
    means = " and ".join(f"{escape} means {character}" for escape, character in found)
    return f"there is no file {typed}: in double quotes {means}; write the path in single quotes or with /"


def explain(source: TomlSource, details: ErrorDetails) -> Problem:
    """The problem of one of pydantic's errors."""
    key = _key(details)
    if details["type"] == "extra_forbidden":
        if home := _home_of(key):
            return problem(source, key, f'unknown key "{key[-1]}"{_in_table(key[:-1])}; {home}')
        sentence = source.unknown_key(key, _known_keys(source.data, key))
        return Problem(source.line(*key), sentence)
    name = _name(details["loc"], key)
    if details["type"] in ("missing", "union_tag_not_found"):
        missing = name if details["type"] == "missing" else f"{name}.rule"
        return problem(source, key, f"{missing} is missing; it must be set")
    if details["type"] == "union_tag_invalid":
        return _unknown_tag(source, key, details["input"])
    if details["type"] == "metadata":
        return problem(source, key, f"{name}: {details['msg']}")
    finding = f"{name} {_expectation(details)}, not {shown(details['input'])}"
    if details["type"] == "string_type" and key in source.options:
        finding += f"""; write --set '{name}="{details["input"]}"'"""
    return problem(source, key, finding)


_UNIONS: Mapping[KeyPath, tuple[str, Mapping[str, type[Table]]]] = {
    ("method",): ("type", METHODS),
    ("sweep", "stop"): ("rule", STOPS),
}
"""Tables of several kinds: the key that selects the kind, and the kinds."""
_TABLES: Mapping[KeyPath, type[Table]] = {
    ("data",): Data,
    ("limits",): Limits,
    ("poll",): Poll,
    ("azure",): Azure,
    ("azure", "deployment"): Deployment,
    ("evaluation",): Evaluation,
    ("evaluation", "gate"): Gate,
    ("generate",): Generate,
    ("sweep",): Sweep,
    ("sweep", "space"): Space,
    ("sweep", "points"): Point,
}


_TOP = ("name", "endpoint", "model", "suffix", "seed")
_ONE_HOME = ("data", "limits", "evaluation", "poll", "sweep")


def _home_of(key: KeyPath) -> str | None:
    """The right place of a key in the wrong table; None without one."""
    name, table = key[-1], key[:-1]
    kinds = [kind for kind, method in METHODS.items() if name in method.model_fields]
    if table == ("method",) and kinds:
        return f"it is for method.type {', '.join(kinds)}"
    if name in _TOP and table:
        return "put it at the top, above the first [table]"
    if kinds and name != "type":
        return f"put it under [method] (method.{name})"
    homes = [home for home in _ONE_HOME if name in _TABLES[(home,)].model_fields and table[:1] != (home,)]
    return f"put it under [{homes[0]}] ({homes[0]}.{name})" if len(homes) == 1 else None


def _in_table(table: KeyPath) -> str:
    return f" in [{'.'.join(table)}]" if table else ""


def _key(details: ErrorDetails) -> KeyPath:
    """The key in the file: pydantic adds a part for a key itself and for the arm of a union."""
    key = tuple(str(part) for part in details["loc"] if isinstance(part, str))
    if key[:1] == ("metadata",):
        return key[:2]
    for table, (_, kinds) in _UNIONS.items():
        depth = len(table)
        if key[:depth] == table and len(key) > depth and key[depth] in kinds:
            return (*table, *key[depth + 1 :])
    return key


def _name(location: tuple[int | str, ...], key: KeyPath) -> str:
    """The key as users write it: `sweep.space.n_epochs`, or in a list `sweep.points #2: n_epochs`."""
    number = next((part for part in location if isinstance(part, int)), None)
    if number is None or key[:1] == ("metadata",):
        return ".".join(key)
    inner = f": {'.'.join(key[2:])}" if key[2:] else ""
    return f"{'.'.join(key[:2])} #{number + 1}{inner}"


def _unknown_tag(source: TomlSource, table: KeyPath, found: Mapping[str, Any]) -> Problem:
    tag, kinds = _UNIONS[table]
    key = (*table, tag)
    return problem(source, key, f"{'.'.join(key)} must be one of {', '.join(kinds)}, not {shown(found[tag])}")


def _known_keys(data: Mapping[str, Any], unknown: KeyPath) -> list[str]:
    """Candidates for an unknown key; for an unknown table, only tables."""
    table = unknown[:-1]
    if table in _UNIONS:
        tag, kinds = _UNIONS[table]
        found: Any = data
        for part in table:
            found = found[part]
        return list(kinds[found.get(tag, "supervised")].model_fields)
    if table:
        return list(_TABLES[table].model_fields)
    tables = ["azure", "data", "evaluation", "generate", "limits", "metadata", "method", "poll", "sweep"]
    return tables if isinstance(data[unknown[0]], dict) else [k for k in JobFile.model_fields if k not in tables]


_EXPECTATIONS: Mapping[str, str] = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
}
_PATTERNS: Mapping[str, str] = {
    "name": "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    "suffix": "must be letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    "model": "must be a model name without spaces",
}


def _expectation(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "string_pattern_mismatch":
        return _PATTERNS[str(details["loc"][-1])]
    if expectation := _EXPECTATIONS.get(details["type"]):
        return expectation.format(**{name: _plain(value) for name, value in context.items()})
    return details["msg"]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(value: Any, width: int = 60) -> str:
    """A value as TOML has it, cut to its first characters."""
    text = _toml(value)
    return text if len(text) <= width else f"{text[:width]}…"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict) and value:
        return f"{{ {', '.join(f'{key} = {_toml(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(inner) for inner in value)}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


# --- Contradictions in [sweep] -----------------------------------------------------------------------------------


_OF_ANY_METHOD = ("seed", "model", "training_file", "validation_file")
_FILES = ("training_file", "validation_file")

Finding = tuple[KeyPath, str]


def sweep_problems(job: JobFile, source: TomlSource) -> list[Problem]:
    """The problems of a `[sweep]` whose keys are each valid; none without one."""
    sweep = job.sweep
    if sweep is None:
        return []
    found: list[Finding] = [
        *_what_to_try(job, sweep),
        *_parameters(job, sweep),
        *_how_many(sweep),
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
    known = {*METHODS[job.method.type].model_fields, *_OF_ANY_METHOD}
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

"""Targets like the cases that a model got wrong: the same functions and the same choices, with other values.

The cases themselves are not repeated: new requests are compared with theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.generation.calls import Call, Cell, Function, Kind, Style, Target
from orchestrator.generation.cells.cells import Cells
from orchestrator.generation.cells.values import values_of
from orchestrator.jobfile.generate import Generate

_STYLES = (Style.DIRECT, Style.INDIRECT, Style.POLITE, Style.TERSE, Style.DISTRACTORS)


@dataclass(frozen=True)
class Failure:
    """A case with a wrong answer."""

    case: str
    calls: tuple[Mapping[str, Any], ...]
    """The expected calls as {"name", "arguments"}; for an expected rejection, the function called instead."""
    is_rejection: bool = False


def targets_like(
    failures: Sequence[Failure], cells: Cells, functions: Mapping[str, Function], settings: Generate
) -> list[Target]:
    """`per_call` targets for each failure. Failures of functions not in `functions` are left out."""
    found = []
    for number, failure in enumerate(failures):
        if not failure.calls or not all(len(cells.of(call["name"])) for call in failure.calls):
            continue
        nearest = [_nearest(call, cells, functions, settings) for call in failure.calls]
        for each in range(settings.per_call):
            draw = 1 + number * settings.per_call + each  # 0 is what a whole generation draws first
            calls = tuple(values_of(cell, functions, settings.seed, draw)[0] for cell in nearest)
            kind = Kind.REJECT if failure.is_rejection else Kind.CALL
            style = _STYLES[(number + each) % len(_STYLES)]
            name = f"failure-{number}"
            found.append(Target(f"{name}-{each}", kind, style, calls, name, language=settings.language))
    return found


def _nearest(call: Mapping[str, Any], cells: Cells, functions: Mapping[str, Function], settings: Generate) -> Cell:
    """The function's cell whose calls are most like this one."""
    return max(
        cells.of(call["name"]),
        key=lambda cell: _likeness(values_of(cell, functions, settings.seed, 0)[0], call["arguments"]),
    )


def _likeness(call: Call, arguments: Mapping[str, Any]) -> int:
    """The number of parameters given in both or neither, and the number with the same value."""
    one, other = dict(_leaves(call.arguments)), dict(_leaves(arguments))
    same = sum(1 for path, value in one.items() if path in other and other[path] == value)
    return 2 * same - len(one.keys() ^ other.keys())


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}/{key}")]
    return [(path, str(value))]

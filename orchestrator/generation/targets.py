"""Turn the cells of functions into the targets of a generation, each with an answer and a style."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import cycle, islice

from orchestrator.generation.calls import Call, Function, Kind, Style, Target
from orchestrator.generation.cells.cells import Cells
from orchestrator.generation.cells.values import values_of
from orchestrator.jobfile.generate import Generate

_REJECTED_SHARE = 0.15
_STYLES_OF_REFUSALS = (Style.DIRECT, Style.INDIRECT, Style.POLITE, Style.TERSE)


@dataclass(frozen=True)
class Counts:
    """The number of targets of each kind."""

    calls: int
    parallel: int
    """Targets with several calls at once; included in `calls`."""
    reject: int
    missing: int
    turns: int

    @property
    def all(self) -> int:
        return self.calls + self.reject + self.missing + self.turns


class Targets:
    """All targets of a generation in a fixed order, computed from the seed each time they are read."""

    def __init__(self, cells: Cells, functions: Sequence[Function], settings: Generate) -> None:
        self._cells = cells
        self._functions = {each.name: each for each in functions}
        self._settings = settings
        asked = [each for each in functions if each.name != settings.rejection_tool]
        self._callable = [each for each in asked if len(cells.of(each.name))]

    def __iter__(self) -> Iterator[Target]:
        yield from self._calls()
        yield from self._refusals()
        yield from self._lacking()
        yield from self._conversations()

    @property
    def counts(self) -> Counts:
        settings = self._settings
        parallel = len(self._cells.parallel) * settings.per_call
        calls = parallel + sum(
            len(self._cells.of(each.name)) * self._per_cell(each.name) for each in self._callable
        )
        reject = round(_REJECTED_SHARE * calls) if settings.reject is None else settings.reject
        missing = settings.missing if any(_required(each) for each in self._callable) else 0
        return Counts(
            calls, parallel, reject if self._callable else 0, missing, settings.turns if self._callable else 0
        )

    def _calls(self) -> Iterator[Target]:
        styles = _styles(self._settings)
        number = 0
        for cell in self._cells:
            for each in range(self._per_cell(*(form.function for form in cell.forms))):
                calls = values_of(cell, self._functions, self._settings.seed, each)
                style = styles[number % len(styles)]
                language = self._language(style, number // len(styles))
                yield Target(f"{cell.id}-{each}", Kind.CALL, style, calls, cell.id, language=language)
                number += 1

    def _per_cell(self, function: str, *others: str) -> int:
        """The number of requests for each call of a function, or each parallel call of several."""
        settings = self._settings
        if others:
            return settings.per_call
        return max(settings.per_call, -(-settings.per_function // len(self._cells.of(function))))

    def _refusals(self) -> Iterator[Target]:
        """Requests that are nearly possible, for each function in turn."""
        for number, call in enumerate(self._some_calls(self.counts.reject, "reject")):
            cell = _cell("reject", call.name, number)
            style = _STYLES_OF_REFUSALS[number % len(_STYLES_OF_REFUSALS)]
            yield Target(cell, Kind.REJECT, style, (call,), cell, language=self._settings.language)

    def _lacking(self) -> Iterator[Target]:
        """Requests without a required value, for each required parameter of each function in turn."""
        places = [(each, name) for each in self._callable for name in _required(each)]
        for number, (function, name) in enumerate(islice(cycle(places), self.counts.missing if places else 0)):
            call = self._call_of(function, f"missing {number}")
            if name in call.arguments:
                cell, pointer = _cell("missing", function.name, number), f"/{_escaped(name)}"
                language = self._settings.language
                yield Target(cell, Kind.MISSING, Style.DIRECT, (call,), cell, lacking=pointer, language=language)

    def _conversations(self) -> Iterator[Target]:
        firsts = self._some_calls(self.counts.turns, "turns")
        seconds = self._some_calls(self.counts.turns + 1, "turns then")
        next(seconds, None)  # so that the two call different functions if there are several
        for number, (first, second) in enumerate(zip(firsts, seconds, strict=False)):
            cell = _cell("turns", f"{first.name} {second.name}", number)
            style = (Style.DIRECT, Style.INDIRECT, Style.TERSE)[number % 3]
            language = self._settings.language
            yield Target(cell, Kind.TURNS, style, (first,), cell, language=language, then=(second,))

    def _some_calls(self, count: int, purpose: str) -> Iterator[Call]:
        for number, function in enumerate(islice(cycle(self._callable), count)):
            yield self._call_of(function, f"{purpose} {number}")

    def _call_of(self, function: Function, purpose: str) -> Call:
        """A call of the function, drawn from the seed and the purpose."""
        cells = self._cells.of(function.name)
        drawn = int.from_bytes(sha256(f"{self._settings.seed} {purpose} {function.name}".encode()).digest()[:8])
        return values_of(cells[drawn % len(cells)], self._functions, self._settings.seed, drawn % 1_000_003)[0]

    def _language(self, style: Style, number: int) -> str:
        languages = self._settings.languages
        return (
            languages[number % len(languages)] if style == Style.LANGUAGE and languages else self._settings.language
        )


def _styles(settings: Generate) -> list[Style]:
    """The styles in turn; "language" only if another language is given."""
    named = [Style(name) for name in settings.styles if name != "language" or settings.languages]
    return named or [Style.DIRECT]


def _required(function: Function) -> list[str]:
    """The required parameters that a request has to give: several values are possible, and there is no default."""
    properties: Mapping[str, Mapping[str, object]] = function.schema.get("properties") or {}
    return [
        name
        for name in function.schema.get("required") or []
        if isinstance(inner := properties.get(name), Mapping)
        and "const" not in inner
        and "default" not in inner
        and len(inner["enum"] if isinstance(inner.get("enum"), list) else "ab") > 1  # type: ignore[arg-type]
    ]


def _cell(kind: str, name: str, number: int) -> str:
    return sha256(json.dumps([kind, name, number]).encode()).hexdigest()[:16]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")

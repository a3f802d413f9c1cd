"""Turn a form into a call: draw the values that its choices leave open, from the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from orchestrator.errors import CellOutdated, NoValidCall
from orchestrator.generation.calls import Call, Cell, Form, Function
from orchestrator.generation.cells import plausible
from orchestrator.generation.cells.chance import Chance
from orchestrator.generation.cells.choices import (
    Absent,
    Choice,
    Choices,
    Content,
    Factor,
    Fixed,
    Items,
    Members,
    Numbers,
    Words,
)
from orchestrator.generation.cells.ranges import as_number
from orchestrator.generation.cells.reading import choices_of
from orchestrator.generation.cells.resolving import as_json

_TRIES = 12
_TRIAL = "trial"
_SAID = 0.4
"""How often the schema's own examples are used, if it has any."""


def call_of(form: Form, function: Function, seed: int | str) -> Call:
    """The call that `form` describes, with its open values drawn from `seed`: the same in any process with the
    same version of Faker, and valid against the function's schema.

    Raises FunctionNotEnumerable if the schema is invalid, CellOutdated if the form belongs to another definition,
    and NoValidCall if no fitting values are found.
    """
    choices = choices_of(function)
    arguments = _first_valid(form, choices, seed)
    if arguments is None:  # the values found when the cell was tried always work
        arguments = _first_valid(form, choices, _TRIAL)
    if arguments is None:
        raise NoValidCall(name=function.name, tries=_TRIES, problem=first_problem(form, choices))
    return Call(form.function, arguments)


def values_of(cell: Cell, functions: Mapping[str, Function], seed: int, number: int) -> tuple[Call, ...]:
    """The calls of a cell; another `number` draws other values. Two calls of one function have different arguments
    if possible. Raises as `call_of` does."""
    calls: list[Call] = []
    for place, form in enumerate(cell.forms):
        if form.function not in functions:
            raise CellOutdated(name=form.function, problem="the function no longer exists")
        function = functions[form.function]
        call = call_of(form, function, f"{seed} {number} {cell.id} {place}")
        for again in range(_TRIES):
            if call not in calls:
                break
            call = call_of(form, function, f"{seed} {number} {cell.id} {place} {again}")
        calls.append(call)
    return tuple(calls)


def first_problem(form: Form, choices: Choices) -> str:
    """One sentence on why the form has no valid call; "" if one is found."""
    if _first_valid(form, choices, _TRIAL) is not None:
        return ""
    return next(iter(choices.parameters.problems(_drawn(form, choices, _TRIAL, 0))), "it breaks its schema")


def _first_valid(form: Form, choices: Choices, seed: int | str) -> dict[str, Any] | None:
    is_valid = choices.parameters.validator.is_valid
    for attempt in range(_TRIES):
        arguments = _drawn(form, choices, seed, attempt)
        if is_valid(arguments):
            return arguments
    return None


def _drawn(form: Form, choices: Choices, seed: int | str, attempt: int) -> dict[str, Any]:
    if choices.root is None:
        raise CellOutdated(name=form.function, problem="no call of it is possible now")
    text = orjson.dumps((str(seed), attempt, form.function, form.choices))
    try:
        found: dict[str, Any] = _Draw(Chance(text), dict(form.choices)).value(choices.root)
    except KeyError as error:
        raise CellOutdated(name=form.function, problem=f"it has no choice {error}") from None
    return found


class _Draw:
    """One drawing of values."""

    def __init__(self, random: Chance, chosen: Mapping[str, str]) -> None:
        self.random = random
        self.chosen = chosen
        self.towns: dict[str, tuple[str, float, float]] = {}

    def value(self, factor: Factor) -> Any:
        """The value chosen for the factor; its open parts are drawn."""
        choice = factor.only or factor.by_label[self.chosen[factor.pointer]]
        return _MAKE[type(choice.content)](self, choice.content, factor.pointer, self.value)

    def free(self, factor: Factor) -> Any:
        """Any value of the factor."""
        choice: Choice = factor.only or self.random.choice(factor.choices)
        return _MAKE[type(choice.content)](self, choice.content, factor.pointer, self.free)

    def town(self, pointer: str) -> tuple[str, float, float]:
        """One town for both coordinates of a position."""
        parent = pointer.rpartition("/")[0]
        if parent not in self.towns:
            self.towns[parent] = self.random.choice(plausible.places())
        return self.towns[parent]


Inner = Callable[[Factor], Any]


def _fixed(draw: _Draw, content: Fixed, pointer: str, inner: Inner) -> Any:
    return content.value


def _members(draw: _Draw, content: Members, pointer: str, inner: Inner) -> dict[str, Any]:
    found = {}
    for name, factor in content.members:
        value = inner(factor)
        if value is not _ABSENT:
            found[name] = value
    if content.others is not None:
        names = draw.random.sample(plausible.pool_of("word"), content.count)
        found |= {name.replace(" ", "_"): draw.free(content.others) for name in names}
    return found


def _absent(draw: _Draw, content: Absent, pointer: str, inner: Inner) -> Any:
    return _ABSENT


def _items(draw: _Draw, content: Items, pointer: str, inner: Inner) -> list[Any]:
    size = draw.random.randint(content.low, content.high)
    found = [inner(factor) for factor in content.prefix[:size]]
    if content.item is not None and len(found) < size:
        found.append(inner(content.item))
        _add_others(draw, content, content.item, found, size)
    return found


def _add_others(draw: _Draw, content: Items, item: Factor, found: list[Any], size: int) -> None:
    if not content.unique:
        found += [draw.free(item) for _ in range(size - len(found))]
        return
    seen = {as_json(value) for value in found}
    if all(isinstance(choice.content, Fixed) for choice in item.choices):
        values = [choice.content.value for choice in item.choices if isinstance(choice.content, Fixed)]
        others = [value for value in values if as_json(value) not in seen]
        found += draw.random.sample(others, min(len(others), size - len(found)))
        return
    for _ in range((size - len(found)) * _TRIES):
        value = draw.free(item)
        if len(found) < size and as_json(value) not in seen:
            seen.add(as_json(value))
            found.append(value)


def _number(draw: _Draw, content: Numbers, pointer: str, inner: Inner) -> int | float:
    random = draw.random
    if content.said and random.random() < _SAID:
        said: int | float = random.choice(content.said)
        return said
    first, last, step = content.first, content.last, content.step
    if content.place:
        _, latitude, longitude = draw.town(pointer)
        n = round((latitude if content.place == "latitude" else longitude) * content.scale)
        if first <= n <= last and step == 1:
            return as_number(n, content.scale)
    if (last - first) // step <= 20:
        return as_number(first + step * random.randint(0, (last - first) // step), content.scale)
    grain = content.grain * random.choice((1, 1, 5, 10))
    if (last - first) // grain < 10:
        grain = content.grain
    n = grain * random.randint(-(-first // grain), max(-(-first // grain), last // grain))
    n = first + (n - first + step // 2) // step * step
    return as_number(min(max(n, first), last), content.scale)


def _words(draw: _Draw, content: Words, pointer: str, inner: Inner) -> Any:
    random = draw.random
    if content.said and (content.kind == "examples" or random.random() < _SAID):
        return random.choice(content.said)
    if content.pattern is not None:
        return content.pattern(random)
    text = plausible.text_of(content.kind, random)
    if content.low <= len(text) <= content.high:
        return text
    fitting = _fitting(content.kind, content.low, content.high)
    return random.choice(fitting) if fitting else _of_length(content.low, content.high, random)


@lru_cache(maxsize=1024)
def _fitting(kind: str, low: int, high: int) -> tuple[str, ...]:
    return tuple(text for text in plausible.pool_of(kind) if low <= len(text) <= high)


def _of_length(low: int, high: int, random: Chance) -> str:
    """Words of `low` to `high` characters in total."""
    words = [random.choice(plausible.pool_of("word"))]
    while sum(map(len, words)) + len(words) - 1 < low:
        words.append(random.choice(plausible.pool_of("word")))
    text = " ".join(words)[:high]
    return text if not text.endswith(" ") else f"{text[:-1]}s"


_ABSENT = object()
_MAKE: Mapping[type[Content], Callable[..., Any]] = {
    Fixed: _fixed,
    Members: _members,
    Absent: _absent,
    Items: _items,
    Numbers: _number,
    Words: _words,
}

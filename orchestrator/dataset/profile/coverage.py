"""What the calls of a file leave unshown of the functions that it declares, and what its definitions lack."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from orchestrator.dataset.findings import Notes, printable
from orchestrator.dataset.profile.fingerprints import lines_text, listed, listed_apart
from orchestrator.dataset.profile.functions import Function, Parameter, Variant, shown_key, value_key
from orchestrator.dataset.variants import first_difference

MOST_CHOICES = 20
"""Longer enums (currencies, countries) are not asked to be shown whole."""

_EMPTY_WORDS = frozenset(("a", "an", "the", "of", "for", "this", "that", "is", "are", "its", "and"))
_ALIKE_SHOWN = 4
_REGULAR_SHARE = 0.1
_ALL_COMBINATIONS_UP_TO = 2


def note_definitions(functions: Sequence[Function], notes: Notes) -> None:
    """Note functions that lines define differently, and descriptions that only some have."""
    differing = [function for function in functions if len(function.variants) > 1 or function.more_variants]
    if differing:
        notes.at(min(function.definitions[1].first_line for function in differing))
        where = listed_apart((_differing(function) for function in differing[:5]), len(differing))
        notes.add("FT611", count=f"{len(differing):,}", where=where)
    _note_descriptions(functions, notes)
    _note_alike(functions, notes)


def regular_functions(functions: Sequence[Function], examples: int) -> list[Function]:
    """Those that at least a tenth of the examples declare: files with thousands show most of them only once."""
    return [function for function in functions if function.declared >= examples * _REGULAR_SHARE]


def note_coverage(regular: Sequence[Function], notes: Notes) -> None:
    """Note what training examples never show of the functions that they regularly declare."""
    never = [function for function in regular if not function.called]
    called = [function for function in regular if function.called]
    _note_list("FT612", [function.name for function in never], notes, of=len(regular))
    _note_list("FT613", [text for function in called for text in _unshown_choices(function)], notes)
    _note_list("FT614", [text for function in called for text in _unshown_combinations(function)], notes)


@dataclass(frozen=True)
class Choices:
    """The values of an enum, as JSON text, and which of them calls have shown."""

    parameter: Parameter
    shown: tuple[str, ...]
    unshown: tuple[str, ...]


def choices_of(function: Function) -> Iterator[Choices]:
    """For every parameter with an enum, what calls have shown of it."""
    for parameter in function.parameters:
        if parameter.choices:
            argument = function.arguments.get(parameter.path)
            seen = argument.values if argument else set()
            keys = [value_key(choice) for choice in parameter.choices if choice is not None]
            yield Choices(
                parameter,
                tuple(shown_key(key) for key in keys if key in seen),
                tuple(shown_key(key) for key in keys if key not in seen),
            )


def _unshown_choices(function: Function) -> Iterator[str]:
    for choices in choices_of(function):
        if choices.unshown and len(choices.parameter.choices) <= MOST_CHOICES:
            yield f"{function.name}.{choices.parameter.path}: {listed(choices.unshown)}"


def _unshown_combinations(function: Function) -> Iterator[str]:
    """Up to two optional parameters, every way to give them; of more, each must be given once and left out once."""
    optional = [each.path for each in function.parameters if each.is_outer and not each.required]
    if len(optional) > _ALL_COMBINATIONS_UP_TO:
        yield from _one_sided(function, optional)
        return
    seen = {frozenset(given).intersection(optional) for given in function.combinations}
    for size in range(len(optional) + 1):
        for given in combinations(optional, size):
            if frozenset(given) not in seen:
                left_out = [name for name in optional if name not in given]
                yield f"{function.name} {_given(given, left_out)}"


def _one_sided(function: Function, optional: Sequence[str]) -> Iterator[str]:
    for name in optional:
        ways = {name in given for given in function.combinations}
        if len(ways) == 1:
            yield f"{function.name} {_given((), [name]) if ways.pop() else _given([name], ())}"


def _given(given: Sequence[str], left_out: Sequence[str]) -> str:
    parts = [
        f"with {' and '.join(given)}" if given else "",
        f"without {' and '.join(left_out)}" if left_out else "",
    ]
    return " and ".join(filter(None, parts))


def _note_descriptions(functions: Sequence[Function], notes: Notes) -> None:
    """Where no function and no parameter is described, the definitions were shortened on purpose."""
    declared = [function for function in functions if function.variants]
    bare = [function.name for function in declared if not function.definitions[0].parsed().get("description")]
    parameters = [(function.name, each) for function in declared for each in function.parameters]
    undescribed = [printable(f"{name}.{each.path}") for name, each in parameters if not each.described]
    lacking, of = [*bare, *undescribed], len(declared) + len(parameters)
    if lacking and len(lacking) < of:
        notes.at(None)
        notes.add("FT615", count=f"{len(lacking):,}", of=f"{of:,}", where=listed(lacking))


def _note_alike(functions: Sequence[Function], notes: Notes) -> None:
    """Note functions that nothing but their names tells apart: declared first on the same line, with parameters of
    the same names and descriptions of the same words."""
    groups: defaultdict[tuple[int, frozenset[str], frozenset[str]], list[str]] = defaultdict(list)
    for function in functions:
        if function.variants and (words := _words(function)):
            paths = frozenset(each.path for each in function.parameters)
            groups[function.first_line, paths, words].append(function.name)
    alike = [names for names in groups.values() if len(names) > 1]
    if alike:
        first = next(function for function in functions if function.name == alike[0][0])
        notes.at(first.first_line)
        where = listed_apart([" and ".join(names[:_ALIKE_SHOWN]) for names in alike])
        notes.add("FT617", count=f"{sum(map(len, alike)):,}", where=where)
        notes.at(None)


def _words(function: Function) -> frozenset[str]:
    """What the description says, without the words that tell nothing apart."""
    description = function.definitions[0].parsed().get("description")
    found = re.findall(r"\w+", description.lower()) if isinstance(description, str) else []
    return frozenset(found) - _EMPTY_WORDS


def _note_list(code: str, texts: Sequence[str], notes: Notes, of: int | None = None) -> None:
    if texts:
        notes.at(None)
        notes.add(code, count=f"{len(texts):,}", of=of, where=listed_apart(texts))


def _differing(function: Function) -> str:
    usual, *others = function.definitions
    rest = len(others) + (1 if function.more_variants else 0)
    ways = f"in more than {rest} ways" if function.more_variants else f"in {rest + 1} ways"
    lines = lines_text([usual.first_line, others[0].first_line])
    return f"{function.name} {ways}, at {_difference(usual, others[0])}: {lines}"


def _difference(one: Variant, other: Variant) -> str:
    return json.dumps(first_difference(one.parsed(), other.parsed()))

"""Whether a request gives every value of its answer. A value that can't be derived must not be trained on.

What counts as given, by type:
- Numbers: digits in any common format, number words, and amounts in another unit if the definition names a unit;
  rounding to the last digit of either is allowed. The sign must match.
  - Strings: literally, up to case, accents and punctuation; ISO dates, times and durations in common spellings.
  - Values of an enum: their words up to plural and verb endings, words that the description uses for it,
  words of `parameters.MEANING`, another argument that the definition ties to the value, or words reported by the
  teacher.
  - True: the words of the parameter's name without a negation before them, or an affirmation. False: a negation.
  Either: words reported by the teacher.
  - Defaults, constants, nulls and empty values need no words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from orchestrator.dataset.findings import shown
from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.generation.calls import Call, Drop, Function, Kind, Style, Written
from orchestrator.generation.checks.dates import Day, Time, day_of, days_in, seconds_of, time_of, times_in
from orchestrator.generation.checks.numbers import (
    LANGUAGES_WITH_NUMBER_WORDS,
    Quantity,
    Unit,
    in_digits,
    is_given,
    is_on_a_side,
    quantities,
)
from orchestrator.generation.checks.parameters import MEANING, SWITCHES, Parameter, Path, parameter_of
from orchestrator.generation.checks.spoken import (
    begins_with,
    folded,
    is_misspelt,
    is_unspaced,
    stem,
    stems,
    tokens,
    word_set,
    words_of,
)

_NEGATIONS = word_set(
    "no not don dont doesn without never off disable disabled deactivate skip except exclude excluding false "
    "none stop "
    "nicht kein keine keinen ohne aus falsch pas sans non ne faux sin senza nao sem desactiva falso niet geen "
    "zonder uit "
    "avoid omit leave ignore neither nor cancel turn_off isn aren shouldn won can cannot nein nee"
) - {"can"}
_AFFIRMATIONS = word_set(
    "yes true on enable enabled activate with including include ja oui si sim wahr vrai vero verdadero mit avec "
    "con com "
    "met"
)
_BELOW_ZERO = stems(
    word_set("south west left down downward below under backward back behind reverse loss cold freezing")
)
_SECONDS = Unit("time", 1.0)


def unproven(written: Written, functions: Mapping[str, Function]) -> list[Drop]:
    """A drop for each value that the request lacks, or gives and must not; [] without one.

    The reasons: "evidence-not-in-text", "no-evidence", and for MISSING "value-given". A REJECT is not checked. The
    second request of TURNS may refer to earlier messages.
    """
    target = written.target
    if target.kind == Kind.REJECT:
        return []
    first = _Request(written.text, target.language, target.style)
    second = first if not target.then else _Request(
        f"{written.text}\n{written.answer}\n{written.then}", target.language, target.style
    )  # fmt: skip
    drops = list(_untold(written, first, second))
    for number, call in enumerate((*target.calls, *target.then)):
        request = first if number < len(target.calls) else second
        check = _Check(functions[call.name], call, request, _told(written, number), target.lacking)
        drops += [Drop(target.id, reason, detail, written.text) for reason, detail in check.faults()]
    return drops


def _untold(written: Written, first: _Request, second: _Request) -> Iterator[Drop]:
    """Words that the teacher reports and the request does not contain."""
    for pointer, words in written.evidence.items():
        number = pointer.split("/")[1] if pointer.startswith("/") else ""
        request = first if number.isdecimal() and int(number) < len(written.target.calls) else second
        if words.strip() and not request.holds(words):
            detail = f"the words {shown(words)} for {pointer} are not in the request"
            yield Drop(written.target.id, "evidence-not-in-text", detail, written.text)


def _told(written: Written, number: int) -> Mapping[str, str]:
    """The words that the teacher reported for one call, by pointer within its arguments."""
    start = f"/{number}/"
    told = {key[len(start) - 1 :]: words for key, words in written.evidence.items() if key.startswith(start)}
    return {pointer: words for pointer, words in told.items() if words.strip()}


class _Request:
    """A request, parsed once for all values."""

    def __init__(self, text: str, language: str, style: Style) -> None:
        self.text, self.language, self.style = text, language, style
        self.plain = folded(text)
        self.words = tokens(text)
        self.joined = f" {' '.join(self.words)} "

    @cached_property
    def stems(self) -> frozenset[str]:
        return stems(self.words)

    @cached_property
    def quantities(self) -> list[Quantity]:
        return quantities(self.text, self.language)

    @cached_property
    def days(self) -> set[Day]:
        return days_in(in_digits(self.text, self.language))

    @cached_property
    def times(self) -> set[Time]:
        return times_in(in_digits(self.text, self.language))

    def holds(self, words: str) -> bool:
        """Whether words are in the request, up to case, accents, punctuation and spaces."""
        found = tokens(words)
        if found and f" {' '.join(found)} " in self.joined:
            return True
        return folded(words) in self.plain and (not found or is_unspaced(words))


@dataclass
class _Check:
    """One call against its request."""

    function: Function
    call: Call
    request: _Request
    told: Mapping[str, str]
    lacking: str

    def faults(self) -> Iterator[tuple[str, str]]:
        """Reason and sentence for each wrong value."""
        leaves = list(self._leaves("", (), self.call.arguments))
        for pointer, parameter, value in leaves:
            if self.lacking and (pointer + "/").startswith(self.lacking + "/"):
                if self._is_given_away(parameter, value, leaves):
                    yield "value-given", f"the request must not give the value {shown(value)} of {pointer}"
            elif not self._is_proven(pointer, parameter, value):
                yield (
                    "no-evidence",
                    f"nothing in the request gives {shown(value)} for {self.function.name}{pointer}",
                )

    def _leaves(self, pointer: str, path: Path, value: Any) -> Iterator[tuple[str, Parameter, Any]]:
        """The values that need words, with their pointers."""
        if value is None or value == "":
            return
        parameter = parameter_of(self.function, path) if path else None
        if parameter and parameter.free and canonical(value) in parameter.free:
            return
        if isinstance(value, dict):
            for key, inner in value.items():
                escaped = key.replace("~", "~0").replace("/", "~1")
                yield from self._leaves(f"{pointer}/{escaped}", (*path, key), inner)
        elif isinstance(value, list | tuple):
            for index, inner in enumerate(value):
                yield from self._leaves(f"{pointer}/{index}", (*path, "*"), inner)
        elif parameter:
            yield pointer, parameter, value

    def _is_proven(self, pointer: str, parameter: Parameter, value: Any) -> bool:
        told = self._told_of(pointer)
        if isinstance(value, bool):
            return _affirms(parameter, value, self.request) or (
                told is not None and self._is_told(parameter, value, told)
            )
        if parameter.values and isinstance(value, str):
            if told is not None and self._is_told(parameter, value, told):
                return True
            if _names(value, self.request):
                return value.lower() not in SWITCHES or self._is_about(parameter)
            return self._is_meant(parameter, value)
        if isinstance(value, int | float):
            return _is_number_in(value, parameter, self.request) or self._is_foreign_number(told)
        return _is_text_in(str(value), parameter, self.request)

    def _told_of(self, pointer: str) -> str | None:
        """The words that the teacher reported for the value or its container."""
        while pointer:
            if pointer in self.told:
                return self.told[pointer]
            pointer = pointer.rpartition("/")[0]
        return None

    def _is_told(self, parameter: Parameter, value: Any, told: str) -> bool:
        """Reported words count, unless they are the name of another value."""
        words = tuple(tokens(told))
        if isinstance(value, bool):
            return words != (("false",) if value else ("true",))
        return not any(words == words_of(str(other)) for other in parameter.values if other != value) or (
            words == words_of(value)
        )

    def _is_meant(self, parameter: Parameter, value: str) -> bool:
        """Whether other words or another argument give an enum value and no other value is named."""
        found = self.request.stems
        meant = MEANING.get(value.lower(), frozenset()) if self.request.language == "en" else frozenset()
        if parameter.hints.get(value, frozenset()) & found or (
            meant & found and (value.lower() not in SWITCHES or self._is_about(parameter))
        ):
            others = (each for each in parameter.values if isinstance(each, str) and each != value)
            return not any(len(each) > _MEANINGLESS and _names(each, self.request) for each in others)
        return self._is_implied(parameter, value)

    def _is_about(self, parameter: Parameter) -> bool:
        """Whether a request with "on" or "stop" names its object: by a word of the function's or the parameter's
        name or description, or by the function's whole name."""
        if not parameter.subject or self.request.style == Style.TYPO:
            return True
        if set(words_of(self.function.name)) <= set(self.request.words):
            return True
        return not parameter.subject.isdisjoint(self.request.stems)

    def _is_implied(self, parameter: Parameter, value: str) -> bool:
        """Whether another argument is given that belongs to this value only: "only for video"."""
        words = words_of(value)
        return any(
            (*parameter.path[:-1], key) != parameter.path
            and set(words) <= parameter_of(self.function, (*parameter.path[:-1], key)).condition
            for key in self._siblings(parameter.path)
        )

    def _siblings(self, path: Path) -> Sequence[str]:
        inner: Any = self.call.arguments
        for key in path[:-1]:
            inner = inner.get(key) if isinstance(inner, Mapping) else None
        return [*inner] if isinstance(inner, Mapping) else []

    def _is_foreign_number(self, told: str | None) -> bool:
        """In a language without readable number words, reported words without digits are accepted."""
        readable = self.request.language in LANGUAGES_WITH_NUMBER_WORDS
        return told is not None and not readable and not any(map(str.isdecimal, told))

    def _is_given_away(
        self, parameter: Parameter, value: Any, leaves: Sequence[tuple[str, Parameter, Any]]
    ) -> bool:
        """Whether a request that must lack a value gives it, or another value of the parameter."""
        others = [other for _, each, other in leaves if each is not parameter]
        if isinstance(value, bool):
            return False  # its words are in the parameter's name, which a question may need
        if isinstance(value, int | float) and not parameter.values:
            return self._gives_amount(parameter, value, [each for each in others if isinstance(each, int | float)])
        known = {*words_of(self.function.name), *parameter.words}
        known.update(word for other in others for word in tokens(str(other)))
        candidates = [str(each) for each in parameter.values] or [str(value)]
        return any(
            not set(words_of(each)) <= known and _names(each, self.request, exact=True) for each in candidates
        )

    def _gives_amount(self, parameter: Parameter, value: float, others: Sequence[float]) -> bool:
        for quantity in self.request.quantities:
            if any(is_given(other, quantity, ()) or is_given(other, quantity, parameter.units) for other in others):
                continue
            dimensions = {each.dimension for each in parameter.units}
            if is_given(value, quantity, parameter.units) or dimensions & {
                each.dimension for each in quantity.units
            }:
                return True
        return False


_MEANINGLESS = 2
"""Letters of a value that is as often a preposition: "on"."""


def _names(value: str, request: _Request, *, exact: bool = False) -> bool:
    """Whether the words of an enum value are in the request; unless `exact`, in any form or order."""
    words = words_of(value)
    if not words or is_unspaced(value):
        return folded(value) in request.plain
    if f" {' '.join(words)} " in request.joined or request.holds(value) or f" {''.join(words)} " in request.joined:
        return True
    if all(len(word) > _MEANINGLESS and stem(word) in request.stems for word in words):
        return True
    return not exact and all(_is_near(word, request) for word in words)


def _is_near(word: str, request: _Request) -> bool:
    own = stem(word)
    if own in request.stems or any(begins_with(other, own) for other in request.words):
        return True
    return request.style == Style.TYPO and any(is_misspelt(other, word) for other in request.words)


def _affirms(parameter: Parameter, value: bool, request: _Request) -> bool:
    """Whether a request says yes or no to a parameter, by its name or by such words alone."""
    if not value:
        return not _NEGATIONS.isdisjoint(request.words)
    if not _AFFIRMATIONS.isdisjoint(request.words):
        return True
    found = [i for i, word in enumerate(request.words) if stem(word) in stems(parameter.words)]
    return any(i == 0 or request.words[i - 1] not in _NEGATIONS for i in found)


def _is_number_in(value: float, parameter: Parameter, request: _Request) -> bool:
    return any(
        is_given(value, each, parameter.units) and _sign_fits(value, each, parameter, request)
        for each in request.quantities
    )


def _sign_fits(value: float, quantity: Quantity, parameter: Parameter, request: _Request) -> bool:
    """The sign comes from a minus, a point of the compass, or words such as those of the description."""
    if value == 0:
        return True
    side = quantity.side if is_on_a_side(quantity, parameter.units) else 0
    if quantity.sign < 0 or side:
        return (quantity.sign or side) == (1 if value > 0 else -1)
    is_named = quantity.before.strip(":=,") in parameter.words
    if value > 0:
        below, above = parameter.negative & request.stems, parameter.positive & request.stems
        return quantity.sign > 0 or is_named or not below or bool(above)
    return not is_named and bool((parameter.negative or _BELOW_ZERO) & request.stems)


def _is_text_in(value: str, parameter: Parameter, request: _Request) -> bool:
    if request.holds(value) or (folded(value) in request.plain and is_unspaced(value)):
        return True
    if parameter.kind in ("date", "date-time", "time") or _ISO_DAY.match(value):
        day, time = day_of(value), time_of(value)
        said = (day is None or day in request.days) and (time is None or time in request.times)
        return said and (day is not None or time is not None)
    if parameter.kind == "duration" and (seconds := seconds_of(value)) is not None:
        return any(is_given(seconds, each, (_SECONDS,)) for each in request.quantities if each.units)
    if _NUMBER.fullmatch(value):
        return any(is_given(float(value), each, parameter.units) for each in request.quantities)
    return False


_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[Tt ])")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?")


# --- Reported synonyms -------------------------------------------------------------------------------------------


class Synonyms:
    """Words that teachers reported for values, over all examples in order.

    The same words can't mean two values of one parameter, so the first value keeps them.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], bytes] = {}

    def conflicts(self, written: Written) -> list[Drop]:
        """A drop, "ambiguous-synonym", for each value whose words were reported for another value before."""
        target = written.target
        return [
            Drop(target.id, "ambiguous-synonym", _conflict(key, value, before), written.text)
            for key, value in _told_values(written)
            if (before := self._values.get(key, value)) != value
        ]

    def add(self, written: Written) -> None:
        """Add the reported words of an example that is kept."""
        for key, value in _told_values(written):
            self._values.setdefault(key, value)


def _conflict(key: tuple[str, str, str], value: bytes, before: bytes) -> str:
    place = f"{key[0]}{key[1]}"
    return f"the words {shown(key[2])} were used for {before.decode()} of {place} before, not {value.decode()}"


def _told_values(written: Written) -> Iterator[tuple[tuple[str, str, str], bytes]]:
    """Function, parameter and words, with the value that they were reported for; numbers are read instead."""
    calls = (*written.target.calls, *written.target.then)
    for pointer, words in written.evidence.items():
        _, number, *path = pointer.split("/") if pointer.startswith("/") else ("", "")
        if not number.isdecimal() or int(number) >= len(calls) or not path or not words.strip():
            continue
        call = calls[int(number)]
        value = _at(call.arguments, path)
        said = " ".join(tokens(words))
        if isinstance(value, str | bool) and said and said != " ".join(words_of(str(value))):
            places = "/".join("*" if part.isdecimal() else part for part in path)
            yield (call.name, f"/{places}", said), orjson.dumps(value)


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part.replace("~1", "/").replace("~0", "~"))
        elif isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value

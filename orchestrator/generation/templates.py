"""Requests without a teacher: English patterns filled from the definitions.

They name every value, but people don't talk like this. A model trained on them learns the calls and little about
how people ask for them, so the caller marks these rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from orchestrator.generation.calls import Call, Function, Kind, Style, Target, Written
from orchestrator.generation.checks.numbers import Unit, convert, in_words, other_unit
from orchestrator.generation.checks.parameters import Parameter, Path, parameter_of
from orchestrator.generation.checks.spoken import spaced, tokens, word_set, words_of

_VERBS = word_set(
    "set get add create make send open close start stop find search list show delete remove update change control "
    "configure calibrate book order cancel play pause turn switch move take give put check read write run build "
    "look "
    "choose pick schedule plan call reserve buy sell pay transfer convert calculate compute translate return reset "
    "enable disable activate deactivate adjust increase decrease raise lower lock unlock record capture measure "
    "fetch "
    "load save store upload download import export print share copy rename sort filter count compare generate "
    "summarize "
    "summarise query describe track follow reject decline submit assign register connect disconnect mute unmute "
    "land fly "
    "shift end aim break have let begin launch retrieve provide perform execute"
)
_BARE = word_set("to from by for with in on at of into me my all up down off out it")
_FRAMES: Mapping[Style, tuple[str, ...]] = {
    Style.DIRECT: (
        "{P}{v}.",
        "{P}{v}",
        "Now {p}{v}.",
        "Next, {p}{v}.",
        "{P} right away{v}.",
        "Go ahead and {p}{v}.",
    ),
    Style.INDIRECT: (
        "I need you to {p}{v}.",
        "It would help me if you could {p}{v}.",
        "I was hoping you could {p}{v}.",
        "The next thing to do is to {p}{v}.",
        "I want to {p}{v}.",
        "We have to {p}{v}.",
    ),
    Style.TERSE: ("{n}{v}", "{p}{v}", "{n}{v}, quick", "{n} now{v}"),
    Style.POLITE: (
        "Could you please {p}{v}?",
        "Please {p}{v}.",
        "Would you {p}{v}, please?",
        "May I ask you to {p}{v}?",
        "Can you {p}{v}, please?",
        "Kindly {p}{v}.",
    ),
}
_FACTS = (
    "My sister is here as well.",
    "The weather is nice today.",
    "It has been a long day.",
    "I had coffee with a neighbour before.",
    "Somebody is waiting for me.",
    "The old one was blue, I think.",
    "We did something like this last week.",
    "My phone is nearly empty.",
)
_PLAIN = ("{P}{v}.", "Please {p}{v}.", "Can you {p}{v}?", "{P}{v}, please.", "Could you {p}{v}?", "{P}{v}")
"""For requests that lack a value: no word here can be read as a value."""
_JOINTS = ("; then ", ", and then ", ". After that, ", ". Also ")
_DONE = ("Done.", "That is done.", "All set.", "It's done.")
_REFUSALS = ("Sorry, I can't do that.", "I'm not able to do that.", "That isn't something I can do.")
_OBJECTS = (
    "the kettle", "my car", "the neighbour's dog", "the washing machine", "the front door", "my old bicycle",
    "the coffee machine", "the garden hose", "the upstairs window", "my grandmother's radio", "the elevator",
    "the parking meter", "the street lamp", "my suitcase", "the piano", "the fish tank",
)  # fmt: skip
_IMPOSSIBLE = (
    "{P} for {o}.",
    "{P}, but for {o} instead.",
    "Please {p} and then repair {o}.",
    "Can you {g} {o}?",
    "{G} {o}.",
    "{P} only when {o} allows it.",
    "I'd like you to {g} {o} as well.",
    "Undo that and {g} {o} from now on.",
)
_SWITCH = {"on", "off"}


class _Frame(NamedTuple):
    """A pattern in parts: the words before the phrase, between it and the values, and after them."""

    start: str
    phrase: str
    middle: str
    end: str


def _frame(pattern: str) -> _Frame:
    start, phrase, middle, end = re.split(r"\{(\w)\}(.*?)\{v\}", pattern)
    return _Frame(start, phrase, middle, end)


_PARTED = {style: tuple(map(_frame, _FRAMES.get(style, _FRAMES[Style.DIRECT]))) for style in Style}
_PARTED_PLAIN = tuple(map(_frame, _PLAIN))
_PARTED_REFUSED = _PARTED[Style.DIRECT] + _PARTED[Style.POLITE]


def template_words(target: Target, functions: Mapping[str, Function], seed: int) -> Written:
    """The request of a target, made of names, descriptions and values; the same for the same target and seed.

    It passes `evidence.unproven`. It is English even if the target's language is not.
    """
    picks = _Picks(seed, target.id)
    if target.kind == Kind.REJECT:
        return Written(target, _nearly(target.calls[0], functions, picks), answer=picks.of(_REFUSALS))
    if target.kind == Kind.MISSING:
        call, function = target.calls[0], functions[target.calls[0].name]
        text = _sentence(call, function, Style.DIRECT, picks, target.lacking)
        return Written(target, text, answer=_question(function, target.lacking))
    text = _all(target.calls, functions, target.style, picks)
    if target.kind == Kind.TURNS:
        return Written(target, text, answer=picks.of(_DONE), then=_all(target.then, functions, target.style, picks))
    return Written(target, text)


class _Picks:
    """Pseudorandom choices from a hash of the seed and the target, the same in any process."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, target: str) -> None:
        self._state = int.from_bytes(blake2b(f"{seed} {target}".encode(), digest_size=8).digest())

    def below(self, count: int) -> int:
        # Knuth's MMIX generator; its high bits are the good ones.
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 33) % count

    def of(self, choices: Sequence[str]) -> str:
        return choices[self.below(len(choices))]


def _all(calls: Sequence[Call], functions: Mapping[str, Function], style: Style, picks: _Picks) -> str:
    """One sentence per call, joined."""
    text = _sentence(calls[0], functions[calls[0].name], style, picks)
    for call in calls[1:]:
        joint = picks.of(_JOINTS)
        more = _sentence(call, functions[call.name], Style.DIRECT, picks)
        text = text.rstrip(".?") + joint + more[:1].lower() + more[1:]
    return text


def _sentence(call: Call, function: Function, style: Style, picks: _Picks, lacking: str = "") -> str:
    speech = _speech_of(function)
    frames = _PARTED_PLAIN if lacking else _PARTED[style]
    start, kind, middle, end = frames[picks.below(len(frames))]
    phrases = speech.phrases
    phrase = phrases.name if lacking else picks.of(phrases.verbal)
    values = _values(call, speech, picks, lacking, in_units=style == Style.UNITS)
    if kind == "n":
        phrase = phrases.noun
    elif phrase is phrases.name and values and not lacking and len(call.arguments) == 1 and style != Style.TERSE:
        phrase, values = _short(call, speech, values)
    if style == Style.TYPO:
        phrase = _misspelt(phrase, picks)
    elif kind == "P":
        phrase = phrase[:1].upper() + phrase[1:]
    text = f"{start}{phrase}{middle}{values}{end}"
    return f"{text} {picks.of(_FACTS)}" if style == Style.DISTRACTORS else text


# --- Values in words ---------------------------------------------------------------------------------------------


def _values(call: Call, speech: _Speech, picks: _Picks, lacking: str, *, in_units: bool) -> str:
    """The arguments after the phrase: ", altitude 30 metres, without sound"."""
    parts: list[str] = []
    for key, value in call.arguments.items():
        if not lacking or f"/{_escaped(key)}" != lacking:
            _say(parts, speech, (key,), value, picks, lacking, in_units)
    if not parts:
        return ""
    start = " " if parts[0].startswith(("with ", "without ")) else picks.of(_STARTS)
    if len(parts) == 1:
        return start + parts[0]
    return f"{start}{', '.join(parts[:-1])}{picks.of(_ENDS)}{parts[-1]}"


_STARTS = (", ", ": ", " with ")
_ENDS = (" and ", ", ")


def _say(
    parts: list[str], speech: _Speech, path: Path, value: Any, picks: _Picks, lacking: str, in_units: bool
) -> None:
    """Add the words for one argument, or for each part of an object or an array."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not lacking or "/" + "/".join(map(_escaped, (*path, key))) != lacking:
                _say(parts, speech, (*path, key), inner, picks, lacking, in_units)
    elif isinstance(value, list | tuple):
        if any(isinstance(each, dict | list | tuple) for each in value):
            for inner in value:
                _say(parts, speech, (*path, "*"), inner, picks, lacking, in_units)
        elif value:
            told = speech.told((*path, "*"))
            parts.append(f"{told.label} {', '.join(_item(told, each, picks, in_units) for each in value)}")
    elif isinstance(value, bool):
        told = speech.told(path)
        parts.append(told.true if value else told.false)
    elif value is not None and value != "":
        told = speech.told(path)
        parts.append(f"{told.label} {_item(told, value, picks, in_units)}")


def _item(told: _Told, value: Any, picks: _Picks, in_units: bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value in told.parameter.values:
            return spaced(value)
        return value
    if in_units:
        return _in_other_words(told, value, picks)
    return f"{value}{told.unit}"


def _in_other_words(told: _Told, value: float, picks: _Picks) -> str:
    """The number in words, or the amount in another unit if it converts back to the value."""
    unit = told.parameter.units[0] if len(told.parameter.units) == 1 else None
    other = other_unit(unit) if unit else None
    if unit and other and 0.01 <= value < 1e6 and picks.below(2):
        return f"{_rounded(value, unit, other)} {other.said}"
    if isinstance(value, int) and abs(value) < 1_000_000:
        return f"{in_words(value)}{told.unit}"
    return f"{value}{told.unit}"


def _rounded(value: float, unit: Unit, other: Unit) -> str:
    """Enough digits to recover the value, in fixed notation."""
    amount = convert(value, unit, other)
    return (
        f"{amount:.1f}"
        if amount >= 100
        else f"{amount:.8f}".rstrip("0").rstrip(".")
        if amount < 1
        else f"{amount:.3f}"
    )


def _short(call: Call, speech: _Speech, values: str) -> tuple[str, str]:
    """Phrase and values, combined if possible: `set the drone speed to 20 kilometres per hour`."""
    (key, value), phrases = *call.arguments.items(), speech.phrases
    said = values.partition(f"{spaced(key)} ")[2]
    if not isinstance(value, int | float | str) or isinstance(value, bool) or not said or not phrases.object:
        return phrases.name, values
    if isinstance(value, str) and value in _SWITCH and phrases.verb in ("set", "switch", "turn"):
        return f"turn {value} {phrases.object}", ""
    words = words_of(key)
    if words and phrases.words.issuperset(words) and phrases.verb in ("set", "change", "adjust", "switch", "turn"):
        return f"{phrases.name} to {said}", ""
    return phrases.name, values


# --- Functions in words ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Phrases:
    """The phrases for a function in a request."""

    name: str
    """Its name as a phrase: "set the drone speed"."""
    verbal: tuple[str, ...]
    """That, and its description if it can follow "please"."""
    noun: str
    """Its name without articles: "drone speed"."""
    verb: str
    object: str
    """ "the drone speed"; "" if the name does not begin with a verb."""
    words: frozenset[str]


@dataclass(frozen=True)
class _Told:
    """The words for a parameter."""

    parameter: Parameter
    label: str
    true: str
    false: str
    unit: str
    """The unit after a space; "" if the definition names none or several."""


class _Speech:
    """The words for a function and its parameters, computed once."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.phrases = _phrases(function)
        self._told: dict[Path, _Told] = {}
        properties = function.schema.get("properties")
        values = [each for key in properties or () for each in parameter_of(function, (key,)).values]
        self.enums = [each for each in values if isinstance(each, str) and words_of(each)]

    def told(self, path: Path) -> _Told:
        found = self._told.get(path)
        if found is None:
            found = self._told[path] = _told(parameter_of(self.function, path))
        return found


_SPEECHES: dict[int, _Speech] = {}
_MOST_SPEECHES = 4096


def _speech_of(function: Function) -> _Speech:
    found = _SPEECHES.get(id(function))
    if found is None or found.function is not function:
        if len(_SPEECHES) >= _MOST_SPEECHES:
            _SPEECHES.clear()
        found = _SPEECHES[id(function)] = _Speech(function)
    return found


def _told(parameter: Parameter) -> _Told:
    label = spaced(next((key for key in reversed(parameter.path) if key != "*"), ""))
    return _Told(
        parameter,
        label,
        f"with {label}" if parameter.words else f"{label} true",
        f"without {label}" if parameter.words else f"{label} false",
        f" {parameter.units[0].said}" if len(parameter.units) == 1 else "",
    )


def _phrases(function: Function) -> _Phrases:
    words = [*words_of(function.name)] or ["run it"]
    verb, rest = words[0], words[1:]
    if verb in _VERBS and rest:
        is_bare = rest[0] in _BARE and verb not in ("set", "get")
        what = f"{'' if is_bare else 'the '}{' '.join(rest)}"
        name, noun = f"{verb} {what}", f"{verb} {what}" if is_bare else " ".join(rest)
    else:
        name = noun = " ".join(words)
        verb, what = verb if verb in _VERBS else "", ""
    described = _imperative(function.description)
    return _Phrases(name, (name, described) if described else (name,), noun, verb, what, frozenset(tokens(name)))


_MOST_WORDS = 14


def _imperative(description: str) -> str:
    """The first sentence of a description if it is an imperative, else ""."""
    first = re.split(r"(?<=[a-z])[.;:]\s|[.;:]$|\n", description.strip())[0].strip()
    words = first.split()
    if not 2 <= len(words) <= _MOST_WORDS or not first.isprintable() or "{" in first:
        return ""
    verb = words[0].lower()
    for base in (verb, verb.removesuffix("s"), verb.removesuffix("es")):
        if base in _VERBS:
            return " ".join([base, *words[1:]])
    return ""


def _misspelt(phrase: str, picks: _Picks) -> str:
    """The phrase with two letters swapped in one of its longer words."""
    places = list(re.finditer(r"[a-z]{5,}", phrase))
    if not places:
        return phrase
    word = places[picks.below(len(places))]
    at = word.start() + 1 + picks.below(len(word.group()) - 2)
    return phrase[:at] + phrase[at + 1] + phrase[at] + phrase[at + 2 :]


# --- Questions back, and impossible requests ---------------------------------------------------------------------


def _question(function: Function, lacking: str) -> str:
    """The assistant's question about a missing value, in the words of the definition."""
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in lacking.split("/")[1:])
    parameter = parameter_of(function, path)
    label = spaced(path[-1]) if path else "value"
    if parameter.values:
        options = [spaced(each) if isinstance(each, str) else str(each) for each in parameter.values[:8]]
        listed = f"{', '.join(options[:-1])} or {options[-1]}" if len(options) > 1 else options[0]
        return f"Which {label} would you like: {listed}?"
    unit = f", in {parameter.units[0].said}" if len(parameter.units) == 1 else ""
    return f"Which {label} would you like{unit}?"


def _nearly(call: Call, functions: Mapping[str, Function], picks: _Picks) -> str:
    """A request close to a function that no function can fulfil: a value outside its enum, or another object."""
    function = functions[call.name]
    phrases = _speech_of(function).phrases
    wrong = [*_wrong_values(call, function, functions)]
    if wrong and picks.below(2):
        label, value = wrong[picks.below(len(wrong))]
        start, kind, middle, end = _PARTED_REFUSED[picks.below(len(_PARTED_REFUSED))]
        name = phrases.name[:1].upper() + phrases.name[1:] if kind == "P" else phrases.name
        return f"{start}{name}{middle}, {label} {value}{end}"
    verb = phrases.verb or phrases.name
    return picks.of(_IMPOSSIBLE).format(
        P=phrases.name[:1].upper() + phrases.name[1:],
        p=phrases.name,
        g=verb,
        G=verb[:1].upper() + verb[1:],
        o=picks.of(_OBJECTS),
    )


def _wrong_values(call: Call, function: Function, functions: Mapping[str, Function]) -> Iterator[tuple[str, str]]:
    """Values that other functions take and this one does not, and numbers out of range."""
    for key, value in call.arguments.items():
        parameter = parameter_of(function, (key,))
        label = spaced(key)
        if parameter.values and isinstance(value, str):
            own = set(parameter.values)
            yield from ((label, spaced(each)) for each in _enums_of(functions) if each not in own)
        schema = (function.schema.get("properties") or {}).get(key)
        most = schema.get("maximum") if isinstance(schema, Mapping) else None
        if isinstance(most, int | float) and not isinstance(most, bool):
            yield label, f"{most * 3 + 7:g}" if most >= 0 else "7"


def _enums_of(functions: Mapping[str, Function]) -> tuple[str, ...]:
    """The words of all enums, and a few that most enums lack."""
    found = dict.fromkeys(_ODD)
    for function in functions.values():
        found |= dict.fromkeys(_speech_of(function).enums)
    return tuple(found)


_ODD = ("purple", "double", "random", "sideways", "turbo", "half")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")

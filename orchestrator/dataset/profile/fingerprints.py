"""Hashes in place of texts: what makes it possible to compare every example with every other in little memory."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

SKETCH_WORDS = 28
NO_WORD = 0xFFFFFFFF

_WORD = re.compile(r"\w+")
# The same for ASCII, many times faster: small letters, and blanks for all that belongs to no word.
_ASCII_WORDS = bytes(ord(chr(byte).lower()) if _WORD.match(chr(byte)) and byte < 128 else 32 for byte in range(256))


def canonical(value: Any) -> bytes:
    """JSON text with sorted keys: equal for equal values, in this process and in any other."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers beyond 64 bits, or nested beyond 254 levels
        return _written_out(value, sort_keys=True)


def json_text(value: Any) -> bytes:
    """JSON text with the keys in their own order."""
    try:
        # A copy: what orjson returns keeps the 4 KB or so that it was written into, and these texts are kept.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError:
        return _written_out(value, sort_keys=False)


def digest(content: bytes) -> int:
    """64 bits. Among a million texts, two share one by chance with a probability of 3 in 100 million."""
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


def sketch(text: str) -> list[int]:
    """The 28 lowest hashes of the text's distinct words: all of them for a short text, a fair sample of a long one.

    Letter case, punctuation, and the ways in which Unicode writes the same character make no difference. Sketches
    of this kind estimate how alike sets are (Broder, "On the resemblance and containment of documents", 1997).
    """
    if text.isascii():
        words = text.encode().translate(_ASCII_WORDS).split()
    else:
        plain = unicodedata.normalize("NFKC", text).casefold()
        words = [word.encode("utf-8", "surrogatepass") for word in _WORD.findall(plain)]
    return sorted(set(map(_word_hash, words)))[:SKETCH_WORDS]


def resemblance(one: Sequence[int], other: Sequence[int], common: Set[int] = frozenset()) -> tuple[float, int]:
    """The share of words that both have among those that either has (Jaccard index), and how many these are.

    `common` words are left out of account. Exact for texts of fewer than 28 distinct words; of longer ones, the
    words compared are those that both sketches would hold.
    """
    reach = min(_reach(one), _reach(other))
    ours, theirs = ({word for word in words if word <= reach} - common for words in (one, other))
    either = len(ours | theirs)
    return (len(ours & theirs) / either if either else 0.0), either


def _reach(words: Sequence[int]) -> int:
    """Up to which hash a sketch holds every word of its text."""
    return words[-1] if len(words) == SKETCH_WORDS else NO_WORD


def texts_of(value: Any) -> Iterator[str]:
    """Every string in a JSON value; without recursion, since the nesting is the file's to choose."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left.extend(reversed(value.values()))
        elif isinstance(value, list | tuple):
            left.extend(reversed(value))


def _written_out(value: Any, *, sort_keys: bool) -> bytes:
    try:
        return json.dumps(value, sort_keys=sort_keys).encode()
    except RecursionError:
        # No reader takes such a value apart; its strings tell it from others well enough.
        return json.dumps([*texts_of(value)]).encode()


@lru_cache(1 << 15)
def _word_hash(word: bytes) -> int:
    found = int.from_bytes(blake2b(word, digest_size=4).digest(), "little")
    return found if found != NO_WORD else 0


# --- One example, in the same shape for every training method ----------------------------------------------------


Turn = tuple[Any, ...]
"""Role, content, calls and name of a message, without what differs between equal ones, such as call ids."""


Call = tuple[str, Any]
"""The function's name and its arguments: an object, or the text itself where it is none."""


class Example(NamedTuple):
    """A conversation and what the model is to answer."""

    holder: Mapping[str, Any]
    """What declares the tools: the row, or the input of preference data."""
    system: str
    """The text of system and developer messages; "" where there is none."""
    context: list[Turn]
    """All other messages before the last answer."""
    answers: list[Turn]
    """What the model is to say: every message of the assistant; in preference data the preferred output."""
    calls: list[Call]
    """The calls that are trained on: those of answers whose weight is not 0."""
    trained: bool
    """False where every answer has weight 0."""
    text: str | None
    """The last answer where it is plain text."""
    legacy: bool
    """True where it has `functions` or a `function_call` in place of tools."""
    reference: Any
    """What a grader of reinforcement data compares with: the row's keys beside the conversation; else None."""
    has_developer: bool
    """Whether it has a message of the role developer."""

    @property
    def prompt(self) -> str:
        """What the user says, all messages together."""
        return "\n".join(text for turn in self.context if turn[0] == "user" for text in _plain(turn[1]))

    @property
    def images(self) -> list[Any]:
        """The image parts of the prompt; of most examples none."""
        return [part for turn in self.context if isinstance(turn[1], list) for part in turn[1] if _is_image(part)]


def read_example(row: Mapping[str, Any]) -> Example:
    """`row` must be one in which a check finds no error."""
    source = row.get("input")
    if isinstance(source, dict) and "preferred_output" in row:
        return _example(source, source["messages"], row["preferred_output"], None)
    messages = row["messages"]
    if messages[-1]["role"] == "assistant":
        return _example(row, messages[:-1], messages[-1:], None)
    reference = {key: value for key, value in row.items() if key not in _CONVERSATION}
    return _example(row, messages, [], reference)


_CONVERSATION = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
_INSTRUCTIONS = frozenset({"system", "developer"})
_RESULTS = frozenset({"tool", "function"})


def _example(holder: Mapping[str, Any], before: Sequence[Any], outputs: Sequence[Any], reference: Any) -> Example:
    system = [text for each in before if each["role"] in _INSTRUCTIONS for text in _plain(each.get("content"))]
    context = [_turn(each) for each in before if each["role"] not in _INSTRUCTIONS]
    answers = [turn for turn in (*context, *map(_turn, outputs)) if turn[0] == "assistant"]
    answering = [each for each in (*before, *outputs) if each["role"] == "assistant"]
    counts = [each.get("weight") != 0 for each in answering]
    return Example(
        holder=holder,
        system="\n".join(system),
        context=context,
        answers=answers,
        calls=[call for turn, trained in zip(answers, counts, strict=True) if trained for call in turn[2]],
        trained=any(counts) or not counts,
        text=_text(outputs[-1]) if outputs else None,
        legacy=bool(holder.get("functions")) or any(each.get("function_call") for each in answering),
        reference=reference,
        has_developer=any(each["role"] == "developer" for each in before),
    )


def _turn(message: Mapping[str, Any]) -> Turn:
    role, content = message["role"], message.get("content")
    if role in _RESULTS:
        # The call before it names the function, so `function` and `tool` messages say the same.
        return "tool", "" if content is None else content, [], None
    return role, content, _calls(message), message.get("name")


def _calls(message: Mapping[str, Any]) -> list[Call]:
    entries = message.get("tool_calls")
    legacy = message.get("function_call")
    if not entries and not legacy:
        return []
    functions = [entry["function"] for entry in entries or ()]
    return [_call(function) for function in (*functions, *((legacy,) if legacy else ()))]


def _call(function: Mapping[str, Any]) -> Call:
    name, text = str(function.get("name")), function.get("arguments")
    try:
        return name, orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return name, text


def _plain(content: Any) -> Iterator[str]:
    """The texts of a message, without images."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if part.get("type") == "text")


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image_url"


def _text(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    called = message.get("tool_calls") or message.get("function_call")
    return content if isinstance(content, str) and not called else None


# --- Line numbers of what was seen -------------------------------------------------------------------------------


_KEPT = 5


@dataclass
class Places:
    """Counts all lines and keeps the first five, so that a file of any size needs no more memory."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(line)

    def merge(self, later: Places, line_offset: int) -> None:
        """Take up the places of a later part of the same file, which starts behind `line_offset` lines."""
        self.count += later.count
        room = _KEPT - len(self.first)
        self.first.extend(line + line_offset for line in later.first[:room])

    def __str__(self) -> str:
        return lines_text(self.first, self.count)


def lines_text(lines: Sequence[int], count: int | None = None) -> str:
    """`line 4`, `lines 4, 9 and 12`, or `lines 4, 9, 12, 15, 20 and 37 more` where there are `count` in all."""
    word = "line" if len(lines) == 1 and count in (None, 1) else "lines"
    return f"{word} {listed([str(line) for line in lines[:_KEPT]], len(lines) if count is None else count)}"


def listed(items: Iterable[str], count: int | None = None) -> str:
    """The first five of `items` in a sentence, and how many more there are of `count` in all."""
    shown = _first(items, count)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def listed_apart(items: Iterable[str], count: int | None = None) -> str:
    """The same for items that are lists themselves, with semicolons between them."""
    return "; ".join(_first(items, count))


def _first(items: Iterable[str], count: int | None) -> list[str]:
    known = list(items)
    shown = known[:_KEPT]
    more = (len(known) if count is None else count) - len(shown)
    return [*shown, f"{more:,} more"] if more > 0 else shown

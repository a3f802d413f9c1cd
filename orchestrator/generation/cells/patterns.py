"""Text for a `pattern`, in the basic part of ECMA-262's regular expressions, the dialect of JSON Schema.

The libraries for this fit less: exrex is under the AGPL; rstr draws from a set whose order differs between
processes, repeats `+` up to 100 times, and ignores parts it can't make.
"""

from __future__ import annotations

import string
from collections.abc import Callable

from orchestrator.generation.cells.chance import Chance

_LETTERS_DIGITS = string.ascii_letters + string.digits
_CLASSES = {
    "d": string.digits,
    "w": _LETTERS_DIGITS,
    "s": " ",
    "D": string.ascii_letters,
    "W": "-",
    "S": _LETTERS_DIGITS,
}
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_MORE = 4
"""The most extra repeats of an open repetition: people use short codes."""
_MOST_REPEATS = 200
_MOST_NESTING = 50

Maker = Callable[[Chance], str]


class UnsupportedPattern(Exception):
    """The pattern uses an unsupported feature, named by the message."""


def maker_of(pattern: str) -> Maker:
    """A function that draws a text matching `pattern`. Raises UnsupportedPattern."""
    reader = _Reader(pattern)
    maker = reader.alternatives(0)
    if reader.rest:
        raise UnsupportedPattern(f"unexpected {reader.rest[0]!r}")
    return maker


class _Reader:
    """Recursive descent: alternatives, sequences, repetitions, atoms."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    @property
    def rest(self) -> str:
        return self.pattern[self.at :]

    def taken(self, *tokens: str) -> str:
        for token in tokens:
            if self.pattern.startswith(token, self.at):
                self.at += len(token)
                return token
        return ""

    def one(self) -> str:
        if self.at >= len(self.pattern):
            raise UnsupportedPattern("it ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self, depth: int) -> Maker:
        if depth > _MOST_NESTING:
            raise UnsupportedPattern("groups nested too deeply")
        branches = [self.sequence(depth)]
        while self.taken("|"):
            branches.append(self.sequence(depth))
        return branches[0] if len(branches) == 1 else lambda random: random.choice(branches)(random)

    def sequence(self, depth: int) -> Maker:
        self.taken("^")
        parts: list[Maker] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if self.taken("$"):
                break
            parts.append(self.repeated(self.atom(depth)))
        return lambda random: "".join(part(random) for part in parts)

    def repeated(self, atom: Maker) -> Maker:
        low, high = self.bounds()
        self.taken("?")
        if (low, high) == (1, 1):
            return atom
        return lambda random: "".join(atom(random) for _ in range(random.randint(low, high)))

    def bounds(self) -> tuple[int, int]:
        token = self.taken("*", "+", "?", "{")
        if token != "{":
            return {"": (1, 1), "*": (0, _MORE), "+": (1, 1 + _MORE), "?": (0, 1)}[token]
        end = self.rest.find("}")
        inner, self.at = self.rest[:end], self.at + end + 1
        low, comma, high = inner.partition(",")
        if end < 0 or not (low.isascii() and low.isdigit()) or (high and not (high.isascii() and high.isdigit())):
            raise UnsupportedPattern("a brace that is not a repetition")
        least = int(low) if len(low) < 5 else _MOST_REPEATS + 1
        if least > _MOST_REPEATS:
            raise UnsupportedPattern(f"more than {_MOST_REPEATS} repetitions")
        most = least if not comma else least + _MORE
        return least, min(most, int(high[:5])) if high else most

    def atom(self, depth: int) -> Maker:
        char = self.one()
        if char == "(":
            return self.group(depth)
        if char == "[":
            return _any_of(self.members())
        if char == "\\":
            return _any_of(self.escaped())
        if char == ".":
            return _any_of(_LETTERS_DIGITS)
        if char in "^*+?{":
            raise UnsupportedPattern(f"{char!r} at this position")
        return lambda _: char

    def group(self, depth: int) -> Maker:
        if self.taken("?") and not self.taken(":"):
            name, end = self.rest.partition(">")[:2]
            if not end or name[:1] != "<" or name[1:2] in "=!":
                raise UnsupportedPattern("lookahead or lookbehind")
            self.at += len(name) + 1
        maker = self.alternatives(depth + 1)
        if not self.taken(")"):
            raise UnsupportedPattern("a group that does not end")
        return maker

    def escaped(self) -> str:
        char = self.one()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROL:
            return _CONTROL[char]
        if char in "ux":
            digits, self.at = self.rest[: 4 if char == "u" else 2], self.at + (4 if char == "u" else 2)
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise UnsupportedPattern("this kind of escape") from None
        if char.isalnum():
            raise UnsupportedPattern(f"\\{char}")
        return char

    def members(self) -> str:
        negated = bool(self.taken("^"))
        chars: list[str] = []
        while not self.taken("]"):
            first = self.member()
            if len(first) == 1 and self.rest[:1] == "-" and self.rest[1:2] not in ("]", ""):
                self.at += 1
                first = _range(first, self.member())
            chars.append(first)
        members = "".join(dict.fromkeys("".join(chars)))
        if negated:
            members = "".join(char for char in _LETTERS_DIGITS + " -" if char not in members)
        if not members:
            raise UnsupportedPattern("a class without printable characters")
        return members

    def member(self) -> str:
        char = self.one()
        return self.escaped() if char == "\\" else char


def _range(first: str, last: str) -> str:
    if len(last) != 1 or ord(last) < ord(first):
        raise UnsupportedPattern("a range in reverse order")
    return "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))


def _any_of(chars: str) -> Maker:
    return (lambda _: chars) if len(chars) == 1 else lambda random: random.choice(chars)

"""Words, chunks and the sparse features of a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

Features = tuple[tuple[int, float], ...]
"""Sparse vector: (hashed name, value) pairs."""

WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
CHUNK = re.compile(r"\S+")
POSSESSIVE = re.compile(r"(?<=.)['’]s$")
EDGES = ".,;:!?\"'“”‘’()[]{}<>…"
_ENDINGS = "ations ation ating ings ing ions ion ates ated ate ies ers res er re ed es ly s e y"
_STOP_WORDS = """
a an the this that these those it its i we us our he she they them their is are be was were am do does did have has
had will would can could should may might must shall please of in by for with as into and or but so if then than
there here what which who how when where why just let lets now some s t re ll ve
"""
ENDINGS = tuple(_ENDINGS.split())
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words without a meaning of their own. Short ones that tell requests apart (on, not, to, me) are not here."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of text between spaces, without punctuation and 's around it: what copied values are made of."""

    text: str
    start: int
    end: int
    opens: str
    """The punctuation taken off its front."""
    closes: str
    """The punctuation taken off its end."""


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return [match.group().lower() for match in WORD.finditer(text)]


def chunks(text: str) -> list[Chunk]:
    """The text cut at spaces; chunks of punctuation alone are left out."""
    found = []
    for match in CHUNK.finditer(text):
        raw = match.group()
        body = raw.lstrip(EDGES)
        opens = raw[: len(raw) - len(body)]
        body = POSSESSIVE.sub("", body.rstrip(EDGES))
        if body:
            start = match.start() + len(opens)
            closes = raw[len(opens) + len(body) :]
            found.append(Chunk(body, start, start + len(body), opens, closes))
    return found


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A crude English stem: "lights", "lighting" and "light" become one; numbers become "#"."""
    if word[0].isdigit():
        return "#"
    word = word.split("'")[0].split("’")[0] or word
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def stems(text: str) -> list[str]:
    return [stem(word) for word in words(text)]


def content_stems(text: str) -> list[str]:
    """The stems that carry meaning: no stop words, no numbers."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and not word[0].isdigit()]


def name_stems(name: str) -> list[str]:
    """The stems of an identifier: `get_batteryLevel` gives get, battery and level."""
    return [stem(part.lower()) for part in NAME_PART.findall(name)]


def hashed(name: str) -> int:
    """A feature's number: the same in every process, which Python's own hash is not."""
    return crc32(name.encode("utf-8", "surrogatepass"))


def word_features(text: str) -> Features:
    """Stems and pairs of neighbouring stems."""
    found = stems(text)
    pairs = [f"{left} {right}" for left, right in zip(["^", *found], [*found, "$"], strict=True)]
    return group("w", found, 1.0) + group("p", pairs, 0.7)


def text_features(text: str) -> Features:
    """Word features and the character 4-grams inside words."""
    return word_features(text) + group("c", _grams(words(text)), 0.7)


def group(kind: str, names: list[str], length: float) -> Features:
    """Features of one kind, scaled so that their vector has this length however many there are."""
    unique = dict.fromkeys(names)
    value = length / max(1, len(unique)) ** 0.5
    return tuple((hashed(f"{kind}:{name}"), value) for name in unique)


def _grams(found: list[str], size: int = 4) -> list[str]:
    padded = [f"<{word}>" for word in found if not word[0].isdigit()]
    return [word[i : i + size] for word in padded for i in range(max(1, len(word) - size + 1))]

"""Names, values and requests as words, to find a value in a request."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_CASES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc]")
_POSSESSIVE = re.compile(r"'s\b|'(?=\s|$)")
_ENDINGS = ("wards", "ward", "ations", "ation", "ings", "ing", "ies", "ied", "es", "ed", "ly", "s", "y", "e")
_SHORTEST_STEM = 3
_PREFIX = 5
"""A word that begins with the stem of a value counts as the value if the stem has this many letters."""
_LONGER_BY = 5
# Scripts without spaces between words: a value may be inside a run of letters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
)


def word_set(words: str) -> frozenset[str]:
    """The words of a text, joined by spaces."""
    return frozenset(words.split())


STOPWORDS = word_set(
    "a an the and or of to in on at by for from with without as is are be been it its this that these those "
    "then than "
    "if when where which who whose what how not no nor only one ones any some all each every into onto over under "
    "out up off so such do does done don can may must will would could should you your yours i me my we our us "
    "they "
    "their them he she his her there here have has had was were but also just very more most other same own use "
    "used "
    "value values given named name e g ie eg please now"
)


def folded(text: str) -> str:
    """The text without case and accents, in one spelling of quotation marks, with single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    plain = unicodedata.normalize("NFKD", _APOSTROPHES.sub("'", text)).casefold()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, folded; a possessive ending is left out."""
    plain = folded(text)
    return _WORD.findall(_POSSESSIVE.sub("", plain) if "'" in plain else plain)


@lru_cache(1 << 14)
def words_of(name: str) -> tuple[str, ...]:
    """The words of an identifier or value: `home_base`, `home-base` and `homeBase` are home, base."""
    return tuple(tokens(_CASES.sub(" ", name)))


@lru_cache(1 << 14)
def spaced(name: str) -> str:
    """An identifier as it is said: its words in their own case, with spaces; itself where it holds no word."""
    found = _WORD.findall(_CASES.sub(" ", name))
    return " ".join(each if each.isupper() else each.lower() for each in found) if found else name


@lru_cache(1 << 15)
def stem(word: str) -> str:
    """The word without the endings of plurals, verbs and directions: equal for `pulse`, `pulses` and `pulsing`."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM + ending.startswith("ward"):
            word = word[: -len(ending)]
            break
    if len(word) > _SHORTEST_STEM and word[-1] == "e":
        word = word[:-1]
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word


def stems(words: Iterable[str]) -> frozenset[str]:
    """The stems of all words."""
    return frozenset(map(stem, words))


def is_unspaced(text: str) -> bool:
    """Whether the text holds letters of a script that puts no spaces between words, such as Chinese or Thai."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def begins_with(word: str, value_stem: str) -> bool:
    """Whether a word is a longer form of a value: `photograph` of `photo`, `panoramic` of `panorama`."""
    start = value_stem[:-1] if len(value_stem) > _PREFIX and value_stem[-1] in "aeo" else value_stem
    return (
        len(start) >= _PREFIX - 1
        and len(value_stem) >= _PREFIX - 1
        and (word.startswith(start) and len(word) - len(start) <= _LONGER_BY)
    )


def is_misspelt(word: str, other: str) -> bool:
    """Whether two words of four letters or more differ by one: more, less, another, or two swapped."""
    if abs(len(word) - len(other)) > 1 or min(len(word), len(other)) < _PREFIX - 1 or word == other:
        return False
    at = next((i for i, (one, two) in enumerate(zip(word, other, strict=False)) if one != two), -1)
    if at < 0:
        return True
    here, there = word[at:], other[at:]
    swapped = here[:2] == there[1::-1] and here[2:] == there[2:]
    return swapped or here[1:] == there or here == there[1:] or here[1:] == there[1:]

"""Hashes in place of texts: what makes it possible to compare every example with every other in little memory."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any

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

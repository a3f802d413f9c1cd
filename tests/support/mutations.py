"""Data files that are nearly right: training data with a few things broken, the same ones for the same number."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from orchestrator.dataset.rules import RULES

_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, "", " ", "\0", "\ud800", "x" * 5000, "\x1b[31mred", "\u202e", "💡"),
    *([], {}, [[]], {"": {}}, [None], {"role": None}, "{}", '"{}"', "[]", "{", "<|endoftext|>"),
)
_ODD_TEXTS = (
    *(b"NaN", b"Infinity", b"-0", b"1e999", b"1" * 5000, b'"\\ud800"', b'"\\u0000"', b"'a'", b"\\", b'\\"', b"{}"),
    *(b"[" * 3000, b"]" * 9, b'{"a":' * 2000, b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x00"),
    *(b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\r", b"\n\n", b"\x0c", "\u2028".encode(), b"/*", b"//", b",", b":"),
)


def mutated(number: int, seeds: Sequence[bytes] | None = None) -> bytes:
    """A file of 0 to 13 rows that were once `seeds`, or as the table of kinds shows them; `number` is the seed."""
    rng = random.Random(number)
    rows = [rng.choice(seeds or _SEEDS) for _ in range(rng.randrange(14))]
    rows = [_with_broken_value(row, rng) if rng.random() < 0.4 else row for row in rows]
    text = rng.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"")).join(rows) + rng.choice((b"\n", b""))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        text = rng.choice(_BYTE_CHANGES)(text, rng)
    return text


def _seeds() -> Iterator[bytes]:
    for kind in RULES.values():
        for text in (kind.wrong, kind.right):
            yield from (line.encode("utf-8", "surrogatepass") for line in text.split("\n") if line.strip())


_SEEDS = sorted(set(_seeds()))


def _with_broken_value(line: bytes, rng: random.Random) -> bytes:
    """One value of the row, anywhere, is replaced, removed, doubled or wrapped."""
    try:
        row = json.loads(line)
    except ValueError:
        return line
    holders = list(_holders(row))
    if holders:
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        rng.choice(_VALUE_CHANGES)(holder, key, rng)
    return json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _holders(value: Any) -> Iterator[Any]:
    """Every object and array in a value that holds anything."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner:
        yield value
    for each in inner:
        yield from _holders(each)


def _replace(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = rng.choice(_ODD_VALUES)


def _remove(holder: Any, key: Any, rng: random.Random) -> None:
    del holder[key]


def _wrap(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = rng.choice(([holder[key]], {"value": holder[key]}, json.dumps(holder[key]), [holder[key]] * 200))


def _rename(holder: Any, key: Any, rng: random.Random) -> None:
    if isinstance(holder, dict):
        holder[rng.choice((f"{key}s", "role", "content", "tool_calls", "", "a/b~c", "\ud800"))] = holder.pop(key)


_VALUE_CHANGES = (_replace, _replace, _remove, _wrap, _rename)


def _cut_off(text: bytes, rng: random.Random) -> bytes:
    return text[: rng.randrange(len(text) + 1)]


def _insert(text: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(_ODD_TEXTS) + text[place:]


def _delete(text: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + text[place + rng.randrange(40) :]


def _flip(text: bytes, rng: random.Random) -> bytes:
    if not text:
        return text
    place = rng.randrange(len(text))
    return text[:place] + bytes([text[place] ^ 1 << rng.randrange(8)]) + text[place + 1 :]


def _double(text: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(text) + 1)
    piece = text[start : start + rng.randrange(300)]
    place = rng.randrange(len(text) + 1)
    return text[:place] + piece + text[place:]


def _begin_otherwise(text: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"\xef\xbb\xbf", b"[", b" \n", b"\xff\xfe", b"# rows\n", b"{\n")) + text


def _encode_otherwise(text: bytes, rng: random.Random) -> bytes:
    return text.decode("utf-8", "replace").encode(
        rng.choice(("utf-16", "utf-16-be", "utf-32", "latin-1")), "replace"
    )


_BYTE_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_cut_off, _insert, _insert, _delete, _delete, _flip, _flip, _double, _begin_otherwise, _encode_otherwise),
)

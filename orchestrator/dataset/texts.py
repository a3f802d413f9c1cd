"""Checks the characters of an example: special tokens, halves of surrogate pairs, NUL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.dataset.findings import Notes, Pointer, excerpt_around

# The special tokens of the o200k and cl100k encodings and of the chat format around messages. A service answered
# one of them in a training file with "message contains an invalid token".
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|endofprompt|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|im_start|>",
    "<|im_sep|>",
    "<|im_end|>",
)

_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
_SURROGATE = re.compile("[\ud800-\udfff]")

# What a line must hold to be worth a walk over its strings: a special token, plain or with one of its first two
# characters escaped, or an escaped NUL. Halves of surrogate pairs stand only in lines that could not be read.
_ESCAPED = re.compile(rb"\\u00(?:3c|7c|00)", re.IGNORECASE)


def check_texts(row: Mapping[str, Any], line: bytes, notes: Notes) -> None:
    """Note special tokens and NUL characters in the strings of `row`. `line` is the part of its text to look at."""
    if may_hold_odd_characters(line):
        check_all_texts(row, notes)


def may_hold_odd_characters(text: bytes) -> bool:
    """False where no string in a JSON text that orjson reads can hold a special token or a NUL character."""
    return b"<|" in text or (b"\\u00" in text and _ESCAPED.search(text) is not None)


def check_all_texts(row: Any, notes: Notes) -> None:
    """Note every character in a string of `row` that can't be trained on."""
    for pointer, text in _strings(row):
        if special := _SPECIAL.search(text):
            notes.add("FT213", pointer, excerpt=excerpt_around(text, special.start()), token=special.group())
        if half := _SURROGATE.search(text):
            found = f"U+{ord(half.group()):04X}"
            notes.add("FT109", pointer, excerpt=excerpt_around(text, half.start()), found=found)
        if "\0" in text:
            notes.add("FT110", pointer, excerpt=excerpt_around(text, text.index("\0")))


def _strings(row: Any) -> Iterator[tuple[Pointer, str]]:
    """Every string of the example, keys included, without recursion: the nesting is the file's to choose."""
    open_values: list[tuple[Pointer, Any]] = [((), row)]
    while open_values:
        pointer, value = open_values.pop()
        if isinstance(value, str):
            yield pointer, value
        elif isinstance(value, dict):
            for key, inner in reversed(value.items()):
                yield (*pointer, key), key
                open_values.append(((*pointer, key), inner))
        elif isinstance(value, list):
            open_values.extend(((*pointer, index), inner) for index, inner in reversed(list(enumerate(value))))

"""Checks the characters of an example: special tokens, halves of surrogate pairs, NUL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.dataset.findings import Notes, Pointer

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


def check_texts(row: Mapping[str, Any], line: bytes, notes: Notes) -> None:
    """Note characters that can't be trained on. `line` is the JSON text of `row`."""
    # Walking every string is slow, and nearly no line can hold one of these.
    if b"<|" not in line and b"\\u" not in line:
        return
    for pointer, text in _strings(row):
        if special := _SPECIAL.search(text):
            notes.add("FT213", pointer, token=special.group())
        if surrogate := _SURROGATE.search(text):
            notes.add("FT109", pointer, found=f"U+{ord(surrogate.group()):04X}")
        if "\0" in text:
            notes.add("FT110", pointer)


def _strings(row: Mapping[str, Any]) -> Iterator[tuple[Pointer, str]]:
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

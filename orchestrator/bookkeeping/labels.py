"""The rules for tags and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from orchestrator.bookkeeping.provenance import HIDDEN
from orchestrator.dataset.profile.answers import without_keys
from orchestrator.errors import LabelUnusable

LONGEST_KEY, LONGEST_VALUE, LONGEST_NOTE = 64, 256, 10_000
"""Characters."""
_KEY = re.compile(r"[A-Za-z0-9._/-]+")


def tags_from(settings: Iterable[str]) -> dict[str, str]:
    """The tags of `key=value` arguments; of two for one key the last one holds. Raises LabelUnusable."""
    found: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise LabelUnusable(what=f'"{setting}" is no tag', fix="Write KEY=VALUE, such as team=flight.")
        found[key] = value.strip()
    kept_tags(found)
    return found


def kept_tags(changes: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """These tags as they are recorded: text with the shape of a key is not kept. A value of None stands for a
    removal. Raises LabelUnusable for a key or a value that no tag can have."""
    for key, value in (changes or {}).items():
        _require_key(key)
        if value is not None:
            _require_value(key, value)
    return {key: value and without_keys(value, HIDDEN) for key, value in (changes or {}).items()}


def _require_key(key: str) -> None:
    if not _KEY.fullmatch(key) or len(key) > LONGEST_KEY:
        rule = f"A key has 1 to {LONGEST_KEY} letters, digits, dots, dashes, underscores and slashes."
        raise LabelUnusable(what=f'"{_short(key)}" can\'t be the key of a tag', fix=rule)


def _require_value(key: str, value: str) -> None:
    if not value:
        raise LabelUnusable(what=f"the tag {key} has no value", fix=f"To remove the tag: --remove {key}")
    if len(value) > LONGEST_VALUE or not value.isprintable():
        rule = f"A value is one line of at most {LONGEST_VALUE} characters; ftorch runs note keeps longer texts."
        raise LabelUnusable(what=f'the tag {key} can\'t have the value "{_short(value)}"', fix=rule)


def kept_note(text: str) -> str:
    """A note as it is recorded: without white space around it, and without keys. Raises LabelUnusable."""
    note = text.strip()
    if not note:
        raise LabelUnusable(what="the note is empty", fix="Write its text in quotes.")
    if len(note) > LONGEST_NOTE:
        what = f"the note has {len(note):,} characters"
        raise LabelUnusable(what=what, fix=f"Write at most {LONGEST_NOTE:,}, or the address of a longer text.")
    return without_keys(note, HIDDEN)


def _short(text: str) -> str:
    """Enough of a wrong text to find it."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= LONGEST_KEY else f"{line[:LONGEST_KEY]}…"

"""The rules for tags and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
    require_tags(found)
    return found


def require_tags(tags: Mapping[str, str | None]) -> None:
    """Raises LabelUnusable for a key or a value that no tag can have. A value of None stands for a removal."""
    for key, value in tags.items():
        require_key(key)
        if value is not None:
            _require_value(key, value)


def require_key(key: str) -> None:
    """Raises LabelUnusable."""
    if not _KEY.fullmatch(key) or len(key) > LONGEST_KEY:
        rule = f"A key has 1 to {LONGEST_KEY} letters, digits, dots, dashes, underscores and slashes."
        raise LabelUnusable(what=f'"{_short(key)}" can\'t be the key of a tag', fix=rule)


def _require_value(key: str, value: str) -> None:
    if not value:
        raise LabelUnusable(what=f"the tag {key} has no value", fix=f"To remove the tag: --remove {key}")
    if len(value) > LONGEST_VALUE or not value.isprintable():
        rule = f"A value is one line of at most {LONGEST_VALUE} characters; ftorch runs note keeps longer texts."
        raise LabelUnusable(what=f'the tag {key} can\'t have the value "{_short(value)}"', fix=rule)


def note_from(text: str) -> str:
    """The text of a note, without white space around it. Raises LabelUnusable."""
    note = text.strip()
    if not note:
        raise LabelUnusable(what="the note is empty", fix="Write its text in quotes.")
    if len(note) > LONGEST_NOTE:
        what = f"the note has {len(note):,} characters"
        raise LabelUnusable(what=what, fix=f"Write at most {LONGEST_NOTE:,}, or the address of a longer text.")
    return note


def _short(text: str) -> str:
    """Enough of a wrong text to find it."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= LONGEST_KEY else f"{line[:LONGEST_KEY]}…"

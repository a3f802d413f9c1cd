"""Documents without the paths of this machine: a file that is passed on says nothing about the folders here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.reports.documents.document import Document


def without_places(document: Document, root: Path) -> Document:
    """The document with paths below `root` relative to it, those below the user's folder with a ~, and the other
    files that it names by their names alone."""
    home = os.path.expanduser("~")
    shorter = {f"{home}{os.sep}": f"~{os.sep}", home: "~"} if home != os.sep else {}
    shorter |= {f"{root}{os.sep}": "", str(root): root.name}
    outside = [path for path in document.paths if os.path.isabs(path) and not path.startswith(tuple(shorter))]
    shorter |= {path: os.path.basename(path) for path in outside}
    longest_first = dict(sorted(shorter.items(), key=lambda pair: -len(pair[0])))
    found: Document = _shortened(document, longest_first)
    return found


def _shortened(value: Any, shorter: Mapping[str, str]) -> Any:
    """The same value with every text in it shortened."""
    if type(value) is str:  # and no member of an enumeration
        for place, name in shorter.items():
            value = value.replace(place, name)
        return value
    if callable(value):
        return lambda: _shortened(value(), shorter)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: _shortened(getattr(value, each.name), shorter) for each in fields(value) if each.init}
        return replace(value, **changed)
    if isinstance(value, Mapping):
        return {key: _shortened(each, shorter) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_shortened(each, shorter) for each in value)
    return value

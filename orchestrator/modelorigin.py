"""Where the model in a folder comes from: its id on the Hugging Face Hub, its revision, and its license.

Only files on this machine are read; what they don't say stays unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.modelfolders import CONFIG, is_hub_id

LICENSE_FILES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")
"""Files that a license may require to be passed on with the weights."""
_LONGEST_PAGE = 1 << 20
CARD = "README.md"
_WRITTEN_HERE = "with ftorch "
_MODEL_ID = re.compile(r"^\| model id \| `([^`\s]+)` \|$", re.MULTILINE)
"""The line of our model cards that names the model."""
_CACHED = re.compile(r"models--(.+)")

_PHRASES: Mapping[str, str] = {
    "apache-2.0": r"Apache License\s+Version 2\.0",
    "mit": r"MIT License|Permission is hereby granted, free of charge",
    "llama2": r"LLAMA 2 COMMUNITY LICENSE",
    "llama3": r"META LLAMA 3 COMMUNITY LICENSE",
    "llama3.1": r"LLAMA 3\.1 COMMUNITY LICENSE",
    "llama3.2": r"LLAMA 3\.2 COMMUNITY LICENSE",
    "llama3.3": r"LLAMA 3\.3 COMMUNITY LICENSE",
    "gemma": r"Gemma Terms of Use",
}
"""What the beginnings of license texts say, by the identifiers of https://huggingface.co/docs/hub/repositories-licenses."""
_BEGINNING = 2_000
"""Characters of a license text in which its name is looked for."""


@dataclass(frozen=True)
class License:
    """A license as a model card names it: an identifier of the Hub, or "other" with a name and a link."""

    id: str
    source: str
    """The file that says so."""
    name: str | None = None
    link: str | None = None


def hub_id_of(folder: Path, name: str) -> str | None:
    """The Hub's id of the model in `folder`: by its place in the user's cache, else `name` if it has the form of
    one. None if neither says."""
    for part, below in _pairs(folder):
        found = _CACHED.fullmatch(part)
        if found and below == "snapshots":
            return found[1].replace("--", "/", 1)
    return name if is_hub_id(name) else None


def revision_of(folder: Path) -> str | None:
    """The commit of the model, if `folder` is a snapshot in the user's cache."""
    is_snapshot = folder.parent.name == "snapshots" and _CACHED.fullmatch(folder.parent.parent.name)
    return folder.name if is_snapshot else None


def license_of(folder: Path) -> License | None:
    """The license that the folder's README.md, config.json or license text names, in this order."""
    return _by_card(folder) or _by_config(folder) or _by_text(folder)


def exported_from(folder: Path) -> str | None:
    """The id of the fine-tuned model that `ftorch models export` wrote into the folder, by its model card; None if
    there is no such card."""
    card = _text(folder / CARD)
    found = _MODEL_ID.search(card) if _WRITTEN_HERE in card else None
    return found[1] if found else None


def license_files(folder: Path) -> list[Path]:
    """The license texts and notices in the folder, by name."""
    found = {path for pattern in LICENSE_FILES for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


def _pairs(folder: Path) -> Iterator[tuple[str, str]]:
    return zip(folder.parts, folder.parts[1:], strict=False)


def _by_card(folder: Path) -> License | None:
    """The front matter of a model card: https://huggingface.co/docs/hub/model-cards."""
    import yaml

    parts = re.split(r"^---\s*$", _text(folder / CARD), maxsplit=2, flags=re.MULTILINE)
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        told = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    found = told.get("license") if isinstance(told, dict) else None
    found = found[0] if isinstance(found, list) and found else found
    if not isinstance(found, str) or not found:
        return None
    return License(found, CARD, _said(told, "license_name"), _said(told, "license_link"))


def _said(told: Mapping[str, Any], key: str) -> str | None:
    found = told.get(key)
    return found if isinstance(found, str) and found else None


def _by_config(folder: Path) -> License | None:
    try:
        told = json.loads(_text(folder / CONFIG) or "{}")
    except ValueError:
        return None
    found = _said(told, "license") if isinstance(told, dict) else None
    return License(found, CONFIG) if found else None


def _by_text(folder: Path) -> License | None:
    texts = [path for path in license_files(folder) if not path.name.startswith("NOTICE")]
    for path in texts:
        beginning = _text(path)[:_BEGINNING]
        for identifier, phrase in _PHRASES.items():
            if re.search(phrase, beginning, re.IGNORECASE):
                return License(identifier, path.name)
    return License("other", texts[0].name, name=f"see {texts[0].name}") if texts else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_PAGE).decode("utf-8", "replace")
    except OSError:
        return ""

"""What MLflow accepts: names, lengths, and how much in one request.

From mlflow.utils.validation and the page "REST API" of MLflow 3: names have letters, digits, `_ - . / :` and
blanks, and must not change when read as a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from orchestrator.export.content import Content

MOST_METRICS, MOST_PARAMS, MOST_TAGS = 1000, 100, 100
"""In one log-batch request."""
_LONGEST_NAME = 250
_LONGEST_PARAM = 6000
_LONGEST_TAG = 5000
"""Of servers before 3.0; later ones take 8000."""
_NOT_ALLOWED = re.compile(r"[^\w.\- :/]")
T = TypeVar("T")


def name_of(text: str) -> str:
    """The name that MLflow accepts for this one: unchanged if it can be."""
    plain = _NOT_ALLOWED.sub("_", text).strip()
    parts = [part if part not in ("", ".", "..") else "_" for part in plain.split("/")]
    return "/".join(parts)[:_LONGEST_NAME].rstrip("/ ")


def accepted(content: Content) -> Content:
    """The same content with names and lengths that MLflow accepts. Of two names that become one, the last one
    counts."""
    return replace(
        content,
        params=_named(content.params, _LONGEST_PARAM),
        tags=_named(content.tags, _LONGEST_TAG),
        user_tags=frozenset(map(name_of, content.user_tags)),
        points=[replace(point, key=name_of(point.key)) for point in content.points],
    )


def _named(values: Mapping[str, str], longest: int) -> dict[str, str]:
    return {name_of(name): cut(value, longest) for name, value in values.items()}


def cut(text: str, longest: int) -> str:
    """With an ellipsis where it ends."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", " ")
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def chunks(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (values[start : start + most] for start in range(0, len(values), most))

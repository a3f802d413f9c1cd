"""Checks the parts of a message's content: texts, refusals and images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.dataset.checking.findings import Notes, Pointer, named_type, shown

# OpenAI's guide to vision fine-tuning, November 2026: at most 10 images an example, 10 MB each; JPEG, PNG or WEBP.
# Microsoft's page on it says 64 images.
MOST_IMAGES = 10
LARGEST_IMAGE_BYTES = 10_000_000

_ALLOWED = {"user": ("text", "image_url"), "assistant": ("text", "refusal")}
_DETAILS = ("auto", "low", "high")
_ADDRESS = re.compile(r"https?://|data:image/(?:jpeg|jpg|png|webp);base64,")


def check_parts(parts: Sequence[Any], role: str, where: Pointer, notes: Notes) -> None:
    """Check each content part of a message of `role`."""
    for index, part in enumerate(parts):
        if isinstance(part, dict):
            _check_part(part, role, (*where, index), notes)
        else:
            problem = f"expected a content part object, found {named_type(part)}"
            notes.add("FT207", (*where, index), problem=problem)


def check_image_count(messages: Sequence[Any], where: Pointer, notes: Notes) -> None:
    """Check that the messages of an example hold no more images than services take."""
    count = sum(_images(message.get("content")) for message in messages if isinstance(message, dict))
    if count > MOST_IMAGES:
        notes.add("FT216", where, count=count, limit=MOST_IMAGES)


def _images(content: Any) -> int:
    if not isinstance(content, list):
        return 0
    return sum(isinstance(part, dict) and part.get("type") == "image_url" for part in content)


def _check_part(part: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    kind = part.get("type")
    allowed = _ALLOWED.get(role, ("text",))
    if not isinstance(kind, str) or kind not in allowed:
        expected = " or ".join(f'"{name}"' for name in allowed)
        problem = f"a content part of role {role} must have type {expected}; found {shown(kind)}"
        notes.add("FT207", (*where, "type"), problem=problem)
    elif kind == "image_url":
        _check_image(part.get("image_url"), (*where, "image_url"), notes)
    elif not isinstance(part.get(kind), str):
        problem = f'a {kind} part needs a string under "{kind}"; found {named_type(part.get(kind))}'
        notes.add("FT207", (*where, kind), problem=problem)


def _check_image(image: Any, where: Pointer, notes: Notes) -> None:
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        notes.add("FT207", where, problem="an image part needs image_url.url, a web address or a data URI")
        return
    if not _ADDRESS.match(url):
        problem = "an image must be at an http(s) address or in a base64 data URI of type image/jpeg, png or webp"
        notes.add("FT207", (*where, "url"), problem=problem)
    elif url.startswith("data:") and len(url) * 3 // 4 > LARGEST_IMAGE_BYTES:
        problem = f"the image has about {len(url) * 3 // 4:,} bytes, but may have {LARGEST_IMAGE_BYTES:,}"
        notes.add("FT207", (*where, "url"), problem=problem)
    detail = image.get("detail")
    if detail is not None and detail not in _DETAILS:
        problem = f'the detail of an image must be "auto", "low" or "high"; found {shown(detail)}'
        notes.add("FT207", (*where, "detail"), problem=problem)

"""Images in user messages: how many, and whether a service can fetch and decode each."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from orchestrator.dataset.checking.keys import IMAGE, note_unknown_keys
from orchestrator.dataset.findings import Notes, Pointer, shown

# OpenAI's guide to vision fine-tuning, November 2026: at most 10 images an example, 10 MB each; JPEG, PNG or WEBP.
# Microsoft's page on it says 64 images.
MOST_IMAGES = 10
LARGEST_IMAGE_BYTES = 10_000_000

PARTS_ADVICE = (
    'Write {"type": "text", "text": "…"}; user messages may also hold '
    '{"type": "image_url", "image_url": {"url": "…"}}.'
)
_IMAGE_ADVICE = (
    "Give a JPEG, PNG or WEBP at an http(s) address that a service can fetch, or inside the file as "
    "data:image/png;base64,…"
)

_DETAILS = ("auto", "low", "high")
_DATA = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_OTHER_FORMATS = re.compile(r"\.(gif|pdf|svg|bmp|tiff?|heic|avif|ico|mp4|mov|html?|txt)$", re.IGNORECASE)
_OWN_NAMES = ("localhost", ".local", ".internal", ".lan", ".localhost")


def check_image_count(messages: Sequence[Any], where: Pointer, notes: Notes) -> None:
    """Check that the messages of an example hold no more images than services take."""
    count = sum(_images(message.get("content")) for message in messages if isinstance(message, dict))
    if count > MOST_IMAGES:
        notes.add("FT216", where, count=count, limit=MOST_IMAGES)


def check_image(image: Any, where: Pointer, notes: Notes) -> None:
    """Check what a content part holds under `image_url`."""
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(image, dict) or not isinstance(url, str):
        missing = "an image part needs image_url.url, a web address or a data URI"
        notes.add("FT207", where, problem=missing, advice=PARTS_ADVICE)
        return
    note_unknown_keys(image, IMAGE, "image", where, notes)
    problem = _problem_inside(url) if url[:5].lower() == "data:" else _problem_at(url)
    if problem:
        notes.add("FT207", (*where, "url"), problem=problem, advice=_IMAGE_ADVICE)
    _check_detail(image, where, notes)


def _images(content: Any) -> int:
    if not isinstance(content, list):
        return 0
    return sum(isinstance(part, dict) and part.get("type") == "image_url" for part in content)


def _check_detail(image: Mapping[str, Any], where: Pointer, notes: Notes) -> None:
    detail = image.get("detail")
    if detail is not None and detail not in _DETAILS:
        problem = f'the detail of an image must be "auto", "low" or "high"; found {shown(detail)}'
        notes.add(
            "FT207", (*where, "detail"), problem=problem, advice="Write one of them, or leave the detail out."
        )


def _problem_inside(url: str) -> str | None:
    """Why no image can be read from a data URI; None where nothing speaks against it."""
    start = _DATA.match(url)
    if start is None:
        return "a data URI must be of type image/jpeg, png or webp and in base64: data:image/png;base64,…"
    size = (len(url) - start.end()) * 3 // 4
    if size == 0:
        return "the data URI is empty after base64,"
    if _BASE64.fullmatch(url, start.end()) is None:
        return "the data URI contains characters that are not base64"
    if size > LARGEST_IMAGE_BYTES:
        return f"the image has about {size:,} bytes, but may have {LARGEST_IMAGE_BYTES:,}"
    return None


def _problem_at(url: str) -> str | None:
    """Why a service can't fetch an image from an address; None where nothing speaks against it."""
    if not url.lower().startswith(("http://", "https://")):
        return "an image must be at an http(s) address or in a base64 data URI of type image/jpeg, png or webp"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "the address of an image is malformed"
    if not host:
        return "the address of an image has no host"
    if re.search(r"\s", host):
        return f"the address of an image has the host {shown(host)}, which contains blanks"
    if re.search(r"\s", url):
        return "the address of an image must not hold blanks; write them as %20"
    if _is_private(host):
        return f"a service can't fetch an image from {shown(host)}, which is reachable only from your network"
    if other := _OTHER_FORMATS.search(parts.path):
        return f"an image must be JPEG, PNG or WEBP; the address ends with {other.group().lower()}"
    return None


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith(_OWN_NAMES) or "." not in host

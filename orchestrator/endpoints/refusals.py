"""The reason in a refusal: hosts use many names for it, or send a text or a page.

The shapes are those of OpenAI, Azure (`innererror`, `details`), FastAPI (`detail` as a text or a list), gRPC
gateways, JSON:API (`errors`), problem+json (RFC 9457), proxies and load balancers (plain text, HTML).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any, TypeVar

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.keys import without_key

T = TypeVar("T")

NOT_THE_API = "a web page, not the API, answered"
LONGEST = 500
"""How many characters of a host's text are kept."""
_LONGEST_PAGE = 120
_READ = 1_000_000  # characters of a body; the reason is at its beginning
_READ_PAGE = 8_000
_DEEPEST = 6
_MANY = 5  # reasons of a list that are quoted


@dataclass(frozen=True)
class Refusal:
    """The parts of a refusal; each is None if it is missing."""

    message: str | None = None
    code: str | None = None
    param: str | None = None
    type: str | None = None


def read_refusal(body: str, content_type: str = "") -> Refusal:
    """The parts of a refusal, whatever its shape. Never raises; the message may be long and hold any character."""
    text = body[:_READ].strip("\ufeff \t\r\n\0")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Refusal(page_text(text, content_type) or _plain(text))
    sources = list(_sources(found))
    return Refusal(
        message=reason_in(found),
        code=_grpc_name(found) or _first(sources, ("code", "error_code", "errorcode")) or _bare_code(found),
        param=_first(sources, ("param", "target")) or _first(list(_items(found)), _PLACES),
        type=_first(sources, ("type", "error_type")),
    )


def page_text(text: str, content_type: str = "") -> str | None:
    """A short text of a web page: its title, else the start of its text. For other markup (XML), its text; None if
    the text is not markup."""
    if not text.startswith("<"):
        return None
    page = _Page()
    page.feed(text[:_READ_PAGE])
    page.close()
    said = shortened(_line(page.title) or _line(page.text), _LONGEST_PAGE)
    if "html" in content_type.lower() or _HTML.match(text):
        return f'{NOT_THE_API}: "{said}"' if said else NOT_THE_API
    return said or None


def quoted(said: T, config: EndpointConfig) -> T | str:
    """An endpoint's text, ready to be stored, logged and shown: one line of at most LONGEST characters, without our
    key and without control characters. Anything but a text is returned unchanged."""
    return shortened(without_key(_line(said), config)) if isinstance(said, str) else said


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, cut with an ellipsis after `longest` characters. Hide keys first: half a key is still a secret."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()}…"


# --- No credit ---------------------------------------------------------------------------------------------------

_NO_CREDIT_CODES = frozenset(
    (
        "insufficient_quota",
        "exceeded_quota",
        "exceeded_current_quota_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_credits",
        "insufficient_balance",
        "insufficient_funds",
        "payment_required",
        "credit_limit",
    )
)
_NO_CREDIT_WORDS = re.compile(
    r"exceed(s|ed)? your (current quota|hard limit)"
    r"|check your plan and billing details"
    r"|billing (hard )?limit|monthly spending limit|spend(ing)? limit (has been |was )?(reached|exceeded)"
    r"|(insufficient|not enough|out of) (\w+ )?(credits?|funds|balance)\b"
    r"|no (more )?(credits?|funds|balance) (left|remaining|available)|credit balance is too low"
    r"|insufficient[ _]quota|payment (is )?required|top up your (account|balance)",
    re.IGNORECASE,
)
_MAY_MEAN_NO_CREDIT = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.TOO_MANY_REQUESTS,
)


def is_no_credit(status: int, refusal: Refusal, wait: float | None) -> bool:
    """Whether the account can't pay. A cap of active or daily jobs doesn't count, nor does a rate limit whose
    sentence names a `wait` in seconds."""
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return True
    if status not in _MAY_MEAN_NO_CREDIT:
        return False
    names = {str(name).lower().replace("-", "_") for name in (refusal.code, refusal.type) if name}
    if names & _NO_CREDIT_CODES:
        return True
    return wait is None and _NO_CREDIT_WORDS.search(refusal.message or "") is not None


# --- JSON --------------------------------------------------------------------------------------------------------

_SAYS = (
    "message",
    "faultstring",
    "detail",
    "msg",
    "error_description",
    "error_message",
    "error_msg",
    "errormessage",
    "description",
    "reason",
    "title",
)
_MORE = ("errors", "details", "fieldviolations")
_PLACES = ("loc", "field", "target", "path", "property", "param")
_KINDS = frozenset(("code", "type", "param", "object", "status", "statuscode", "error_code", "error_type", "@type"))
_SENT = frozenset(
    ("request_id", "requestid", "trace_id", "traceid", "timestamp", "path", "instance", "input", "url")
)
_NO_REASON = _KINDS | _SENT | {"success", "ctx"}
_NOTHING = frozenset(("", "none", "null"))
_PHRASES = frozenset(status.phrase.lower() for status in HTTPStatus)


def reason_in(said: Any) -> str | None:
    """The reason in a decoded JSON value, as one text; None if it gives none."""
    found: list[str] = []
    for words in _words(said):
        if not any(words in earlier for earlier in found):
            found.append(words)
    *first, last = found or [""]
    return "; ".join([*(words.rstrip(". ") for words in first), last]) or None


def _words(said: Any, depth: int = 0) -> list[str]:
    if isinstance(said, str):
        text = said.strip()
        return [text] if text.lower() not in _NOTHING else []
    if depth > _DEEPEST:
        return []
    if isinstance(said, list):
        found = [words for item in said[:_MANY] for words in _placed(item, depth + 1)]
        return [*found, f"and {len(said) - _MANY} more"] if found and len(said) > _MANY else found
    return _words_of_table(_lower(said), depth + 1) if isinstance(said, dict) else []


def _placed(item: Any, depth: int) -> list[str]:
    """The texts of a list's item, the first one after the name of its field."""
    found, place = _words(item, depth), _place(_lower(_table(item)))
    return [f"{place}: {words}" if place else words for words in found[:1]] + found[1:]


def _place(item: Mapping[str, Any]) -> str | None:
    return _first([item], _PLACES) or _first([_lower(_table(item.get("source")))], ("pointer", "parameter"))


def _words_of_table(said: Mapping[str, Any], depth: int) -> list[str]:
    error = said.get("error")
    found = [] if isinstance(error, str) else _words(error, depth)
    for key in _SAYS:
        if found:
            break
        found = _words(said.get(key), depth)
    if isinstance(error, str) and not (found and _is_label(error)):
        found = [*_words(error, depth), *found]
    for key in _MORE:
        found += _words(said.get(key), depth)
    found += _innermost(said.get("innererror"))
    return found or _fields(said, depth)


def _fields(said: Mapping[str, Any], depth: int) -> list[str]:
    """For a table of fields, such as `{"n_epochs": ["must be at most 5"]}`."""
    named = [(key, _words(value, depth)) for key, value in said.items() if key not in _NO_REASON]
    return [f"{key}: {'; '.join(words)}" for key, words in named if words][:_MANY]


def _innermost(inner: Any) -> list[str]:
    """The additional reason in Azure's nested `innererror`: its deepest message, else its deepest code."""
    message = code = None
    for _ in range(_DEEPEST):
        if not isinstance(inner, dict):
            break
        message, code = _text(inner.get("message")) or message, _text(inner.get("code")) or code
        inner = inner.get("innererror", inner.get("internalexception"))
    return [words for words in [message or code] if words]


def _is_label(error: str) -> bool:
    """Whether `error` only names a kind next to a sentence: "Bad Request", "invalid_grant"."""
    return error.strip().lower() in _PHRASES or " " not in error.strip()


def _bare_code(said: Any) -> str | None:
    """`error` as a code next to a sentence: `{"error": "invalid_request", "error_description": "…"}`."""
    error = _text(_top(said).get("error"))
    return error if error and re.fullmatch(r"[a-z0-9]+([_-][a-z0-9]+)+", error) else None


def _grpc_name(said: Any) -> str | None:
    """The name of a gateway's numeric code: `{"code": 5, "message": "…", "details": []}`."""
    top = _top(said)
    is_a_gateways = isinstance(top.get("details"), list) and isinstance(top.get("message"), str)
    code = top.get("code")
    return _GRPC.get(code) if is_a_gateways and isinstance(code, int) else None


_GRPC: Mapping[int, str] = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
"""https://grpc.github.io/grpc/core/md_doc_statuscodes.html"""


def _sources(said: Any) -> Iterator[Mapping[str, Any]]:
    """The tables that may hold code and type, most likely first."""
    top = _top(said)
    for key in ("error", "detail", "message"):
        if isinstance(top.get(key), dict):
            yield _lower(top[key])
    yield top
    yield from _items(said)


def _items(said: Any) -> Iterator[Mapping[str, Any]]:
    """The first reason of each list."""
    top = _top(said)
    for listed in (top.get("error"), top.get("detail"), top.get("errors")):
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            yield _lower(listed[0])


def _top(said: Any) -> Mapping[str, Any]:
    return _lower(_table(said[0] if isinstance(said, list) and said else said))


def _first(sources: list[Mapping[str, Any]], keys: tuple[str, ...]) -> str | None:
    return next((text for source in sources for key in keys if (text := _text(source.get(key)))), None)


def _lower(table: Mapping[str, Any]) -> Mapping[str, Any]:
    return {str(key).lower(): value for key, value in table.items()}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A text or a whole number; a list of them is a path, as FastAPI's `loc` is."""
    if isinstance(value, list):
        return ".".join(part for part in map(_text, value[:_DEEPEST]) if part) or None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text.lower() not in _NOTHING else None


# --- Texts and pages ---------------------------------------------------------------------------------------------


_HTML = re.compile(r"<(!doctype html|html|head|body|title|center|div|h1|p)\b", re.IGNORECASE)


def _plain(text: str) -> str | None:
    """A body that is neither JSON nor a page; None if it is not text either."""
    start = text[:LONGEST]
    unreadable = sum(letter == "\ufffd" or not (letter.isprintable() or letter.isspace()) for letter in start)
    return text if text and unreadable * 10 <= len(start) else None


def _line(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


class _Page(HTMLParser):
    """The title and the visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.text = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("title", "script", "style"):
            self._inside = tag
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif not self._inside:
            self.text += data

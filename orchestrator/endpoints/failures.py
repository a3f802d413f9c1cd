"""From the SDK's exceptions to errors that say what may be done next."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
import openai

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.keys import without_key
from orchestrator.errors import (
    AnswerUnreadable,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    QuotaExhausted,
    RequestRefused,
)

T = TypeVar("T")
Unexplained = openai.OpenAIError | ValueError | TypeError | KeyError
"""The SDK's exceptions, and those of reading an answer."""

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_PASSING = (408, 409)


def explain(error: Unexplained, config: EndpointConfig) -> EndpointError:
    """The EndpointError for an exception of the SDK, or for an answer that could not be read (the others).

    EndpointUnreachable stands for all passing trouble; its fact `sent` is False where the request certainly never
    left. EndpointBusy has `retry_after` in seconds or None. The others carry `status`, `code` and `param`.
    """
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, config)
    if isinstance(error, openai.APIConnectionError):
        is_late = isinstance(error, openai.APITimeoutError)
        problem = "it did not answer in time" if is_late else _quoted(_cause(error), config)
        sent = not isinstance(error.__cause__, _NEVER_SENT)
        if not sent and config.base_url:
            problem += f" (base_url = {config.base_url})"
        return EndpointUnreachable(endpoint=config.name, problem=problem, sent=sent)
    problem = "its answer has no id" if isinstance(error, KeyError) else f"its answer can't be read: {error}"
    return AnswerUnreadable(endpoint=config.name, problem=problem, sent=True)


def _explain_status(error: openai.APIStatusError, config: EndpointConfig) -> EndpointError:
    status, code = error.status_code, _quoted(error.code, config)
    facts: dict[str, Any] = {
        "endpoint": config.name,
        "problem": _quoted(_problem(error), config),
        "status": status,
        "code": code,
        "param": _quoted(error.param, config),
        "message": _quoted(_message(error), config),
    }
    if status == HTTPStatus.UNAUTHORIZED:
        return KeyRefused(api_key_env=config.api_key_env or "(no key is configured)", **facts)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        if code == "insufficient_quota":
            return QuotaExhausted(**facts)
        return EndpointBusy(retry_after=retry_after(error.response), **facts)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EndpointUnreachable(sent=True, retry_after=retry_after(error.response), **facts)
    return RequestRefused(**facts)


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds to wait by the Retry-After header, in either form (RFC 9110, 10.2.3); None without one.

    A date is compared with the answer's own Date, where it has one: this machine's clock may be off.
    """
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            sent = response.headers.get("date")
            now = parsedate_to_datetime(sent).timestamp() if sent else time.time()
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _quoted(said: T, config: EndpointConfig) -> T | str:
    """What an endpoint said, as it may be stored, logged and shown: one line, without our key and without control
    characters. Anything but a text is left as it is."""
    if not isinstance(said, str):
        return said
    printable = "".join(letter if letter.isprintable() else " " for letter in said)
    return without_key(" ".join(printable.split()), config)


def _problem(error: openai.APIStatusError) -> str:
    message = _message(error)
    code = f", {error.code}" if error.code and error.code != str(error.status_code) else ""
    request = f", request {error.request_id}" if error.request_id else ""
    return f"{message} (HTTP {error.status_code}{code}{request})"


def _message(error: openai.APIStatusError) -> str:
    """The endpoint's own sentence: the SDK's text of the error repeats the status and the whole body."""
    if error.response.has_redirect_location:
        return f"it redirects to {error.response.headers['location']}; set its real address as base_url"
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if isinstance(body, dict) and body.get("message"):
        return str(body["message"])
    return error.response.reason_phrase or "no reason given"


def _cause(error: openai.APIConnectionError) -> str:
    return str(error.__cause__ or error) or type(error.__cause__ or error).__name__

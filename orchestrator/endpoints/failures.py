"""From the SDK's exceptions to errors that say what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.bounded import AnswerTooLarge
from orchestrator.endpoints.clients import proxy_variable
from orchestrator.endpoints.keys import without_key
from orchestrator.endpoints.refusals import Refusal, is_no_credit, page_text, quoted, read_refusal
from orchestrator.endpoints.retries import retry_after
from orchestrator.errors import (
    AnswerUnreadable,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    ProxyRefused,
    QuotaExhausted,
    RequestRefused,
)

Unexplained = openai.OpenAIError | ValueError | TypeError | KeyError | AssertionError
"""The SDK's exceptions, and those of reading a response: httpx2 asserts that its `charset` decodes to text."""

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_PASSING = (408, 409)
_NO_ROUTE = (404, 405, 501)
_COLLECTIONS = ("/files", "/fine_tuning/jobs", "/chat/completions")
_CERTIFICATES = (
    "; if a company's network or host signs its own certificates, set SSL_CERT_FILE to their authority's file"
)


def explain(
    error: Unexplained, config: EndpointConfig, hide: Callable[[str], str] = lambda text: text
) -> EndpointError:
    """The EndpointError for an exception of the SDK, or for a response that could not be read (the others).

    EndpointUnreachable covers all temporary errors; its fact `sent` is False if the request was certainly never
    sent. The others carry `status`, `code`, `param`, `type`, `message` and `retry_after`, in seconds, or None if
    the host names no wait. `hide` removes secrets other than the key.
    """
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, config, hide)
    if isinstance(error, openai.APIConnectionError):
        if isinstance(error.__cause__, AnswerTooLarge):
            return AnswerUnreadable(endpoint=config.name, problem=quoted(_cause(error), config), sent=True)
        if isinstance(error.__cause__, httpx2.ProxyError):
            return of_proxy(quoted(hide(_cause(error)), config), error.request.url, config)
        is_late = isinstance(error, openai.APITimeoutError)
        problem = "it did not answer in time" if is_late else quoted(hide(_cause(error)), config)
        is_untrusted = "CERTIFICATE_VERIFY_FAILED" in problem
        if is_untrusted:
            problem += _CERTIFICATES
        sent = not isinstance(error.__cause__, _NEVER_SENT)
        if not sent and config.base_url:
            problem += f" (base_url = {config.base_url}){'' if is_untrusted else _through_proxy(error.request.url)}"
        return EndpointUnreachable(endpoint=config.name, problem=problem, sent=sent)
    return AnswerUnreadable(endpoint=config.name, problem=quoted(hide(_unreadable(error)), config), sent=True)


# --- Refusals ----------------------------------------------------------------------------------------------------


def _explain_status(
    error: openai.APIStatusError, config: EndpointConfig, hide: Callable[[str], str]
) -> EndpointError:
    status, wait = error.status_code, retry_after(error.response.headers)
    refusal = _refusal(error.response, config, hide)
    facts: dict[str, Any] = {
        "endpoint": config.name,
        "status": status,
        "code": quoted(refusal.code, config),
        "param": quoted(refusal.param, config),
        "type": quoted(refusal.type, config),
        "message": quoted(refusal.message, config),
        "retry_after": wait,
    }
    facts["problem"] = f"{facts['message']} ({quoted(_particulars(error, facts), config)})"
    if config.type == "compatible" and status in _NO_ROUTE and error.request.url.path.endswith(_COLLECTIONS):
        facts["problem"] += f"; check base_url = {config.base_url}: it may lack the API's path, such as /v1"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return ProxyRefused(**{**facts, "problem": f"{facts['problem']}; {_password_for(error.request.url)}"})
    if status == HTTPStatus.UNAUTHORIZED:
        return KeyRefused(api_key_env=config.api_key_env or "(no key is configured)", **facts)
    if is_no_credit(status, refusal, wait):
        return QuotaExhausted(**facts)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EndpointBusy(**facts)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EndpointUnreachable(sent=True, **facts)
    return RequestRefused(**facts)


def _refusal(response: httpx2.Response, config: EndpointConfig, hide: Callable[[str], str]) -> Refusal:
    """The contents of the response, of which the SDK keeps only `error`; it always has a message."""
    if response.has_redirect_location and (location := response.headers["location"]):
        is_file = response.request.url.path.endswith("/content")
        return Refusal(f"it redirects to {place_of(location)}; {_STAYS if is_file else _ELSEWHERE}")
    try:
        body = response.text
    except httpx2.StreamError:  # the connection was closed before the body was read
        body = ""
    # The key is hidden before the text is cut: half a key would not be recognized.
    found = read_refusal(without_key(hide(body), config), response.headers.get("content-type", ""))
    if found.message:
        return found
    nothing = "it redirects without an address" if response.is_redirect else response.reason_phrase
    return replace(found, message=nothing or "no reason given")


_ELSEWHERE = "set the API's real address as base_url, or sign in to the network if that is a sign-in page"
_STAYS = "ftorch follows no redirects, to keep the key and the data on this host: download the file by hand"


def place_of(location: str) -> str:
    """Scheme, host and path of an address: the rest may hold credentials."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an address that can't be read"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme and parts.scheme + ':'}//{host}{parts.path}" if host else parts.path


def _particulars(error: openai.APIStatusError, facts: dict[str, Any]) -> str:
    code = facts["code"] if facts["code"] not in (None, str(error.status_code), facts["message"]) else None
    request = f"request {error.request_id}" if error.request_id else None
    return ", ".join(part for part in (f"HTTP {error.status_code}", code, request) if part)


# --- Proxies -----------------------------------------------------------------------------------------------------


def of_proxy(said: str, url: httpx2.URL, config: EndpointConfig) -> EndpointError:
    """The error for a proxy's answer in place of the connection: the request was never sent. If the proxy asks for
    a password, or does not allow the host, waiting doesn't help."""
    if re.match(r"407\b|Invalid username/password|Requested ", said):
        return ProxyRefused(endpoint=config.name, problem=f"{said}; {_password_for(url)}", sent=False)
    if re.match(r"4(?!08|29)\d\d\b", said):
        way = f"have {url.host} allowed on {_proxy(url)}, or add it to NO_PROXY to bypass the proxy"
        return ProxyRefused(endpoint=config.name, problem=f"{said}; {way}", sent=False)
    return EndpointUnreachable(endpoint=config.name, problem=f"{said}{_through_proxy(url)}", sent=False)


def _password_for(url: httpx2.URL) -> str:
    place = f"the address of {_proxy(url)}, as in http://USER:PASSWORD@HOST:PORT"
    return f"write the user and password for it into {place}"


def _through_proxy(url: httpx2.URL) -> str:
    variable = proxy_variable(url)
    return f"; the request goes through the proxy that {variable} names: check that address" if variable else ""


def _proxy(url: httpx2.URL) -> str:
    variable = proxy_variable(url)
    return f"the proxy that {variable} names" if variable else "the proxy on the way"


# --- Neither a refusal nor an answer -----------------------------------------------------------------------------


def _unreadable(error: Unexplained) -> str:
    """Why a response that claimed success is not an answer."""
    if isinstance(error, KeyError):
        return "its answer has no id"
    if isinstance(error, AssertionError):
        return "its answer names an unknown encoding"
    if isinstance(error, UnicodeDecodeError):
        return "its answer is not UTF-8 text"
    if not isinstance(error, json.JSONDecodeError):
        return f"its answer can't be read: {error}"
    body = error.doc.strip()
    if not body:
        return "its answer is empty"
    if page := page_text(body):
        return f"{page}; a proxy or a sign-in page may be in between, or base_url is not the API's address"
    return f"its answer is not JSON, or only part of it: {error}"


def _cause(error: openai.APIConnectionError) -> str:
    return str(error.__cause__ or error) or type(error.__cause__ or error).__name__

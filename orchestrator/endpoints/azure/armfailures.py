"""From the management library's exceptions to errors that say what may be done next."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure.signin import what_was_tried
from orchestrator.errors import (
    DeploymentRefused,
    DeployRoleMissing,
    DeploySignInFailed,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    SignInRefused,
)

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT)
"""409: the account does one thing after the other."""
_NO_QUOTA = ("insufficientquota", "quotaexceeded")


def explain(error: AzureError, config: EndpointConfig) -> EndpointError:
    """The EndpointError for an exception of the library; all facts are as `endpoints.failures` gives them."""
    if not isinstance(error, HttpResponseError) or error.response is None:
        if isinstance(error, ClientAuthenticationError):
            return DeploySignInFailed(endpoint=config.name, problem=what_was_tried(str(error)))
        return EndpointUnreachable(endpoint=config.name, problem=_line(str(error)), sent=True)
    status = int(error.status_code or 0)
    facts: dict[str, Any] = {
        "endpoint": config.name,
        "status": status,
        "code": _code(error),
        "param": None,
        "message": _message(error),
        "problem": f"{_message(error)} (HTTP {status}{', ' + _code(error) if _code(error) else ''})",
    }
    if status == HTTPStatus.UNAUTHORIZED:
        return SignInRefused(**facts)
    if status == HTTPStatus.FORBIDDEN:
        return DeployRoleMissing(**facts)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EndpointBusy(retry_after=_retry_after(error), **facts)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EndpointUnreachable(sent=True, retry_after=_retry_after(error), **facts)
    return DeploymentRefused(**{**facts, "problem": facts["problem"] + _advice(error, config)})


def is_missing(error: AzureError) -> bool:
    """Whether it says that there is no such deployment, and not that there is no such account."""
    if not isinstance(error, HttpResponseError) or error.status_code != HTTPStatus.NOT_FOUND:
        return False
    return not _lacks_account(error)


def is_quota(error: AzureError) -> bool:
    """Whether the quota of capacity is used up: Azure says so with 400 or 429, and the same code."""
    return isinstance(error, HttpResponseError) and _code(error).lower() in _NO_QUOTA


_NO_ACCOUNT = ("resourcegroupnotfound", "subscriptionnotfound", "parentresourcenotfound")


def _lacks_account(error: HttpResponseError) -> bool:
    """The code ResourceNotFound stands for either; then the message names the account, and no deployment."""
    message = _message(error).lower()
    return _code(error).lower() in _NO_ACCOUNT or ("accounts/" in message and "deployment" not in message)


def _advice(error: HttpResponseError, config: EndpointConfig) -> str:
    code, message = _code(error).lower(), _message(error).lower()
    if _lacks_account(error) or error.status_code == HTTPStatus.NOT_FOUND:
        return (
            f"; look at subscription_id, resource_group and account of [endpoints.{config.name}] in {config.source}"
        )
    if "sku" in code or "sku" in message:
        return "; give another --sku: not every model and region has each"
    return ""


def _code(error: HttpResponseError) -> str:
    return str(getattr(error.error, "code", None) or "")


def _message(error: HttpResponseError) -> str:
    return _line(str(getattr(error.error, "message", None) or error.reason or "no reason given"))


def _line(text: str) -> str:
    """One line without control characters: it is stored and shown."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _retry_after(error: HttpResponseError) -> float | None:
    value = getattr(error.response, "headers", {}).get("Retry-After")
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None

"""What to do about Azure's refusals: their messages name a fault, and seldom the way out of it."""

from __future__ import annotations

from http import HTTPStatus

from orchestrator.config import EndpointConfig
from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    QuotaExhausted,
    RequestRefused,
    RoleMissing,
    SignInRefused,
)

_FULL = ("quotaexceeded", "toomanyjobs")
_NO_ROLE = ("permissiondenied", "forbidden", "authorizationfailed")
_NO_HOST = ("name or service not known", "nodename nor servname", "getaddrinfo", "name resolution", "no address")
_MODELS = "learn.microsoft.com/azure/ai-foundry/openai/concepts/models"


def is_full(error: EndpointError) -> bool:
    """Whether the resource holds as many jobs or files as it may: that passes."""
    return str(error.facts.get("code")).lower() in _FULL


def advised(error: EndpointError, config: EndpointConfig) -> EndpointError:
    """The error with the next step, where Azure's own text has none; another kind of error where that says more."""
    if is_full(error):
        return EndpointBusy(**{"retry_after": None, **error.facts})
    if isinstance(error, EndpointUnreachable):
        return _of_address(error, config)
    if isinstance(error, QuotaExhausted):
        return error
    if _lacks_role(error):
        return RoleMissing(**error.facts)
    if isinstance(error, KeyRefused):
        return SignInRefused(**error.facts) if config.auth == "entra" else error
    if isinstance(error, RequestRefused) and (advice := _advice(error, config)):
        return _with(error, advice)
    return error


def _of_address(error: EndpointUnreachable, config: EndpointConfig) -> EndpointError:
    problem = str(error.facts["problem"])
    if not any(sign in problem.lower() for sign in _NO_HOST):
        return error
    return _with(error, "there may be no resource of that name: look at base_url")


def _lacks_role(error: EndpointError) -> bool:
    """Azure answers 401 as well as 403 to a token whose identity has no role on the resource."""
    code, message = str(error.facts.get("code")).lower(), str(error.facts.get("message")).lower()
    if error.facts.get("status") not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or "firewall" in message:
        return False
    return code in _NO_ROLE or "data action" in message


def _advice(error: RequestRefused, config: EndpointConfig) -> str | None:
    code, message = str(error.facts["code"]).lower(), str(error.facts["message"]).lower()
    if "api-version" in message or "api version" in message:
        return f'look at api = "{config.api}": set "v1", or the date of a version that exists, such as "2024-10-21"'
    if "does not support fine-tuning" in message:
        return (
            "not every region trains every model, and open-weight models are trained as GlobalStandard only: look "
            f"for the model and the resource's region at {_MODELS}, or set training_type in the job file's [azure]"
        )
    if "firewall" in message:
        return "let this machine's address in under Networking of the resource, or run ftorch inside its network"
    if error.facts["status"] == HTTPStatus.NOT_FOUND and code in ("404", "none", "unknown_url"):
        place = f'base_url = {config.base_url} and api = "{config.api}"'
        return f"the resource answers, and has no such path: look at {place}"
    return None


def _with(error: EndpointError, advice: str) -> EndpointError:
    facts = dict(error.facts)
    for key in ("problem", "message"):
        if facts.get(key):
            facts[key] = f"{facts[key]}; {advice}"
    return type(error)(**facts)

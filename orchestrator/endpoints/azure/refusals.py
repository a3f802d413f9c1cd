"""Azure's refusals, and the way out: its own words are kept, and what they leave out is added.

The sentences are those of Microsoft's documentation and of public reports; docs/azure.md names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from orchestrator.config import EndpointConfig
from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    NetworkRefused,
    ProxyRefused,
    QuotaExhausted,
    RequestRefused,
    RoleMissing,
    SignInRefused,
    TokenUnfit,
)

_FULL = ("quotaexceeded", "toomanyjobs")
_NO_ROLE = ("permissiondenied", "forbidden", "authorizationfailed")
_NO_HOST = ("name or service not known", "nodename nor servname", "getaddrinfo", "name resolution", "no address")
_MODELS = "learn.microsoft.com/azure/ai-foundry/openai/concepts/models"


@dataclass(frozen=True)
class _Known:
    """A refusal that is known by its code or its sentence."""

    pattern: re.Pattern[str]
    """Found in the code and the message together."""
    advice: Callable[[EndpointConfig], str]
    kind: type[EndpointError] | None = None
    """What it means for the run where that is not what its status says; the account's own trouble holds runs."""


def _known(
    pattern: str, advice: str | Callable[[EndpointConfig], str], kind: type[EndpointError] | None = None
) -> _Known:
    return _Known(re.compile(pattern, re.IGNORECASE), advice if callable(advice) else lambda _: advice, kind)


_REFUSALS = (
    _known(
        r"does not match resource tenant|tenant provided in token",
        "you are signed in to another tenant than the resource's: az login --tenant TENANT",
        TokenUnfit,
    ),
    _known(
        r"AuthenticationTypeDisabled|key.based authentication is disabled|local auth(entication)? is disabled",
        lambda config: f'this resource takes no keys: set auth = "entra" in {config.source}, and sign in',
        KeyRefused,
    ),
    _known(
        r"custom subdomain",
        "signing in needs an address of the resource's own, https://NAME.openai.azure.com; give it one "
        "(az cognitiveservices account update --custom-domain NAME) and set base_url to it, or use a key",
        TokenUnfit,
    ),
    _known(
        r"public (network )?access is disabled|configure private endpoint",
        "the resource is reached from its private network only: run ftorch there, or allow public access under "
        "Networking of the resource",
        NetworkRefused,
    ),
    _known(
        r"firewall|virtual network",
        "let this machine's address in under Networking of the resource, or run ftorch inside its network",
        NetworkRefused,
    ),
    _known(
        r"LinkedAuthorizationFailed",
        "you may act on this resource, and not on the linked scope that the message names: ask for a role there",
    ),
    _known(
        r"DeploymentModelNotSupported",
        "a model that was just trained may not be known there yet: try again in some minutes",
    ),
    _known(
        r"failed RAI checks|harm types|safety evaluation|responsible ai",
        "Azure judges training data, and the tuned model, for harmful content by itself: look for such examples, "
        "or ask Microsoft for modified content filtering",
    ),
    _known(
        r"api.version",
        lambda config: (
            f'look at api = "{config.api}": set "v1", or the date of a version that exists, such as "2024-10-21"'
        ),
    ),
    _known(
        r"does not support fine-tuning",
        "Azure says so also where the training type does not fit: not every region trains every model, and "
        "open-weight models are trained as GlobalStandard only. Set training_type in the job file's [azure], or "
        f"look for the model and the resource's region at {_MODELS}",
    ),
    _known(r"ModelDeprecated|no longer available for fine-tuning", f"models that can be trained: {_MODELS}"),
)


def is_full(error: EndpointError) -> bool:
    """Whether the resource holds as many jobs or files as it may: that passes."""
    return str(error.facts.get("code")).lower() in _FULL


def advised(error: EndpointError, config: EndpointConfig) -> EndpointError:
    """The error with the next step, where Azure's own text has none; another kind of error where that says more."""
    if is_full(error):
        return EndpointBusy(**{"retry_after": None, **error.facts})
    if isinstance(error, EndpointUnreachable):
        return _of_address(error)
    if isinstance(error, QuotaExhausted | EndpointBusy | ProxyRefused):
        return error
    said = f"{error.facts.get('code')} {error.facts.get('message')}"
    for known in _REFUSALS:
        if known.pattern.search(said):
            key = {"api_key_env": config.api_key_env or "(no key is configured)"}
            return _with(error, known.advice(config), known.kind, key)
    if _lacks_role(error):
        return RoleMissing(**error.facts)
    if isinstance(error, KeyRefused):
        return SignInRefused(**error.facts) if config.auth == "entra" else error
    return _of_path(error, config) if isinstance(error, RequestRefused) else error


def _of_address(error: EndpointUnreachable) -> EndpointError:
    problem = str(error.facts["problem"])
    if not any(sign in problem.lower() for sign in _NO_HOST):
        return error
    return _with(error, "there may be no resource of that name: look at base_url")


def _lacks_role(error: EndpointError) -> bool:
    """Azure answers 401 as well as 403 to a token whose identity has no role on the resource."""
    code, message = str(error.facts.get("code")).lower(), str(error.facts.get("message")).lower()
    if error.facts.get("status") not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return False
    return code in _NO_ROLE or "data action" in message


def _of_path(error: RequestRefused, config: EndpointConfig) -> EndpointError:
    code = str(error.facts["code"]).lower()
    if error.facts["status"] != HTTPStatus.NOT_FOUND or code not in ("404", "none", "unknown_url"):
        return error
    place = f'base_url = {config.base_url} and api = "{config.api}"'
    return _with(error, f"the resource answers, and has no such path: look at {place}")


def _with(
    error: EndpointError,
    advice: str,
    kind: type[EndpointError] | None = None,
    more: Mapping[str, object] = MappingProxyType({}),
) -> EndpointError:
    facts = {**more, **error.facts}
    for key in ("problem", "message"):
        if facts.get(key):
            facts[key] = f"{str(facts[key]).rstrip('.')}; {advice}"
    return (kind or type(error))(**facts)

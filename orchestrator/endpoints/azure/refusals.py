"""Azure's refusals with advice: its text is kept, and the next step is added if it is missing.

The patterns are from Microsoft's documentation and from public reports; docs/azure.md names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure.dialects import is_project
from orchestrator.endpoints.azure.signin import scope_of
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
    """A refusal that is recognised by its code or its text."""

    pattern: re.Pattern[str]
    """Searched in the code and the message together."""
    advice: Callable[[EndpointConfig], str]
    kind: type[EndpointError] | None = None
    """The error for the run, if its status would give another one; errors of the account put runs on hold."""


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
        lambda config: f'this resource accepts no keys: set auth = "entra" in {config.source}, and sign in',
        KeyRefused,
    ),
    _known(
        r"custom subdomain",
        "signing in needs the resource's custom address, https://NAME.openai.azure.com; create one "
        "(az cognitiveservices account update --custom-domain NAME) and set base_url to it, or use a key",
        TokenUnfit,
    ),
    _known(
        r"public (network )?access is disabled|configure private endpoint",
        "the resource is reachable only from its private network: run ftorch there, or allow public access under "
        "Networking of the resource",
        NetworkRefused,
    ),
    _known(
        r"firewall|virtual network",
        "allow this machine's address under Networking of the resource, or run ftorch inside its network",
        NetworkRefused,
    ),
    _known(
        r"LinkedAuthorizationFailed",
        "you may act on this resource, but not on the linked scope in the message: ask for a role there",
    ),
    _known(
        r"DeploymentModelNotSupported",
        "a newly trained model may not be known there yet: try again in a few minutes",
    ),
    _known(
        r"failed RAI checks|harm types|safety evaluation|responsible ai",
        "Azure checks training data and tuned models for harmful content: look for such examples, "
        "or ask Microsoft for modified content filtering",
    ),
    _known(
        r"api.version",
        lambda config: (
            f'check api = "{config.api}": set "v1", or the date of an existing version, such as "2024-10-21"'
        ),
    ),
    _known(
        r"does not support fine-tuning",
        "Azure also says so if the training type does not fit: not every region trains every model, and "
        "open-weight models can be trained only as GlobalStandard. Set training_type in the job file's [azure], or "
        f"look for the model and the resource's region at {_MODELS}",
    ),
    _known(r"ModelDeprecated|no longer available for fine-tuning", f"models that can be trained: {_MODELS}"),
)


def is_full(error: EndpointError) -> bool:
    """Whether the resource has reached its limit of jobs or files, which is temporary."""
    return str(error.facts.get("code")).lower() in _FULL


def advised(error: EndpointError, config: EndpointConfig) -> EndpointError:
    """The error with the next step, if Azure's text has none; or another kind of error, if that says more."""
    if is_full(error):
        return EndpointBusy(**{"retry_after": None, **error.facts})
    if isinstance(error, EndpointUnreachable):
        return _of_address(error)
    if isinstance(error, QuotaExhausted | EndpointBusy | ProxyRefused):
        return error
    said = f"{error.facts.get('code')} {error.facts.get('message')}"
    if found := _of_audience(error, said, config):
        return found
    for known in _REFUSALS:
        if known.pattern.search(said):
            key = {"api_key_env": config.api_key_env or "(no key is configured)"}
            return _with(error, known.advice(config), known.kind, key)
    if _lacks_role(error):
        return RoleMissing(**error.facts)
    if isinstance(error, KeyRefused):
        return SignInRefused(**error.facts) if config.auth == "entra" else error
    return _of_path(error, config) if isinstance(error, RequestRefused) else error


def _of_audience(error: EndpointError, said: str, config: EndpointConfig) -> EndpointError | None:
    """Azure names the audience that it wants also to a token that has expired: then it is the one asked for."""
    named = _AUDIENCE.search(said)
    if named is None:
        return None
    if config.auth == "key":
        advice = (
            f'the address of a project takes tokens, not keys: set auth = "entra" in {config.source}, or give the '
            "resource's address, https://RESOURCE.openai.azure.com"
        )
        return _with(error, advice) if is_project(config.base_url) else None
    wanted = f"{named[1]}/.default"
    if wanted == scope_of(config):
        return None
    return _with(error, f'set scope = "{wanted}" in {config.source}', TokenUnfit)


_AUDIENCE = re.compile(r"audience is incorrect \((https://[\w.-]+)")
"""As in https://github.com/microsoft/agent-framework/issues/7201."""


def _of_address(error: EndpointUnreachable) -> EndpointError:
    problem = str(error.facts["problem"])
    if not any(sign in problem.lower() for sign in _NO_HOST):
        return error
    return _with(error, "there may be no resource of that name: check base_url")


def _lacks_role(error: EndpointError) -> bool:
    """Azure answers both 401 and 403 to a token whose identity has no role on the resource."""
    code, message = str(error.facts.get("code")).lower(), str(error.facts.get("message")).lower()
    if error.facts.get("status") not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return False
    return code in _NO_ROLE or "data action" in message


def _of_path(error: RequestRefused, config: EndpointConfig) -> EndpointError:
    code = str(error.facts["code"]).lower()
    if error.facts["status"] != HTTPStatus.NOT_FOUND or code not in ("404", "none", "unknown_url"):
        return error
    place = f'base_url = {config.base_url} and api = "{config.api}"'
    return _with(error, f"the resource answers, but has no such path: check {place}")


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

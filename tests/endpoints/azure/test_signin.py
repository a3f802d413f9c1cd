"""Signing in with Entra ID: tokens are kept, renewed in time, and taken anew once when they are refused."""

from __future__ import annotations

from types import SimpleNamespace

import httpx2
import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from support.contents import content_of

from orchestrator.endpoints.azure import endpoint as opening
from orchestrator.endpoints.azure.signin import EntraSignIn, what_was_tried, why_not_signed_in
from orchestrator.endpoints.refusals import LONGEST
from orchestrator.errors import (
    EndpointNotUsable,
    EndpointUnreachable,
    KeyRefused,
    RequestRefused,
    RoleMissing,
    SignInFailed,
)

HOUR = 3600.0


class Identity:
    """What azure-identity would ask: it gives numbered tokens that end after an hour, or fails as it is told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.made = self.given = self.closed = 0
        self.fails_with: Exception | None = None
        self.scopes: set[tuple[str, ...]] = set()

    def __call__(self) -> Identity:
        self.made += 1
        return self

    def get_token(self, *scopes: str) -> object:
        self.scopes.add(scopes)
        if self.fails_with:
            raise self.fails_with
        self.given += 1
        return SimpleNamespace(token=f"token-{self.given}", expires_on=self.now + HOUR)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest.fixture
def signed_in(azure, identity, monkeypatch):
    """Opens the endpoint with tokens of this identity."""

    def sign_in(config):
        return EntraSignIn(config, identity, lambda: identity.now)

    monkeypatch.setattr(opening, "EntraSignIn", sign_in)

    async def open_(api="v1", **settings):
        return await azure(api=api, auth="entra", api_key_env=None, **settings)

    return open_


def answer(status=200, **error):
    return httpx2.Response(status, json={"error": error} if error else {"id": "file-1", "data": []})


DENIED = answer(401, code="401", message="Access denied due to invalid or expired token.")


PROJECT = "https://res.services.ai.azure.com/api/projects/flight"


@pytest.mark.parametrize(
    ("settings", "scope"),
    [
        ({}, "https://cognitiveservices.azure.com/.default"),
        ({"base_url": PROJECT}, "https://ai.azure.com/.default"),
        ({"scope": "https://ai.azure.com/.default"}, "https://ai.azure.com/.default"),
        ({"base_url": PROJECT, "scope": "api://mine/.default"}, "api://mine/.default"),
    ],
)
async def test_a_token_is_for_the_kind_of_address_unless_the_configuration_names_another(
    settings, scope, signed_in, wire, identity
):
    wire.answers(answer())
    await (await signed_in(**settings)).jobs()
    assert identity.scopes == {(scope,)}


@pytest.mark.parametrize("api", ["v1", "2024-10-21"])
async def test_every_request_carries_the_token_and_it_is_asked_for_once(api, signed_in, wire, identity):
    wire.answers(answer())
    endpoint = await signed_in(api)
    await endpoint.jobs()
    await endpoint.jobs()
    assert [request.headers["authorization"] for request in wire.requests] == ["Bearer token-1"] * 2
    assert not any("api-key" in request.headers for request in wire.requests)
    assert identity.given == 1


@pytest.mark.parametrize("api", ["v1", "2024-10-21"])
async def test_over_days_the_token_is_renewed_before_it_ends(api, signed_in, wire, identity):
    wire.answers(answer())
    endpoint = await signed_in(api)
    for _ in range(72):
        await endpoint.jobs()
        identity.now += HOUR - 299
    assert [request.headers["authorization"] for request in wire.requests] == [
        f"Bearer token-{number}" for number in range(1, 73)
    ]
    assert identity.made == 1


async def test_a_refused_token_is_taken_anew_once_from_a_credential_that_remembers_nothing(
    signed_in, wire, identity, tmp_path
):
    """A refusal did nothing, so even what is sent only once is sent again; a file from its start."""
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    wire.answers(DENIED, answer())
    uploaded = await (await signed_in()).upload(content_of(tmp_path / "a.jsonl"), "a.jsonl")
    assert uploaded.id == "file-1"
    assert [request.headers["authorization"] for request in wire.requests] == ["Bearer token-1", "Bearer token-2"]
    assert all(b'{"a": 1}\n' in request.content for request in wire.requests)
    assert (identity.made, identity.closed) == (2, 1)


async def test_a_fresh_token_that_is_refused_too_is_told_and_not_tried_for_ever(signed_in, wire):
    wire.answers(DENIED)
    with pytest.raises(KeyRefused, match=r"refused a fresh Entra ID token: .*invalid or expired.*az login"):
        await (await signed_in()).jobs()
    assert len(wire.requests) == 2


@pytest.mark.parametrize("api", ["v1", "2024-10-21"])
async def test_a_token_that_an_answer_quotes_is_taken_out_of_it(api, signed_in, wire):
    refused = answer(400, code="BadRequest", message="no use for 'Bearer token-1'")
    wire.answers(refused, answer(200, note="Bearer token-1"))
    endpoint = await signed_in(api)
    with pytest.raises(RequestRefused) as told:
        await endpoint.jobs()
    assert "token-1" not in f"{told.value} {told.value.facts}"
    assert "Bearer [key]" in str(told.value)
    quoted = await endpoint.chat({"model": "m", "messages": []}, "once")
    assert quoted["error"]["note"] == "Bearer [key]"


async def test_a_token_is_taken_out_before_a_long_answer_is_cut(signed_in, wire):
    wire.answers(answer(400, code="BadRequest", message="x" * (LONGEST - 4) + "token-1"))
    with pytest.raises(RequestRefused) as told:
        await (await signed_in()).jobs()
    assert "toke" not in f"{told.value} {told.value.facts}"


async def test_without_any_working_way_the_ways_tried_and_the_next_step_are_told(signed_in, wire, identity):
    identity.fails_with = ClientAuthenticationError(
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
        "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not "
        "fully configured.\nVisit https://aka.ms/x to troubleshoot this issue.\n"
        "\tManagedIdentityCredential: ManagedIdentityCredential authentication unavailable.\n"
        "\tBrokerCredential: The 'azure-identity-broker' package is required.\n"
        "\tAzureCliCredential: Azure CLI not found on path\n"
    )
    wire.answers(answer())
    with pytest.raises(SignInFailed) as caught:
        await (await signed_in()).jobs()
    assert str(caught.value) == (
        "Signing in to the endpoint azure-sim with Entra ID failed. Tried: Environment: Environment "
        "variables are not fully configured; ManagedIdentity: not set up; AzureCli: Azure CLI not found on path. "
        "Nothing was lost. To continue, run: az login, or configure one of these ways, then run: ftorch resume"
    )
    assert wire.requests == []


async def test_the_ways_of_the_installed_azure_identity_are_told(azure, wire, monkeypatch, caplog):
    """Over the real library, limited to the one way that asks no network; it prints nothing itself."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    wire.answers(answer())
    with pytest.raises(SignInFailed, match="Tried: Environment: Environment variables are not fully configured"):
        await (await azure(auth="entra", api_key_env=None)).jobs()


async def test_entra_out_of_reach_is_passing_trouble_and_nothing_was_sent(signed_in, wire, identity, job_request):
    wire.answers(answer())
    endpoint = await signed_in()
    identity.fails_with = ServiceRequestError("login.microsoftonline.com can't be reached. Try later.")
    with pytest.raises(EndpointUnreachable, match=r"no Entra ID token.*login\.microsoftonline\.com") as caught:
        await endpoint.create(job_request)
    assert caught.value.facts["sent"] is False
    identity.fails_with = None
    await endpoint.create(job_request)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_missing_role_is_named_and_no_new_token_is_taken(status, signed_in, wire, identity):
    message = (
        "The principal lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/files/write`"
    )
    wire.answers(answer(status, code="PermissionDenied", message=message))
    with pytest.raises(RoleMissing, match='"Cognitive Services OpenAI Contributor"'):
        await (await signed_in()).jobs()
    assert identity.given == 1


def test_without_the_library_the_extra_is_named(azure_config, monkeypatch):
    from dataclasses import replace

    from orchestrator import config as endpoint

    monkeypatch.setattr(endpoint, "find_spec", lambda name: None)
    with pytest.raises(EndpointNotUsable, match=r"pip install 'azure-identity>="):
        replace(azure_config, auth="entra", api_key_env=None).require_usable()


_IDLE = (
    "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
    "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not "
    "fully configured.\n"
    "\tManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, no response from the IMDS "
    "endpoint. \n"
)
_ACCESS = (
    "\tAzureCliCredential: ERROR: AADSTS50076: Due to a configuration change made by your administrator, or "
    "because you moved to a new location, you must use multi-factor authentication to access 'x'. Trace ID: 1\n"
    'Interactive authentication is needed. Please run:\naz logout\naz login --tenant "1"\n'
)


def test_the_way_that_is_set_up_is_told_and_the_others_are_named():
    assert why_not_signed_in(_IDLE + _ACCESS)["tried"] == (
        "AzureCli: AADSTS50076: Due to a configuration change made by your administrator, or because "
        "you moved to a new location, you must use multi-factor authentication to access 'x'; it asks for: "
        'az logout && az login --tenant "1"; not set up: Environment, ManagedIdentity'
    )
    assert why_not_signed_in(_IDLE + _ACCESS)["remedy"] == "run what it asks for"


def test_where_no_way_is_set_up_each_says_what_it_lacks():
    assert what_was_tried(_IDLE) == (
        "Environment: Environment variables are not fully configured; ManagedIdentity: no response from the IMDS "
        "endpoint"
    )


def test_what_an_identitys_endpoint_answers_is_its_reason():
    said = (
        "\tManagedIdentityCredential: App Service managed identity configuration not found in environment. Token "
        "request error: (server_error) it restarts\n"
    )
    assert what_was_tried(_IDLE.partition("\tManaged")[0] + said) == (
        "ManagedIdentity: Token request error: (server_error) it restarts; not set up: Environment"
    )


async def test_a_failed_sign_in_is_called_so_wherever_it_is_quoted(signed_in, identity):
    identity.fails_with = ClientAuthenticationError(_IDLE + _ACCESS)
    with pytest.raises(SignInFailed) as caught:
        await (await signed_in()).jobs()
    assert caught.value.facts["problem"].startswith("signing in with Entra ID failed (AzureCli: AADSTS50076")
    assert str(caught.value).endswith(
        "Nothing was lost. To continue, run what it asks for, then run: ftorch resume"
    )


def test_the_command_that_conditional_access_asks_for_is_kept_whole():
    message = """DefaultAzureCredential failed to retrieve a token from the included credentials.
    AzureCliCredential: ERROR: AADSTS50076: Due to a configuration change made by your administrator, or because you
    moved to a new location, you must use multi-factor authentication. To re-authenticate, please run:
    az login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://cognitiveservices.azure.com/.default"
    """
    command = 'az login --tenant "11111111-1111-1111-1111-111111111111"'
    command += ' --scope "https://cognitiveservices.azure.com/.default"'
    assert what_was_tried(message).endswith(f"; it asks for: {command}")

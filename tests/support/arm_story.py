"""A deployment's life through the management library, as it is recorded and played back."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import vcr
from azure.core.credentials import AccessToken
from vcr.request import Request

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_management
from orchestrator.endpoints.azure import arm
from orchestrator.endpoints.management import RemoteDeployment, WantedDeployment

CASSETTES = Path(__file__).parent.parent / "endpoints" / "cassettes"
MODEL = "gpt-4.1-mini-2025-04-14"
_KEPT_HEADERS = {"content-type", "retry-after"}
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Story:
    """What our reading made of the answers."""

    before: RemoteDeployment | None
    made: RemoteDeployment | None
    listed: list[RemoteDeployment]
    states: list[str]
    after: RemoteDeployment | None


async def deployment_life(address: str, sleep: Sleep) -> Story:
    """Make a deployment, see it Succeeded, list it, remove it, see it gone."""
    config = EndpointConfig(
        "recorded",
        "azure",
        base_url=address,
        arm_url=address,
        allow_http=True,
        subscription_id=_SUBSCRIPTION,
        resource_group="ftorch",
        account="ftorch",
    )
    async with open_management(config) as management:
        before = await management.get("story")
        await management.put(WantedDeployment("story", MODEL, "GlobalStandard", 10))
        made = await management.get("story")
        states = [made.state if made else "gone"]
        while states[-1] == "Creating":
            await sleep(0.1)
            found = await management.get("story")
            states.append(found.state if found else "gone")
        listed = await management.all()
        await management.delete("story")
        while (found := await management.get("story")) is not None:
            states.append(found.state)
            await sleep(0.1)
        return Story(before, made, listed, states, found)


class _NoCredential:
    """Stands for a sign-in: the token is no part of what is recorded."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)

    def close(self) -> None:
        pass


@contextmanager
def taped(*, is_recording: bool, token: str = "kept-out") -> Iterator[None]:
    """Record or play back what the library sends; matched by method, path, query and body."""
    recorder = vcr.VCR(
        record_mode="all" if is_recording else "none",
        cassette_library_dir=str(CASSETTES),
        before_record_request=_scrub_request,
        before_record_response=_scrub_response,
        decode_compressed_response=True,
        match_on=("method", "path", "query", "body"),
    )
    with (
        patch.object(arm, "DefaultAzureCredential", lambda: _NoCredential(token)),
        recorder.use_cassette("deployment_life.yaml"),
    ):
        yield


def _scrub_request(request: Request) -> Request:
    request.uri = re.sub(r"^https?://[^/]+", "http://account.test", request.uri)
    kind = request.headers.get("Content-Type")
    request.headers = {"content-type": kind} if kind else {}
    return request


def _scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    response["headers"] = {
        name: value for name, value in response["headers"].items() if name.lower() in _KEPT_HEADERS
    }
    return response

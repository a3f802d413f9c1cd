"""The deployments of the resource, with states that follow the clock: in creation, answering, expiring, deleted."""

from __future__ import annotations

import json
import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server import requests
from orchestrator.server.apierror import bad_request
from orchestrator.server.azure.catalogue import DEVELOPER, BaseModel, find_model, offered_in, quota_text
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.jobrules import HARMFUL
from orchestrator.server.routes import chat
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store import Store
from orchestrator.server.store.records import Deployment

_STANDING_CAPACITY = 1000


class State(StrEnum):
    """What the management API calls `provisioningState`."""

    CREATING = "Creating"
    """Requested; it does not answer yet."""
    SUCCEEDED = "Succeeded"
    """Created. It answers soon, but not necessarily now."""
    DELETING = "Deleting"
    """Deleted; its name can't be used yet."""


class Deployments:
    """The deployments of one resource."""

    def __init__(self, store: Store, settings: AzureSettings, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    def all(self) -> Sequence[Deployment]:
        """Those that exist or are being deleted, oldest first."""
        self._expire()
        return self._store.deployments.since(self._now() - self._settings.deleting_seconds)

    def find(self, name: str) -> Deployment | None:
        """The deployment of this name, unless there is none or its deletion has finished."""
        return next((each for each in self.all() if each.name == name), None)

    def state(self, deployment: Deployment) -> State:
        """Its present state."""
        if deployment.deleted_at is not None:
            return State.DELETING
        made = self._now() >= deployment.created_at + self._settings.deploying_seconds
        return State.SUCCEEDED if made else State.CREATING

    def put(self, wanted: Deployment) -> bool:
        """Create or change a deployment; True if it is new.

        Raises AzureError 409 if the name is still being deleted or belongs to another model, 400 if that would
        exceed a quota.
        """
        found = self.find(wanted.name)
        if found is not None and found.deleted_at is not None:
            raise _conflict(f"The deployment {wanted.name} is being deleted. Try again later.")
        if found is not None and found.model != wanted.model:
            raise _conflict(f"The deployment {wanted.name} serves {found.model}; delete it first.")
        self._store.deployments.put(wanted, lambda others: self._check_quota(wanted, others))
        return found is None

    def delete(self, name: str) -> bool:
        """Delete the deployment; False if there is none."""
        self._expire()
        return self._store.deployments.delete(name, self._now())

    def serving(self, name: str) -> Deployment:
        """The deployment that answers by this name now.

        Raises AzureError 404 if there is none or it is being created, 429 shortly before it answers.
        """
        found = self.find(name)
        if found is None:
            return self._standing(name)
        if found.deleted_at is not None or not self._is_there(found.model):
            raise _not_found()
        ready = found.created_at + self._settings.deploying_seconds + self._settings.warming_seconds
        left = ready - self._now()
        if left > self._settings.warming_seconds / 2:
            raise _not_found()
        if left > 0:
            raise AzureError(429, "429", "The deployment is not ready for requests yet.", retry_after=left)
        self._store.deployments.used(name, self._now())
        return found

    def used(self, sku: str, model: BaseModel) -> int:
        """The total capacity of deployments of models tuned from this one, by sku."""
        return _capacity([each for each in self.all() if each.deleted_at is None], sku, model)

    def _standing(self, name: str) -> Deployment:
        """A deployment of a base model under the model's name, as one created in the portal."""
        offered = offered_in(self._settings.location)
        model = next((each for each in offered if name in (each.family, each.name)), None)
        if model is None:
            raise _not_found()
        made = (0.0, 0.0, None, None, "GlobalStandard", _STANDING_CAPACITY)
        return Deployment(name, *made, model.format, model.name, model.version, None)

    def _is_there(self, model: str) -> bool:
        return not is_fine_tuned(model) or self._store.models.get(model) is not None

    def _check_quota(self, wanted: Deployment, others: Sequence[Deployment]) -> None:
        model = find_model(wanted.model)
        if model is None or not is_fine_tuned(wanted.model):
            return
        tuned = [each for each in others if is_fine_tuned(each.model)]
        most = self._settings.deployments
        if len(tuned) >= most:
            message = f"The account has {len(tuned)} deployments of fine-tuned models; its quota is {most}."
            raise AzureError(400, "InsufficientQuota", message)
        used, limit = _capacity(tuned, wanted.sku, model), self._settings.capacity
        if used + wanted.capacity > limit:
            raise AzureError(400, "InsufficientQuota", _no_capacity(wanted, model, used, limit))

    def _expire(self) -> None:
        """Delete deployments that were unused for too long, and expired developer deployments."""
        for each in self._store.deployments.since(self._now()):
            end = self._end(each)
            if each.deleted_at is None and end is not None and end <= self._now():
                self._store.deployments.delete(each.name, end)

    def _end(self, deployment: Deployment) -> float | None:
        if not is_fine_tuned(deployment.model):
            return None
        idle = max(deployment.created_at, deployment.last_used_at or 0) + self._settings.idle_seconds
        if deployment.sku != DEVELOPER:
            return idle
        return min(idle, deployment.created_at + self._settings.developer_seconds)


def _capacity(deployments: Sequence[Deployment], sku: str, model: BaseModel) -> int:
    counted = [each for each in deployments if each.sku == sku and is_fine_tuned(each.model)]
    return sum(each.capacity for each in counted if find_model(each.model) is model)


def _no_capacity(wanted: Deployment, model: BaseModel, used: int, limit: int) -> str:
    quota = quota_text(wanted.sku, model)
    return (
        f"This operation requires {wanted.capacity} new capacity in quota {quota}, which is bigger than the "
        f"current available capacity {limit - used}. Its current usage is {used} and its limit is {limit}."
    )


def _conflict(message: str) -> AzureError:
    return AzureError(409, "RequestConflict", message)


def _not_found() -> AzureError:
    message = "The API deployment for this resource does not exist. If it was made just now, wait a few minutes."
    return AzureError(404, "DeploymentNotFound", message)


# --- Chat completions: a model answers only by the name of its deployment -------------------------------------


class Inference:
    """Answers through the deployments of the resource."""

    def __init__(self, deployments: Deployments, limits: RateLimits) -> None:
        self._deployments = deployments
        self._limits = limits

    def routes(self, *, by_path: bool) -> list[BaseRoute]:
        """The chat route of an API version: the deployment is in the path, or in the body as `model`."""
        if by_path:
            return [Route("/deployments/{deployment}/chat/completions", self._by_path, methods=["POST"])]
        return [Route("/chat/completions", self._by_model, methods=["POST"])]

    async def _by_path(self, request: Request) -> Response:
        body = await requests.json_object(request)
        return await self._respond(request, request.path_params["deployment"], body)

    async def _by_model(self, request: Request) -> Response:
        body = await requests.json_object(request)
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise bad_request("Missing required parameter: 'model'.", "model", "missing_required_parameter")
        return await self._respond(request, name, body)

    async def _respond(self, request: Request, name: str, body: Mapping[str, Any]) -> Response:
        deployment = await run_in_threadpool(self._deployments.serving, name)
        if HARMFUL.search(json.dumps(body.get("messages")).encode()):
            raise _filtered()
        self._limits.admit(deployment, body)
        return await chat.respond(request, {**body, "model": deployment.model})


def _filtered() -> AzureError:
    message = "The prompt triggered Azure OpenAI's content filter, so it was not answered."
    return AzureError(400, "content_filter", message, inner="ResponsibleAIPolicyViolation")


# --- How much a deployment answers: capacity is thousand tokens per minute, over a sliding minute -------------


MINUTE = 60.0
TOKENS_PER_UNIT = 1000
REQUESTS_PER_UNIT = 6
"""For each thousand tokens per minute (Azure's page on quotas)."""
CHARACTERS_PER_TOKEN = 4
"""Azure estimates a request's tokens by its characters."""


class RateLimits:
    """The requests to each deployment in the last minute, in this process."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._asked: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admit(self, deployment: Deployment, body: Mapping[str, Any]) -> None:
        """Count the request; AzureError 429 names the wait if the minute is used up.

        A request larger than the capacity is accepted if there was no other for a minute.
        """
        tokens = _estimate(body)
        with self._lock:
            asked = self._asked[deployment.name]
            while asked and asked[0][0] <= self._now() - MINUTE:
                asked.popleft()
            if asked and self._is_full(deployment, tokens):
                raise _too_many(deployment, asked[0][0] + MINUTE - self._now())
            asked.append((self._now(), tokens))

    def _is_full(self, deployment: Deployment, tokens: int) -> bool:
        asked = self._asked[deployment.name]
        used = sum(each for _, each in asked)
        too_many_tokens = used + tokens > deployment.capacity * TOKENS_PER_UNIT
        return too_many_tokens or len(asked) >= deployment.capacity * REQUESTS_PER_UNIT


def _estimate(body: Mapping[str, Any]) -> int:
    text = json.dumps([body.get(part) for part in ("messages", "tools", "functions")])
    answer = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return len(text) // CHARACTERS_PER_TOKEN + (answer if isinstance(answer, int) else 0)


def _too_many(deployment: Deployment, seconds: float) -> AzureError:
    message = (
        f"Requests to the deployment {deployment.name} have exceeded its rate limit of {deployment.capacity} "
        f"thousand tokens a minute. Please retry after {math.ceil(seconds)} seconds."
    )
    return AzureError(429, "429", message, retry_after=seconds)

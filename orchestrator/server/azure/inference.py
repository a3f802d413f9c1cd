"""Chat completions: a model answers by the name of its deployment and no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from orchestrator.server import requests
from orchestrator.server.apierror import bad_request
from orchestrator.server.azure.deployments import Deployments
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.jobrules import HARMFUL
from orchestrator.server.azure.ratelimits import RateLimits
from orchestrator.server.routes import chat


class Inference:
    """Answers through the deployments of the resource."""

    def __init__(self, deployments: Deployments, limits: RateLimits) -> None:
        self._deployments = deployments
        self._limits = limits

    def routes(self, *, by_path: bool) -> list[BaseRoute]:
        """The chat route of an API version: the deployment stands in the path, or in the body as `model`."""
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

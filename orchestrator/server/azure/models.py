"""The models of a resource: those of its region, and those tuned on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.server.azure.catalogue import offered_in
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.context import context
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store.records import FineTunedModel

Json = dict[str, Any]


def routes(settings: AzureSettings) -> Sequence[BaseRoute]:
    """GET /models and /models/{name}."""

    def listed(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": _all(request, settings)})

    def retrieve(request: Request) -> Response:
        name = request.path_params["name"]
        found = next((model for model in _all(request, settings) if model["id"] == name), None)
        if found is None:
            raise AzureError(404, "notFound", f"There is no model {name[:200]} on this resource.")
        return JSONResponse(found)

    return [Route("/models", listed, methods=["GET"]), Route("/models/{name:path}", retrieve, methods=["GET"])]


def _all(request: Request, settings: AzureSettings) -> list[Json]:
    base = [_shown(model.name, 0) for model in offered_in(settings.location)]
    return base + [_tuned(model) for model in context(request).store.models.all()]


def _tuned(model: FineTunedModel) -> Json:
    return {**_shown(model.name, model.created_at), "model": model.base}


def _shown(name: str, created: int) -> Json:
    return {
        "id": name,
        "object": "model",
        "created_at": created,
        "status": "succeeded",
        "lifecycle_status": "generally-available",
        "capabilities": {"fine_tune": True, "inference": True, "chat_completion": True},
    }

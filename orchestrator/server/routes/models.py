"""Models: list, retrieve, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server import objects
from orchestrator.server.apierror import ApiError
from orchestrator.server.completion import unknown_model
from orchestrator.server.context import context
from orchestrator.server.jobrequest import check_model_name
from orchestrator.server.store.records import FineTunedModel

SINCE = 0
"""The creation time shown for a base model that no job has named yet."""


def list_all(request: Request) -> Response:
    """GET /models: the trainer itself, the base models that jobs named, and every fine-tuned model."""
    at = context(request)
    bases = {at.settings.trainer: SINCE, **dict(at.store.jobs.base_models())}
    shown = [objects.stand_in_object(name, since) for name, since in bases.items()]
    shown += [objects.model_object(model, at.settings.organization) for model in at.store.models.all()]
    return JSONResponse({"object": "list", "data": shown})


def retrieve(request: Request) -> Response:
    """GET /models/{name}: every base model name exists, in name only."""
    at, name = context(request), request.path_params["name"]
    if not is_fine_tuned(name):
        check_model_name(name)
        return JSONResponse(objects.stand_in_object(name, dict(at.store.jobs.base_models()).get(name, SINCE)))
    return JSONResponse(objects.model_object(_fine_tuned(request), at.settings.organization))


def delete(request: Request) -> Response:
    """DELETE /models/{name}: fine-tuned models and checkpoints only."""
    if not is_fine_tuned(request.path_params["name"]):
        raise ApiError(403, "Only fine-tuned models can be deleted.", param="model", code="model_not_deletable")
    model = _fine_tuned(request)
    context(request).store.models.delete(model)
    return JSONResponse(objects.deleted(model.name, "model"))


ROUTES = [
    Route("/models", list_all, methods=["GET"]),
    Route("/models/{name:path}", retrieve, methods=["GET"]),
    Route("/models/{name:path}", delete, methods=["DELETE"]),
]


def _fine_tuned(request: Request) -> FineTunedModel:
    name = request.path_params["name"]
    model = context(request).store.models.get(name)
    if model is None:
        raise unknown_model(name)
    return model

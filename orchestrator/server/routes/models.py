"""Models: list, retrieve, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server import objects
from orchestrator.server.apierror import ApiError
from orchestrator.server.basemodels import shut_down, unknown_model
from orchestrator.server.context import context
from orchestrator.server.store.records import FineTunedModel


def list_all(request: Request) -> Response:
    """GET /models: every base and fine-tuned model that was not shut down."""
    at = context(request)
    ends, is_shut_down = at.settings.shutdown_date, at.settings.is_shut_down
    bases = [base for base in at.base_models.all() if not is_shut_down(base.name)]
    tuned = [model for model in at.store.models.all() if not is_shut_down(model.name)]
    shown = [objects.base_object(base, ends(base.name)) for base in bases]
    shown += [objects.model_object(model, at.settings.organization, ends(model.name)) for model in tuned]
    return JSONResponse({"object": "list", "data": shown})


def retrieve(request: Request) -> Response:
    """GET /models/{name}: every base model name exists, in name only."""
    at, name = context(request), request.path_params["name"]
    ends = at.settings.shutdown_date(name)
    if at.settings.is_shut_down(name):
        raise shut_down(name)
    if not is_fine_tuned(name):
        return JSONResponse(objects.base_object(at.base_models.get(name), ends))
    return JSONResponse(objects.model_object(_fine_tuned(request), at.settings.organization, ends))


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

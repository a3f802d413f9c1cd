"""The OpenAI-compatible endpoint, assembled: an app for an in-process client or a web server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from orchestrator.errors import TrainerUnknown
from orchestrator.server import metrics
from orchestrator.server.apierror import ApiError
from orchestrator.server.basemodels import BaseModels
from orchestrator.server.batchwork import BatchRunner, BatchWork
from orchestrator.server.completion import LoadedModels
from orchestrator.server.context import Context
from orchestrator.server.dialect import Dialect
from orchestrator.server.middleware import ApiMiddleware, KeyCheck
from orchestrator.server.routes import batches, chat, files, jobs, models, uploads
from orchestrator.server.scheduler import Scheduler
from orchestrator.server.settings import PROFILES, Settings
from orchestrator.server.store import Store
from orchestrator.server.trainers import NAMES
from orchestrator.server.trainers.interface import Machine

__all__ = ["Settings", "create_app", "running"]

DEFAULTS = Settings()


def create_app(store_dir: Path, *, settings: Settings = DEFAULTS) -> Starlette:
    """The endpoint over the store in this folder, which is created if it is missing.

    Jobs are trained and batches answered inside `running(app)`; a server that runs the lifespan does so itself.
    Raises TrainerUnknown, EndpointStoreUnusable, EndpointStoreNewer.
    """
    if settings.trainer not in NAMES:
        raise TrainerUnknown(trainer=settings.trainer, known=", ".join(NAMES))
    store = Store(store_dir, settings.ray.storage if settings.ray is not None else None)
    store.tidy(settings.now())
    machine = Machine(
        store.folder, settings.python, settings.serving, settings.vllm_url, settings.constrained, settings.ray
    )
    base_models = BaseModels(store, settings.models, settings.trainer)
    loaded = LoadedModels(store, base_models, machine, settings.is_shut_down)
    scheduler = Scheduler(store, settings, machine, BatchRunner(BatchWork(store, loaded, settings.now)))
    context = Context(
        store=store,
        settings=settings,
        dialect=Dialect(PROFILES[settings.profile], settings.organization),
        scheduler=scheduler,
        base_models=base_models,
        models=loaded,
    )
    app = Starlette(
        routes=[
            Mount("/v1", Router(_routes(), redirect_slashes=False)),
            Route("/health", _health),
            metrics.ROUTE,
            *_azure(context),
        ],
        middleware=[Middleware(ApiMiddleware, check=KeyCheck(settings.api_key, "/v1/", "/metrics"))],
        exception_handlers={ApiError: _refused, HTTPException: _unroutable},
        lifespan=running,
    )
    app.state.context = context
    return app


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[None]:
    """Train jobs and answer batches for the duration of the block."""
    context: Context = app.state.context
    try:
        async with context.scheduler.running():
            yield
    finally:
        await run_in_threadpool(context.models.close)


def _azure(context: Context) -> list[BaseRoute]:
    if context.settings.azure is None:
        return []
    from orchestrator.server.azure.app import azure_routes

    return azure_routes(context, context.settings.azure)


def _routes() -> list[BaseRoute]:
    return [*files.ROUTES, *uploads.ROUTES, *jobs.ROUTES, *models.ROUTES, *chat.ROUTES, *batches.ROUTES]


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, error.headers)


async def _unroutable(request: Request, error: Exception) -> Response:
    """Refusals of the router and the form parser, in the form of the API."""
    assert isinstance(error, HTTPException)
    place = f"{request.method} {request.url.path}"
    refusals = {
        404: ApiError(404, f"Invalid URL ({place}).", code="unknown_url"),
        405: ApiError(405, f"Not allowed: {place}.", code="method_not_supported"),
    }
    refusal = refusals.get(error.status_code) or ApiError(error.status_code, f"{error.detail}")
    return JSONResponse(refusal.body(), refusal.status, error.headers)

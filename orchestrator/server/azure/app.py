"""The Azure resource, assembled: its data plane in every API version, its management, and sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.server.apierror import ApiError
from orchestrator.server.azure import graders, models
from orchestrator.server.azure.access import (
    DATA_AUDIENCES,
    PROJECT_AUDIENCES,
    DataAccess,
    ManagementAccess,
    Tokens,
    TokenServer,
    oauth_body,
)
from orchestrator.server.azure.arm import Management, arm_body
from orchestrator.server.azure.deployments import Deployments, Inference, RateLimits
from orchestrator.server.azure.dialect import AzureDialect
from orchestrator.server.azure.errors import AzureError, azure_body
from orchestrator.server.azure.imports import Imports
from orchestrator.server.azure.versions import DATED, V1, ApiVersion
from orchestrator.server.context import Context
from orchestrator.server.middleware import ApiMiddleware, Body, Check
from orchestrator.server.routes import files, jobs, uploads
from orchestrator.server.settings import AzureSettings


def azure_routes(core: Context, settings: AzureSettings) -> list[BaseRoute]:
    """The routes of a resource, over the store and the scheduler of `core`."""
    now = core.settings.now
    tokens = Tokens(core.store.folder, settings.token_seconds, now)
    deployments = Deployments(core.store, settings, now)
    inference = Inference(deployments, RateLimits(now))
    v1, *dated = [_data_plane(core, settings, version, tokens, inference) for version in (V1, *DATED)]
    of_project = _data_plane(core, settings, V1, tokens, inference, is_project=True)
    by_version = {version.name: app for version, app in zip(DATED, dated, strict=True)}
    management = Management(core, settings, deployments)
    sign_in = TokenServer(tokens, core.settings.api_key)
    return [
        Mount("/openai/v1", _Unversioned(v1)),
        Mount(f"/api/projects/{settings.project}/openai/v1", _Unversioned(of_project)),
        Mount("/openai", _Versioned(by_version)),
        Mount("/subscriptions", _application(management.routes(), ManagementAccess(tokens), arm_body)),
        *_at_the_root(sign_in.routes()),
    ]


def _at_the_root(sign_in: Sequence[Route]) -> list[BaseRoute]:
    """Token endpoints have separate paths; all others belong to the server's other applications."""
    app = _application(sign_in, lambda scope: None, oauth_body)
    return [Route(route.path, app) for route in sign_in]


class _Versioned:
    """Passes a request to the API version that it names."""

    def __init__(self, versions: Mapping[str, ASGIApp]) -> None:
        self._versions = versions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = _wanted_version(scope)
        if wanted is None:
            await _refuse(AzureError(404, "404", "Resource not found"), scope, receive, send)
        elif wanted not in self._versions:
            await _refuse(AzureError(400, "BadRequest", "API version not supported"), scope, receive, send)
        else:
            await self._versions[wanted](scope, receive, send)


class _Unversioned:
    """Refuses a request that names a version."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _wanted_version(scope) is None:
            await self._app(scope, receive, send)
            return
        message = "api-version query parameter is not allowed when using /v1 path"
        await _refuse(AzureError(400, "BadRequest", message), scope, receive, send)


def _wanted_version(scope: Scope) -> str | None:
    return QueryParams(scope["query_string"]).get("api-version")


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse(azure_body(error), error.status)(scope, receive, send)


def _data_plane(
    core: Context,
    settings: AzureSettings,
    version: ApiVersion,
    tokens: Tokens,
    inference: Inference,
    *,
    is_project: bool = False,
) -> Starlette:
    access = DataAccess(
        core.settings.api_key,
        settings.signed_in_only,
        tokens,
        bearer_keys=not version.is_dated,
        audiences=PROJECT_AUDIENCES if is_project else DATA_AUDIENCES,
    )
    chat = inference.routes(by_path=version.is_dated)
    imports = Imports(settings).routes()
    listed = models.routes(settings)
    in_parts = [] if is_project else uploads.ROUTES
    checks = [] if version.is_dated else graders.routes()
    routes = [*imports, *checks, *files.ROUTES, *in_parts, *jobs.ROUTES, *jobs.DELETION, *listed, *chat]
    app = _application(routes, access, azure_body)
    app.state.context = replace(core, dialect=AzureDialect(version, settings, core.settings.organization))
    return app


def _application(routes: Sequence[BaseRoute], check: Check, body: Body) -> Starlette:
    """A separate application, with its request check and its form of errors."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return JSONResponse(body(error), error.status, error.headers)

    async def unroutable(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        unknown = AzureError(404, "404", "Resource not found")
        refusal = unknown if error.status_code == 404 else ApiError(error.status_code, f"{error.detail}")
        return JSONResponse(body(refusal), refusal.status, error.headers)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(ApiMiddleware, check=check, body=body)],
        exception_handlers={ApiError: refused, HTTPException: unroutable},
    )
    app.router.redirect_slashes = False
    return app

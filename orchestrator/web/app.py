"""The page, assembled: an app for a web server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.api.watched import WatchedLedger
from orchestrator.errors import (
    AmbiguousRun,
    FtorchError,
    ModelNotRecorded,
    NoSuchEvaluation,
    NoSuchRun,
    NoSuchSweep,
    UsageError,
)
from orchestrator.web.actions import action_routes
from orchestrator.web.changes import Changes
from orchestrator.web.guard import Guard
from orchestrator.web.live import LiveParts
from orchestrator.web.page import Asked, Moved, Page, View
from orchestrator.web.pages import PAGES
from orchestrator.web.rendering import STATIC_FILES, render, static_file, whole
from orchestrator.web.settings import Settings
from orchestrator.web.work import Work

_NOT_FOUND = (NoSuchRun, NoSuchSweep, NoSuchEvaluation, ModelNotRecorded, AmbiguousRun)
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Context:
    """What all requests share."""

    ledger: WatchedLedger
    settings: Settings
    changes: Changes
    work: Work


def create_app(ledger: WatchedLedger, settings: Settings) -> Starlette:
    """The page over this ledger, which is closed at the end of the app's lifespan."""
    changes = Changes(ledger.mark)
    context = Context(ledger, settings, changes, Work(changes))

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        with context.work.running():
            yield
        ledger.close()

    app = Starlette(
        routes=[*_page_routes(context), *_routes_that_write(context), Route("/static/{name:path}", _static)],
        middleware=[Middleware(Guard, settings=settings, refusal=_refusal)],
        exception_handlers={
            Moved: _moved,
            FtorchError: _failed,
            HTTPException: _unroutable,
        },
        lifespan=running,
    )
    app.state.context = context
    return app


def _routes_that_write(context: Context) -> list[BaseRoute]:
    """None at all where the page may only be read."""
    return [] if context.settings.is_read_only else action_routes(context.ledger, context.settings, context.work)


def _page_routes(context: Context) -> list[BaseRoute]:
    """Each page under its address, and its stream under /live."""
    routes: list[BaseRoute] = []
    for path, view in PAGES.items():
        routes.append(Route(path, _shown(context, view), methods=["GET"]))
        routes.append(Route(f"/live{path}", _streamed(context, view), methods=["GET"]))
    return routes


def _shown(context: Context, view: View) -> Endpoint:
    async def show(request: Request) -> Response:
        page = await run_in_threadpool(_made, context, view, request)
        return HTMLResponse(whole("page", context.settings, title=page.title, place=page.place, page=page))

    return show


def _streamed(context: Context, view: View) -> Endpoint:
    async def stream(request: Request) -> Response:
        marks = request.query_params.get("has", "")
        return LiveParts(lambda: _made(context, view, request), marks, context.changes)

    return stream


def _made(context: Context, view: View, request: Request) -> Page:
    return view(
        Asked(
            ledger=context.ledger.current(),
            path=request.path_params,
            query=request.query_params,
            settings=context.settings,
            notices=context.work.notices.of,
            now=time.time(),
        )
    )


async def _static(request: Request) -> Response:
    """A file of the page. Its address names its content, so browsers may keep it."""
    name = request.path_params["name"]
    if name not in STATIC_FILES:
        raise HTTPException(404)
    return FileResponse(static_file(name), headers={"cache-control": "public, max-age=31536000, immutable"})


# --- Refusals and errors ------------------------------------------------------------------------------------------


def _refusal(status: int, problem: str) -> Response:
    heading = HTTPStatus(status).phrase
    return HTMLResponse(render("problem", title=heading, heading=heading, status=status, problem=problem), status)


async def _moved(_request: Request, moved: Exception) -> Response:
    assert isinstance(moved, Moved)
    return RedirectResponse(moved.address, 303)


async def _failed(_request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, _NOT_FOUND) else 400 if isinstance(error, UsageError) else 503
    return _refusal(status, str(error))


async def _unroutable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "There is no such page.", 405: "This page can only be read."}
    return _refusal(error.status_code, said.get(error.status_code, str(error.detail)))

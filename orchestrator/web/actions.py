"""What can be done on the page: each a form with a secret, carried out as the command of the same name does it.

A request for a run is recorded before it is answered, and carried out in a thread. Its page then shows how it goes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive

from orchestrator.api import bookkeeping, sweeps
from orchestrator.api.actions import cancellation_of, carry_on, request_action
from orchestrator.api.host import Host
from orchestrator.api.watched import WatchedLedger
from orchestrator.ledger import Ledger
from orchestrator.reports.cancellation import cancellation_lines
from orchestrator.reports.sweepdetails import standing
from orchestrator.runs.states import RequestedAction
from orchestrator.store.sweeps import RecordedSweep
from orchestrator.web.links import run_link, sweep_link
from orchestrator.web.rendering import whole
from orchestrator.web.settings import Settings
from orchestrator.web.work import Work

Fields = Mapping[str, str]
Endpoint = Callable[[Request], Awaitable[Response]]


def action_routes(ledger: WatchedLedger, settings: Settings, work: Work) -> list[BaseRoute]:
    """Every route that changes anything, and the questions before."""
    actions = Actions(ledger, settings, work)
    return [
        Route("/runs/{run}/cancel", actions.ask_before_cancelling_run, methods=["GET"]),
        *(
            Route(f"/runs/{{run}}/{requested}", actions.of_run(requested), methods=["POST"])
            for requested in (RequestedAction.CANCEL, RequestedAction.PAUSE, RequestedAction.UNPAUSE)
        ),
        Route("/runs/{run}/tags", actions.recorded(_tag), methods=["POST"]),
        Route("/runs/{run}/notes", actions.recorded(_note), methods=["POST"]),
        Route("/runs/{run}/archive", actions.recorded(_archive), methods=["POST"]),
        Route("/runs/{run}/unarchive", actions.recorded(_unarchive), methods=["POST"]),
        Route("/sweeps/{sweep}/cancel", actions.ask_before_cancelling_sweep, methods=["GET"]),
        Route("/sweeps/{sweep}/cancel", actions.cancel_sweep, methods=["POST"]),
    ]


class Actions:
    def __init__(self, ledger: WatchedLedger, settings: Settings, work: Work) -> None:
        self._ledger = ledger
        self._settings = settings
        self._work = work

    def recorded(self, change: Callable[[Ledger, str, Fields], object]) -> Endpoint:
        """The route of a change of a run's records, which its page then shows."""

        async def act(request: Request) -> Response:
            fields = await read_form(request, self._settings)
            ledger = await run_in_threadpool(self._ledger.current)
            run = await run_in_threadpool(ledger.run, request.path_params["run"])
            await run_in_threadpool(change, ledger, run.id, fields)
            return _back(run_link(run.id))

        return act

    # --- cancelling, pausing, unpausing ---------------------------------------------------------------------------

    def ask_before_cancelling_run(self, request: Request) -> Response:
        ledger = self._ledger.current()
        run = ledger.run(request.path_params["run"])
        lines = list(cancellation_lines(cancellation_of(ledger, run)))
        return self._asking(f"Cancel run {run.id}?", lines, run_link(run.id))

    def of_run(self, requested: RequestedAction) -> Endpoint:
        def request_it(ledger: Ledger, key: str) -> str:
            run = request_action(ledger, ledger.run(key).id, requested)
            self._work.start(f"run:{run.id}", lambda host: carry_on(ledger, run, requested, host))
            return run_link(run.id)

        async def act(request: Request) -> Response:
            await read_form(request, self._settings)
            ledger = await run_in_threadpool(self._ledger.current)
            return _back(await run_in_threadpool(request_it, ledger, request.path_params["run"]))

        return act

    def ask_before_cancelling_sweep(self, request: Request) -> Response:
        ledger = self._ledger.current()
        sweep, _ = ledger.sweep(request.path_params["sweep"])
        lines = list(cancellation_lines(cancellation_of(ledger, sweep)))
        return self._asking(f"Cancel sweep {sweep.name}?", lines, sweep_link(sweep.id))

    async def cancel_sweep(self, request: Request) -> Response:
        await read_form(request, self._settings)
        ledger = await run_in_threadpool(self._ledger.current)
        sweep, _ = await run_in_threadpool(ledger.sweep, request.path_params["sweep"])
        self._work.start(f"sweep:{sweep.id}", lambda host: _stop(ledger, sweep, host))
        return _back(sweep_link(sweep.id))

    def _asking(self, question: str, lines: list[str], subject: str) -> Response:
        page = whole("cancel", self._settings, title=question, question=question, lines=lines, subject=subject)
        return HTMLResponse(page)


def _tag(ledger: Ledger, run_id: str, fields: Fields) -> None:
    """Without a value the tag is removed."""
    bookkeeping.tag(ledger, [run_id], {fields.get("key", "").strip(): fields.get("value", "").strip() or None})


def _note(ledger: Ledger, run_id: str, fields: Fields) -> None:
    bookkeeping.note(ledger, run_id, fields.get("text", "").replace("\r\n", "\n"))


def _archive(ledger: Ledger, run_id: str, _fields: Fields) -> None:
    bookkeeping.archive(ledger, [run_id])


def _unarchive(ledger: Ledger, run_id: str, _fields: Fields) -> None:
    bookkeeping.unarchive(ledger, [run_id])


def _stop(ledger: Ledger, sweep: RecordedSweep, host: Host) -> None:
    stopped = sweeps.stop(ledger, sweep.name, host, sweep.endpoint)
    host.say(f"sweep {sweep.name}: {standing(stopped)}")
    if not stopped.is_over:
        host.say("The request is recorded; ftorch resume carries it out.")


def _back(address: str) -> Response:
    """With GET, so that reloading repeats nothing."""
    return RedirectResponse(address, 303)


# --- Reading forms ------------------------------------------------------------------------------------------------


SECRET = "form_secret"
_MOST_BYTES = 64 << 10


async def read_form(request: Request, settings: Settings) -> Mapping[str, str]:
    """The fields of a form that a page of this start sent; 400, 403 or 413 for anything else."""
    bounded = Request(request.scope, _bounded(request))
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(400, "This address takes a form.")
    async with bounded.form(max_files=0, max_fields=20) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not settings.is_ours(fields.pop(SECRET, "")):
        raise HTTPException(
            403, "This form is from an earlier start of ftorch ui. Go back, reload the page, and send it again."
        )
    return fields


def _bounded(request: Request) -> Receive:
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > _MOST_BYTES:
            raise HTTPException(413, f"A form may have at most {_MOST_BYTES >> 10} kB.")
        return message

    return receive

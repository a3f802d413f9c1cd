"""What a user requests of a run: recorded first, then carried out by the loop, so that a crash loses no request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orchestrator.endpoints.interface import Endpoint, RemoteJob
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move
from orchestrator.errors import RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.polling import follow
from orchestrator.runs.states import POLLED, RequestedAction, State, record
from orchestrator.store.runs import RUNS, Run

_BEFORE_CREATION = (State.PENDING, State.UPLOADING)


async def carry_out(run: Run, context: Context) -> bool:
    """Carry out the request as far as possible now; returns whether it is settled.

    While a create is unconfirmed nothing can be cancelled: the job has to be found first.
    """
    requested_action = RequestedAction(run.requested_action or "")
    if requested_action is RequestedAction.CANCEL and (
        run.state in _BEFORE_CREATION or _nothing_sent(run, context)
    ):
        record(context, run, Move(State.CANCELLED, "cancelled before a job was created"))
        return True
    if requested_action is RequestedAction.AGAIN and run.state not in (State.CREATING, State.UNKNOWN):
        _drop(run, context)
        return True
    if run.state not in POLLED or requested_action is RequestedAction.AGAIN:
        return False  # a step carries it out
    crash_point("before-action")
    try:
        job = await _request(requested_action, context.endpoint)(run.job_id or "")
    except RequestRefused as error:
        _drop(run, context)
        context.listener.warned(f"run {run.id} can't be {requested_action.done}: {error.facts['problem']}")
        return True
    crash_point("after-action")
    _drop(run, context)
    await follow(run, job, context, why=f"asked to be {requested_action.done}, ")
    return True


def _nothing_sent(run: Run, context: Context) -> bool:
    intent = (run.id, run.version)
    is_certain = not run.creation_open or (intent in context.fresh_intents and run.creation_attempts <= 1)
    return run.state == State.CREATING and is_certain


def _request(requested_action: RequestedAction, endpoint: Endpoint) -> Callable[[str], Awaitable[RemoteJob]]:
    return {
        RequestedAction.CANCEL: endpoint.cancel,
        RequestedAction.PAUSE: endpoint.pause,
        RequestedAction.UNPAUSE: endpoint.unpause,
    }[requested_action]


def _drop(run: Run, context: Context) -> None:
    with context.database.write() as connection:
        RUNS.note(connection, run, context.owner, context.now(), {"requested_action": None})
        crash_point("before-commit-action-done")
    crash_point("after-commit-action-done")

"""What a user wishes of a run: recorded first, carried out by the loop, so that a crash loses no wish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orchestrator.endpoints.interface import Endpoint, RemoteJob
from orchestrator.errors import RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.outcome import Move, record
from orchestrator.runs.polling import follow
from orchestrator.runs.states import POLLED, RequestedAction, State
from orchestrator.store import runs as store
from orchestrator.store.runs import Run

_BEFORE_CREATION = (State.PENDING, State.UPLOADING)


async def carry_out(run: Run, world: Context) -> bool:
    """Do what is wished, as far as it can be done now; returns whether the wish is settled.

    While a create is unconfirmed nothing can be cancelled: the job is found first.
    """
    wish = RequestedAction(run.wish or "")
    if wish is RequestedAction.CANCEL and (run.state in _BEFORE_CREATION or _nothing_sent(run, world)):
        record(world, run, Move(State.CANCELLED, "cancelled before a job was created"))
        return True
    if run.state not in POLLED:
        return False
    crash_point("before-wish")
    try:
        job = await _request(wish, world.endpoint)(run.job_id or "")
    except RequestRefused as error:
        _drop(run, world)
        world.listener.warned(f"run {run.id} can't be {wish.done}: {error.facts['problem']}")
        return True
    crash_point("after-wish")
    _drop(run, world)
    await follow(run, job, world, why="as wished, ")
    return True


def _nothing_sent(run: Run, world: Context) -> bool:
    intent = (run.id, run.creation_attempts)
    return run.state == State.CREATING and (not run.creation_open or intent in world.fresh_intents)


def _request(wish: RequestedAction, endpoint: Endpoint) -> Callable[[str], Awaitable[RemoteJob]]:
    return {
        RequestedAction.CANCEL: endpoint.cancel,
        RequestedAction.PAUSE: endpoint.pause,
        RequestedAction.UNPAUSE: endpoint.unpause,
    }[wish]


def _drop(run: Run, world: Context) -> None:
    with world.database.write() as connection:
        store.note(connection, run, world.owner, world.now(), {"wish": None})
        crash_point("before-commit-wish-done")
    crash_point("after-commit-wish-done")

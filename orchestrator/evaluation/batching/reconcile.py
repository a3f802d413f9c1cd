"""What a crash or a lost answer left behind: find the batch of an unconfirmed create, or be sure of none.

As with fine-tuning jobs, the paid request is never repeated on a guess: the list is searched for the batch's token,
and only when a whole settling window has brought nothing is it sent again, with the same token.
"""

from __future__ import annotations

from collections.abc import Hashable

from orchestrator.endpoints.interface import BatchPage, RemoteBatch
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import RequestRefused
from orchestrator.evaluation.batching.states import CANCEL, ENDED, REFUSED, Context, State
from orchestrator.runs.jobs import TOKEN_KEY
from orchestrator.runs.marks import CLOCK_SKEW_SECONDS
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch

_LOOK_AGAIN_SHARE = 0.2  # of the settling window
_ANY_SKEW_SECONDS = 86_400.0
"""How far back a batch is looked for: no other has its token, whatever a clock says."""


async def look_for_batch(batch: Batch, context: Context) -> Outcome:
    """One look for the batch of a create whose outcome is not known."""
    crash_point("before-batch-look")
    found = await _matching(batch, context)
    crash_point("after-batch-look")
    if found:
        oldest, *others = found
        for other in others:
            await _cancel_surplus(other, batch, context)
        return adopted(oldest, f"found batch {oldest.id}")
    window = context.config.settling_seconds
    left = window - context.searched_seconds(search_for(batch))
    if left > 0:
        again = min(left, max(0.2, _LOOK_AGAIN_SHARE * window))
        return Wait(context.now() + again, "create unconfirmed, looking for the batch")
    nothing_found = f"no batch found in {window:g} s of looking"
    if batch.requested_action == CANCEL:
        return Move(State.CANCELLED, f"cancelled: {nothing_found}", {"creation_open": False})
    return next_attempt(batch, nothing_found)


def search_for(batch: Batch) -> Hashable:
    """The name of the search for the batch of the last attempt."""
    return batch.id, batch.creation_attempts


def next_attempt(batch: Batch, reason: str) -> Move:
    """The intent of one more create request, with the same token."""
    attempt = batch.creation_attempts + 1
    changes = {"creation_attempts": attempt, "creation_open": True}
    return Move(State.CREATING, f"{reason}; asking again (attempt {attempt})", changes)


def adopted(remote: RemoteBatch, reason: str) -> Move:
    """From now on the batch follows this one of the endpoint's."""
    changes = {
        "creation_open": False,
        "remote_id": remote.id,
        "remote_status": remote.status,
        "remote_batch": dict(remote.raw),
    }
    return Move(State.WAITING, f"{reason}: {remote.status}", changes)


async def look_for_surplus(batch: Batch, context: Context) -> None:
    """Cancel, loudly, what landed so late that the request had been sent again. Costs nothing for other batches."""
    if batch.creation_attempts < 2:
        return
    for remote in await _matching(batch, context):
        if remote.id != batch.remote_id:
            await _cancel_surplus(remote, batch, context)


async def _matching(batch: Batch, context: Context) -> list[RemoteBatch]:
    """The batches on the endpoint that this one's create request made, oldest first."""
    assert batch.creation_started_at is not None
    since = batch.creation_started_at - _ANY_SKEW_SECONDS
    found: dict[str, RemoteBatch] = {}
    after: str | None = None
    while True:
        page = await context.endpoint.batches.page(after)
        found |= {each.id: each for each in page.batches if _is_made_by(each, batch)}
        if page.next is None or page.next == after or _reaches_back(page, since):
            break
        after = page.next
    with context.database.read() as connection:
        owners = store.owners_of_remotes(connection, batch.endpoint, list(found))
    free = (each for each in found.values() if owners.get(each.id, batch.id) == batch.id)
    return sorted(free, key=lambda each: (each.created_at or 0.0, each.id))


def _reaches_back(page: BatchPage, since: float) -> bool:
    """Whether what follows this page is older than `since`: certain only where the newest come first."""
    times = [each.created_at for each in page.batches if each.created_at is not None]
    return bool(times) and times[-1] < since and times[-1] <= times[0]


def _is_made_by(remote: RemoteBatch, batch: Batch) -> bool:
    """By token; where the endpoint keeps no metadata, by the input file and the time."""
    if TOKEN_KEY in remote.metadata:
        return remote.metadata[TOKEN_KEY] == batch.creation_token
    assert batch.creation_started_at is not None
    is_older = remote.created_at is not None and remote.created_at < batch.creation_started_at - CLOCK_SKEW_SECONDS
    return remote.input_file == batch.input_file_id and not is_older


async def _cancel_surplus(remote: RemoteBatch, batch: Batch, context: Context) -> None:
    place = f"batch {batch.id}: {context.config.name} holds a second one for it, {remote.id}"
    if remote.status in (*ENDED, REFUSED):
        context.warned(f"{place}, which is over ({remote.status})")
        return
    crash_point("before-batch-surplus-cancel")
    try:
        await context.endpoint.batches.cancel(remote.id)
    except RequestRefused as error:
        context.warned(f"{place}; it can't be cancelled: {error.facts['problem']}")
    else:
        crash_point("after-batch-surplus-cancel")
        context.warned(f"{place}; it is being cancelled")

"""After a crash or a lost answer: find the batch of an unconfirmed create, or prove that there is none.

The rules are those of fine-tuning jobs: the paid request is never repeated on a guess. The batch is looked for in
the endpoint's list. The request is sent again, with the same token, only after a whole settling window without a
match in a list that proves its absence.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from orchestrator.endpoints.interface import RemoteBatch
from orchestrator.engine.accounts import mark_for
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import AnswerUnreadable, EndpointUnreachable, RequestRefused
from orchestrator.evaluation.batching.states import CANCEL, ENDED, REFUSED, Context, State
from orchestrator.runs.jobs import TOKEN_KEY
from orchestrator.runs.marks import CLOCK_SKEW_SECONDS, time_of
from orchestrator.runs.reconcile import MOST_ATTEMPTS, NewestFirst
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch

_LOOK_AGAIN_SHARE = 0.2  # of the settling window
_LONGEST_WINDOW = 4  # settling windows, however often the request was sent
_ANY_SKEW_SECONDS = 86_400.0
"""How far back to look for a batch. Its token is unique, so clock skew does no harm."""
_MOST_PAGES = 1000
_RECORDED_BATCHES = 3
"""How many recorded batches to look up, to check that the endpoint still shows this account."""
_NO_SUCH_ROUTE = 501


@dataclass(frozen=True)
class Look:
    """One look for a batch: the matches, oldest first, and why there may be others (None if their absence is
    proven)."""

    found: list[RemoteBatch]
    doubt: str | None


async def look_for_batch(batch: Batch, context: Context) -> Outcome:
    """One look for the batch of a create whose outcome is unknown."""
    crash_point("before-batch-look")
    look = await look_once(batch, context)
    crash_point("after-batch-look")
    if look.found:
        return await adopt_oldest(batch, context, look.found)
    refusal = context.refusals.get(search_for(batch))
    window = 0.0 if refusal and batch.creation_attempts == 1 else _window(batch, context)
    left = window - context.searched_seconds(search_for(batch))
    if left > 0:
        again = min(left, max(0.2, _LOOK_AGAIN_SHARE * window))
        return Wait(context.now() + again, "create unconfirmed, looking for the batch")
    if refusal and (look.doubt is None or batch.creation_attempts == 1):
        return _refused(refusal)
    if look.doubt is not None:
        return _unsettled(batch, f"create unconfirmed: no batch found, but {look.doubt}", context)
    nothing_found = f"no batch found in {window:g} s"
    if batch.requested_action == CANCEL:
        return Move(State.CANCELLED, f"cancelled: {nothing_found}", {"creation_open": False})
    if batch.creation_attempts >= MOST_ATTEMPTS:
        times = f"create sent {batch.creation_attempts} times"
        return _unsettled(batch, f"{times}, and {nothing_found}", context)
    return next_attempt(batch, nothing_found)


async def look_before_asking(batch: Batch, context: Context) -> Outcome:
    """After a refused request: one look, since a gateway may have forwarded it before answering, then the next
    request."""
    look = await look_once(batch, context)
    if look.found:
        return await adopt_oldest(batch, context, look.found)
    return next_attempt(batch, "the last request was refused")


def search_for(batch: Batch) -> Hashable:
    """The key of the search for the last attempt's batch."""
    return batch.id, batch.creation_attempts


def next_attempt(batch: Batch, reason: str) -> Move:
    """The intent of one more create request, with the same token. An attempt that was certainly refused does not
    count."""
    attempt = batch.creation_attempts + (1 if batch.creation_open else 0)
    changes = {"creation_attempts": attempt, "creation_open": True}
    count = f" (attempt {attempt})" if attempt > 1 else ""
    return Move(State.CREATING, f"{reason}; creating it again{count}", changes)


def adopted(remote: RemoteBatch, reason: str) -> Move:
    """From now on the record follows this batch of the endpoint."""
    changes = {
        "creation_open": False,
        "remote_id": remote.id,
        "remote_status": remote.status,
        "remote_batch": dict(remote.raw),
    }
    return Move(State.WAITING, f"{reason}: {remote.status}", changes)


async def adopt_oldest(batch: Batch, context: Context, found: list[RemoteBatch]) -> Move:
    """Take the oldest match. Others with the token are paid twice: cancel them, with a warning."""
    oldest, *others = found
    for other in others:
        if is_certain(other, batch):
            await _cancel_surplus(other, batch, context)
    return adopted(oldest, f"found batch {oldest.id}")


async def look_for_surplus(batch: Batch, context: Context) -> None:
    """Cancel, with a warning, a batch that appeared after the request was sent again. Nothing is sent for batches
    that were requested once."""
    if batch.creation_attempts < 2:
        return
    look = await look_once(batch, context)
    for remote in look.found:
        if remote.id != batch.remote_id and is_certain(remote, batch):
            await _cancel_surplus(remote, batch, context)


def way_out(batch: Batch, context: Context) -> str:
    """What the user can do about a batch with an unknown outcome."""
    return (
        f"look at {context.config.name}; ftorch resume looks again, ftorch cancel {batch.id} gives it up, so that "
        "its questions can be asked again"
    )


def _refused(error: RequestRefused) -> Move:
    message = error.facts["message"]
    return Move(State.FAILED, f"the endpoint refused the batch: {message}", {"creation_open": False})


def _window(batch: Batch, context: Context) -> float:
    """Seconds to look before the request is sent again: longer each time."""
    doubled: int = 2 ** (max(batch.creation_attempts, 1) - 1)
    return context.config.settling_seconds * min(_LONGEST_WINDOW, doubled)


def _unsettled(batch: Batch, finding: str, context: Context) -> Move:
    """The batch waits for the user. Until then nothing is paid; `resume` looks again."""
    said = context.last_words.get(batch.id)
    words = f" ({context.config.name} said: {said})" if said else ""
    return Move(State.UNKNOWN, f"{finding}{words}; {way_out(batch, context)}")


# --- Looking -----------------------------------------------------------------------------------------------------


async def look_once(batch: Batch, context: Context) -> Look:
    """Search the endpoint's batches for those that this batch's create request made and no other record follows:
    those with its token, or else those that fit."""
    listed, doubt = await _listed(batch, context)
    certain = _free([each for each in listed if is_certain(each, batch)], batch, context)
    found = certain or _free([each for each in listed if _is_likely(each, batch)], batch, context)
    if not found and doubt is None:
        doubt = await _other_account(batch, context, {each.id for each in listed})
    return Look(found, doubt)


async def _listed(batch: Batch, context: Context) -> tuple[list[RemoteBatch], str | None]:
    """The batches that may be this one, and why there may be more."""
    assert batch.creation_started_at is not None
    since = batch.creation_started_at - _ANY_SKEW_SECONDS
    found: dict[str, RemoteBatch] = {}
    newest_first, after = NewestFirst(), None
    for _ in range(_MOST_PAGES):
        try:
            page = await context.endpoint.batches.page(after)
        except (EndpointUnreachable, RequestRefused) as error:
            is_no_list = isinstance(error, AnswerUnreadable | RequestRefused)
            if not is_no_list and error.facts.get("status") != _NO_SUCH_ROUTE:
                raise
            return list(found.values()), f"{context.config.name} gives no list of batches: {error.facts['problem']}"
        is_new = any(each.id not in found for each in page.batches)
        found |= {each.id: each for each in page.batches}
        if page.is_last or newest_first.has_passed(page.batches, since):
            return list(found.values()), None
        if page.next is None or not is_new:
            break
        after = page.next
    return list(found.values()), f"the batch list of {context.config.name} can't be read to its end"


async def _other_account(batch: Batch, context: Context, seen: set[str]) -> str | None:
    """Why the endpoint may be showing another account's batches: it knows neither an earlier recorded batch of the
    same account nor the file with the questions."""
    recorded = _of_the_same_account(batch, context)
    if not seen.isdisjoint(recorded):
        return None
    for batch_id in recorded:
        try:
            await context.endpoint.batches.get(batch_id)
        except RequestRefused:
            continue
        return None
    try:
        await context.endpoint.file(str(batch.input_file_id))
    except RequestRefused:
        return f"{context.config.name} does not show its uploaded file: is this another account's key?"
    return None


def _of_the_same_account(batch: Batch, context: Context) -> list[str]:
    """The endpoint's ids of batches recorded last. Where accounts are told apart, batches that say nothing of
    theirs may be of several."""
    if batch.account is None and mark_for(context) is not None:
        return []
    with context.database.read() as connection:
        return store.last_remotes(connection, batch.endpoint, batch.account, limit=_RECORDED_BATCHES)


def is_certain(remote: RemoteBatch, batch: Batch) -> bool:
    """Whether it has the batch's token."""
    return remote.metadata.get(TOKEN_KEY) == batch.creation_token


def _is_likely(remote: RemoteBatch, batch: Batch) -> bool:
    """For an endpoint without metadata: matches by the file with the questions, and by time."""
    if TOKEN_KEY in remote.metadata:
        return False
    assert batch.creation_started_at is not None
    made_at = time_of(remote)
    is_older = made_at is not None and made_at < batch.creation_started_at - CLOCK_SKEW_SECONDS
    return remote.input_file == batch.input_file_id and not is_older


def _free(found: list[RemoteBatch], batch: Batch, context: Context) -> list[RemoteBatch]:
    with context.database.read() as connection:
        owners = store.owners_of_remotes(connection, batch.endpoint, [each.id for each in found])
    free = {each.id: each for each in found if owners.get(each.id, batch.id) == batch.id}
    return sorted(free.values(), key=lambda each: (time_of(each) or 0.0, each.id))


# --- Duplicates --------------------------------------------------------------------------------------------------


async def _cancel_surplus(remote: RemoteBatch, batch: Batch, context: Context) -> None:
    place = f"batch {batch.id}: {context.config.name} has a second batch for it, {remote.id}"
    if remote.status in (*ENDED, REFUSED):
        context.warned(f"{place}, which has ended ({remote.status})")
        return
    crash_point("before-batch-surplus-cancel")
    try:
        await context.endpoint.batches.cancel(remote.id)
    except RequestRefused as error:
        context.warned(f"{place}; it can't be cancelled: {error.facts['problem']}")
    else:
        crash_point("after-batch-surplus-cancel")
        context.warned(f"{place}; it is being cancelled")

"""Items of another account: the key that is set is not the one that paid for what they follow.

Such items keep their state and are left alone: if this key can't see a job or a batch, that proves nothing. All
items of an account carry the same mark, so a new key recognised by one of them is recognised for all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.endpoints.accounts import Account, account_of, host_of, new_salt, salt_of, says_more
from orchestrator.endpoints.interface import Endpoint
from orchestrator.engine.worker import Worker
from orchestrator.errors import EndpointError, RequestRefused
from orchestrator.store import accounts as store
from orchestrator.store.accounts import PAID_BATCHES, PAID_RUNS, Paid
from orchestrator.store.leased import T

ON_HOLD = "on hold: "
"""The beginning of the reason of an item that belongs to another account."""
_ENOUGH = 3
"""How many jobs or batches of an account are asked for before the key counts as another account's."""
_MOST = 30
"""Those asked for in total, however many accounts are recorded."""


@dataclass(kw_only=True)
class KeyedWorker(Worker[T]):
    """A worker whose endpoint belongs to the account of the current key."""

    endpoint: Endpoint
    account_marks: dict[frozenset[tuple[str, str]], str | None] = field(default_factory=dict)
    """From what responses have said about the account: the mark that items are recorded with."""


@dataclass(frozen=True)
class Kind:
    """A kind of items that are paid for, and how the endpoint is asked about them."""

    paid: Paid
    what: str
    """What belongs to the account, in a sentence."""
    look_up: Callable[[Endpoint, str], Awaitable[object]]
    newest: Callable[[Endpoint], Awaitable[Collection[str]]]
    """The ids on the first page of the endpoint's list."""


async def _jobs(endpoint: Endpoint) -> Collection[str]:
    return [job.id for job in (await endpoint.jobs()).jobs]


async def _batches(endpoint: Endpoint) -> Collection[str]:
    return [batch.id for batch in (await endpoint.batches.page()).batches]


OF_RUNS = Kind(PAID_RUNS, "its job", lambda endpoint, job_id: endpoint.job(job_id), _jobs)
OF_BATCHES = Kind(PAID_BATCHES, "it", lambda endpoint, batch_id: endpoint.batches.get(batch_id), _batches)
_ALL = (OF_RUNS, OF_BATCHES)


def mark_for(worker: KeyedWorker[T]) -> str | None:
    """The mark of the account that the next paid request goes to: the mark of its existing items, plus what
    responses have said since. None if there is no account."""
    account = account_of(worker.config, worker.endpoint.account)
    if account is None:
        return None
    said = frozenset(account.seen.items())
    if said not in worker.account_marks:
        with worker.database.read() as connection:
            worker.account_marks[said] = _mark(account, store.marks_on(connection, account.host), worker)
    return worker.account_marks[said]


def _mark(account: Account, known: list[str], worker: KeyedWorker[T]) -> str:
    """`known` are marks of the host, newest first."""
    ours = next((mark for mark in known if account.is_of(mark)), None)
    model = ours or next(iter(known), None)
    return account.mark(salt_of(model) if model else new_salt(worker.random), ours)


async def items_of_other_accounts(worker: KeyedWorker[T], kind: Kind) -> set[str]:
    """The ids of the unfinished items that this key must not judge; each gets the reason.

    A new key of the same account is recognised by what the host's responses say, or by what it sees: then all
    items of that account get its mark. Raises EndpointError if it can't be asked.
    """
    with worker.database.read() as connection:
        by_account = kind.paid.unfinished(connection, worker.config.name)
    if any(map(says_more, by_account)):
        await _introduce(worker, kind)
    ours = await _ours(by_account, worker, kind)
    mark = mark_for(worker)
    if mark and any(each != mark for each in ours):
        with worker.database.write() as connection:
            store.merge(connection, ours, mark)
    foreign: set[str] = set()
    for other in by_account.keys() - ours:
        ids = by_account[other]
        foreign |= {*ids}
        reason = (
            f"{ON_HOLD}{kind.what} belongs to another account of {host_of(other)} than the current key; set "
            "the key of that account, or confirm that it is the same: ftorch resume --same-account"
        )
        with worker.database.write() as connection:
            kind.paid.put_on_hold(connection, ids, reason, worker.now(), worker.abandoned(connection))
    return foreign


async def _introduce(worker: KeyedWorker[T], kind: Kind) -> None:
    """One request, so that the host says whose key this is. The loop deals with errors."""
    if not worker.endpoint.account:
        with suppress(EndpointError):
            await kind.newest(worker.endpoint)


async def _ours(marks: Mapping[str, Collection[str]], worker: KeyedWorker[T], kind: Kind) -> set[str]:
    """Those of these marks that belong to the account of this key."""
    ours = {mark for mark in marks if _is_known(mark, worker)}
    unknown = [mark for mark in marks if mark not in ours]
    if len(unknown) > _ENOUGH:  # runs of an older ftorch have one mark each: one page shows most of their jobs
        ours |= await _listed(worker, kind) & {*unknown}
    asked = 0
    for mark in unknown:
        if mark in ours or asked >= _MOST:
            continue
        for look_up in _evidence(mark, worker, kind):
            asked += 1
            # Any response, even a refusal, may say whose key it is.
            if await _is_seen(look_up) or _is_known(mark, worker):
                ours.add(mark)
                break
    return ours


Look = Callable[[], Awaitable[object]]


def _evidence(mark: str, worker: KeyedWorker[T], kind: Kind) -> list[Look]:
    """Requests for what the account of this mark paid for last: of this kind, and only if there is none, of
    another."""
    for each in (kind, *(other for other in _ALL if other is not kind)):
        with worker.database.read() as connection:
            found = each.paid.newest_of(connection, worker.config.name, mark, limit=_ENOUGH)
        if found:
            return [_looking_up(each, worker.endpoint, remote_id) for remote_id in found]
    return []


def _looking_up(kind: Kind, endpoint: Endpoint, remote_id: str) -> Look:
    return lambda: kind.look_up(endpoint, remote_id)


def _is_known(mark: str, worker: KeyedWorker[T]) -> bool:
    account = account_of(worker.config, worker.endpoint.account)
    return account is not None and account.is_of(mark)


async def _listed(worker: KeyedWorker[T], kind: Kind) -> set[str]:
    """The marks of the items that are on the first page of the list."""
    try:
        ids = await kind.newest(worker.endpoint)
    except RequestRefused:
        return set()
    with worker.database.read() as connection:
        return kind.paid.marks_of(connection, worker.config.name, ids)


async def _is_seen(look_up: Look) -> bool:
    try:
        await look_up()
    except RequestRefused:
        return False
    return True

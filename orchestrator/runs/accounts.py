"""Runs of another account: the key that is set is not the one that paid for their jobs.

Such runs keep their state and are left alone: if this key can't see a job, that proves nothing. All runs of an
account carry the same mark, so a new key recognised by one of their jobs is recognised for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.endpoints.accounts import Account, account_of, host_of, new_salt, salt_of, says_more
from orchestrator.errors import EndpointError, RequestRefused
from orchestrator.runs.context import Context
from orchestrator.store import runs as store

ON_HOLD = "on hold: "
"""The beginning of the reason of a run that belongs to another account."""
_ENOUGH_JOBS = 3
"""How many jobs of an account are asked for before the key counts as another account's."""
_MOST_JOBS = 30
"""Jobs asked for in total, however many accounts are recorded."""


def mark_for(context: Context) -> str | None:
    """The mark of the account that the next paid request goes to: the mark of its existing runs, plus what
    responses have said since. None if there is no account."""
    account = account_of(context.config, context.endpoint.account)
    if account is None:
        return None
    said = frozenset(account.seen.items())
    if said not in context.account_marks:
        with context.database.read() as connection:
            context.account_marks[said] = _mark(account, store.account_marks(connection, account.host), context)
    return context.account_marks[said]


def _mark(account: Account, known: list[str], context: Context) -> str:
    """`known` are marks of the host, newest first."""
    ours = next((mark for mark in known if account.is_of(mark)), None)
    model = ours or next(iter(known), None)
    return account.mark(salt_of(model) if model else new_salt(context.random), ours)


async def runs_of_other_accounts(context: Context) -> set[str]:
    """The ids of the unfinished runs that this key must not judge; each gets the reason.

    A new key of the same account is recognised by what the host's responses say, or by the jobs that it sees: then
    all runs of that account get its mark. Raises EndpointError if it can't be asked.
    """
    with context.database.read() as connection:
        by_account = store.unfinished_by_account(connection, context.config.name)
    if any(map(says_more, by_account)):
        await _introduce(context)
    ours = await _ours(by_account, context)
    mark = mark_for(context)
    if mark and any(each != mark for each in ours):
        with context.database.write() as connection:
            store.change_account(connection, ours, mark)
    foreign: set[str] = set()
    for other in by_account.keys() - ours:
        ids = by_account[other]
        foreign |= {*ids}
        reason = (
            f"{ON_HOLD}its job belongs to another account of {host_of(other)} than the current key; set "
            "the key of that account, or confirm that it is the same: ftorch resume --same-account"
        )
        with context.database.write() as connection:
            store.put_on_hold(connection, ids, reason, context.now())
    return foreign


async def _introduce(context: Context) -> None:
    """One request, so that the host says whose key this is. The loop deals with errors."""
    if not context.endpoint.account:
        try:
            await context.endpoint.jobs()
        except EndpointError:
            return


async def _ours(marks: Mapping[str, Collection[str]], context: Context) -> set[str]:
    """Those of these marks that belong to the account of this key."""
    ours = {mark for mark in marks if _is_known(mark, context)}
    unknown = [mark for mark in marks if mark not in ours]
    if len(unknown) > _ENOUGH_JOBS:  # runs of an older ftorch have one mark each: one page shows most of their jobs
        ours |= await _listed(context) & {*unknown}
    asked = 0
    for mark in unknown:
        if mark in ours or asked >= _MOST_JOBS:
            continue
        with context.database.read() as connection:
            jobs = store.jobs_of_account(connection, context.config.name, mark, limit=_ENOUGH_JOBS)
        for job_id in jobs:
            asked += 1
            # Any response, even a refusal, may say whose key it is.
            if await _sees(job_id, context) or _is_known(mark, context):
                ours.add(mark)
                break
    return ours


def _is_known(mark: str, context: Context) -> bool:
    account = account_of(context.config, context.endpoint.account)
    return account is not None and account.is_of(mark)


async def _listed(context: Context) -> set[str]:
    """The marks of the runs whose jobs are on the first page of the list."""
    try:
        page = await context.endpoint.jobs()
    except RequestRefused:
        return set()
    with context.database.read() as connection:
        return store.accounts_of_jobs(connection, context.config.name, [job.id for job in page.jobs])


async def _sees(job_id: str, context: Context) -> bool:
    try:
        await context.endpoint.job(job_id)
    except RequestRefused:
        return False
    return True

"""Runs of another account: another key is set than the one that paid for their jobs.

Such runs keep their state and are left alone: what this key can't see says nothing about them.
"""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.endpoints.accounts import host_of, is_same_account
from orchestrator.errors import RequestRefused
from orchestrator.runs.context import Context
from orchestrator.store import runs as store

ON_HOLD = "on hold: "
"""How the reason of a run begins that belongs to another account."""
_ENOUGH_JOBS = 3


async def runs_of_other_accounts(context: Context) -> set[str]:
    """The ids of the unfinished runs that this key must not judge; each is given the reason.

    A new key of the same account is known by the jobs that it sees. Raises EndpointError where it can't be asked.
    """
    with context.database.read() as connection:
        by_account = store.unfinished_by_account(connection, context.config.name)
    foreign: set[str] = set()
    for mark, ids in by_account.items():
        if is_same_account(mark, context.config) or await _sees_one(ids, context):
            continue
        foreign |= {*ids}
        reason = (
            f"{ON_HOLD}its job belongs to another account of {host_of(mark)} than the key that is set now; set the "
            "key of that account, or say that it is the same: ftorch resume --same-account"
        )
        with context.database.write() as connection:
            store.put_on_hold(connection, ids, reason, context.now())
    return foreign


async def _sees_one(ids: Collection[str], context: Context) -> bool:
    with context.database.read() as connection:
        jobs = [run.job_id for run in store.by_ids(connection, ids) if run.job_id]
    for job_id in jobs[-_ENOUGH_JOBS:]:
        try:
            await context.endpoint.job(job_id)
        except RequestRefused:
            continue
        return True
    return False

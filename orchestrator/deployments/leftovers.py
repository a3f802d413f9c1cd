"""What a process that died left behind: deployments on their way, and those that an evaluation no longer needs."""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import Connection

from orchestrator.deployments.states import State, Wish
from orchestrator.deployments.uses import live_users
from orchestrator.runs.ledger import Ledger
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment

_UNDER_WAY = (State.DEPLOYING, State.UNDEPLOYING)


def leftovers(ledger: Ledger, run_ids: Collection[str] | None = None) -> list[Deployment]:
    """The deployments that something is left to do with, of all runs or of these.

    What was made for an evaluation and is used by nobody is to be removed: that is recorded here.
    """
    now = time.time()
    with ledger.database.write() as connection:
        found = []
        for each in store.newest(connection, run_ids=run_ids, only_active=True):
            if _is_abandoned(connection, each, now):
                store.set_wish(connection, each.id, Wish.REMOVE)
                found.append(store.get(connection, each.id))
            elif each.state in _UNDER_WAY or each.wish is not None:
                found.append(each)
    return found


def _is_abandoned(connection: Connection, deployment: Deployment, now: float) -> bool:
    if not deployment.temporary or deployment.state not in (State.DEPLOYING, State.DEPLOYED):
        return False
    return not live_users(connection, deployment.id, now)

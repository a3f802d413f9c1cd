"""Waits for the answers to a plan's questions that were put into batches."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from orchestrator.endpoints import open_endpoint
from orchestrator.errors import BatchRefused
from orchestrator.evaluation import session
from orchestrator.evaluation.batching.driving import drive
from orchestrator.evaluation.batching.outcome import Listener
from orchestrator.evaluation.batching.states import State
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.session import Asking
from orchestrator.runs.ledger import Ledger
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch


async def answers_to_batches(
    ledger: Ledger,
    plan: Plan,
    ids: Collection[str],
    *,
    listener: Listener | None = None,
    waiting: session.Listener | None = None,
    stop: asyncio.Event | None = None,
) -> Asking:
    """Carry on these batches of the plan's questions, and wait for all their answers.

    Setting `stop` ends the waiting: the batches go on, and whoever asks for the same again finds them. Raises
    BatchRefused where the endpoint refuses one as a whole, OutputUnwritable, EndpointNotUsable and EndpointError.
    """
    if not ids:
        return Asking(0, {}, True)
    stop = stop or asyncio.Event()
    async with open_endpoint(plan.config, ledger.workspace.home) as endpoint:
        await session.wait_for_new_models(endpoint, plan, waiting or session.Silence(), stop)
    errors = await drive(ledger, plan.config, ids, listener=listener, stop=stop)
    ended = _read(ledger, ids)
    _require_answers(ended)
    return Asking(sum(batch.completed for batch in ended), errors, all(batch.is_over for batch in ended))


def _read(ledger: Ledger, ids: Collection[str]) -> list[Batch]:
    with ledger.database.read() as connection:
        return store.by_ids(connection, ids)


def _require_answers(ended: Collection[Batch]) -> None:
    refused = [batch for batch in ended if batch.state == State.FAILED]
    if refused:
        names = ", ".join(batch.id for batch in refused)
        raise BatchRefused(batches=f"Batch {names}", reason=refused[0].reason.rstrip("."))

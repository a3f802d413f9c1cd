"""Batches from the command line: asked by `evaluate --batch`, followed, taken up again by `resume`, cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.leaving import Leaving
from orchestrator.cli.terminal import INTERRUPTED, stop_at_signals

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.evaluation.locks import Waiting
    from orchestrator.evaluation.plan import Plan
    from orchestrator.evaluation.session import Asking
    from orchestrator.ledger import Ledger
    from orchestrator.store.batches import Batch


def ask_by_batch(ledger: Ledger, plan: Plan, say: Waiting) -> Asking:
    """Have the plan's questions answered in batches. Leaves with 130 where the user stopped the waiting."""
    import asyncio

    from orchestrator.evaluation.batching.driving import answers_to_batches
    from orchestrator.evaluation.batching.submission import record_batches
    from orchestrator.reports.progress import asking_progress, batch_progress
    from orchestrator.reports.text import stderr

    ids = record_batches(ledger, plan, say)
    with batch_progress(stderr()) as listener, asking_progress(0, stderr()) as waiting:

        async def ask() -> Asking:
            stop = stop_at_signals()
            return await answers_to_batches(ledger, plan, ids, listener=listener, waiting=waiting, stop=stop)

        asked = asyncio.run(ask())
    if not asked.is_complete:
        _leave(ledger, [plan.config.name])
    return asked


def await_batches(ledger: Ledger, plan: Plan) -> Plan:
    """Wait for what is under way of the plan's questions; the plan as it is then."""
    from orchestrator.evaluation.plan import recounted

    if not plan.under_way:
        return plan
    if not all(batch.is_over for batch in _follow(ledger, plan.config.name, list(plan.under_way))):
        _leave(ledger, [plan.config.name])
    return recounted(ledger, plan)


def resume_batches(ledger: Ledger) -> bool:
    """Follow every batch that is not over, until it is; returns whether there was any. An endpoint that can't be
    asked keeps no other from it."""
    found, leaving = ledger.batches(), Leaving()
    for name in sorted({batch.endpoint for batch in found}):
        ids = [batch.id for batch in found if batch.endpoint == name]
        with leaving.later():
            _resume_on(ledger, name, ids)
    leaving.leave()
    return bool(found)


def _resume_on(ledger: Ledger, name: str, ids: Collection[str]) -> None:
    """Leaves with 1 where the endpoint refused one of them."""
    click.echo(f"following {len(ids)} {'batch' if len(ids) == 1 else 'batches'} on {name}", err=True)
    ended = _follow(ledger, name, ids)
    if not all(batch.is_over for batch in ended):
        _leave(ledger, [name])
    if any(batch.state == "failed" for batch in ended):
        click.echo("What has no answer is asked by the next ftorch evaluate.", err=True)
        click.get_current_context().exit(1)
    click.echo("The answers are recorded; ftorch evaluate shows what they are worth.", err=True)


def cancel_batch(ledger: Ledger, key: str) -> bool:
    """Cancel the batch whose id begins so; False where there is none. What is answered by then is recorded."""
    from orchestrator.evaluation.batching.states import CANCEL
    from orchestrator.reports.text import printable
    from orchestrator.store import batches as store

    with ledger.database.write() as connection:
        batch = store.find(connection, key)
        if batch is None:
            return False
        store.request_action(connection, batch.id, CANCEL)
    [ended] = _follow(ledger, batch.endpoint, [batch.id])
    click.echo(f"batch {ended.id} is {ended.state}: {printable(ended.reason)}", err=True)
    if not ended.is_over:
        click.echo("The wish is recorded; ftorch resume carries it out.", err=True)
        click.get_current_context().exit(INTERRUPTED)
    return True


def _follow(ledger: Ledger, endpoint: str, ids: Collection[str]) -> list[Batch]:
    import asyncio

    from orchestrator.evaluation.batching.driving import drive
    from orchestrator.reports.progress import batch_progress
    from orchestrator.reports.text import stderr
    from orchestrator.store import batches as store

    config = ledger.workspace.endpoint(endpoint)
    with batch_progress(stderr()) as listener:

        async def follow() -> None:
            await drive(ledger, config, ids, listener=listener, stop=stop_at_signals())

        asyncio.run(follow())
    with ledger.database.read() as connection:
        return store.by_ids(connection, ids)


def _leave(ledger: Ledger, names: Collection[str]) -> None:
    from orchestrator.endpoints import capabilities_of

    if all(capabilities_of(ledger.workspace.endpoint(name)).outlives_us for name in names):
        goes_on = "the batch goes on"
    else:
        goes_on = "nothing is lost; the local endpoint rests while no ftorch runs"
    click.echo(f"detached; {goes_on}; the same command, or ftorch resume, records its answers", err=True)
    click.get_current_context().exit(INTERRUPTED)

"""Batches of questions: asked, followed, resumed and cancelled."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.api.host import Host
from orchestrator.api.observing import observed
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import Stopped
from orchestrator.evaluation.batching.driving import answers_to_batches, drive, require_known
from orchestrator.evaluation.batching.states import CANCEL, State
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import Plan, recounted
from orchestrator.evaluation.session import Asking
from orchestrator.ledger import Ledger
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch


def ask(ledger: Ledger, plan: Plan, host: Host) -> Asking:
    """Get the plan's questions answered in batches. Raises Stopped if the user stopped waiting, and what
    `answers_to_batches` raises."""
    ids = record_batches(ledger, plan, host.say)
    with host.batches() as listener, host.asking(0) as waiting:
        asked, _ = host.run(
            lambda stop: answers_to_batches(ledger, plan, ids, listener=listener, waiting=waiting, stop=stop)
        )
    if not asked.is_complete:
        raise _stopped(ledger, plan.config.name)
    return asked


def await_under_way(ledger: Ledger, plan: Plan, host: Host) -> Plan:
    """Wait for the batches that hold questions of the plan; returns the plan counted again. Raises Stopped."""
    if not plan.under_way:
        return plan
    followed = _follow(ledger, plan.config.name, list(plan.under_way), host)
    require_known(followed)
    if not all(batch.is_over for batch in followed):
        raise _stopped(ledger, plan.config.name)
    return recounted(ledger, plan)


def resume(ledger: Ledger, host: Host) -> bool:
    """Follow every unfinished batch to its end; returns whether there was any. An endpoint that can't be asked
    doesn't stop the others. Raises Stopped."""
    found = ledger.batches()
    for name in sorted({batch.endpoint for batch in found}):
        with host.going_on():
            _resume_on(ledger, name, [batch.id for batch in found if batch.endpoint == name], host)
    return bool(found)


def cancel(ledger: Ledger, key: str, host: Host) -> Batch | None:
    """Cancel the batch whose id starts like this; None if there is none. Answers received by then are recorded.

    Raises Stopped if the user did not wait until it is cancelled.
    """
    with ledger.database.write() as connection:
        batch = store.find(connection, key)
        if batch is None:
            return None
        store.request_action(connection, batch.id, CANCEL)
    [ended] = _follow(ledger, batch.endpoint, [batch.id], host)
    require_known([ended])
    host.say(f"batch {ended.id} is {ended.state}: {ended.reason}")
    if not ended.is_over:
        raise Stopped("The request is recorded; ftorch resume carries it out.")
    return ended


def _resume_on(ledger: Ledger, name: str, ids: Collection[str], host: Host) -> None:
    host.say(f"following {len(ids)} {'batch' if len(ids) == 1 else 'batches'} on {name}")
    ended = _follow(ledger, name, ids, host)
    require_known(ended)
    if not all(batch.is_over for batch in ended):
        raise _stopped(ledger, name)
    if any(batch.state == State.FAILED for batch in ended):
        host.say("The next ftorch evaluate asks the questions that have no answer.")
        host.failed()
    else:
        host.say("The answers are recorded; ftorch evaluate scores them.")


def _follow(ledger: Ledger, endpoint: str, ids: Collection[str], host: Host) -> list[Batch]:
    config = ledger.workspace.endpoint(endpoint)
    with observed(ledger, host), host.batches() as listener:
        host.run(lambda stop: drive(ledger, config, ids, listener=listener, stop=stop))
    with ledger.database.read() as connection:
        return store.by_ids(connection, ids)


def _stopped(ledger: Ledger, endpoint: str) -> Stopped:
    if capabilities_of(ledger.workspace.endpoint(endpoint)).outlives_us:
        goes_on = "the batch continues"
    else:
        goes_on = "nothing is lost; the local endpoint pauses until ftorch runs again"
    return Stopped(f"detached; {goes_on}; the same command, or ftorch resume, records its answers")

"""Record a generation, and drive the generations of one endpoint."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, update

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_endpoint
from orchestrator.engine.loop import Loop
from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned, new_owner
from orchestrator.errors import GenerationUnderWay
from orchestrator.evaluation.batching.states import Listener as BatchListener
from orchestrator.generation.spec import Spec
from orchestrator.generation.states import CANCEL, MACHINE, Context, Listener, NullListener, State
from orchestrator.generation.steps import STEPS
from orchestrator.ids import short_id
from orchestrator.ledger import Ledger
from orchestrator.store import generations as store, submissions
from orchestrator.store.generations import GENERATIONS, Generation
from orchestrator.store.schema import generations as table
from orchestrator.store.submissions import Provenance


class GenerationLoop(Loop[Generation, Context]):
    """Steps the generations `ids` until each has finished or waits for the user."""

    machine = MACHINE
    steps = STEPS

    async def run(self, stop: asyncio.Event) -> None:
        """Run the loop. Waiting generations are checked at once, because the user just asked."""
        self.worker.stop = stop
        with self.worker.database.write() as connection:
            GENERATIONS.hasten(connection, table.c.id.in_(self.left))
            store.forget_failures(connection, self.left)
        await super().run(stop)


async def drive(
    ledger: Ledger,
    config: EndpointConfig,
    ids: Collection[str],
    *,
    listener: Listener | None = None,
    batches: BatchListener | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Drive these generations until each has finished or waits for the user.

    Setting `stop` ends it early, losing nothing. Raises EndpointNotUsable, EndpointError, OutputExists and
    OutputUnwritable.
    """
    async with open_endpoint(config, ledger.workspace.home) as endpoint:
        context = Context(
            database=ledger.database,
            config=config,
            owner=new_owner(random.SystemRandom()),
            ledger=ledger,
            endpoint=endpoint,
            listener=listener or NullListener(),
            batches=batches,
        )
        await GenerationLoop(context, ids).run(stop or asyncio.Event())


def record(
    ledger: Ledger,
    spec: Spec,
    targets: int,
    *,
    replace_other: bool = False,
    provenance: Provenance | None = None,
) -> Generation:
    """Record a generation with its `provenance`, or return the same one if it was started or is done.

    With `replace_other`, another generation that writes the same file is ended. Raises GenerationUnderWay without
    it, and if another process is working on that one.
    """
    path, fingerprint = str(spec.outputs.training), spec.fingerprint
    with ledger.database.write() as connection:
        known = _known(connection, path, fingerprint)
        if known is not None:
            return _as_given_now(connection, known, spec)
        for other in store.unfinished(connection, output_path=path):
            if not replace_other or not _end(connection, other):
                raise GenerationUnderWay(path=spec.outputs.training, id=other.id, reason=other.reason)
        generation = _new(spec, fingerprint, targets)
        store.add(connection, generation)
        if provenance is not None:
            kind, at = submissions.GENERATION, generation.created_at
            submissions.record(connection, kind, generation.id, provenance, at)
    return generation


def _known(connection: Connection, path: str, fingerprint: str) -> Generation | None:
    newest = store.newest_of(connection, path)
    if newest is None or newest.fingerprint != fingerprint:
        return None
    is_gone = newest.state == State.DONE and not Path(path).exists()  # written again from the same answers
    return None if is_gone or newest.state in (State.CANCELLED, State.FAILED) else newest


def _new(spec: Spec, fingerprint: str, targets: int) -> Generation:
    now = time.time()
    return Generation(
        id=short_id(random.SystemRandom()),
        endpoint=spec.endpoint,
        output_path=str(spec.outputs.training),
        fingerprint=fingerprint,
        spec=spec.document(),
        state=State.ASKING,
        reason="recorded",
        version=1,
        created_at=now,
        updated_at=now,
        targets=targets,
        max_cost_usd=spec.settings.max_cost_usd,
    )


def cancel(connection: Connection, generation: Generation) -> bool:
    """Cancel a generation; False if another process works on it, which is then asked to end it."""
    return _end(connection, generation) or not store.request_action(connection, generation.id, CANCEL)


def _end(connection: Connection, other: Generation) -> bool:
    """Cancel a generation that no process works on; returns whether it was cancelled."""
    owner, now = new_owner(random.SystemRandom()), time.time()
    gone = [name for name in GENERATIONS.owners(connection) if is_abandoned(name)]
    GENERATIONS.claim(connection, owner, now + LEASE_SECONDS, now, ids=[other.id], abandoned=gone)
    held = store.get(connection, other.id)
    if held.lease_owner != owner:
        return False
    MACHINE.move(connection, held, State.CANCELLED, "ended by the user", owner=owner, now=now)
    GENERATIONS.release(connection, owner)
    return True


def _as_given_now(connection: Connection, known: Generation, spec: Spec) -> Generation:
    """The same generation with the user's current budget and permission to replace files. This needs no lease:
    both take effect at the next step."""
    outputs = {**known.spec["outputs"], "replace": spec.outputs.replace}
    document, usd = {**known.spec, "outputs": outputs}, spec.settings.max_cost_usd
    changes = update(table).where(table.c.id == known.id)
    connection.execute(changes.values(max_cost_usd=usd, spec=document, due_at=None))
    return replace(known, max_cost_usd=usd, spec=document)

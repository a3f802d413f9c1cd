"""Making training data: the plan, the teacher's words or templates, the files, and their check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import nullcontext

from orchestrator.api.host import FAILED, WAITS, Host
from orchestrator.bookkeeping.provenance import provenance_of
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.convert import check_converted
from orchestrator.errors import OutputExists, Stopped
from orchestrator.generation.driving import cancel as end, drive, record
from orchestrator.generation.offline import write_offline
from orchestrator.generation.outcome import Outcome
from orchestrator.generation.output import head_of, is_own
from orchestrator.generation.plan import Plan, plan_generation
from orchestrator.generation.spec import Spec, spec_of
from orchestrator.generation.states import STOPPED, State
from orchestrator.generation.steps import standing_of
from orchestrator.ledger import Ledger
from orchestrator.store import generations as store
from orchestrator.store.generations import Generation


def plan(ledger: Ledger | None, spec: Spec) -> Plan:
    """The plan of a spec; without a ledger, with offline words. Raises what `plan_generation` raises, and
    UnknownEndpoint."""
    return plan_generation(spec, ledger.workspace.endpoint(spec.endpoint) if ledger else None)


def generate_offline(planned: Plan, host: Host) -> Outcome:
    """Write every call with template words. Raises OutputExists and OutputUnwritable."""
    host.show_generation_plan(planned)
    _require_room(planned.spec, None)
    with host.generating() as listener:
        summary = write_offline(planned.spec, listener)
    report = check_converted(planned.spec.outputs.training)
    _judge(report, host)
    examples = sum(summary.lines.values())
    return Outcome(planned.spec, examples, planned.counts.all, report, summary.drops)


def generate(ledger: Ledger, planned: Plan, host: Host, *, replace_other: bool = False) -> Outcome:
    """Carry out a plan, or continue it where it stopped. Asks before the teacher is paid.

    Raises OutputExists, GenerationUnderWay, Stopped, and what `drive` raises.
    """
    spec = planned.spec
    with ledger.database.read() as connection:
        known = store.newest_of(connection, str(spec.outputs.training))
    is_same = known is not None and known.fingerprint == spec.fingerprint
    _require_room(spec, known.written_sha256 if known and is_same else None)
    host.show_generation_plan(planned)
    if not (known and is_same and known.state == State.DONE):
        host.confirm("Ask the teacher?")
    generation = record(
        ledger, spec, planned.counts.all, replace_other=replace_other, provenance=provenance_of(None)
    )
    return _carry_on(ledger, generation, host)


def resume(ledger: Ledger, host: Host) -> bool:
    """Resume every unfinished generation; returns whether there was any. A failure of one does not stop the others.
    Raises Stopped."""
    with ledger.database.read() as connection:
        found = store.unfinished(connection)
    for generation in found:
        with host.going_on():
            host.say(f"making {generation.output_path}: {generation.reason}")
            host.show_generation(_carry_on(ledger, generation, host))
    return bool(found)


def cancel(ledger: Ledger, key: str, host: Host) -> Generation | None:
    """End the generation whose id starts like this; its answers are kept. None if there is none."""
    with ledger.database.write() as connection:
        found = [each for each in store.unfinished(connection) if each.id.startswith(key)]
        if len(found) != 1:
            return None
        is_ended = end(connection, found[0])
    said = "is cancelled" if is_ended else "is being cancelled by the process that works on it"
    host.say(f"generation {found[0].id} {said}; its answers are kept")
    return found[0]


def _carry_on(ledger: Ledger, generation: Generation, host: Host) -> Outcome:
    if not generation.is_over:
        config = ledger.workspace.endpoint(generation.endpoint)
        following = host.batches() if generation.spec["batch"] else nullcontext()
        with host.generating() as listener, following as batches:
            host.run(
                lambda stop: drive(ledger, config, [generation.id], listener=listener, batches=batches, stop=stop)
            )
    return outcome_of(ledger, generation.id, host)


def outcome_of(ledger: Ledger, generation_id: str, host: Host) -> Outcome:
    """A generation in its present state. Raises Stopped if the user stopped it."""
    with ledger.database.read() as connection:
        generation = store.get(connection, generation_id)
        spent = store.spent(connection, generation_id)
    if not generation.is_over and generation.reason.startswith(STOPPED):
        raise Stopped(f"{generation.reason}; {spent.answered:,} answers are kept; run the same command to continue")
    spec = spec_of(generation.spec)
    report = check_converted(spec.outputs.training) if generation.written_sha256 else None
    if not generation.is_over:
        host.failed(WAITS)
    elif generation.state != State.DONE:
        host.failed(FAILED)
        host.say(f"generation {generation.id} {generation.state}: {generation.reason}")
    elif report is not None:
        _judge(report, host)
    return Outcome(
        spec,
        generation.examples if report else 0,
        generation.targets,
        report,
        _dropped(ledger, generation, spec, is_written=report is not None),
        spent,
        generation.id,
        "" if generation.is_over else generation.reason,
    )


def _dropped(ledger: Ledger, generation: Generation, spec: Spec, *, is_written: bool) -> Mapping[str, int]:
    """The number of dropped wordings, by reason."""
    if is_written:
        found: Mapping[str, int] = head_of(spec.outputs.provenance, spec).get("dropped", {})
        return found
    if generation.state != State.FAILED:
        return {}
    return Counter(drop.reason for drop in standing_of(generation, spec, ledger.database).drops)


def _judge(report: CheckReport, host: Host) -> None:
    if not report.ok:
        host.failed(FAILED)


def _require_room(spec: Spec, written_sha256: str | None) -> None:
    """Raises OutputExists, before anything is paid, if there are files that this generation did not write."""
    outputs = spec.outputs
    if outputs.replace or is_own(spec, written_sha256):
        return
    appended: Collection[object] = (
        (outputs.training, outputs.provenance) if outputs.append_bytes is not None else ()
    )
    for path in outputs.all:
        if path.exists() and path not in appended:
            raise OutputExists(path=path)

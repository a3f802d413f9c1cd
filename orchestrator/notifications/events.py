"""What ended, and what needs a person, by the records alone: any process sees the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from orchestrator.ledger import Ledger
from orchestrator.notifytables import ATTENTION, BATCH, EVALUATION, RUN, SWEEP
from orchestrator.runs.states import State
from orchestrator.runs.waiting import HELD, is_held, stands_still
from orchestrator.store import notifications as store, sweeps
from orchestrator.store.batches import Batch
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run

Kind = Literal["run", "sweep", "evaluation", "batch"]
GATE_NOT_MET = "gate_not_met"
"""The state of an evaluation whose job file has a gate that it misses."""


@dataclass(frozen=True)
class Event:
    """Something that happened to an item; `at` in seconds since the epoch."""

    kind: Kind
    item_id: str
    key: str
    """Tells this event from the item's others: each is sent once."""
    name: str
    endpoint: str
    state: str
    text: str
    """One sentence."""
    at: float
    reason: str = ""
    model: str | None = None
    """The tuned model, or the best one of a sweep."""
    needs_person: bool = False


def pending(ledger: Ledger, target: str, on: str, since: float, now: float) -> Iterator[Event]:
    """The events of the kind `on`, one of `notifytables.KINDS`, of which the target knows nothing yet."""
    if on == SWEEP:
        yield from _sweeps(ledger, target, since)
        return
    with ledger.database.read() as connection:
        runs = store.ended_runs(connection, target, since) if on == RUN else []
        evaluations = store.ended_evaluations(connection, target, since) if on == EVALUATION else []
        batches = store.ended_batches(connection, target, since) if on == BATCH else []
        waiting = list(_waiting(connection, target, since, now)) if on == ATTENTION else []
    yield from map(_of_run, runs)
    for evaluation in evaluations:
        yield _of_evaluation(ledger, evaluation)
    yield from map(_of_batch, batches)
    yield from waiting


# --- Runs and batches --------------------------------------------------------------------------------------------


def _of_run(run: Run) -> Event:
    result = run.fine_tuned_model or run.reason
    text = f"run {run.name} ({run.id}) {run.state} on {run.endpoint}: {result}"
    at = run.finished_at or run.updated_at
    return Event(
        "run", run.id, run.state, run.name, run.endpoint, run.state, text, at, run.reason, run.fine_tuned_model
    )


def _of_batch(batch: Batch) -> Event:
    text = f"batch {batch.id} on {batch.endpoint} is {batch.state}: {batch.reason}"
    at = batch.finished_at or batch.updated_at
    return Event("batch", batch.id, batch.state, batch.id, batch.endpoint, batch.state, text, at, batch.reason)


def _waiting(connection: Connection, target: str, since: float, now: float) -> Iterator[Event]:
    """One event for each state that an item waits in, however often its reason is written again."""
    found: list[Event] = []
    for run in store.waiting_runs(connection, HELD, (State.UNKNOWN, State.QUEUED)):
        if (kind := _need_of(run, now)) and (run.updated_at >= since or kind == "still queued"):
            text = f"run {run.name} ({run.id}) on {run.endpoint} needs you: {run.state}, {run.reason}"
            found.append(_attention("run", run, kind, run.name, text))
    for batch in store.batches_in(connection, "unknown"):
        if batch.updated_at >= since:
            text = f"batch {batch.id} on {batch.endpoint} needs you: {batch.reason}"
            found.append(_attention("batch", batch, "unknown", batch.id, text))
    for event in found:
        if not store.is_known(connection, event.kind, event.item_id, event.key, target):
            yield event


def _need_of(run: Run, now: float) -> str | None:
    """What about the run needs a person; None if nothing does."""
    if run.state == State.UNKNOWN:
        return "unknown"
    if is_held(run):
        return "held"
    return "still queued" if stands_still(run, now) else None


def _attention(kind: Literal["run", "batch"], item: Run | Batch, need: str, name: str, text: str) -> Event:
    return Event(
        kind,
        item.id,
        f"attention {item.version} {need}",
        name,
        item.endpoint,
        item.state,
        text,
        item.updated_at,
        item.reason,
        needs_person=True,
    )


# --- Sweeps ------------------------------------------------------------------------------------------------------


def _sweeps(ledger: Ledger, target: str, since: float) -> Iterator[Event]:
    with ledger.database.read() as connection:
        found = store.sweeps_with_ended_runs(connection, since)
        ended = [(sweep_id, key) for sweep_id in found if (key := _ending(connection, sweep_id))]
        new = [pair for pair in ended if not store.is_known(connection, "sweep", *pair, target)]
    for sweep_id, key in new:
        if event := _of_sweep(ledger, sweep_id, key):
            yield event


def _ending(connection: Connection, sweep_id: str) -> str | None:
    """The event of this ending of a sweep; None while it has an unfinished run. A sweep that is extended, or whose
    failed trials are submitted again, ends again."""
    standings = sweeps.standings(connection, sweep_id)
    if not all(each.is_over for each in standings):
        return None
    return f"ended {len(standings)}+{sum(each.trial.retries for each in standings)}"


def _of_sweep(ledger: Ledger, sweep_id: str, key: str) -> Event | None:
    """None if more trials are to be drawn."""
    from orchestrator.sweeps.overview import overview_by_id  # reads the job file's model of a sweep

    found = overview_by_id(ledger, sweep_id)
    if not found.is_over:
        return None
    counts: dict[str, int] = {}
    for each in found.trials:
        counts[each.result.state.value] = counts.get(each.result.state.value, 0) + 1
    counted = ", ".join(f"{number} {state}" for state, number in counts.items())
    best = f"; best: {found.best_model}" if found.best_model else ""
    sweep = found.sweep
    text = f"sweep {sweep.name} on {sweep.endpoint} ended: {counted}{best}"
    state = "succeeded" if counts.get("succeeded") else "failed"
    at = max((each.run.finished_at or 0.0 for each in found.trials), default=sweep.created_at)
    return Event("sweep", sweep_id, key, sweep.name, sweep.endpoint, state, text, at, counted, found.best_model)


# --- Evaluations -------------------------------------------------------------------------------------------------


def _of_evaluation(ledger: Ledger, evaluation: Evaluation) -> Event:
    from orchestrator.bookkeeping.gates import unmet  # loads the scorer

    problems = unmet(ledger, evaluation)
    gate = f"; gate not met: {problems[0]}" if problems else ""
    headline = _headline(ledger, evaluation)
    text = f"evaluation of {evaluation.name} on {evaluation.endpoint} is done: {headline}{gate}"
    at = evaluation.finished_at or evaluation.created_at
    names = (evaluation.name, evaluation.endpoint, GATE_NOT_MET if problems else evaluation.state)
    return Event("evaluation", evaluation.id, evaluation.state, *names, text, at, "; ".join(problems))


def _headline(ledger: Ledger, evaluation: Evaluation) -> str:
    """The call accuracy of each model, or the accuracy where no case expects a call, in the first variant."""
    from orchestrator.evaluation.metrics import METRICS, value_of  # loads the scorer
    from orchestrator.evaluation.results import results_of

    series = results_of(ledger, evaluation).series
    first = [each for each in series if each.variant == series[0].variant]
    for name in ("call_accuracy", "accuracy"):
        values = [(each.label, value_of(name, each.all)) for each in first]
        said = [f"{label} {value * 100:.0f} %" for label, value in values if value is not None]
        if said:
            return f"{METRICS[name].title} {', '.join(said)}"
    return "no answer could be scored"

"""The present state of a sweep: its trials and their results, the ranking, and its conclusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from orchestrator.errors import NoSuchSweep
from orchestrator.jobfile import JobFile, Sweep, job_from_document
from orchestrator.ledger import Ledger
from orchestrator.runs.states import State
from orchestrator.spelling import did_you_mean
from orchestrator.store import sweeps as store
from orchestrator.store.records import Checkpoint, Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial, Standing
from orchestrator.sweeps.effects import Effect, effects
from orchestrator.sweeps.results import Ranking, TrialResult, TrialState, looks, rank, score_of
from orchestrator.sweeps.tpe import Suggestion, suggestions
from orchestrator.sweeps.trials import Trial

if TYPE_CHECKING:
    from orchestrator.sweeps.evaluated import Evaluated  # loads the scorer, which most sweeps do not need

_HOPELESS = 3
"""After this many failures without a success, more trials would fail too."""
_BAD_FILE = "file"


@dataclass(frozen=True)
class TrialRecord:
    """A trial as recorded, its last run, and its result."""

    recorded: RecordedTrial
    run: Run
    result: TrialResult

    @property
    def trial(self) -> Trial:
        return self.result.trial


@dataclass(frozen=True)
class Overview:
    """A sweep on one endpoint. The ranking covers the trials that the job file, as last submitted, asks for."""

    sweep: RecordedSweep
    job: JobFile
    """As last submitted."""
    trials: tuple[TrialRecord, ...]
    """Those that the job file asks for, by number."""
    removed: tuple[TrialRecord, ...]
    """Those that it no longer asks for; their runs are unchanged."""
    evaluated: Evaluated | None = None
    """The evaluation that ranks it, if there is one."""

    @property
    def settings(self) -> Sweep:
        """The job file's `[sweep]`."""
        return settings(self.job)

    @cached_property
    def ranking(self) -> Ranking:
        ranking = rank(self.settings, (record.result for record in self.trials))
        if self.evaluated is None:
            return ranking
        from orchestrator.sweeps.evaluated import judged

        return judged(ranking, self.evaluated, {record.run.id: record.run.model for record in self.trials})

    @property
    def best_model(self) -> str | None:
        """The model of the best trial; None if there is none."""
        best = self.ranking.best
        return best.score.model if best is not None and best.score is not None else None

    @property
    def is_ranked(self) -> bool:
        """Whether its ranking metric has been measured."""
        return not self.settings.by_evaluation or self.evaluated is not None

    @cached_property
    def effects(self) -> list[Effect]:
        """The effect of each parameter, largest share first."""
        return effects(self.ranking.ranked, self.settings.goal)

    @cached_property
    def suggestions(self) -> list[Suggestion]:
        return suggestions(self.ranking)

    @property
    def expected(self) -> int:
        """The total number of trials, including those not drawn yet."""
        have = len(self.trials)
        return have if is_hopeless([record.run for record in self.trials]) else max(self.sweep.trials, have)

    @property
    def is_over(self) -> bool:
        """Whether no trial is active, and none is to be drawn."""
        is_settled = all(record.run.is_over for record in self.trials)
        return is_settled and (self.sweep.stopped_at is not None or len(self.trials) >= self.expected)


def overview(ledger: Ledger, name: str, endpoint: str | None = None) -> Overview:
    """The newest sweep of that name, or the one on that endpoint. Raises NoSuchSweep."""
    with ledger.database.read() as connection:
        found = overview_of(connection, find(connection, name, endpoint))
    return with_evaluation(ledger, found)


def overview_by_id(ledger: Ledger, sweep_id: str) -> Overview:
    """The sweep of an id that is known to exist."""
    with ledger.database.read() as connection:
        found = overview_of(connection, store.get(connection, sweep_id))
    return with_evaluation(ledger, found)


def with_evaluation(ledger: Ledger, found: Overview) -> Overview:
    """The same with the scores of its evaluation, if it is ranked by that."""
    if not found.settings.by_evaluation:
        return found
    from orchestrator.sweeps.evaluated import evaluated

    evaluation = evaluated(ledger, found.sweep, found.job)
    trials = tuple(_scored(record, evaluation) for record in found.trials)
    return replace(found, trials=trials, evaluated=evaluation)


def _scored(record: TrialRecord, evaluation: Evaluated | None) -> TrialRecord:
    if record.result.state is not TrialState.SUCCEEDED:
        return record
    score = evaluation.score(record.run.fine_tuned_model) if evaluation else None
    reason = record.result.reason if score else "it is not evaluated yet"
    return replace(record, result=replace(record.result, score=score, reason=reason))


def find(connection: Connection, name: str, endpoint: str | None = None) -> RecordedSweep:
    """The newest sweep of that name, or the one on that endpoint. Raises NoSuchSweep with the nearest name."""
    found = store.newest(connection, name=name, endpoint=endpoint)
    if found:
        return found[0]
    known = store.newest(connection)
    elsewhere = [sweep.endpoint for sweep in known if sweep.name == name]
    advice = did_you_mean(name, [sweep.name for sweep in known], otherwise="See: ftorch sweep list")
    if elsewhere:
        advice = f"It was run on {', '.join(elsewhere)}."
    raise NoSuchSweep(name=name, place=f" on {endpoint}" if endpoint else "", advice=advice)


def overview_of(connection: Connection, sweep: RecordedSweep) -> Overview:
    """The records of a sweep, read in the caller's transaction, without its evaluation."""
    job = job_of(sweep)
    runs = store.runs_of(connection, sweep.id)
    metrics = dict(store.metrics_of(connection, sweep.id))
    checkpoints = store.checkpoints_of(connection, sweep.id)
    records = []
    for trial in store.trials_of(connection, sweep.id):
        run, measured = runs[trial.run_id], metrics.get(trial.run_id, [])
        kept = checkpoints.get(trial.run_id, [])
        result = result_of(settings(job), trial, run, measured, kept, sweep.spec["interval"])
        records.append(TrialRecord(trial, run, result))
    listed = tuple(record for record in records if record.recorded.listed)
    return Overview(sweep, job, listed, tuple(record for record in records if not record.recorded.listed))


def job_of(sweep: RecordedSweep) -> JobFile:
    """The job file as last submitted."""
    return job_from_document(sweep.spec["document"], Path(sweep.job_file))


def settings(job: JobFile) -> Sweep:
    """The `[sweep]` of a job file that is known to have one."""
    assert job.sweep is not None
    return job.sweep


def is_hopeless(ended: Sequence[Run | Standing]) -> bool:
    """Whether no more trials are drawn, judging by the results so far."""
    failed = [each for each in ended if each.state == State.FAILED]
    if any(each.error_code == _BAD_FILE for each in failed):
        return True
    return len(failed) >= _HOPELESS and not any(each.state == State.SUCCEEDED for each in ended)


def trial_of(recorded: RecordedTrial) -> Trial:
    return Trial(recorded.number, recorded.parameters, recorded.repeat)


def state_of(recorded: RecordedTrial, run: Run) -> TrialState:
    """The state of a trial by its run's: a cancelled one was pruned if there is evidence for it."""
    if run.state == State.CANCELLED:
        return TrialState.PRUNED if recorded.pruned else TrialState.CANCELLED
    return TrialState(run.state) if run.is_over else TrialState.ACTIVE


def result_of(
    sweep: Sweep,
    recorded: RecordedTrial,
    run: Run,
    metrics: Sequence[Metric],
    checkpoints: Sequence[Checkpoint],
    interval: int | None,
) -> TrialResult:
    """The result of a trial, by the records of its run; with a look at every `interval` steps."""
    state, score = state_of(recorded, run), None
    if state is TrialState.SUCCEEDED:
        score = score_of(sweep, metrics, checkpoints, run.fine_tuned_model)
    return TrialResult(
        trial=trial_of(recorded),
        state=state,
        run_id=run.id,
        score=score,
        final_step=metrics[-1].step if metrics else None,
        reason=(recorded.pruned if state is TrialState.PRUNED else None) or run.reason,
        cost_usd=run.cost_usd,
        trained_tokens=run.trained_tokens,
        seconds=_seconds(run),
        looks=looks(metrics, interval) if interval else {},
    )


def _seconds(run: Run) -> float | None:
    """From the request for the job to its end: the wait for a slot before it says nothing about the trial."""
    if run.finished_at is None or run.creation_started_at is None:
        return None
    return run.finished_at - run.creation_started_at

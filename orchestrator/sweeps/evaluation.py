"""Evaluating a sweep as a whole: requested when it is submitted, due when its trials have finished, asked once.

All trials are asked the same questions together, and the base model once.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import Connection

from orchestrator.dataset.files import inspect_file
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_subject
from orchestrator.evaluation.scores import SCORING
from orchestrator.evaluation.session import new_id
from orchestrator.evaluation.subjects import of_sweep
from orchestrator.jobfile import JobFile
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store, submissions, sweeps
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.sweeps import RecordedSweep
from orchestrator.sweeps.evaluated import newest
from orchestrator.sweeps.overview import job_of, overview_of


def want(ledger: Ledger, sweep: RecordedSweep) -> Evaluation | None:
    """Record that the sweep is to be evaluated when its trials have finished, if its job file says so and this is
    not recorded yet, or trials were added. Raises DataFileNotFound, DataFileUnreadable or DataFileEmpty."""
    job = job_of(sweep)
    path = job.evaluation_path
    if path is None or not is_asked_for(job):
        return None
    evaluation = Evaluation(
        id=new_id(),
        name=sweep.name,
        job_file=sweep.job_file,
        run_id=None,
        endpoint=sweep.endpoint,
        endpoint_type=ledger.workspace.endpoint(sweep.endpoint).type,
        file_path=str(path.absolute()),
        file_sha256=inspect_file(path).sha256,
        settings={},
        state=store.WANTED,
        scored_with=SCORING,
        created_at=time.time(),
        sweep_id=sweep.id,
    )
    with ledger.database.write() as connection:
        if store.of_sweeps(connection, store.WANTED, [sweep.id]) or _is_settled(connection, sweep, job, evaluation):
            return None
        store.add(connection, evaluation)
        item, origin = (submissions.EVALUATION, evaluation.id), (submissions.SWEEP, sweep.id)
        submissions.inherit(connection, item, of=origin, at=evaluation.created_at)
    return evaluation


def is_asked_for(job: JobFile) -> bool:
    """Whether a sweep is evaluated automatically: if it is ranked by evaluation, or `auto` is set."""
    is_ranked_by_it = job.sweep is not None and job.sweep.by_evaluation
    return job.evaluation is not None and (job.evaluation.auto or is_ranked_by_it)


def due(ledger: Ledger, sweep_ids: Collection[str] | None = None) -> list[Evaluation]:
    """The pending evaluations of sweeps whose trials have finished, of all sweeps or of these, oldest first. Those
    of sweeps without a succeeded trial are dropped."""
    found = []
    with ledger.database.write() as connection:
        for evaluation in reversed(store.of_sweeps(connection, store.WANTED, sweep_ids)):
            overview = overview_of(connection, sweeps.get(connection, str(evaluation.sweep_id)))
            if overview.is_over and any(record.run.fine_tuned_model for record in overview.trials):
                found.append(evaluation)
            elif overview.is_over:
                store.set_state(connection, evaluation.id, store.DROPPED, finished_at=time.time())
    return found


def plan_wanted(ledger: Ledger, wanted: Evaluation) -> Plan:
    """The questions that the sweep's job file, as last submitted, has for the models of its trials. Raises what
    `plan_subject` raises."""
    with ledger.database.read() as connection:
        sweep = sweeps.get(connection, str(wanted.sweep_id))
    return plan_subject(ledger, of_sweep(ledger, sweep, job_of(sweep)), EvaluationOptions())


def _is_settled(connection: Connection, sweep: RecordedSweep, job: JobFile, wanted: Evaluation) -> bool:
    """Whether every model that the sweep will have was already asked the file's present questions."""
    found = overview_of(connection, sweep)
    models = {record.run.fine_tuned_model for record in found.trials if record.run.fine_tuned_model}
    if not found.is_over or not models:
        return found.is_over
    done = newest(connection, sweep, job)
    asked = {entry["model"] for entry in done.settings["models"]} if done else set()
    return done is not None and models <= asked and done.file_sha256 == wanted.file_sha256

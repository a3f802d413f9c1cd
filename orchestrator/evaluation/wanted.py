"""Automatic evaluations: recorded when a run is submitted, due when it has succeeded."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.dataset.files import inspect_file
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.evaluation.scores import SCORING
from orchestrator.evaluation.session import new_id
from orchestrator.jobfile import JobFile
from orchestrator.ledger import Ledger
from orchestrator.runs.states import State
from orchestrator.runs.submission import Also
from orchestrator.store import evaluations as store, runs, submissions
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run


def evaluation_request(job: JobFile) -> Also | None:
    """A function that records, together with a run of the job, that the run should be evaluated once it succeeds;
    None if the job file does not ask for it. A run that is already evaluated stays as it is.

    Raises DataFileNotFound, DataFileUnreadable or DataFileEmpty for the evaluation file.
    """
    path = job.evaluation_path
    if path is None or job.evaluation is None or not job.evaluation.auto:
        return None
    sha256 = inspect_file(path).sha256  # outside the transaction: a large file takes long

    def want(connection: Connection, run: Run) -> None:
        if not store.is_evaluated(connection, run.id):
            wanted = _wanted(job, path, sha256, run)
            store.add(connection, wanted)
            item, origin = (submissions.EVALUATION, wanted.id), (submissions.RUN, run.id)
            submissions.inherit(connection, item, of=origin, at=wanted.created_at)

    return want


def due(ledger: Ledger, run_ids: Collection[str] | None = None) -> list[Evaluation]:
    """The wanted evaluations whose runs have succeeded, of all runs or of these. Those whose runs ended without
    success are dropped."""
    found = []
    with ledger.database.write() as connection:
        for evaluation in store.wanted_of(connection, run_ids):
            run = runs.get(connection, str(evaluation.run_id))
            if run.state == State.SUCCEEDED and run.fine_tuned_model:
                found.append(evaluation)
            elif run.is_over:
                store.set_state(connection, evaluation.id, store.DROPPED, finished_at=time.time())
    return found


def plan_wanted(ledger: Ledger, wanted: Evaluation) -> Plan:
    """A plan from the current job file of a wanted evaluation's run. Raises the errors of `plan_evaluation`."""
    return plan_evaluation(ledger, [str(wanted.run_id)], EvaluationOptions(file=Path(wanted.file_path)))


def done_meanwhile(ledger: Ledger, wanted: Evaluation) -> Evaluation | None:
    """The evaluation if another process has finished it; None while it is still wanted."""
    with ledger.database.read() as connection:
        current = store.get(connection, wanted.id)
    return current if current.state == store.DONE else None


def _wanted(job: JobFile, path: Path, sha256: str, run: Run) -> Evaluation:
    return Evaluation(
        id=new_id(),
        name=job.name,
        job_file=run.job_file,
        run_id=run.id,
        endpoint=run.endpoint,
        endpoint_type=run.endpoint_type,
        file_path=str(path.absolute()),
        file_sha256=sha256,
        settings={},
        state=store.WANTED,
        scored_with=SCORING,
        created_at=time.time(),
    )

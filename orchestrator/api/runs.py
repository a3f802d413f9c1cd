"""Runs: checking and planning one, recording it, and driving it to its end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.api.host import WAITS, Host
from orchestrator.api.observing import observed
from orchestrator.api.stopping import left_behind
from orchestrator.bookkeeping.labels import kept_tags
from orchestrator.bookkeeping.provenance import provenance_of
from orchestrator.bookkeeping.stages import RETIRED
from orchestrator.config import find_workspace
from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.filesets import CheckedSource, CheckOptions, check_files
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.basefolders import base_named, base_of_job
from orchestrator.endpoints.openweights import keep
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import JobFileIsSweep, Stopped
from orchestrator.evaluation.leaks import files_of_parents, notices_about
from orchestrator.evaluation.preview import Preview, compared, preview
from orchestrator.jobfile import Override, load_job_file
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.runs.elsewhere import look_elsewhere
from orchestrator.runs.engine import Supervisor
from orchestrator.runs.jobs import content_of
from orchestrator.runs.plan import Plan, plan_job
from orchestrator.runs.quoting import quote_for
from orchestrator.runs.session import drive
from orchestrator.runs.states import State
from orchestrator.runs.submission import Also, Outlook, Submitted, new_run, outlook_of, record_run
from orchestrator.store import labels, promotions, runs as store
from orchestrator.store.runs import Run


def check(
    *files: str | Path,
    endpoint: str | None = None,
    model: str | None = None,
    purpose: Purpose | None = None,
    method: Method | None = None,
    allow_leak: bool = False,
) -> list[CheckedSource]:
    """Check data files (JSONL), or those of job files (.toml), and compare them; nothing is recorded or sent.

    The options are those of `ftorch data check`. The `report` of each file holds the findings. Raises
    DataFileNotFound, NoSuchEndpoint, the errors of job files, and those of an open-weights model that can't be
    used; findings in a file are never raised.
    """
    base = base_named(model, find_workspace()) if model else None
    name = base.name if base else model
    options = CheckOptions(endpoint, name, purpose, method, allow_leak, base=base, base_of_job=base_of_job)
    return check_files(map(Path, files), options)


def plan(job_file: Path, host: Host, endpoint: str | None = None, overrides: Sequence[Override] = ()) -> Plan:
    """What submitting the job file would do and cost, with these settings replaced; nothing is recorded or sent.

    Raises JobFileNotFound, InvalidJobFile, InvalidData, UnknownEndpoint, EndpointNotUsable, JobFileIsSweep.
    """
    job = load_job_file(job_file, overrides)
    if job.sweep is not None:
        raise JobFileIsSweep(path=job_file)
    with host.checking() as announce:
        return plan_job(job, find_workspace(job_file.parent), endpoint, announce=announce)


def preview_of(plan: Plan, ledger: Ledger) -> Preview | None:
    """The evaluation that follows the run, checked before anything is paid; None if there will be none.

    Raises what `preview` raises.
    """
    training = [file.file.path for file in plan.files if file.role == "training"]
    found = preview(plan.job, plan.config, training)
    return compared(found, files_of_parents(ledger, plan)) if found else None


def with_parents(plan: Plan, ledger: Ledger, *, is_previewed: bool = False) -> Plan:
    """The plan with notices about its base model: that it is retired, and the examples that the plan's files share
    with those that it was trained on."""
    evaluation = plan.job.evaluation
    is_previewed = is_previewed or (evaluation is not None and evaluation.auto)
    notices = notices_about(plan, files_of_parents(ledger, plan), is_previewed=is_previewed)
    return replace(plan, notices=(*plan.notices, *_retired(plan, ledger), *notices))


def with_price(plan: Plan, ledger: Ledger) -> Plan:
    """The plan with the endpoint's own price, if it can tell one: the key is set, and the files are there already
    from an earlier run. Otherwise the plan as it is."""
    if not capabilities_of(plan.config).quotes or plan.config.problem:
        return plan
    quote = run_blocking(lambda: quote_for(plan, ledger.workspace.home, ledger.database))
    if quote is None or quote.usd is None:
        return plan
    note = f"the price that {plan.config.name} itself gives"
    return replace(plan, cost=replace(plan.cost, usd=quote.usd, note=note))


def _retired(plan: Plan, ledger: Ledger) -> list[str]:
    with ledger.database.read() as connection:
        found = promotions.stage_of(connection, plan.config.name, plan.job.model)
    if found is None or found.stage != RETIRED:
        return []
    reason = f": {found.reason}" if found.reason else ""
    return [f"the base model {found.model} was retired as {found.name} by {found.user}{reason}"]


def outlook(plan: Plan, ledger: Ledger) -> Outlook:
    """What the records say about the plan before it is submitted."""
    with ledger.database.read() as connection:
        return outlook_of(plan, connection, ledger.workspace.endpoints, now=time.time())


def with_jobs_elsewhere(plan: Plan, found: Outlook, start: Path) -> Outlook:
    """The outlook with one look at the endpoint for a job of the same content that has no run in this database: its
    own may be lost. If training is free, or the records name such a run already, nothing is asked."""
    if found.same or found.earlier or not plan.may_cost or not capabilities_of(plan.config).metadata:
        return found
    content = content_of(new_run(plan.recipe, "", 0.0, random.Random(0)))
    with open_ledger(start) as ledger:
        look = run_blocking(lambda: look_elsewhere(plan.config, ledger.workspace.home, ledger.database, [content]))
    return replace(found, elsewhere=look.found.get(content), not_looked=look.problem)


def record(
    plan: Plan,
    ledger: Ledger,
    agreed: Outlook,
    *,
    again: bool = False,
    also: Sequence[Also] = (),
    tags: Mapping[str, str | None] | None = None,
) -> Submitted:
    """Record the plan's run, or find the same one, with its follow-ups and tags. Raises LabelUnusable, PlanOutdated
    and BaseNameNotKept."""
    kept = kept_tags(tags)

    def tag(connection: Connection, run: Run) -> None:
        labels.set_tags(connection, [run.id], kept)

    keep(plan.weights, ledger.workspace.home)
    return record_run(
        plan,
        ledger.database,
        now=time.time(),
        rng=random.SystemRandom(),
        again=again,
        also=[tag, *also],
        agreed=agreed,
        endpoints=ledger.workspace.endpoints,
        provenance=provenance_of(plan.job),
    )


def start(ledger: Ledger, run: Run, host: Host) -> Run:
    """Drive a run until its job exists on the endpoint, or it can't start yet, and return it. Raises Stopped."""

    def is_started() -> bool:
        current = ledger.run(run.id)
        return current.job_id is not None or (current.state == State.PENDING and current.due_at is not None)

    with saying_what_is_left(ledger, [run.id]):
        _, is_stopped = host.run(
            lambda stop: drive(ledger.workspace, ledger.database, ids=[run.id], until=is_started, stop=stop)
        )
        if is_stopped and not is_started() and not ledger.run(run.id).is_over:
            raise KeyboardInterrupt
    return ledger.run(run.id)


def follow(ledger: Ledger, runs: Sequence[Run], host: Host, supervisors: Sequence[Supervisor] = ()) -> list[Run]:
    """Drive these runs, and those that supervisors add, to their ends; returns these as they ended.

    Raises Stopped if the user stopped it before all had finished, and EndpointError if an endpoint can't continue.
    """
    ids = [run.id for run in runs]

    def all_ids() -> list[str]:
        return [*ids, *(run_id for each in supervisors for run_id in each.run_ids)]

    with observed(ledger, host), saying_what_is_left(ledger, all_ids), host.following(ledger, runs) as listener:
        _, is_stopped = host.run(
            lambda stop: drive(
                ledger.workspace,
                ledger.database,
                ids=ids,
                listener=listener,
                followed=ids,
                stop=stop,
                supervisors=supervisors,
            )
        )
        ended = {run.id: run for run in by_ids(ledger, {*all_ids()})}
        if is_stopped and not all(run.is_over for run in ended.values()):
            raise KeyboardInterrupt
    return [ended[run_id] for run_id in ids]


def conclude(ended: Sequence[Run], host: Host) -> None:
    """Show how runs ended. A failed run is a failure of the command; an unfinished or paused one waits for a
    person."""
    host.show_runs(ended)
    if any(run.state == State.FAILED for run in ended):
        host.failed()
    if any(not run.is_over for run in ended):
        host.failed(WAITS)


@contextmanager
def saying_what_is_left(ledger: Ledger, ids: Collection[str] | Callable[[], Collection[str]]) -> Iterator[None]:
    """Inside, an interruption becomes `Stopped` with a sentence on the state of these runs."""
    try:
        yield
    except KeyboardInterrupt:
        found = by_ids(ledger, {*(ids() if callable(ids) else ids)})
        raise Stopped(left_behind(ledger.workspace, found)) from None


def by_ids(ledger: Ledger, ids: Collection[str]) -> list[Run]:
    """The runs of these ids, in order of creation."""
    with ledger.database.read() as connection:
        return store.by_ids(connection, sorted(ids))

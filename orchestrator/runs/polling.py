"""Following the jobs on an endpoint by list pages: a cycle costs about one request per hundred active runs."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

from orchestrator.endpoints.interface import RemoteJob
from orchestrator.endpoints.refusals import shortened
from orchestrator.engine.accounts import ON_HOLD
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import EndpointError, EndpointUnreachable, KeyRefused, LostLease, NoJobList, RequestRefused
from orchestrator.runs.collecting import gather
from orchestrator.runs.context import NO_LOOK, Context, PoorLook
from orchestrator.runs.jobs import event_of, job_changes, metrics_of, move_to_status
from orchestrator.runs.reconcile import look_for_surplus
from orchestrator.runs.states import FINAL, POLLED, State, record, state_of
from orchestrator.store import records, runs as store, sweeps
from orchestrator.store.runs import RUNS, Run

_FETCH_ALONE = 2
"""With so few runs left to find, fetching each is cheaper than another page of other jobs."""
_WORTH_A_PAGE = 5
"""How many jobs fetched alone take as long as a page of a hundred: pages of other workers' jobs are passed over."""
_LONGEST_SECONDS = 60.0
_NEAR_THE_END_SECONDS = 120.0


@dataclass
class Pace:
    """The adaptive interval: from `base` seconds, growing while nothing changes, with jitter."""

    base: float
    random: random.Random
    interval: float = 0.0

    def next(self, *, changed: bool, seconds_to_finish: float | None) -> float:
        """Seconds until the next poll."""
        near = seconds_to_finish is not None and seconds_to_finish < _NEAR_THE_END_SECONDS
        longest = self.base if self.base < 1 else max(self.base, _LONGEST_SECONDS)
        grown = self.interval * 1.5 if self.interval else self.base
        self.interval = self.base if changed or near else min(grown, longest)
        return self.interval * self.random.uniform(0.8, 1.2)


async def poll(context: Context) -> bool:
    """One cycle over all polled runs this worker holds; returns whether anything changed.

    Memory is one page and the ids of the runs not yet seen in this cycle. A job that can't be fetched affects only
    its own run, which is polled less often. Raises EndpointError if no job at all can be fetched.
    """
    with context.database.read() as connection:
        missing = store.held_job_ids(connection, context.owner, endpoint=context.config.name, states=POLLED)
    follows = bool(missing)
    crash_point("before-poll")
    changed, after, fruitless, listed = False, None, 0, False
    while len(missing) > _FETCH_ALONE and fruitless < max(_FETCH_ALONE, len(missing) // _WORTH_A_PAGE):
        try:
            page = await context.endpoint.jobs(after=after)
        except NoJobList:
            break  # each is fetched alone
        listed = True
        hits = {job.id: job for job in page.jobs if job.id in missing}
        missing -= hits.keys()
        changed |= await _follow_all(hits, context)
        fruitless = 0 if hits else fruitless + 1
        if page.next is None or page.next == after:
            break
        after = page.next
    changed |= await _follow_each(missing, context, answers=listed)
    await _look_for_late_landings(context)
    context.has_answered |= follows
    crash_point("after-poll")
    return changed


async def _look_for_late_landings(context: Context) -> None:
    """If the paid request was sent again, the first one may still arrive: look for a settling window longer."""
    with context.database.read() as connection:
        runs = store.held_after_repeats(connection, context.owner, context.config.name, POLLED)
    for run in runs:
        if context.searched_seconds(("surplus", run.id)) <= context.config.settling_seconds:
            await look_for_surplus(run, context)


async def _follow_all(jobs: dict[str, RemoteJob], context: Context) -> bool:
    with context.database.read() as connection:
        runs = store.held_by_job(connection, context.owner, context.config.name, list(jobs))
    changed = False
    for run in runs:
        context.poor_looks.pop(run.job_id or "", None)
        context.note_block(run.id, blocked=False)
        try:
            changed |= await follow(run, jobs[run.job_id or ""], context)
        except LostLease:
            continue
    return changed


async def _follow_each(job_ids: Collection[str], context: Context, *, answers: bool) -> bool:
    """Fetch these jobs one by one, except those that failed a short while ago. `answers` says that the endpoint has
    answered in this cycle."""
    changed = False
    troubles: dict[str, EndpointError] = {}
    for job_id in sorted(job_ids):
        if context.clock.steady() < context.poor_looks.get(job_id, NO_LOOK).again_at:
            continue
        try:
            job = await context.endpoint.job(job_id)
        except (RequestRefused, EndpointUnreachable, KeyRefused) as error:
            if isinstance(error, RequestRefused) and error.facts["status"] == HTTPStatus.NOT_FOUND:
                changed |= _gone(job_id, context)
                answers = True
            else:
                troubles[job_id] = error
                answers |= isinstance(error, RequestRefused)
            continue
        answers = True
        changed |= await _follow_all({job_id: job}, context)
    if troubles and not answers:
        first = next(iter(troubles.values()))
        context.refused_keys += isinstance(first, KeyRefused)
        if not isinstance(first, KeyRefused) or context.refused_keys >= _MOST_REFUSED_KEYS:
            raise first
    if answers:
        context.refused_keys = 0
    for job_id, trouble in troubles.items():
        _look_less(job_id, trouble, context, is_refused=answers and not isinstance(trouble, EndpointUnreachable))
    return changed


_UNSEEN = "does not show job"
_MOST_REFUSED_KEYS = 3
"""A refused key may be temporary: hosts sometimes answer 401 while they rotate their own credentials."""


def _look_less(job_id: str, error: EndpointError, context: Context, *, is_refused: bool) -> None:
    """Record with the run what prevents following it. A refusal is for the user to look at: nothing waits for such
    a run alone."""
    before = context.poor_looks.get(job_id, NO_LOOK).pause
    pause = min(_LONGEST_SECONDS, max(context.config.poll_seconds, 2 * before))
    context.poor_looks[job_id] = PoorLook(context.clock.steady() + pause, pause)
    with context.database.read() as connection:
        found = store.held_by_job(connection, context.owner, context.config.name, [job_id])
    for run in found:
        reason = f"{context.config.name} {_UNSEEN} {job_id}: {error.facts['problem']}"
        if run.reason != reason:
            context.listener.warned(f"run {run.id}: {reason}")
            with suppress(LostLease), context.database.write() as connection:
                RUNS.note(connection, run, context.owner, context.now(), {"reason": reason})
        context.note_block(run.id, is_refused)


def _gone(job_id: str, context: Context) -> bool:
    """A new job may not be readable for a moment. One that stays unknown for a whole settling window was deleted,
    or belongs to another account than the key: which of these is unknown, and nothing is paid again."""
    with context.database.read() as connection:
        found = store.held_by_job(connection, context.owner, context.config.name, [job_id])
    message = f"{context.config.name} does not know job {job_id}"
    outcome: Outcome
    for run in found:
        if run.due_at is None:
            outcome = Wait(context.now() + context.config.settling_seconds, f"{message}; looking again")
        elif context.now() < run.due_at:
            continue
        else:
            advice = "was it deleted there, or is this another account's key? ftorch resume looks again"
            outcome = Move(State.UNKNOWN, f"{message}: {advice}")
        with suppress(LostLease):
            record(context, run, outcome)
    return bool(found)


async def follow(run: Run, job: RemoteJob, context: Context, why: str = "") -> bool:
    """Update a run from its job object; returns whether anything changed. `why` begins the reason."""
    state = state_of(job)
    changed = state not in (None, run.state) or dict(job.raw) != dict(run.remote_job or {})
    if changed or run.id in context.followed:
        try:
            changed |= await _record_events(run, job, context)
        except (EndpointUnreachable, KeyRefused) as error:
            context.warn_once(f"run {run.id}: its events can't be fetched: {error.facts['problem']}")
            late = context.searched_seconds(("events", run.id)) > context.config.settling_seconds
            if state in FINAL and not late:
                return changed  # the reason for its failure may be only in the events
    if state is None and job.status != run.remote_status:
        context.listener.warned(f'run {run.id}: unknown status "{job.status}"; it counts as active')
    if state is State.CANCELLED and state != run.state:
        record(context, run, await _cancelled(run, job, context, why))
    elif state is State.FAILED and state != run.state:
        record(context, run, _failed(run, job, context, why))
    elif state is not None and state != run.state:
        record(context, run, move_to_status(job, why))
    elif (
        run.due_at is not None
        or _UNSEEN in run.reason
        or run.reason.startswith(ON_HOLD)
        or dict(job.raw) != dict(run.remote_job or {})
    ):
        _note(run, job, context)
    return changed


def _failed(run: Run, job: RemoteJob, context: Context, why: str) -> Move:
    """Some hosts give the reason for a failure only in the job's events."""
    move = move_to_status(job, why)
    if job.error and (job.error.message or job.error.code):
        return move
    with context.database.read() as connection:
        told = records.last_complaint(connection, run.id)
    if told is None:
        return move
    reason = f"{move.reason}; its last event: {shortened(told)} (all of them: ftorch logs {run.id})"
    return replace(move, reason=reason, changes={**move.changes, "error_message": told})


async def _cancelled(run: Run, job: RemoteJob, context: Context, why: str) -> Move:
    """The results of a cancelled job are recorded too: its checkpoints are models that may be useful."""
    harvest = await gather(run, job, context)
    move = move_to_status(job, why)
    with context.database.read() as connection:
        evidence = sweeps.evidence(connection, run.id)
    reason = f"pruned: {evidence}" if evidence else move.reason
    return replace(move, reason=f"{reason}{harvest.lacks}", also=harvest.write)


def _note(run: Run, job: RemoteJob, context: Context) -> None:
    reason = f"the endpoint says {job.status}"
    with context.database.write() as connection:
        changes = {**job_changes(job), "reason": reason, "due_at": None}
        noted = RUNS.note(connection, run, context.owner, context.now(), changes)
        crash_point("before-commit-note")
    crash_point("after-commit-note")
    context.listener.noted(noted)


async def _record_events(run: Run, job: RemoteJob, context: Context) -> bool:
    with context.database.read() as connection:
        known = records.known_event_ids(connection, run.id)
    try:
        found = await context.endpoint.events(job.id, known)
    except RequestRefused:
        return False  # a host without events: the job object still has its status
    if not found:
        return False
    metrics = metrics_of(run, [event.data for event in found if event.data])
    with context.database.write() as connection:
        records.add_events(connection, [event_of(run, event) for event in found])
        records.add_metrics(connection, metrics)
        crash_point("before-commit-events")
    crash_point("after-commit-events")
    if metrics:
        context.listener.measured(run, metrics)
    return True

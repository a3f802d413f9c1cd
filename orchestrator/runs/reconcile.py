"""What a crash or a lost answer left behind: find the fine-tuning job of an unconfirmed create, or be sure of none.

The paid request is never repeated on a guess. It is looked for in the endpoint's list, by its token or else by all
the marks it carries, and only when a whole settling window has brought nothing is it sent again, with its token.

The window is the time for which this very process has been looking, by a clock that nobody can set: a wall clock
that jumps, or another machine's, shortens nothing.
"""

from __future__ import annotations

from collections.abc import Hashable

from orchestrator.endpoints.interface import JobPage, RemoteJob
from orchestrator.endpoints.objects import read_job
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import RequestRefused
from orchestrator.runs.context import CLOCK_SKEW_SECONDS, Context
from orchestrator.runs.jobs import TOKEN_KEY, move_to_status, sent_suffix
from orchestrator.runs.limits import told_apart
from orchestrator.runs.states import FINAL, RequestedAction, State, state_for
from orchestrator.store import runs as store
from orchestrator.store.runs import Run

_LOOK_AGAIN_SHARE = 0.2  # of the settling window


_ANY_SKEW_SECONDS = 86_400.0
"""How far back a job with a seed of ftorch's own is looked for: no other job has it, whatever a clock says."""


async def look_for_job(run: Run, context: Context) -> Outcome:
    """One look for the job of a create whose outcome is not known."""
    crash_point("before-job-look")
    try:
        found = await matching_jobs(run, context)
    except RequestRefused as error:
        problem = error.facts["problem"]
        reason = f"create unconfirmed, and the endpoint refuses to list its jobs: {problem}"
        return Wait(context.now() + context.config.settling_seconds, reason, blocked=True)
    crash_point("after-job-look")
    if found:
        return await _adopt(run, context, found)
    window = context.config.settling_seconds
    left = window - context.searched_seconds(search_for(run))
    if left > 0:
        again = min(left, max(0.2, _LOOK_AGAIN_SHARE * window))
        return Wait(context.now() + again, "create unconfirmed, looking for the job")
    nothing_found = f"no job found in {window:g} s of looking"
    if run.requested_action == RequestedAction.CANCEL:
        return Move(State.CANCELLED, f"cancelled: {nothing_found}", {"creation_open": False})
    return next_attempt(run, context, nothing_found)


def search_for(run: Run) -> Hashable:
    """The name of the search for the job of the last attempt."""
    return run.id, run.creation_attempts


def next_attempt(run: Run, context: Context, reason: str) -> Move:
    """The intent of one more create request, with the same token."""
    attempt = run.creation_attempts + 1
    changes = {"creation_attempted_at": context.now(), "creation_attempts": attempt, "creation_open": True}
    text = f"{reason}; asking again (attempt {attempt})"
    return Move(State.CREATING, text, changes, guard=told_apart(run, context))


async def matching_jobs(run: Run, context: Context) -> list[RemoteJob]:
    """The jobs on the endpoint that this run's create request made and no other run owns, oldest first."""
    if context.endpoint.capabilities.metadata:
        page = await context.endpoint.jobs(metadata={TOKEN_KEY: run.creation_token or ""})
        if by_token := [job for job in page.jobs if job.metadata.get(TOKEN_KEY) == run.creation_token]:
            return _free(by_token, run, context)
    assert run.creation_started_at is not None
    since = run.creation_started_at - (CLOCK_SKEW_SECONDS if run.seed_given else _ANY_SKEW_SECONDS)
    found: list[RemoteJob] = []
    seen: set[str] = set()
    after: str | None = None
    while True:
        page = await context.endpoint.jobs(after=after)
        found += [job for job in page.jobs if job.id not in seen and _is_made_by(job, run, context)]
        seen.update(job.id for job in page.jobs)
        if page.next is None or page.next == after or _reaches_back(page, since):
            return _free(found, run, context)
        after = page.next


def _reaches_back(page: JobPage, since: float) -> bool:
    """Whether what follows this page is older than `since`: certain only where the newest come first."""
    times = [job.created_at for job in page.jobs if job.created_at is not None]
    return bool(times) and times[-1] < since and times[-1] <= times[0]


def _is_made_by(job: RemoteJob, run: Run, context: Context) -> bool:
    """By token where the job has one; else by every mark that the endpoint echoes: never by hyperparameters,
    which come back resolved or not at all."""
    if TOKEN_KEY in job.metadata:
        return job.metadata[TOKEN_KEY] == run.creation_token
    if job.created_at is not None and job.created_at < _earliest(job, run):
        return False
    if job.training_file != run.training_file_id or not _same_model(job.model, run.model):
        return False
    suffix = sent_suffix(run, context.endpoint.capabilities)
    if job.suffix is not None and suffix is not None and job.suffix != suffix:
        return False
    return job.seed is None or job.seed == run.seed


def _earliest(job: RemoteJob, run: Run) -> float:
    """No job of the run is older, as far as the clocks can be believed."""
    assert run.creation_started_at is not None
    is_marked = job.seed == run.seed and not run.seed_given
    return run.creation_started_at - (_ANY_SKEW_SECONDS if is_marked else CLOCK_SKEW_SECONDS)


def _same_model(found: str | None, asked: str) -> bool:
    """An alias (`gpt-4.1-mini`) may come back as the dated name it stands for."""
    return found is None or found.startswith(asked) or asked.startswith(found)


def _free(jobs: list[RemoteJob], run: Run, context: Context) -> list[RemoteJob]:
    with context.database.read() as connection:
        owners = store.owners_of_jobs(connection, context.config.name, [job.id for job in jobs])
    free = {job.id: job for job in jobs if owners.get(job.id, run.id) == run.id}  # a list may name a job twice
    return sorted(free.values(), key=lambda job: (job.created_at or 0.0, job.id))


async def _adopt(run: Run, context: Context, found: list[RemoteJob]) -> Move:
    """Take the oldest match. Others that are certainly this run's too are paid twice: cancel them, loudly."""
    oldest, *others = found
    for other in others:
        if _is_certain(other, run, context):
            await _cancel_duplicate(other, run, context)
    adopted = move_to_status(oldest, f"found job {oldest.id}: ")
    return Move(adopted.to, adopted.reason, {**adopted.changes, "creation_open": False})


async def look_for_surplus(run: Run, context: Context) -> None:
    """Cancel, loudly, what landed so late that the request had been sent again. Costs nothing for other runs."""
    if run.creation_attempts < 2:
        return
    try:
        found = await matching_jobs(run, context)
    except RequestRefused:
        return  # a host that lists no jobs can't be asked
    for job in found:
        if job.id != run.job_id and _is_certain(job, run, context):
            await _cancel_duplicate(job, run, context)


async def disown(run: Run, outcome: Move | Wait, context: Context) -> None:
    """What to do with a job that this process created for a run that it lost meanwhile.

    A run that is still looking will find it. One that is over, or follows another job, has no use for it.
    """
    if run.state != State.CREATING or not outcome.changes.get("job_id"):
        return
    job = read_job(outcome.changes["remote_job"])
    with context.database.read() as connection:
        current = store.get(connection, run.id)
    if current.job_id != job.id and (current.job_id is not None or current.is_over):
        await _cancel_duplicate(job, run, context)


async def _cancel_duplicate(job: RemoteJob, run: Run, context: Context) -> None:
    place = f"run {run.id}: {context.config.name} holds a second job for it, {job.id}"
    if state_for(job.status) in (*FINAL, State.COLLECTING):
        context.listener.warned(f"{place}, which is over ({job.status})")
        return
    crash_point("before-surplus-cancel")
    try:
        await context.endpoint.cancel(job.id)
    except RequestRefused as error:
        context.listener.warned(f"{place}; it can't be cancelled: {error.facts['problem']}")
    else:
        crash_point("after-surplus-cancel")
        context.listener.warned(f"{place}; it is being cancelled")


def _is_certain(job: RemoteJob, run: Run, context: Context) -> bool:
    """By the token, or by a suffix that holds the run's id: an endpoint without metadata was sent such a one."""
    if job.metadata.get(TOKEN_KEY) == run.creation_token:
        return True
    if job.suffix is None or job.seed != run.seed:
        return False
    capabilities = context.endpoint.capabilities
    return not run.seed_given or (not capabilities.metadata and job.suffix == sent_suffix(run, capabilities))

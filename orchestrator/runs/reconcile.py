"""After a crash or a lost answer: find the fine-tuning job of an unconfirmed create, or prove that there is none.

The paid request is never repeated on a guess. Its job is looked for in the endpoint's list. Only if nothing was
found for a whole settling window, and the list was complete, is the request sent again, with its token.

Where we choose the job's id, it is looked up by that id and sent again sooner, as it can't make a second job.

The window is how long this process itself has been looking, by a clock that nobody can set: a wall clock that
jumps, or another machine's, shortens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from orchestrator.endpoints.interface import RemoteBatch, RemoteJob
from orchestrator.endpoints.objects import read_job
from orchestrator.endpoints.refusals import NOT_THE_API
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import NoJobList, RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.jobs import (
    ID_EXAMPLE,
    TOKEN_KEY,
    departures,
    move_to_status,
    other_hyperparameters,
    request_for,
)
from orchestrator.runs.limits import told_apart
from orchestrator.runs.marks import (
    CLOCK_SKEW_SECONDS,
    NO_MARK,
    contradictions,
    is_certain,
    is_likely,
    oldest_first,
    time_of,
)
from orchestrator.runs.states import FINAL, RequestedAction, State, state_of
from orchestrator.runs.waiting import wait_until
from orchestrator.store import runs as store
from orchestrator.store.runs import Run

MOST_ATTEMPTS = 3
"""The most requests with an unknown outcome that are sent; one more only when the user requests it."""
_LOOK_AGAIN_SHARE = 0.2  # of the settling window
_LONGEST_WINDOW = 4  # settling windows, however often the request was sent
_ANY_SKEW_SECONDS = 86_400.0
"""How far back a job with a certain mark is looked for: no other job has it, whatever the clocks say."""
_MOST_PAGES = 1000
_RECORDED_JOBS = 3
"""How many recorded jobs are asked for, to check that the endpoint still shows this account's."""


@dataclass(frozen=True)
class Look:
    """One look for a run's job: what was found, oldest first, and why a job that was not found may still exist
    (None if its absence is proven)."""

    found: list[RemoteJob]
    doubt: str | None


async def look_for_job(run: Run, context: Context) -> Outcome:
    """One look for the job of a create whose outcome is unknown."""
    crash_point("before-job-look")
    look = await look_once(run, context)
    crash_point("after-job-look")
    if look.found:
        return await adopt(run, context, look.found)
    if run.requested_action == RequestedAction.AGAIN:
        return next_attempt(run, context, "no job was found, and the user requested it again")
    refusal = context.refusals.get(search_for(run))
    window = 0.0 if refusal and run.creation_attempts == 1 else _window(run, context, look, refusal)
    left = window - context.searched_seconds(search_for(run))
    if left > 0:
        again = min(left, max(0.2, _LOOK_AGAIN_SHARE * window))
        return Wait(context.now() + again, "create unconfirmed, looking for the job")
    if refusal and is_from_the_network(refusal):
        raise refusal  # no answer from the endpoint itself yet: the run is held until the cause is fixed
    if refusal and (look.doubt is None or run.creation_attempts == 1):
        return refused(refusal)
    if look.doubt is not None:
        return _unsettled(run, f"create unconfirmed: no job found, but {look.doubt}", context)
    nothing_found = f"no job found in {window:g} s of looking"
    if run.requested_action == RequestedAction.CANCEL:
        return Move(State.CANCELLED, f"cancelled: {nothing_found}", {"creation_open": False})
    if run.creation_attempts >= MOST_ATTEMPTS:
        return _unsettled(run, f"requested the job {run.creation_attempts} times, and {nothing_found}", context)
    return next_attempt(run, context, nothing_found)


async def look_before_asking(run: Run, context: Context) -> Outcome:
    """After a refused request: look once all the same, since a gateway may have passed it on before it answered;
    then send the next one. Only a certain mark counts: a similar run may have been sent meanwhile."""
    look = await look_once(run, context)
    if ours := [job for job in look.found if is_certain(job, run)]:
        return await adopt(run, context, ours)
    said = context.last_words.get(run.id)
    return next_attempt(run, context, "the last request was refused for now" + (f" ({said})" if said else ""))


def search_for(run: Run) -> Hashable:
    """The name of the search for the job of the last attempt."""
    return run.id, run.creation_attempts


def next_attempt(run: Run, context: Context, reason: str) -> Move | Wait:
    """The intent of one more create request, with the same token, not before the time set by the endpoint. An
    attempt that was certainly refused does not count."""
    if run.create_not_before and context.now() < run.create_not_before:
        return wait_until(run.create_not_before, run.reason, context)
    attempt = run.creation_attempts + (1 if run.creation_open else 0)
    changes = {
        "creation_attempted_at": context.now(),
        "creation_attempts": attempt,
        "creation_open": True,
        "create_not_before": None,
        "requested_action": None if run.requested_action == RequestedAction.AGAIN else run.requested_action,
    }
    count = f" (attempt {attempt})" if attempt > 1 else ""
    return Move(State.CREATING, f"{reason}; asking again{count}", changes, guard=told_apart(run, context))


def is_from_the_network(error: RequestRefused) -> bool:
    """Whether a proxy, a firewall or a sign-in page answered instead of the endpoint."""
    status = error.facts["status"] or 0
    is_a_page = str(error.facts["message"]).startswith(NOT_THE_API)
    return 300 <= status < 400 or status in _OF_NETWORKS or is_a_page


_OF_NETWORKS = (
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
)


def refused(error: RequestRefused) -> Move:
    """The end of a run whose job the endpoint refuses, with the endpoint's reason."""
    facts = error.facts
    message = facts["message"]
    if facts["code"] == "training_not_available":
        message = f"{message} {_WIND_DOWN}"
    elif advice := _setting_for(facts):
        message = f"{message}; {advice}"
    changes = {
        "creation_open": False,
        "error_code": facts["code"] or f"http_{facts['status']}",
        "error_message": message,
        "error_param": facts["param"],
    }
    return Move(State.FAILED, f"the endpoint refused the job: {message}", changes)


def _setting_for(facts: Mapping[str, Any]) -> str | None:
    """What to set for a host whose API is another version."""
    said = f"{facts['code']} {facts['param']} {facts['message']}".lower()
    place = f"[endpoints.{facts['endpoint']}] of ftorch.toml"
    if "suffix" in said:
        return (
            f"if the host wants a shorter one, set suffix_max in {place}; if it accepts letters and digits only, "
            f"suffix_max = {len(ID_EXAMPLE)} there sends the run's id without the - before it"
        )
    if re.search(r"\bmethod\b", said) and ("not permitted" in said or "unknown" in said or "unrecognized" in said):
        return _at_the_top(facts["endpoint"])
    return None


def _at_the_top(endpoint: str) -> str:
    place = f"[endpoints.{endpoint}] of ftorch.toml"
    return f'the host may read hyperparameters at the top level: set hyperparameters = "top-level" in {place}'


_WIND_DOWN = (
    "OpenAI no longer accepts new fine-tuning jobs from this account. The job file runs unchanged on another "
    "endpoint: Azure OpenAI, a compatible host, or `--endpoint local` for a rehearsal"
)


def _window(run: Run, context: Context, look: Look, refusal: RequestRefused | None) -> float:
    """Seconds of looking before the request is sent again, or the run is given up: longer each time."""
    doubled: int = 2 ** (max(run.creation_attempts, 1) - 1)
    window = context.config.settling_seconds * min(_LONGEST_WINDOW, doubled)
    is_asked_again = look.doubt is None and refusal is None and run.requested_action != RequestedAction.CANCEL
    # Under a chosen id the request can't make a second job: waiting only spares the host.
    is_short = is_asked_again and context.endpoint.capabilities.chosen_ids
    return _LOOK_AGAIN_SHARE * window if is_short else window


def _unsettled(run: Run, finding: str, context: Context) -> Move:
    """The run waits for the user. Nothing is paid meanwhile, and `resume` looks again."""
    said = context.last_words.get(run.id)
    words = f" ({context.config.name} said: {said})" if said else ""
    return Move(State.UNKNOWN, f"{finding}{words}; {way_out(run)}; ftorch resume looks again")


def way_out(run: Run) -> str:
    """What only the user can find out about a run that may have a job, and the command for either case."""
    return (
        f"check {run.endpoint} for its job: if there is one, ftorch runs adopt JOB --endpoint {run.endpoint} "
        f"records it; if there is none, ftorch resume --again {run.id} requests it again"
    )


# --- Looking -----------------------------------------------------------------------------------------------------


async def look_once(run: Run, context: Context) -> Look:
    """Search the endpoint's jobs for those of this run that no other run owns: those with a certain mark, or else
    those that fit."""
    if context.endpoint.capabilities.chosen_ids:
        return await _by_id(run, context)
    if context.endpoint.capabilities.metadata and (by_token := await _by_token(run, context)):
        return Look(by_token, None)
    jobs, doubt = await _listed(run, context)
    capabilities = context.endpoint.capabilities
    certain = _free([job for job in jobs if is_certain(job, run)], run, context)
    found = certain or _free([job for job in jobs if is_likely(job, run, capabilities)], run, context)
    if not found and doubt is None:
        doubt = await _other_account(run, context, {job.id for job in jobs})
    return Look(found, doubt)


async def _by_id(run: Run, context: Context) -> Look:
    """The job under the id that was chosen for this run. A job of somebody else's under that id is never taken."""
    request = request_for(run, context.endpoint.capabilities)
    try:
        job = await context.endpoint.job_of(request)
    except RequestRefused as error:
        return Look([], error.facts["problem"])
    if job is None:
        return Look([], await _other_account(run, context, set()))
    return Look(_free([job], run, context), None)


async def _by_token(run: Run, context: Context) -> list[RemoteJob]:
    """The jobs that the endpoint finds by the token, from all pages."""
    found: dict[str, RemoteJob] = {}
    after: str | None = None
    for _ in range(_MOST_PAGES):
        try:
            page = await context.endpoint.jobs(after=after, metadata={TOKEN_KEY: run.creation_token or ""})
        except NoJobList:
            break  # it may be the filter that it rejects
        ours = {job.id: job for job in page.jobs if job.metadata.get(TOKEN_KEY) == run.creation_token}
        if page.next is None or not ours.keys() - found.keys():
            found |= ours
            break
        found |= ours
        after = page.next
    return _free(list(found.values()), run, context)


async def _listed(run: Run, context: Context) -> tuple[list[RemoteJob], str | None]:
    """The jobs that can belong to this run, and why there may be more."""
    assert run.creation_started_at is not None
    since = run.creation_started_at - (CLOCK_SKEW_SECONDS if run.seed_given else _ANY_SKEW_SECONDS)
    found: dict[str, RemoteJob] = {}
    newest_first, after = NewestFirst(), None
    for _ in range(_MOST_PAGES):
        try:
            page = await context.endpoint.jobs(after=after)
        except NoJobList as error:
            return list(found.values()), f"{context.config.name} doesn't list its jobs: {error.facts['problem']}"
        is_new = any(job.id not in found for job in page.jobs)
        found |= {job.id: job for job in page.jobs}
        if page.is_last or newest_first.has_passed(page.jobs, since):
            return list(found.values()), None
        if page.next is None or not is_new:
            break
        after = page.next
    return list(found.values()), f"the list of {context.config.name} can't be read to its end"


class NewestFirst:
    """Whether a list, across its pages, is ordered by time: only then is everything after an old job older."""

    def __init__(self) -> None:
        self._last = float("inf")
        self._is_ordered, self._descends = True, False

    def has_passed(self, items: Iterable[RemoteJob | RemoteBatch], since: float) -> bool:
        """Whether everything after these items of a page is older than `since`."""
        for item in items:
            made_at = time_of(item)
            if made_at is None or made_at > self._last:
                self._is_ordered = False
                continue
            self._descends |= made_at < self._last < float("inf")
            self._last = made_at
        return self._is_ordered and self._descends and self._last < since


async def _other_account(run: Run, context: Context, seen: set[str]) -> str | None:
    """Why the endpoint may be showing another account's jobs: it knows none of the recorded ones."""
    with context.database.read() as connection:
        recorded = store.last_jobs(connection, run.endpoint, except_run=run.id, limit=_RECORDED_JOBS)
    if not recorded or not seen.isdisjoint(recorded):
        return None
    for job_id in recorded:
        try:
            await context.endpoint.job(job_id)
        except RequestRefused:
            continue
        return None
    return f"{context.config.name} shows none of the recorded jobs: is this another account's key?"


def _free(jobs: list[RemoteJob], run: Run, context: Context) -> list[RemoteJob]:
    with context.database.read() as connection:
        owners = store.owners_of_jobs(connection, context.config.name, [job.id for job in jobs])
    free = {job.id: job for job in jobs if owners.get(job.id, run.id) == run.id}  # a list may name a job twice
    return oldest_first(list(free.values()))


# --- Adopting what was found -------------------------------------------------------------------------------------


async def adopt(run: Run, context: Context, found: list[RemoteJob]) -> Move:
    """Adopt the oldest match. Others that certainly belong to this run are duplicates: cancel them, with a warning.

    A job without a certain mark may be somebody else's: a requested cancel is not sent to it without asking.
    """
    oldest, *others = found
    for other in others:
        if is_certain(other, run):
            await _cancel_duplicate(other, run, context)
        elif state_of(other) not in (*FINAL, State.COLLECTING):
            context.listener.warned(
                f"run {run.id}: job {other.id} of {context.config.name} fits too and {NO_MARK}, so it is not "
                "cancelled; check there whose it is"
            )
    is_sure = is_certain(oldest, run)
    differences = contradictions(oldest, run, context.endpoint.capabilities) if is_sure else []
    warn_of(dict.fromkeys([*differences, *departures(run, oldest)]), run, oldest, context)
    how = "" if is_sure else f", which fits and {NO_MARK}"
    adopted = move_to_status(oldest, f"found job {oldest.id}{how}: ")
    changes = {**adopted.changes, "creation_open": False, "create_not_before": None}
    if not is_sure and run.requested_action == RequestedAction.CANCEL:
        changes["requested_action"] = None
        context.listener.warned(
            f"run {run.id} is not cancelled: job {oldest.id} fits and {NO_MARK}; check whose it is, "
            f"then run: ftorch cancel {run.id}"
        )
    return Move(adopted.to, adopted.reason, changes)


def warn_of(differences: Iterable[str], run: Run, job: RemoteJob, context: Context) -> None:
    """Report how the job differs from the request, and what helps if it trains with other numbers."""
    for difference in differences:
        context.listener.warned(f"run {run.id}: {difference} (job {job.id})")
    if not other_hyperparameters(run, job) or state_of(job) in (*FINAL, State.COLLECTING):
        return
    config = context.config
    way = f"to stop it from training with other numbers, run: ftorch cancel {run.id}"
    if config.type == "compatible" and config.hyperparameters == "method":
        way += f"; {_at_the_top(config.name)}, then submit again"
    context.listener.warned(f"run {run.id}: {way}")


async def look_for_surplus(run: Run, context: Context) -> None:
    """Cancel, with a warning, a job that appeared after the request had been sent again. Other runs cost
    nothing."""
    if run.creation_attempts < 2:
        return
    look = await look_once(run, context)
    for job in look.found:
        if job.id != run.job_id and is_certain(job, run):
            await _cancel_duplicate(job, run, context)


async def disown(run: Run, outcome: Move | Wait, context: Context) -> None:
    """What to do with a job that this process created for a run that another process took over.

    A run that is still looking will find it. A finished run, or one that follows another job, does not need it.
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
    if state_of(job) in (*FINAL, State.COLLECTING):
        context.listener.warned(f"{place}, which has finished ({job.status})")
        return
    crash_point("before-surplus-cancel")
    try:
        await context.endpoint.cancel(job.id)
    except RequestRefused as error:
        context.listener.warned(f"{place}; it can't be cancelled: {error.facts['problem']}")
    else:
        crash_point("after-surplus-cancel")
        context.listener.warned(f"{place}; it is being cancelled")

"""Making a succeeded job's model answer, on hosts that serve a checkpoint only on request.

Each request that arrives makes another model. So it is sent only if the host lists none for this run, and no
earlier request can still arrive: that is assumed for a settling window, as for jobs. The run's id is in the model's
name and description, so the list shows which models are the run's. Nothing is paid for the request, since calls are
charged by the token; but a model that nobody records would stay on the account.
"""

from __future__ import annotations

from collections.abc import Hashable

from orchestrator.endpoints.interface import ServedModel, Serving, ServingRequest
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Wait
from orchestrator.errors import EndpointError, LostLease, OutcomeUnknown, RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.jobs import marked_suffix
from orchestrator.runs.states import MACHINE
from orchestrator.store.records import Checkpoint
from orchestrator.store.runs import RUNS, Run

MOST_REQUESTS = 3
"""The most requests that one process sends for a run; `resume` begins again."""
VALIDATION_SECONDS = 1800.0
"""How long a host may check a model before the user is informed. Recorded answers had it within 15 seconds."""
_ANSWERS, _BROKEN, _GONE = "active", "error", "deleted"


async def serve(run: Run, checkpoint: Checkpoint, context: Context) -> str | Wait:
    """The name of the model that answers for this checkpoint, or what there is to wait for.

    Raises RequestRefused, with what the user can do, if the host refuses to serve it, or can't.
    """
    serving = context.endpoint.serving
    assert serving is not None
    crash_point("before-serving-look")
    listed = await serving.models()
    crash_point("after-serving-look")
    ours = {each.name: each for each in listed if is_of(each, run, checkpoint)}  # a list may name a model twice
    if not ours:
        return _still_arriving(run, context) or await _ask(run, checkpoint, serving, context)
    kept, *others = sorted(ours.values(), key=_usefulness)
    for other in others:
        await _remove_surplus(other, run, serving, context)
    return await _answering(kept, run, serving, checkpoint, context)


async def already_served(run: Run, checkpoint: Checkpoint, context: Context) -> str:
    """The model that somebody made of this checkpoint, if the host lists one that answers; otherwise the
    checkpoint's own name."""
    serving = context.endpoint.serving
    assert serving is not None
    try:
        listed = await serving.models()
    except RequestRefused:
        return checkpoint.model
    source = (run.job_id, checkpoint.checkpoint_id)
    found = [each for each in listed if (each.job_id, each.checkpoint_id) == source]
    names = [each.name for each in sorted(found, key=_usefulness) if each.status.lower() == _ANSWERS]
    return names[0] if names else checkpoint.model


def is_of(model: ServedModel, run: Run, checkpoint: Checkpoint) -> bool:
    """Whether the model was made for this run: its name or description has the run's id, and nothing that the host
    says of its origin contradicts that. One that somebody made by hand counts unless it is broken."""
    is_broken = model.status.lower() == _BROKEN and model.description != _description(run)
    is_marked = run.id in f"{model.name.lower()} {model.description or ''}"
    if is_broken or not is_marked or model.status.lower() == _GONE:
        return False
    return model.job_id in (None, run.job_id) and model.checkpoint_id in (None, checkpoint.checkpoint_id)


def _usefulness(model: ServedModel) -> tuple[int, float, str]:
    """Those that answer first, those that never will last, and of equal ones the oldest first."""
    rank = {_ANSWERS: 0, _BROKEN: 2}.get(model.status.lower(), 1)
    return rank, model.created_at or 0.0, model.name


async def _remove_surplus(model: ServedModel, run: Run, serving: Serving, context: Context) -> None:
    """Only what ftorch's own request made is removed; somebody may have served the checkpoint by hand."""
    is_certain = model.description == _description(run)
    done = "removing it" if is_certain else "it stays, since ftorch may not have made it"
    context.warn_once(f"run {run.id}: {context.config.name} also serves its model as {model.name}; {done}")
    if is_certain:
        await _remove(model, serving)


async def _answering(
    model: ServedModel, run: Run, serving: Serving, checkpoint: Checkpoint, context: Context
) -> str | Wait:
    status = model.status.lower()
    if status == _ANSWERS:
        return model.name
    if status == _BROKEN:
        await _remove(model, serving)
        _close(run, context)
        problem = f"it could not serve the model: {model.problem or 'no reason given'}"
        facts = {"status": None, "code": None, "param": None, "message": problem}
        raise _advised(RequestRefused(endpoint=context.config.name, problem=problem, **facts), checkpoint, context)
    reason = f"the job succeeded; {context.config.name} says {model.status} of the model {model.name}"
    is_late = context.searched_seconds(("validation", run.id)) > VALIDATION_SECONDS
    return Wait(context.now() + context.config.poll_seconds, reason, blocked=is_late)


async def _remove(model: ServedModel, serving: Serving) -> None:
    crash_point("before-serving-removal")
    await serving.remove(model.name)
    crash_point("after-serving-removal")


# --- The request -------------------------------------------------------------------------------------------------


def _still_arriving(run: Run, context: Context) -> Wait | None:
    """A wait while an earlier request may still arrive: for a settling window of this process's looking, by the
    clock that nobody can set."""
    if run.create_not_before is None:
        return None
    left = context.config.settling_seconds - context.searched_seconds(_search_for(run))
    if left > 0:
        reason = f"asked {context.config.name} to serve the model, which it doesn't list yet"
        return Wait(context.now() + min(left, max(context.config.poll_seconds, 0.2)), reason)
    if context.serving_requests[run.id] < MOST_REQUESTS:
        return None
    reason = (
        f"asked {context.config.name} {MOST_REQUESTS} times to serve the model, and it lists none; "
        "ftorch resume asks again"
    )
    return Wait(context.now() + context.config.settling_seconds, reason, blocked=True)


async def _ask(run: Run, checkpoint: Checkpoint, serving: Serving, context: Context) -> Wait:
    _intend(run, context)
    crash_point("before-serving")
    _require_held(run, context)
    context.serving_requests[run.id] += 1
    try:
        made = await serving.serve(_request(run, checkpoint, context))
    except OutcomeUnknown as error:
        said = f"serving the model unconfirmed ({error.facts['problem']}), looking for it"
    except EndpointError as error:
        if run.create_not_before is None:  # this was the only request, and it had no effect
            _close(run, context)
        if isinstance(error, RequestRefused):
            raise _advised(error, checkpoint, context) from error
        raise
    else:
        said = f"the job succeeded; {context.config.name} says {made.status} of the model {made.name}"
    finally:
        crash_point("after-serving")
    context.begin_search(_search_for(run))  # a request that timed out can still arrive
    return Wait(context.now() + context.config.poll_seconds, said)


def _request(run: Run, checkpoint: Checkpoint, context: Context) -> ServingRequest:
    assert run.job_id is not None
    return ServingRequest(
        name=marked_suffix(run.suffix or run.name, run.id, context.endpoint.capabilities),
        model=run.model,
        job_id=run.job_id,
        checkpoint_id=checkpoint.checkpoint_id,
        description=_description(run),
    )


def _description(run: Run) -> str:
    return f"ftorch run {run.id}"


def _search_for(run: Run) -> Hashable:
    return "serving", run.id


def _intend(run: Run, context: Context) -> None:
    """From this point the host may have the model, whatever the outcome of the request."""
    with context.database.write() as connection:
        changes = {"create_not_before": context.now(), "reason": f"asking {context.config.name} to serve the model"}
        RUNS.note(connection, run, context.owner, context.now(), changes)
        crash_point("before-commit-serving-intent")
    crash_point("after-commit-serving-intent")


def _close(run: Run, context: Context) -> None:
    """No request is on its way: the next one needs no settling window."""
    with context.database.write() as connection:
        RUNS.note(connection, run, context.owner, context.now(), {"create_not_before": None})


def _require_held(run: Run, context: Context) -> None:
    if not MACHINE.holds(context, run):  # it was suspended past its lease: another process may be asking
        raise LostLease(kind="run", id=run.id)


def _advised(error: RequestRefused, checkpoint: Checkpoint, context: Context) -> RequestRefused:
    """The refusal with the ways on: the model is trained and paid."""
    place = f"[endpoints.{context.config.name}] of ftorch.toml"
    advice = (
        f"checkpoint {checkpoint.model} is trained and stays there. If the base model has another name where it is "
        f"served, set serving_models in {place}; to finish without serving it, set result = "
        '"last-checkpoint" there. ftorch resume continues'
    )
    return RequestRefused(**{**error.facts, "problem": f"{error.facts['problem']}; {advice}"})

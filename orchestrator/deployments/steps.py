"""One function per state that needs work. Each may be called any number of times.

A step looks at the account, has at most one effect there, and returns what to write. The account knows a deployment
by its name, so requesting it or its removal twice does no harm. What must never happen is to change or remove what
somebody else made under that name.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection

from orchestrator.dataset.basemodels import is_version_of
from orchestrator.deployments.context import Context
from orchestrator.deployments.states import RequestedAction, State
from orchestrator.deployments.uses import IN_USE, live_users
from orchestrator.endpoints.management import RemoteDeployment, WantedDeployment, rules_of
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Rest, Wait
from orchestrator.errors import (
    DeployQuotaFull,
    DeployRoleMissing,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    LostLease,
    RequestRefused,
)
from orchestrator.store import deployments as store, records, runs
from orchestrator.store.deployments import DEPLOYMENTS, Deployment

READY_SECONDS = 900.0
"""How long a deployment in Azure's state Succeeded may take to answer before the user is informed."""
PROVISION_SECONDS = 7200.0
"""How long Azure may take to provision or move one before the user is informed."""
NEW_MODEL_SECONDS = 600.0
"""How long after training Azure may not know a model yet."""
NEW_ROLE_SECONDS = 300.0
"""How long a newly assigned role may be missing; Azure says the same if it was never assigned."""
_PROBE = ({"role": "user", "content": "Hello"},)
_SUCCEEDED, _BROKEN, _LEAVING = "succeeded", ("failed", "canceled"), ("deleting",)
_DISABLED = "disabled"
_MODEL_NOT_KNOWN = "deploymentmodelnotsupported"


async def deploying(deployment: Deployment, context: Context) -> Outcome:
    """Request it, wait until Azure has provisioned it, then until it answers."""
    if deployment.requested_action == RequestedAction.REMOVE:
        if deployment.requested_at is None:
            return Move(State.UNDEPLOYED, "withdrawn before anything was made")
        return Move(State.UNDEPLOYING, "as requested")
    found = await _look(deployment, context)
    if found is not None and found.state.lower() in _LEAVING:
        return Wait(_next_look(context), "the account is still removing an earlier deployment of this name")
    if deployment.requested_at is None and found is not None:
        return Move(State.FAILED, _taken(found), _error("name_taken", _taken(found)))
    if found is None:
        return await _ask_for(deployment, context)
    if not _is_its_model(found, deployment, context):
        return Move(State.FAILED, _taken(found), _error("name_taken", _taken(found)))
    if found.state.lower() in _BROKEN:
        problem = f"{_host(context)} could not provision it ({found.state})"
        return Move(State.UNDEPLOYING, f"{problem}: removing what is left", _error("not_provisioned", problem))
    if found.state.lower() == _DISABLED:
        reason = (
            f"{_host(context)} has disabled it; the portal says why. Once it is enabled, run: ftorch resume. "
            "To remove it: "
            f"ftorch deployments remove {deployment.name}"
        )
        return Wait(_next_look(context), reason, blocked=True)
    if found.state.lower() != _SUCCEEDED:
        return _being_provisioned(found, deployment, context)
    return await _ask_it(deployment, context)


def _being_provisioned(found: RemoteDeployment, deployment: Deployment, context: Context) -> Wait:
    until = (deployment.requested_at or context.now()) + PROVISION_SECONDS
    if context.now() < until:
        return Wait(_next_look(context), f"{_host(context)} says {found.state}; looking until {_clock(until)}")
    reason = f"{_host(context)} still says {found.state}, {PROVISION_SECONDS / 60:.0f} minutes after the request"
    return Wait(_next_look(context), reason, blocked=True)


async def deployed(deployment: Deployment, context: Context) -> Outcome:
    """Carry out a request to remove it; otherwise check that it still exists."""
    if deployment.requested_action == RequestedAction.REMOVE:
        return Move(State.UNDEPLOYING, "as requested", guard=partial(_in_use, deployment, context))
    found = await _look(deployment, context)
    if found is None:
        return Move(State.UNDEPLOYED, _gone(deployment, context))
    return Rest() if _is_its_model(found, deployment, context) else Move(State.UNDEPLOYED, _replaced(found))


def _in_use(deployment: Deployment, context: Context, connection: Connection) -> Wait | None:
    """A wait if somebody uses the deployment to be removed: checked in the transaction of the move."""
    is_used = live_users(connection, deployment.id, context.now())
    return Wait(_next_look(context), IN_USE, blocked=True) if is_used else None


async def undeploying(deployment: Deployment, context: Context) -> Outcome:
    """Request its removal until the account does not have it, and no request to create it can arrive any more."""
    found = await _look(deployment, context)
    ended = State.FAILED if deployment.error_code else State.UNDEPLOYED
    if found is None:
        if _may_arrive(deployment, context):
            return Wait(_next_look(context), "a request for it may still arrive")
        return Move(ended, deployment.error_message or "removed from the account")
    if not _is_its_model(found, deployment, context):
        return Move(ended, _replaced(found))
    if found.state.lower() not in _LEAVING:
        crash_point("before-deployment-delete")
        _require_held(deployment, context)
        await context.management.delete(deployment.name)
        crash_point("after-deployment-delete")
    return Wait(_next_look(context), "the account is removing it")


Step = Callable[[Deployment, Context], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {
    State.DEPLOYING: deploying,
    State.DEPLOYED: deployed,
    State.UNDEPLOYING: undeploying,
}


def is_same_model(found: str, wanted: str | None) -> bool:
    """Whether the account's model is the requested one; if no version was requested, Azure chose one."""
    return wanted is not None and (found == wanted or is_version_of(found, wanted))


def is_model(connection: Connection, endpoint: str, found: str, wanted: str) -> bool:
    """The same for a possible checkpoint, which the account knows by its id."""
    return is_same_model(found, wanted) or found == records.checkpoint_id(connection, endpoint, wanted)


# --- the parts of the steps --------------------------------------------------------------------------------


async def _look(deployment: Deployment, context: Context) -> RemoteDeployment | None:
    crash_point("before-deployment-look")
    found = await context.management.get(deployment.name)
    context.has_answered = True
    crash_point("after-deployment-look")
    if found is not None and deployment.requested_at is not None:
        context.arrived.add(deployment.id)
    return found


def _is_its_model(found: RemoteDeployment, deployment: Deployment, context: Context) -> bool:
    with context.database.read() as connection:
        return is_model(connection, deployment.endpoint, found.model, str(deployment.model))


def _may_arrive(deployment: Deployment, context: Context) -> bool:
    """Whether an unconfirmed request may still create it: it may appear later."""
    if deployment.id in context.arrived or deployment.provisioned_at is not None or deployment.made_elsewhere:
        return False
    asked = deployment.requested_at
    return asked is not None and context.now() < asked + context.config.settling_seconds


async def _ask_for(deployment: Deployment, context: Context) -> Outcome:
    if deployment.provisioned_at is not None:
        return Move(State.UNDEPLOYED, _gone(deployment, context))
    is_first = deployment.requested_at is None
    deployment = _intend(deployment, context)
    wanted = _wanted(deployment, context)
    crash_point("before-deployment-put")
    _require_held(deployment, context)
    try:
        await context.management.put(wanted)
    except (DeployQuotaFull, DeployRoleMissing, RequestRefused) as error:
        wait = _model_not_known_yet(error, deployment, context) or _role_not_held_yet(error, deployment, context)
        if wait is not None:
            return wait
        # An earlier unanswered request may have created it.
        to = State.FAILED if is_first else State.UNDEPLOYING
        return Move(to, str(error), _error(str(error.facts["code"]), str(error)))
    finally:
        crash_point("after-deployment-put")
    context.arrived.add(deployment.id)
    return Wait(_next_look(context), f"requested; {_host(context)} is provisioning it")


def _model_not_known_yet(error: EndpointError, deployment: Deployment, context: Context) -> Wait | None:
    """For some minutes after its training, Azure refuses a model as unsupported."""
    if str(error.facts["code"]).lower() != _MODEL_NOT_KNOWN or deployment.run_id is None:
        return None
    with context.database.read() as connection:
        trained_at = runs.get(connection, deployment.run_id).finished_at
    until = (trained_at or 0.0) + NEW_MODEL_SECONDS
    if context.now() >= until:
        return None
    reason = (
        f"{_host(context)} does not know the new model yet ({_said(error)}); asking again until {_clock(until)}"
    )
    return Wait(_next_look(context), reason)


def _role_not_held_yet(error: EndpointError, deployment: Deployment, context: Context) -> Wait | None:
    if not isinstance(error, DeployRoleMissing) or _NEW_ROLE not in str(error.facts["message"]).lower():
        return None
    with context.database.read() as connection:
        until = store.history(connection, deployment.id)[-1].at + NEW_ROLE_SECONDS
    if context.now() >= until:
        return None
    said = f"{_host(context)} refuses it ({_said(error)})"
    reason = f"{said}; a new role takes minutes to work; asking again until {_clock(until)}"
    return Wait(_next_look(context), reason)


_NEW_ROLE = "recently granted"


def _wanted(deployment: Deployment, context: Context) -> WantedDeployment:
    model = str(deployment.model)
    with context.database.read() as connection:
        checkpoint = records.checkpoint_id(connection, deployment.endpoint, model)
    return WantedDeployment(
        deployment.name, model, deployment.sku, deployment.capacity, checkpoint, deployment.temporary
    )


def _require_held(deployment: Deployment, context: Context) -> None:
    """After a lease has expired, this process must not act on what it saw: the name may be another deployment's
    now."""
    with context.database.read() as connection:
        is_held = DEPLOYMENTS.holds(connection, deployment, context.owner, context.now())
    if not is_held:
        raise LostLease(kind="deployment", id=deployment.id)


def _intend(deployment: Deployment, context: Context) -> Deployment:
    """From this point the account may have it, whatever the outcome of the request."""
    with context.database.write(durable=True) as connection:
        changes = {"requested_at": context.now(), "reason": "requesting it"}
        noted = DEPLOYMENTS.note(connection, deployment, context.owner, context.now(), changes)
        crash_point("before-commit-deployment-intent")
    crash_point("after-commit-deployment-intent")
    return noted


async def _ask_it(deployment: Deployment, context: Context) -> Outcome:
    """Azure calls a deployment Succeeded minutes before it answers."""
    since = deployment.provisioned_at or context.now()
    problem = await _no_answer(deployment, context)
    if problem is None:
        return Move(State.DEPLOYED, "it answers", {"provisioned_at": since, "deployed_at": context.now()})
    until = since + READY_SECONDS
    reason = f"{_host(context)} says Succeeded, but it does not answer yet: {problem}"
    if context.now() <= until:
        return Wait(_next_look(context), f"{reason}; asking until {_clock(until)}", {"provisioned_at": since})
    return Wait(_next_look(context), reason, {"provisioned_at": since}, blocked=True)


async def _no_answer(deployment: Deployment, context: Context) -> str | None:
    """Why a short chat request got no completion; None if it got one. A new deployment refuses in many ways before
    it answers: 404, 400 DeploymentNotReady, 403, 424, 429, 503."""
    request = {"model": deployment.name, "messages": list(_PROBE)}
    crash_point("before-deployment-probe")
    try:
        completion = await context.endpoint.chat(request, f"probe-{time.time_ns()}")
    except (EndpointBusy, EndpointUnreachable, RequestRefused) as error:
        return _said(error)
    except KeyRefused as error:
        if error.facts.get("status") != HTTPStatus.FORBIDDEN:
            raise
        return _said(error)
    finally:
        crash_point("after-deployment-probe")
    return None if completion.get("choices") else "its answer is no chat completion"


def _said(error: EndpointError) -> str:
    """Without the id of the request, which differs each time."""
    return str(error.facts.get("message") or error.facts["problem"])


def _clock(moment: float) -> str:
    """A local time of day."""
    return f"{datetime.fromtimestamp(moment).astimezone():%H:%M}"


def _next_look(context: Context) -> float:
    return context.now() + context.config.poll_seconds


def _error(code: str, message: str) -> Mapping[str, Any]:
    return {"error_code": code, "error_message": message}


def _taken(found: RemoteDeployment) -> str:
    return (
        f"the account has a deployment of the name {found.name} ({found.model}) that this record did not make; "
        "it was left unchanged. Choose another --name"
    )


def _replaced(found: RemoteDeployment) -> str:
    return f"the account has another model under this name now, {found.model}; it was left unchanged"


def _host(context: Context) -> str:
    """The host's name in sentences."""
    return rules_of(context.config).host


def _gone(deployment: Deployment, context: Context) -> str:
    rules = rules_of(context.config)
    usual = ""
    if rules.idle_life is not None:
        is_developers = deployment.sku == "DeveloperTier"
        when = "after 24 hours, as DeveloperTier ends" if is_developers else "after 15 days unused"
        usual = f", or by {rules.host} {when}"
    return (
        f"no longer on the account: removed by somebody else{usual}; "
        f"deploy it again: ftorch deployments create {deployment.run_id or deployment.model}"
    )

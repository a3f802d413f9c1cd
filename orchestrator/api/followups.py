"""What follows runs: deployments, evaluations, and what crashes left unfinished.

Each function covers all runs, or the runs it is given, and returns whether there was anything to do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from sqlalchemy import Connection

from orchestrator.api import deployments
from orchestrator.api.evaluation import carry_out_wanted, judge
from orchestrator.api.host import Host
from orchestrator.deployments import recording
from orchestrator.deployments.serving import leftovers
from orchestrator.deployments.states import State
from orchestrator.endpoints import capabilities_of
from orchestrator.evaluation.wanted import due, evaluation_request, plan_wanted
from orchestrator.ledger import Ledger
from orchestrator.runs.plan import Plan
from orchestrator.runs.submission import Also
from orchestrator.store import deployments as store, evaluations
from orchestrator.store.deployments import Deployment
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run


def requested_by(plan: Plan) -> list[Also]:
    """Records, together with the plan's run, the deployment and evaluation that its job file requests after
    success. Raises what `evaluation_request` raises."""
    requests = [_deployment_request(plan), evaluation_request(plan.job)]
    return [request for request in requests if request is not None]


def after(ledger: Ledger, host: Host, run_ids: Sequence[str]) -> None:
    """Carry out what waited for these runs; a failure of one doesn't stop the other."""
    with host.going_on():
        deploy_due(ledger, host, run_ids)
    with host.going_on():
        evaluate_due(ledger, host, run_ids)


def deploy_due(ledger: Ledger, host: Host, run_ids: Sequence[str] | None = None) -> bool:
    """Start the pending deployments of succeeded runs, and wait until they answer."""
    if not _has_active_deployments(ledger):
        return False
    begun = recording.due(ledger, run_ids, now=time.time(), rng=random.SystemRandom())
    _settle(ledger, begun, host)
    return bool(begun)


def evaluate_due(ledger: Ledger, host: Host, run_ids: Sequence[str] | None = None) -> bool:
    """Carry out the pending evaluations of succeeded runs. One that can't be carried out stays pending, and doesn't
    stop the others."""
    with ledger.database.read() as connection:
        if not evaluations.wanted_of(connection, run_ids):
            return False
    found = due(ledger, run_ids)
    for wanted in found:
        with host.going_on():
            _evaluate(ledger, wanted, host)
    return bool(found)


def remove_leftovers(ledger: Ledger, host: Host, run_ids: Sequence[str] | None = None) -> bool:
    """Remove the deployments that evaluations no longer need, and those whose removal was requested. This comes
    before anything that may take hours: hosting is charged meanwhile."""
    if not _has_active_deployments(ledger):
        return False
    found = [each for each in leftovers(ledger, run_ids) if each.requested_action is not None]
    _settle(ledger, found, host)
    return bool(found)


def finish_deployments(ledger: Ledger, host: Host, run_ids: Sequence[str] | None = None) -> bool:
    """Continue unfinished deployments, and remove what evaluations no longer need."""
    if not _has_active_deployments(ledger):
        return False
    found = leftovers(ledger, run_ids)
    _settle(ledger, found, host)
    return bool(found)


def _deployment_request(plan: Plan) -> Also | None:
    """None if the job file asks for no deployment, or models answer without one."""
    settings, config = plan.job.azure.deployment, plan.config
    if settings is None or not capabilities_of(config).needs_deployment:
        return None

    def record(connection: Connection, run: Run) -> None:
        recording.want(connection, config, settings, run, now=time.time(), rng=random.SystemRandom())

    return record


def _settle(ledger: Ledger, found: Sequence[Deployment], host: Host) -> None:
    if not found:
        return
    for each in deployments.settle(ledger, found, host):
        host.show_deployment(each, ledger.workspace.endpoint(each.endpoint))
        if each.state == State.FAILED:
            host.failed()


def _evaluate(ledger: Ledger, wanted: Evaluation, host: Host) -> None:
    host.say(f"evaluating run {wanted.run_id}")
    plan = plan_wanted(ledger, wanted)
    judge(plan, carry_out_wanted(ledger, plan, wanted, host), host)


def _has_active_deployments(ledger: Ledger) -> bool:
    """A quick check that loads nothing: most projects have none."""
    with ledger.database.read() as connection:
        return bool(store.newest(connection, only_active=True, limit=1))

"""Deployments that follow their runs by themselves, what crashes left of others, and a warning of their cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from orchestrator.config import EndpointConfig
    from orchestrator.jobfile import JobFile
    from orchestrator.ledger import Ledger
    from orchestrator.runs.submission import Also
    from orchestrator.store.deployments import Deployment
    from orchestrator.store.runs import Run


def deployment_request(config: EndpointConfig, job: JobFile) -> Also | None:
    """What records, together with a run of the job, that it is to be deployed when it has succeeded; None where the
    job file does not say so, and where models answer without."""
    import random
    import time

    from orchestrator.endpoints import capabilities_of

    if job.azure.deployment is None or not capabilities_of(config).needs_deployment:
        return None
    from orchestrator.deployments.recording import want

    def record(connection: Connection, run: Run) -> None:
        want(connection, config, job.azure.deployment, run, now=time.time(), rng=random.SystemRandom())

    return record


def deploy_due(ledger: Ledger, run_ids: Sequence[str] | None = None) -> bool:
    """Begin the wanted deployments of succeeded runs, of all or these, and wait until they answer; returns whether
    there were any."""
    if not _has_active(ledger):
        return False
    import random
    import time

    from orchestrator.deployments.recording import due

    begun = due(ledger, run_ids, now=time.time(), rng=random.SystemRandom())
    if begun:
        _settle(ledger, begun)
    return bool(begun)


def finish_deployments(ledger: Ledger, run_ids: Sequence[str] | None = None) -> bool:
    """Carry on with deployments on their way, and remove what evaluations no longer need; returns whether there
    were any."""
    if not _has_active(ledger):
        return False
    from orchestrator.deployments.serving import leftovers

    found = leftovers(ledger, run_ids)
    if found:
        _settle(ledger, found)
    return bool(found)


def remove_leftovers(ledger: Ledger, run_ids: Sequence[str] | None = None) -> None:
    """Remove what evaluations no longer need, and what a user wished away, before anything that may take hours:
    hosting is charged meanwhile."""
    if not _has_active(ledger):
        return
    from orchestrator.deployments.serving import leftovers

    if found := [each for each in leftovers(ledger, run_ids) if each.requested_action is not None]:
        _settle(ledger, found)


def _settle(ledger: Ledger, found: Sequence[Deployment]) -> None:
    """Leaves with 1 where one failed."""
    from orchestrator.cli.deploy import bring_up
    from orchestrator.reports.deployments import answering_line, waiting_line

    settled = bring_up(ledger, found)
    for each in settled:
        if each.state == "deployed":
            click.echo(answering_line(each, ledger.workspace.endpoint(each.endpoint)), err=True)
        elif each.state == "failed":
            click.echo(f"Error: the deployment {each.name} failed: {each.error_message or each.reason}", err=True)
        elif not each.is_over:
            click.echo(waiting_line(each), err=True)
    if any(each.state == "failed" for each in settled):
        click.get_current_context().exit(1)


def _has_active(ledger: Ledger) -> bool:
    from orchestrator.store import deployments

    with ledger.database.read() as connection:
        return bool(deployments.newest(connection, only_active=True, limit=1))

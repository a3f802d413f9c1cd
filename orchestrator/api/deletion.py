"""Deleting runs: on the endpoint first, if that is asked for, then here.

Each deletion on the endpoint can be repeated, and the records go last. So a process that is killed leaves records
of what may be left there, and the same command ends what it began.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from orchestrator.api.host import Host
from orchestrator.bookkeeping.deletion import Deletion, Kind, Remote, deletion_of, require_deletable, why_kept
from orchestrator.bookkeeping.subjects import Subjects
from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.endpoints import capabilities_of, open_management, visit_endpoint
from orchestrator.endpoints.interface import Endpoint
from orchestrator.endpoints.management import manages
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import DeletionIncomplete, EndpointError, FtorchError
from orchestrator.evaluation.batching.inputs import FOLDER
from orchestrator.identity import current_user
from orchestrator.ledger import Ledger
from orchestrator.store import deletion as store, runs, uploads
from orchestrator.store.runs import Run


def plan(ledger: Ledger, keys: Iterable[str]) -> Deletion:
    """What deleting these runs and sweeps deletes, here and on request on their endpoints. Changes nothing.

    Raises RunNotDeletable, RunUnfinished, SeveralRuns, RunDeleted, NoSuchRun and AmbiguousRun.
    """
    with ledger.database.read() as connection:
        found = deletion_of(connection, keys)
    return replace(found, remotes=tuple(_possible(ledger, each) for each in found.remotes))


def _possible(ledger: Ledger, remote: Remote) -> Remote:
    config = ledger.workspace.endpoints.get(remote.endpoint)
    if remote.kept or config is None or remote.kind is not Kind.MODELS:
        return remote
    if not capabilities_of(config).deletes_models:
        return replace(remote, kept=f"{config.name} has no request that deletes a model; use its portal")
    if capabilities_of(config).serves_on_request and not is_fine_tuned(remote.id):
        return replace(remote, kept=f"{config.name} has no request that deletes a checkpoint; use its portal")
    return remote


def delete(ledger: Ledger, planned: Deletion, host: Host, kinds: Collection[Kind] = ()) -> None:
    """Delete these runs and sweeps; of these `kinds` also what their endpoints have. What is used elsewhere stays.

    Of each run a row is left, so that nothing is paid for again unnoticed. Raises DeletionIncomplete if an endpoint
    refuses or does not answer: then the records stay; and RunNotDeletable if a run was put to use meanwhile.
    """
    if kinds:
        problems = run_blocking(lambda: _delete_remotes(ledger, planned, host, kinds))
        if problems:
            ids = ", ".join(planned.subjects.run_ids)
            raise DeletionIncomplete(runs=f"run {ids}", problems="\n".join(problems))
    for run in planned.subjects.runs:
        _delete_records(ledger, run, planned.subjects)
    with ledger.database.write() as connection:
        for sweep in planned.subjects.sweeps:
            store.delete_sweep(connection, sweep.id)


# --- On the endpoints --------------------------------------------------------------------------------------------


async def _delete_remotes(ledger: Ledger, planned: Deletion, host: Host, kinds: Collection[Kind]) -> list[str]:
    """The problems. One does not stop the rest."""
    wanted = [each for kind in Kind if kind in kinds for each in planned.of_kind(kind)]
    problems: list[str] = []
    for name, some in groupby(sorted(wanted, key=lambda each: each.endpoint), key=lambda each: each.endpoint):
        there = list(some)
        try:
            config = ledger.workspace.endpoint(name)
            deployed = await _deployed(config) if any(each.kind is Kind.MODELS for each in there) else {}
            in_use = [each for each in there if each.id in deployed]
            problems += [_in_use(each, deployed[each.id]) for each in in_use]
            free = [each for each in there if each.id not in deployed]
            async with visit_endpoint(config, ledger.workspace.home) as endpoint:
                problems += await _delete_on(ledger, endpoint, free, planned.subjects.run_ids, host)
        except FtorchError as error:
            problems.append(f"{name}: {error}")
    return problems


async def _deployed(config: EndpointConfig) -> Mapping[str, str]:
    """The models that the account has deployed, each with one of its deployments."""
    if not manages(config):
        return {}
    async with open_management(config) as management:
        return {each.model: each.name for each in await management.all() if each.state != _GOING}


_GOING = "Deleting"


def _in_use(model: Remote, deployment: str) -> str:
    return (
        f"{model.id}: deployed as {deployment} on {model.endpoint}, which costs until it is removed: ftorch "
        f"deployments remove {deployment} --endpoint {model.endpoint}"
    )


async def _delete_on(
    ledger: Ledger, endpoint: Endpoint, wanted: Sequence[Remote], ours: Collection[str], host: Host
) -> list[str]:
    problems = []
    for each in wanted:
        if kept := _forgotten(ledger, each, ours):
            host.say(f"kept {each.id}: {kept}")
            continue
        crash_point("before-remote-deletion")
        try:
            await (endpoint.delete_model if each.kind is Kind.MODELS else endpoint.delete_file)(each.id)
        except EndpointError as error:
            problems.append(f"{each.id}: {error}")
            continue
        crash_point("after-remote-deletion")
        host.say(f"deleted {each.id} on {endpoint.name}")
    return problems


def _forgotten(ledger: Ledger, remote: Remote, ours: Collection[str]) -> str | None:
    """Why it is kept after all; None once no run that is submitted from now on will use it."""
    with ledger.database.write() as connection:
        if kept := why_kept(connection, remote, ours):
            return kept
        if remote.kind is Kind.DATA:
            uploads.forget(connection, remote.endpoint, remote.id)
        crash_point("before-commit-forgotten")
    crash_point("after-commit-forgotten")
    return None


# --- Here --------------------------------------------------------------------------------------------------------


def _delete_records(ledger: Ledger, run: Run, subjects: Subjects) -> None:
    with ledger.database.write() as connection:
        current = runs.get(connection, run.id)
        if current.deleted_at is not None:
            return
        require_deletable(connection, current, subjects)
        batches = store.batches_on(connection, run.endpoint, store.models_of(connection, run))
        store.delete_run(connection, current, f"deleted by {current_user()}", time.time())
        crash_point("before-commit-deletion")
    crash_point("after-commit-deletion")
    for batch_id in batches:
        for path in (ledger.workspace.home / FOLDER).glob(f"{batch_id}.*"):
            path.unlink(missing_ok=True)

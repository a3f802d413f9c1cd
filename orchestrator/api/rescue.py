"""Rescuing what an endpoint has: into a folder, into the records, and the tuned models' answers as a baseline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.api.evaluation import carry_out
from orchestrator.api.host import Host
from orchestrator.bookkeeping.endings import Endings, endings
from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.files import inspect_file
from orchestrator.dataset.pricing import trained_tokens_cost
from orchestrator.endpoints import capabilities_of, visit_endpoint
from orchestrator.endpoints.interface import RemoteJob
from orchestrator.errors import FtorchError, PricesUnreadable, Stopped
from orchestrator.evaluation.results import Results
from orchestrator.ledger import Ledger
from orchestrator.rescue.baseline import Baseline, plan_baseline
from orchestrator.rescue.casefiles import keep_case_files
from orchestrator.rescue.cases import Cases, write_cases
from orchestrator.rescue.collection import Collected, collect
from orchestrator.rescue.evals import Eval, read_evals
from orchestrator.rescue.jobfiles import keep_job_file
from orchestrator.rescue.keeping import Silent, TunedModel
from orchestrator.rescue.manifest import Entry, Manifest, open_manifest
from orchestrator.rescue.names import safe
from orchestrator.runs.adoption import Adopted, JobData, adopt_found
from orchestrator.store import endings as store
from orchestrator.store.listing import Listing
from orchestrator.store.runs import Run

INDEX = "index.md"


@dataclass(frozen=True)
class RescuedModel:
    """A tuned model or a checkpoint's model, with what is known of its training."""

    model: TunedModel
    run_id: str | None
    """The run that records its job."""
    trained_tokens: int | None
    cost_usd: float | None
    """Of its training, by the price table; None if unknown, and for checkpoints."""


@dataclass(frozen=True)
class Rescued:
    """What a folder holds of an endpoint, and what it lacks."""

    endpoint: str
    folder: Path
    at: float
    jobs: tuple[RemoteJob, ...]
    models: tuple[RescuedModel, ...]
    entries: tuple[Entry, ...]
    new: int
    """How many objects this process kept."""
    damaged: tuple[Entry, ...]
    """Files that had been changed or removed since they were kept."""
    adopted: tuple[Adopted, ...]
    cases: tuple[Cases, ...]
    notes: tuple[str, ...] = ()
    runs: Mapping[str, Run] = field(default_factory=dict)
    """The recorded runs, by job."""
    case_files: Mapping[str, Path] = field(default_factory=dict)
    """The evaluation file of each model, in the folder, by run."""

    @property
    def job_files(self) -> Mapping[str, Path]:
        """The job file of each job that has one, by job."""
        its = (entry for entry in self.entries if entry.kind == "job file")
        return {entry.id: self.folder / entry.path for entry in its if entry.path}

    @property
    def missing(self) -> list[Entry]:
        """What could not be had, without the job files that follow from it."""
        return [entry for entry in self.entries if not entry.is_kept and entry.kind != "job file"]

    @property
    def without_job_file(self) -> Mapping[str, str]:
        """Why a job has no job file, by job."""
        its = (entry for entry in self.entries if entry.kind == "job file" and not entry.is_kept)
        return {entry.id: entry.reason or "" for entry in its}

    @property
    def answering(self) -> list[RescuedModel]:
        """The models that still answer, or may; the first to end comes first."""
        there = [each for each in self.models if each.model.is_there is not False]
        return sorted(there, key=lambda each: each.model.shutdown_date or date.max)


def rescue(
    ledger: Ledger,
    config: EndpointConfig,
    folder: Path,
    host: Host,
    *,
    exports: Sequence[Path] = (),
    evaluation: Path | None = None,
    describe: Callable[[Rescued], str] | None = None,
) -> Rescued:
    """Keep in `folder` what the endpoint returns of jobs, files, models and evals, record its jobs as runs, and
    write a job file for each. `exports` are files and folders with exported evals; `evaluation` has the cases for
    all job files that it fits; `describe` writes the folder's index.

    The same call again asks only for what is not here or can change. Raises FolderTaken, RescueUnderWay,
    OutputUnwritable, Stopped, DataFileUnreadable for exports, and EndpointError for what concerns the whole
    endpoint; what is kept by then stays.
    """
    read_evals(exports)  # a file that can't be read is named before anything is done
    origin = {"endpoint": config.name, "type": config.type, "address": config.base_url or "this machine"}
    with open_manifest(folder, origin) as manifest:
        collected = _collect(ledger, config, manifest, host)
        _record_endings(ledger, config, collected)
        adopted = _adopt(ledger, config, manifest, collected, host)
        cases = _cases(manifest, exports)
        runs = {run.job_id: run for run in _recorded(ledger, config) if run.job_id}
        files = _job_files(ledger, config, manifest, collected, runs, cases, evaluation)
        found = _rescued(ledger, config, manifest, collected, adopted, cases, runs)
        found = replace(found, case_files=files)
        if describe is not None:
            (folder / INDEX).write_text(describe(found), encoding="utf-8")
    return found


def plan_answers(ledger: Ledger, rescued: Rescued, file: Path | None, budget_usd: float | None) -> Baseline:
    """Plan to record the answers of the models that still answer: to `file`, or to the files that the
    folder or their records have. Raises what `plan_baseline` raises."""
    final = [each.model for each in rescued.answering if each.model.step is None and each.run_id]
    runs = [run for each in final if (run := rescued.runs.get(each.job_id or ""))]
    config = ledger.workspace.endpoint(rescued.endpoint)
    return plan_baseline(ledger, config, runs, file, budget_usd, rescued.case_files)


def record_answers(ledger: Ledger, baseline: Baseline, host: Host) -> list[Results]:
    """Ask what is not answered yet and score it, one evaluation after the other; one that fails doesn't stop the
    others. Raises Stopped, and NotConfirmed if there is no terminal to ask at."""
    found = []
    for plan in baseline.plans:
        with host.going_on():
            host.show_evaluation_plan(plan)
            found.append(carry_out(ledger, plan, host))
    return found


# --- the steps ---------------------------------------------------------------------------------------------------


def _collect(ledger: Ledger, config: EndpointConfig, manifest: Manifest, host: Host) -> Collected:
    recorded = [run.job_id for run in _recorded(ledger, config) if run.job_id]
    with host.rescuing() as listener:

        async def work(stop: asyncio.Event) -> Collected | None:
            async with visit_endpoint(config, ledger.workspace.home) as endpoint:
                return await collect(endpoint, manifest, recorded, listener or Silent(), stop)

        found, _ = host.run(work)
    if found is None:
        raise Stopped(f"stopped; {manifest.written:,} more objects are kept; run the same command to continue")
    return found


def _recorded(ledger: Ledger, config: EndpointConfig) -> list[Run]:
    return ledger.listed(Listing(endpoint=config.name, archived="shown"))


def _record_endings(ledger: Ledger, config: EndpointConfig, collected: Collected) -> None:
    """What the endpoint says of every listed model, base models too: what is tuned from them ends with them."""
    if collected.inventory.models:
        said = {name: model.shutdown_date for name, model in collected.inventory.models.items()}
        with ledger.database.write() as connection:
            store.record(connection, config.name, said, time.time())


def _adopt(
    ledger: Ledger, config: EndpointConfig, manifest: Manifest, collected: Collected, host: Host
) -> list[Adopted]:
    """Record the jobs, with the kept files as their data. A job whose results can't be collected stops no other."""
    files = {entry.id: data for entry in manifest.entries if (data := _data(manifest, entry))}
    jobs, can = collected.inventory.jobs, capabilities_of(config)
    adopted: list[Adopted] = []
    with host.going_on():
        adopted, _ = host.run(lambda _stop: adopt_found(ledger, config, jobs, files, can))
    return adopted


def _data(manifest: Manifest, entry: Entry) -> JobData | None:
    """A kept file as a run's data: with the hash of what is sent, which leaves a byte-order mark out."""
    if entry.kind != "file":
        return None
    if entry.path is None:
        return JobData(entry.name or entry.id)
    path = (manifest.folder / entry.path).resolve()
    try:
        return JobData(str(path), inspect_file(path).sha256)
    except FtorchError:
        return JobData(str(path))


def _cases(manifest: Manifest, exports: Sequence[Path]) -> list[Cases]:
    """Evaluation files of the kept and the exported evals."""
    kept = [manifest.folder / "evals"] if any(entry.kind == "eval" for entry in manifest.entries) else []
    return [_cases_of(manifest, found) for found in read_evals([*kept, *exports])]


def _cases_of(manifest: Manifest, found: Eval) -> Cases:
    draft = manifest.draft("cases.jsonl")
    draft.unlink(missing_ok=True)
    made = write_cases(found, draft, manifest.draft("log.jsonl"))
    if made.written is None:
        manifest.lack("cases", found.id, "unusable", made.problem, name=found.name)
    else:
        path = f"evaluation/{safe(found.id)}.jsonl"
        manifest.keep_bytes("cases", found.id, path, draft.read_bytes(), name=found.name)
    draft.unlink(missing_ok=True)
    return made


def _job_files(
    ledger: Ledger,
    config: EndpointConfig,
    manifest: Manifest,
    collected: Collected,
    runs: Mapping[str, Run],
    cases: Sequence[Cases],
    evaluation: Path | None,
) -> Mapping[str, Path]:
    """Write a job file for each recorded job; the evaluation files, by run."""
    jobs = [(job, runs[job.id]) for job in collected.inventory.jobs if job.id in runs]
    files = keep_case_files(ledger, manifest, [run for _, run in jobs], cases, evaluation)
    for job, run in jobs:
        keep_job_file(manifest, config, job, run, files.get(run.id))
    return files


def _rescued(
    ledger: Ledger,
    config: EndpointConfig,
    manifest: Manifest,
    collected: Collected,
    adopted: Sequence[Adopted],
    cases: Sequence[Cases],
    runs: Mapping[str, Run],
) -> Rescued:
    jobs = {job.id: job for job in collected.inventory.jobs}
    ends = endings(ledger)
    models = [_model(config, each, jobs, runs, ends) for each in collected.models]
    manifest.keep_json("models", "models", "models.json", [model_object(each) for each in models])
    return Rescued(
        endpoint=config.name,
        folder=manifest.folder,
        at=time.time(),
        jobs=collected.inventory.jobs,
        models=tuple(models),
        entries=tuple(manifest.entries),
        new=manifest.written,
        damaged=tuple(manifest.damaged),
        adopted=tuple(adopted),
        cases=tuple(cases),
        notes=collected.notes,
        runs=runs,
    )


def _model(
    config: EndpointConfig,
    found: TunedModel,
    jobs: Mapping[str, RemoteJob],
    runs: Mapping[str, Run],
    ends: Endings,
) -> RescuedModel:
    job, run = jobs.get(found.job_id or ""), runs.get(found.job_id or "")
    shutdown = found.shutdown_date or ends.of(config.name, found.name)
    is_final = found.step is None
    return RescuedModel(
        model=replace(found, shutdown_date=shutdown),
        run_id=run.id if run else None,
        trained_tokens=job.trained_tokens if job and is_final else None,
        cost_usd=_cost(config, job, run) if job and is_final else None,
    )


def _cost(config: EndpointConfig, job: RemoteJob, run: Run | None) -> float | None:
    if run is not None and run.cost_usd is not None:
        return run.cost_usd
    if job.trained_tokens is None:
        return None
    method: Method = (job.raw.get("method") or {}).get("type") or "supervised"
    try:
        return trained_tokens_cost(
            config.type, job.model or "", job.trained_tokens, method=method, prices=config.prices
        )
    except PricesUnreadable:
        return None


def model_object(found: RescuedModel) -> dict[str, Any]:
    """A model as `models.json` and `--json` have it."""
    model = found.model
    return {
        "model": model.name,
        "base_model": model.base,
        "job": model.job_id,
        "step": model.step,
        "run": found.run_id,
        "answers": model.is_there,
        "shutdown_date": model.shutdown_date.isoformat() if model.shutdown_date else None,
        "trained_tokens": found.trained_tokens,
        "cost_usd": found.cost_usd,
    }

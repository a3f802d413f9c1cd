"""What an endpoint has of fine-tuning: its jobs, files and models, and what it doesn't list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.endpoints.interface import Endpoint, RemoteFile, RemoteJob, RemoteModel
from orchestrator.errors import EndpointUnreachable, NoJobList
from orchestrator.rescue.asking import Asking, Missing
from orchestrator.runs.adoption import job_pages


@dataclass(frozen=True)
class Inventory:
    """What the endpoint lists. Jobs are newest first."""

    jobs: tuple[RemoteJob, ...]
    files: Mapping[str, RemoteFile]
    """The training files that it lists, by id."""
    models: Mapping[str, RemoteModel] | None
    """By name; None if it lists none."""
    absent_jobs: Mapping[str, Missing] = field(default_factory=dict)
    """Jobs of ftorch's records that the endpoint doesn't return, by id."""
    notes: tuple[str, ...] = ()
    """What it can't list."""

    @property
    def owners(self) -> Mapping[str, str | None]:
        """Every file that a job names, with the newest such job, and every other training file that is listed."""
        found: dict[str, str | None] = {}
        for job in self.jobs:
            for file in (job.training_file, job.validation_file, *job.result_files):
                if file:
                    found.setdefault(file, job.id)
        return {**dict.fromkeys(self.files), **found}

    @property
    def tuned_models(self) -> Mapping[str, RemoteJob | None]:
        """Every tuned model that a job made, with its job, and every other one that is listed. Checkpoints are
        listed by their jobs alone on most hosts."""
        made: dict[str, RemoteJob | None] = {
            job.fine_tuned_model: job for job in reversed(self.jobs) if job.fine_tuned_model
        }
        return {**dict.fromkeys(filter(is_fine_tuned, self.models or ())), **made}


async def take_inventory(endpoint: Endpoint, recorded: Sequence[str], asking: Asking) -> Inventory:
    """Ask for every list. `recorded` are the ids of the jobs that ftorch's records have there. Raises EndpointError
    for what concerns the whole endpoint."""
    notes: list[str] = []
    jobs = await _jobs(endpoint, notes)
    absent: dict[str, Missing] = {}
    for job_id in recorded:
        if job_id in jobs:
            continue
        found = await asking(partial(endpoint.job, job_id))
        if isinstance(found, Missing):
            absent[job_id] = found
        else:
            jobs[job_id] = found
    if recorded and len(absent) == len(recorded):
        notes.append(
            f"{endpoint.name} knows none of the jobs that ftorch has recorded there: the key may belong to another "
            "account or project."
        )
    files = await _files(endpoint, asking, notes)
    models = await _models(endpoint, asking, notes)
    return Inventory(tuple(jobs.values()), files, models, absent, tuple(notes))


async def _jobs(endpoint: Endpoint, notes: list[str]) -> dict[str, RemoteJob]:
    """What is listed before a page fails is kept."""
    found: dict[str, RemoteJob] = {}
    try:
        async for page in job_pages(endpoint):
            found.update((job.id, job) for job in page)
    except (EndpointUnreachable, NoJobList) as error:
        if error.facts.get("status") is None and not isinstance(error, NoJobList):
            raise  # it can't be reached at all
        listed = f"stops listing its jobs after {len(found)}" if found else "doesn't list its jobs"
        others = "the others are looked for by" if found else "only those are looked for that are in"
        notes.append(f"{endpoint.name} {listed}, so {others} ftorch's records: {error.facts['problem']}")
    return found


async def _files(endpoint: Endpoint, asking: Asking, notes: list[str]) -> dict[str, RemoteFile]:
    found = await asking(endpoint.files)
    if isinstance(found, Missing):
        notes.append(
            f"{endpoint.name} doesn't list its files, so only those that jobs name are looked for: {found.reason}"
        )
        return {}
    return {file.id: file for file in found}


async def _models(endpoint: Endpoint, asking: Asking, notes: list[str]) -> dict[str, RemoteModel] | None:
    found = await asking(endpoint.listed_models)
    if found is None or isinstance(found, Missing):
        problem = f": {found.reason}" if isinstance(found, Missing) else "."
        notes.append(f"{endpoint.name} doesn't list its models, so each is looked for by its name{problem}")
        return None
    return {model.name: model for model in found}

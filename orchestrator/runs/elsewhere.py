"""Jobs of the same content on the endpoint that have no run in this database: theirs was lost, or is another
project's.

Jobs with metadata say what they train.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_endpoint
from orchestrator.endpoints.interface import Endpoint, RemoteJob
from orchestrator.errors import EndpointError
from orchestrator.runs.earlier import UNCOUNTED
from orchestrator.runs.jobs import CONTENT_KEY, TOKEN_KEY
from orchestrator.runs.states import State, state_of
from orchestrator.store import runs as store
from orchestrator.store.database import Database

_FILTERED = 8
"""How many contents are asked for one by one; for more, the newest jobs are read once."""
_MOST_PAGES = 10
_PATIENCE_SECONDS = 20.0
"""The most time that a plan waits for this look."""


@dataclass(frozen=True)
class Elsewhere:
    """A job of the same content on the endpoint."""

    job_id: str
    endpoint: str
    status: str
    model: str | None
    is_over: bool

    @property
    def sentence(self) -> str:
        """`trained before as job ftjob-1 (model ft:…), recorded elsewhere; ftorch runs adopt …`."""
        progress = "trained before" if self.is_over else "being trained"
        outcome = f"model {self.model}" if self.model else self.status
        adopt = f"to record it in this project: ftorch runs adopt {self.job_id} --endpoint {self.endpoint}"
        return f"{progress} as job {self.job_id} ({outcome}), recorded elsewhere; {adopt}"


@dataclass(frozen=True)
class ElsewhereLook:
    """What one look found, by content; and why it may be incomplete."""

    found: dict[str, Elsewhere]
    problem: str | None = None


NOTHING = ElsewhereLook({})


async def look_elsewhere(
    config: EndpointConfig, home: Path, database: Database, contents: Collection[str]
) -> ElsewhereLook:
    """For each of these contents (see `jobs.content_of`) the newest job that counts and has no run in this
    database.

    It reads a bounded number of pages and never raises for the endpoint's errors: what can't be looked up now is
    shown with the plan.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), open_endpoint(config, home) as endpoint:
            if not contents or not endpoint.capabilities.metadata:
                return NOTHING
            jobs, problem = await _jobs(endpoint, contents)
    except TimeoutError:
        return ElsewhereLook({}, f"{config.name} did not answer in {_PATIENCE_SECONDS:g} s")
    except EndpointError as error:
        return ElsewhereLook({}, str(error.facts.get("problem") or error))
    counted = [job for job in jobs if state_of(job) not in UNCOUNTED]
    with database.read() as connection:
        here = store.recorded_jobs(connection, [job.id for job in counted], _tokens(counted))
    found: dict[str, Elsewhere] = {}
    for job in counted:
        if job.id not in here and job.metadata.get(TOKEN_KEY) not in here:
            found.setdefault(job.metadata[CONTENT_KEY], _elsewhere(job, config))
    return ElsewhereLook(found, problem)


def _tokens(jobs: list[RemoteJob]) -> list[str]:
    return [job.metadata[TOKEN_KEY] for job in jobs if TOKEN_KEY in job.metadata]


def _elsewhere(job: RemoteJob, config: EndpointConfig) -> Elsewhere:
    is_over = state_of(job) in (State.COLLECTING, State.SUCCEEDED)
    return Elsewhere(job.id, config.name, job.status, job.fine_tuned_model, is_over)


async def _jobs(endpoint: Endpoint, contents: Collection[str]) -> tuple[list[RemoteJob], str | None]:
    """The jobs of these contents, newest first, and why there may be more."""
    if len(contents) > _FILTERED:
        return await _listed(endpoint, contents, None)
    looks = [await _listed(endpoint, [each], {CONTENT_KEY: each}) for each in sorted(contents)]
    return [job for jobs, _ in looks for job in jobs], next((problem for _, problem in looks if problem), None)


async def _listed(
    endpoint: Endpoint, contents: Collection[str], metadata: dict[str, str] | None
) -> tuple[list[RemoteJob], str | None]:
    found: dict[str, RemoteJob] = {}
    after: str | None = None
    for _ in range(_MOST_PAGES):
        page = await endpoint.jobs(after=after, metadata=metadata)
        found |= {job.id: job for job in page.jobs if job.metadata.get(CONTENT_KEY) in contents}
        if page.next is None or page.next == after:
            return list(found.values()), None
        after = page.next
    return list(found.values()), f"only the newest jobs of {endpoint.name} were read"

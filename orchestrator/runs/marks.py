"""How a job on an endpoint is recognised as the one that a run's create request made.

A certain mark is proof, whatever else differs: hosts cut suffixes and write them in lower case, rename the base
model, give files other ids and set clocks as they please. Without one, everything the job says has to fit.
Hyperparameters are never compared: they come back resolved or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.endpoints.interface import Capabilities, RemoteBatch, RemoteJob, chosen_id
from orchestrator.runs.jobs import TOKEN_KEY, sent_suffix
from orchestrator.store.runs import Run

CLOCK_SKEW_SECONDS = 300.0
"""How far this machine's clock and an endpoint's may differ when a job is recognised by its time."""
_EARLIEST_TIME = 1_000_000_000.0
"""An earlier time (before 2001) is not a time: some hosts write 0, or a negative number."""


NO_MARK = "bears no mark of this run"
"""Part of the history of a run whose job was adopted because everything it says fits."""


def is_certain(job: RemoteJob, run: Run) -> bool:
    """Whether the job carries the run's token, is called by it, carries the run's id in its suffix, or a seed drawn
    by ftorch.

    The token of another run is proof to the contrary.
    """
    if run.creation_token and job.id.rpartition("/")[2] == chosen_id(run.creation_token):
        return True
    token = job.metadata.get(TOKEN_KEY)
    if token is not None:
        return token == run.creation_token
    if run.id.lower() in (job.suffix or "").lower():
        return True
    return job.seed == run.seed and not run.seed_given


def is_likely(job: RemoteJob, run: Run, capabilities: Capabilities) -> bool:
    """Whether everything the job says about itself fits, although none of it is proof."""
    if TOKEN_KEY in job.metadata:
        return False
    made_at = time_of(job)
    if made_at is not None and made_at < (run.creation_started_at or 0.0) - CLOCK_SKEW_SECONDS:
        return False
    differs = contradictions(replace(job, suffix=_completed(job.suffix, run, capabilities)), run, capabilities)
    return job.training_file == run.training_file_id and not differs


def _completed(suffix: str | None, run: Run, capabilities: Capabilities) -> str | None:
    """The suffix that was requested, if the host may have cut it to this one, or spelled it so."""
    asked = sent_suffix(run, capabilities)
    return asked if _letters(asked).startswith(_letters(suffix)) else suffix


def _letters(suffix: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", "", (suffix or "").lower())


def contradictions(job: RemoteJob, run: Run, capabilities: Capabilities) -> list[str]:
    """How a job differs from the request, in words; what it doesn't report doesn't count as a difference."""
    said = (
        ("base model", run.model, job.model, _same_model(job.model, run.model)),
        ("training file", run.training_file_id, job.training_file, job.training_file == run.training_file_id),
        ("suffix", sent_suffix(run, capabilities), job.suffix, job.suffix == sent_suffix(run, capabilities)),
        ("seed", run.seed, job.seed, job.seed == run.seed),
    )
    return [
        f"{what} {asked} was requested, but it has {found}"
        for what, asked, found, is_same in said
        if found is not None and asked is not None and not is_same
    ]


def time_of(job: RemoteJob | RemoteBatch) -> float | None:
    """When the job or batch was made, by the endpoint's clock; None if its value can't be a time."""
    made_at = job.created_at
    return made_at if made_at is not None and made_at >= _EARLIEST_TIME else None


def oldest_first(jobs: Sequence[RemoteJob]) -> list[RemoteJob]:
    return sorted(jobs, key=lambda job: (time_of(job) or 0.0, job.id))


def _same_model(found: str | None, asked: str) -> bool:
    """An alias (`gpt-4.1-mini`) may come back as the dated name it stands for."""
    return found is None or found.startswith(asked) or asked.startswith(found)

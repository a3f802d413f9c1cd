"""Which files a check is about, and what each is for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.dataset.checking.limits import ENDPOINT_TYPES, Limits, limits_of
from orchestrator.dataset.methods import Method, Purpose
from orchestrator.errors import DataBehindAddress, DataFileNotFound, NoSuchEndpoint, WishAgainstJobFile

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile  # loads pydantic, which a bare data file does not need

JOB_SUFFIX = ".toml"

_PURPOSE_WORDS: tuple[tuple[Purpose, frozenset[str]], ...] = (
    ("training", frozenset({"train", "training"})),
    ("validation", frozenset({"valid", "validation", "val", "dev"})),
    ("evaluation", frozenset({"eval", "evaluation", "test", "testing"})),
)


@dataclass(frozen=True)
class Source:
    """A data file, and how it is judged."""

    path: Path
    purpose: Purpose
    method: Method | None = None
    """None: the one that the rows show."""
    model: str | None = None
    """Chooses the token encoding and the longest example; None: no length is judged."""
    limits: Limits | None = None
    """Of the endpoint the file is meant for; None: of none in particular."""
    epochs: int = 1
    """The fewest that a job would train for."""
    group: str = ""
    """The job file, or the folder: measuring and training data of one group must define tools alike."""
    purpose_is_guess: bool = False
    """True where neither the user nor the file's name says what it is for."""


@dataclass(frozen=True)
class Wishes:
    """What the options of a check say about all files; None where they say nothing."""

    endpoint: str | None = None
    model: str | None = None
    purpose: Purpose | None = None
    method: Method | None = None


def gather(paths: Iterable[Path], wishes: Wishes) -> list[tuple[Source, ...]]:
    """The files to check, in sets that belong together: those of each job file (.toml), and all that stand alone.

    Raises DataFileNotFound before anything is read, the errors of job files and configuration, and NoSuchEndpoint
    where `wishes.endpoint` is neither a configured endpoint nor a type of one.
    """
    paths = list(dict.fromkeys(paths))
    jobs = [path for path in paths if path.suffix == JOB_SUFFIX]
    alone = [path for path in paths if path.suffix != JOB_SUFFIX]
    for path in alone:
        _require_existing(path)
    limits = _limits_wished(wishes.endpoint)
    sets = [_of_job(path, wishes, limits) for path in jobs]
    if alone:
        sets.append(tuple(replace(_of_path(path, wishes), limits=limits) for path in alone))
    return sets


def sources_of(job: JobFile, limits: Limits) -> tuple[Source, ...]:
    """The files of a job file that can be read here: training, and validation where there is one."""
    epochs = job.method.n_epochs
    least = 1 if epochs == "auto" else epochs
    method, group = job.method.type, str(job.source)
    places: tuple[tuple[Path | None, Purpose], ...] = (
        (job.training_path, "training"),
        (job.validation_path, "validation"),
    )
    return tuple(
        Source(path, purpose, method, job.model, limits, least, group)
        for path, purpose in places
        if path is not None
    )


def purpose_in_name(path: Path) -> Purpose | None:
    """What a file's name says it is for; None where it says nothing, or several things."""
    words = set(re.findall(r"[a-z]+", path.stem.lower()))
    found = [purpose for purpose, names in _PURPOSE_WORDS if words & names]
    return found[0] if len(found) == 1 else None


def _of_path(path: Path, wishes: Wishes) -> Source:
    purpose = wishes.purpose or purpose_in_name(path)
    return Source(
        path,
        purpose or "training",
        wishes.method,
        wishes.model,
        group=str(path.parent),
        purpose_is_guess=purpose is None,
    )


def _of_job(path: Path, wishes: Wishes, limits: Limits | None) -> tuple[Source, ...]:
    from orchestrator.config import find_workspace
    from orchestrator.jobfile import load_job_file

    if wishes.purpose or wishes.method:
        raise WishAgainstJobFile(path=path, option="purpose" if wishes.purpose else "method")
    job = load_job_file(path)
    for place in (job.training_place, job.validation_place):
        if place is not None and not isinstance(place, Path):
            raise DataBehindAddress(path=path, address=place)
    if limits is None:
        limits = limits_of(find_workspace(path.parent).endpoint(job.endpoint).type)
    return tuple(replace(source, model=wishes.model or job.model) for source in sources_of(job, limits))


def _limits_wished(endpoint: str | None) -> Limits | None:
    """Of an endpoint's name, or of a type: a user who has configured none still knows where the file shall go."""
    if endpoint is None:
        return None
    from orchestrator.config import find_workspace

    configured = find_workspace().endpoints
    if endpoint in configured:
        return limits_of(configured[endpoint].type)
    if endpoint in ENDPOINT_TYPES:
        return limits_of(endpoint)
    known = sorted({*configured, *ENDPOINT_TYPES})
    near = get_close_matches(endpoint, known, n=1)
    advice = f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(known)}."
    raise NoSuchEndpoint(name=endpoint, advice=advice)


def _require_existing(path: Path) -> None:
    try:
        if path.exists():
            return
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        names = []
    near = get_close_matches(path.name, names, n=1)
    if near:
        raise DataFileNotFound(f"There is no file {path}. Did you mean {path.with_name(near[0])}?")
    raise DataFileNotFound(path=path)

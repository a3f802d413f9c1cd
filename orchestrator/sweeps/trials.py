"""Trials: the runs of a sweep, each with its parameters, as separate job files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from orchestrator.jobfile import MAX_SEED, JobFile, Lora, Value
from orchestrator.jobfile.sweep import LORA_AXES

Parameters = Mapping[str, Value]
PointKey = tuple[tuple[str, Value], ...]
"""A combination of parameters as a value that can be compared and looked up."""

_DATA = ("training_file", "validation_file")
_TOP = {"model": "written_model", "seed": "seed"}
"""Parameters at the top of a job file, and the fields that hold them."""


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: `number` counts from 1; `repeat`, from 0, counts the trainings of the same point."""

    number: int
    parameters: Parameters
    repeat: int = 0

    @property
    def key(self) -> PointKey:
        """The same for all repeats of a point."""
        return point_key(self.parameters)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the parameters and the repeat: the same after a crash, an edit, or a new order."""
        identity = {"parameters": dict(self.parameters), "repeat": self.repeat}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def point_key(parameters: Parameters) -> PointKey:
    """The point with its parameters in alphabetical order."""
    return tuple(sorted(parameters.items()))


def numbered(points: Iterable[Parameters], seeds: int, first: int = 1) -> Iterator[Trial]:
    """The trials of these points: all of them once, then all of them again, so that an early end leaves no point
    untrained."""
    numbers, known = count(first), list(points)
    for repeat in range(seeds):
        for parameters in known:
            yield Trial(next(numbers), parameters, repeat)


def trial_job(job: JobFile, trial: Trial) -> JobFile:
    """The job file of this one trial, without a sweep.

    A repeat trains with the job file's seed plus its number, so that all points get the same seeds; without a seed
    in the job file every trial draws one.
    """
    given = trial.parameters
    seed = job.seed if job.seed is None else (job.seed + trial.repeat) % (MAX_SEED + 1)
    numbers = {name: value for name, value in given.items() if name not in (*_DATA, *_TOP, *LORA_AXES)}
    lora = {LORA_AXES[name]: value for name, value in given.items() if name in LORA_AXES}
    return job.model_copy(
        update={
            "sweep": None,
            "seed": seed,
            **{field: given[name] for name, field in _TOP.items() if name in given},
            "data": job.data.model_copy(update={name: given[name] for name in _DATA if name in given}),
            "method": job.method.model_copy(update=numbers),
            "lora": (job.lora or Lora()).model_copy(update=lora) if lora else job.lora,
        }
    )


def all_parameters(job: JobFile, parameters: Parameters) -> dict[str, Value]:
    """The parameters, completed with those set in the rest of the job file."""
    data = {name: getattr(job.data, name) for name in _DATA}
    lora = job.lora.hyperparameters if job.lora else {}
    said: dict[str, Value | None] = {**job.method.hyperparameters, **lora, "model": job.written_model, **data}
    return {**{name: value for name, value in said.items() if value is not None}, **parameters}

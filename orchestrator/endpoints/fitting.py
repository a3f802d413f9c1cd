"""What a job file asks for and an endpoint does not offer, by its capabilities, with the nearest that it offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.capabilities import capabilities_of
from orchestrator.endpoints.interface import Capabilities

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile  # loads pydantic, which commands without a plan do not need

Key = tuple[str, ...]


@dataclass(frozen=True)
class Misfit:
    """A setting that the endpoint does not offer."""

    key: Key
    """Its key in the job file."""
    problem: str
    """Why, with the nearest thing that the endpoint offers."""


def misfit_of(job: JobFile, config: EndpointConfig) -> Misfit | None:
    """The first setting of a job that this endpoint can't take; None if it takes them all."""
    return next(_misfits(job, capabilities_of(config)), None)


def rate_misfits(job: JobFile, config: EndpointConfig) -> list[Misfit]:
    """The learning rate that this endpoint can't take; without it, the endpoint would choose one."""
    return list(_rate_misfits(job, capabilities_of(config)))


def lora_for(job: JobFile, config: EndpointConfig) -> dict[str, Any]:
    """The settings of `[lora]` that have an effect on this endpoint, by their API names."""
    return job.lora.taken(capabilities_of(config).lora) if job.lora else {}


def key_of(job: JobFile, name: str) -> Key:
    """The key that sets it in the job file; of a trial's job, it may be one of `[sweep]`."""
    keys: list[Key] = [("sweep", "space", name), ("method", name), ("lora", name), ("data", name), ("sweep",)]
    return next((key for key in keys if _is_set(job.document, key)), ())


def without_effect(job: JobFile, config: EndpointConfig) -> Iterator[str]:
    """A sentence for each setting that the endpoint does not take and the job can do without."""
    capabilities = capabilities_of(config)
    if job.lora is not None and job.lora.given:
        yield from _idle_lora(config.name, job.lora.given, capabilities)
    if job.seed is not None and not capabilities.seed:
        yield f"seed has no effect on {config.name}, which draws its own: the same job trained again may differ."


def idle_axes(names: Iterable[str], config: EndpointConfig) -> list[str]:
    """Those of a sweep's parameters that would change nothing on this endpoint."""
    from orchestrator.jobfile.sweep import LORA_AXES

    capabilities = capabilities_of(config)
    return [
        name
        for name in names
        if (name in LORA_AXES and LORA_AXES[name] not in capabilities.lora)
        or (name == "seed" and not capabilities.seed)
    ]


def not_offered(config: EndpointConfig) -> Iterator[str]:
    """A sentence on what ftorch does on other endpoints and can't do on this one; nothing if it can do it all."""
    capabilities = capabilities_of(config)
    found = [
        sentence
        for is_offered, sentence in (
            (capabilities.pause, "a job can be cancelled, not paused"),
            (capabilities.checkpoints, "only the final model is kept, no checkpoints"),
            (capabilities.batch, "evaluations ask directly, not in batches at a lower price"),
        )
        if not is_offered
    ]
    if found:
        yield f"On {config.name} {'; '.join(found)}."


# --- Refused -----------------------------------------------------------------------------------------------------


_NO_RATE = (
    "it takes no absolute learning rate, only a multiplier of the rate that it chooses; set "
    "learning_rate_multiplier instead, such as 0.5"
)
_NO_MULTIPLIER = (
    "it takes no learning_rate_multiplier, only the rate itself; set learning_rate instead, such as 1e-4, or leave "
    "both out"
)
_NO_VALIDATION = (
    "it takes no validation file for {method}; leave it out, and measure the tuned model afterwards with "
    "[evaluation]"
)


def _misfits(job: JobFile, capabilities: Capabilities) -> Iterator[Misfit]:
    method, data = job.method, job.data
    yield from _rate_misfits(job, capabilities)
    if data.validation_file is not None and method.type not in capabilities.validation_file:
        yield Misfit(key_of(job, "validation_file"), _NO_VALIDATION.format(method=method.type))


def _rate_misfits(job: JobFile, capabilities: Capabilities) -> Iterator[Misfit]:
    if job.method.learning_rate != "auto" and not capabilities.learning_rate:
        yield Misfit(key_of(job, "learning_rate"), _NO_RATE)
    if job.method.learning_rate_multiplier != "auto" and not capabilities.learning_rate_multiplier:
        yield Misfit(key_of(job, "learning_rate_multiplier"), _NO_MULTIPLIER)


def _is_set(document: Any, key: Key) -> bool:
    for part in key:
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


# --- Without effect ----------------------------------------------------------------------------------------------


def _idle_lora(endpoint: str, given: Iterable[str], capabilities: Capabilities) -> Iterator[str]:
    if not capabilities.lora:
        yield f"[lora] has no effect on {endpoint}, which trains its own models in its own way."
        return
    idle = [key for key in given if key not in capabilities.lora]
    if idle:
        have = "has" if len(idle) == 1 else "have"
        takes = ", ".join(sorted(capabilities.lora))
        yield f"{', '.join(idle)} of [lora] {have} no effect on {endpoint}, which takes {takes}."

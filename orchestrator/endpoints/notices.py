"""What a user should know about an endpoint before paying for a job there, with dates."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model, tuned_until
from orchestrator.endpoints.azure.fitting import azure_notices
from orchestrator.endpoints.capabilities import capabilities_of
from orchestrator.endpoints.fireworks.fitting import fireworks_notices
from orchestrator.endpoints.fitting import not_offered, without_effect
from orchestrator.endpoints.together.fitting import together_notices
from orchestrator.modelfolders import is_hub_id

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile  # loads pydantic, which commands without a plan do not need

OPENAI_LAST_JOBS = date(2027, 1, 6)
"""OpenAI's wind-down of fine-tuning, announced on 7 May 2026."""


def notices(config: EndpointConfig, job: JobFile, today: date, *, is_open_weights: bool = False) -> list[str]:
    """Sentences to show before a submission to this endpoint; `is_open_weights`: the job trains an open-weights
    model on this machine."""
    if config.type == "azure":
        return [*azure_notices(config, job), *_without_effect(config, job)]
    found = _without_effect(config, job)
    if config.type == "openai":
        return [_wind_down(today), *_end_of_tuned(config, job, today), *found]
    if config.type == "together":
        return [*together_notices(config, job), *found]
    if config.type == "fireworks":
        return [*fireworks_notices(config, job), *found]
    if config.result == "served-checkpoint":
        return [_serving(config), *found]
    if config.type == "local" and not is_open_weights:
        return [*found, _rehearsal(config, job)]
    return found


def _without_effect(config: EndpointConfig, job: JobFile) -> list[str]:
    """What the job file asks for, or could, that this endpoint does not offer."""
    found = []
    if job.azure.deployment is not None and config.type != "azure":
        why = (
            "which has its own deployments"
            if capabilities_of(config).needs_deployment
            else "whose models need no deployment"
        )
        found.append(f"[azure.deployment] has no effect on {config.name}, {why}.")
    if config.type != "azure":
        found += [f"[azure] {name} has no effect on {config.name}." for name in job.azure.hyperparameters]
    return [*found, *without_effect(job, config), *not_offered(config)]


def _serving(config: EndpointConfig) -> str:
    """By repositories whose authors read docs.tokenfactory.nebius.com/other-capabilities/deprecation-info in
    September 2026; the page itself was out of reach."""
    return (
        f"A tuned model answers once {config.name} serves its last checkpoint, which ftorch requests after the "
        "training. Readers of Nebius' pages reported in September 2026 that this is being retired, and that tuned "
        "models then answer only on a dedicated endpoint, charged by the GPU hour: ask Nebius before you train. To "
        f'train without serving, set result = "last-checkpoint" in [endpoints.{config.name}].'
    )


def _rehearsal(config: EndpointConfig, job: JobFile) -> str:
    way_out = ""
    if is_hub_id(job.model):
        way_out = f" To train that model, download it first: hf download {job.model}"
    return (
        f"{config.name}: tiny, a small trainer on this machine, trains in place of {job.model}. It rehearses "
        "the whole pipeline and really learns, but has no general knowledge: its metrics say nothing about "
        f"that model.{way_out}"
    )


def _end_of_tuned(config: EndpointConfig, job: JobFile, today: date) -> list[str]:
    ends = tuned_until(config.type, job.model)
    if ends is None:
        return []
    base = base_model(job.model)
    if ends <= today:
        return [f"{config.name} retired the fine-tuned models of {base} on {ends}; a new one would not answer."]
    return [f"{config.name} retires the fine-tuned models of {base} on {ends}, in {(ends - today).days} days."]


def _wind_down(today: date) -> str:
    days = (OPENAI_LAST_JOBS - today).days
    when = f"in {days} days" if days > 1 else "tomorrow" if days == 1 else "now past"
    return (
        "OpenAI is winding fine-tuning down: since 7 May 2026 no new organisations, since 2 July 2026 only those "
        f"with recent use, from 6 January 2027 ({when}) no new jobs at all; fine-tuned models answer until their "
        "base model retires. The same job file works on another endpoint. Keep what you have with ftorch rescue, "
        "and train a successor elsewhere with ftorch migrate: docs/leaving-openai.md"
    )

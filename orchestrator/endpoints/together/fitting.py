"""Whether a job file can run on Together, and what to know before paying there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.endpoints.together import DEFAULT_EPOCHS
from orchestrator.errors import NotServed

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile

_NEEDS_RANK = ("alpha", "dropout", "targets")


def problem_with(job: JobFile, config: EndpointConfig) -> str | None:
    """Why this job can't run on this endpoint, with the next step; None if it can."""
    if is_fine_tuned(job.model):
        return (
            f"{config.name} continues a job from a checkpoint, which ftorch does not request; name the base model "
            "and train it on all of the data"
        )
    if "/" not in job.model:
        return (
            f'models there are called VENDOR/NAME, not "{job.model}"; write a name from Together\'s list of models '
            "for fine-tuning, such as Qwen/Qwen3-8B"
        )
    given = [key for key in _NEEDS_RANK if job.lora and getattr(job.lora, key) is not None]
    if job.lora and job.lora.rank is None and given:
        return f"{config.name} takes [lora] {', '.join(given)} only with a rank; add one, such as rank = 16"
    return None


def together_notices(config: EndpointConfig, job: JobFile) -> list[str]:
    """Sentences to show before a submission to this endpoint."""
    found = [_epochs(config, job), _validation(config, job), _price(config), _serving(config)]
    return [notice for notice in found if notice]


def _epochs(config: EndpointConfig, job: JobFile) -> str | None:
    if job.method.n_epochs != "auto":
        return None
    return f"n_epochs is not set, and {config.name} then trains {DEFAULT_EPOCHS} epoch."


def _validation(config: EndpointConfig, job: JobFile) -> str | None:
    if job.validation_place is None:
        return None
    return f"{config.name} evaluates on the validation file after each epoch, and charges its tokens each time."


def _price(config: EndpointConfig) -> str:
    return (
        f"{config.name} tells the price once it has checked the uploaded files. ftorch asks for it before it "
        "requests the job, and holds the job back if that exceeds max_cost_usd or the account's limit."
    )


def _serving(config: EndpointConfig) -> str:
    return (
        f"A tuned model of {config.name} answers on a dedicated endpoint, which is charged by the minute. ftorch "
        "starts none: when the model is trained, start one with tg endpoints deploy or at "
        f"https://api.together.ai/models, name it under dedicated in [endpoints.{config.name}], and stop it there "
        "when you have finished."
    )


def not_served(config: EndpointConfig, model: str, said: str) -> NotServed:
    """The error for a model that the host doesn't serve, which `said` so."""
    name, place = config.dedicated.get(model), f"[endpoints.{config.name}] of {config.source}"
    if name is not None:
        asked, advice = f', asked as "{name}",', f"Start that dedicated endpoint, or correct its name in {place}"
    else:
        line = f'dedicated = {{ "{model}" = "NAME" }}'
        asked, advice = "", f"Start one there, and add to {place}: {line}"
    return NotServed(endpoint=config.name, model=model, asked=asked, problem=said.rstrip("."), advice=advice)

"""Whether a job file can run on an Azure endpoint, and what to know before paying there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from orchestrator.config import EndpointConfig
from orchestrator.dataset.hosting import hosting_words
from orchestrator.dataset.pricing import find_price
from orchestrator.endpoints.azure.dialects import Dialect, dialect_of, is_project
from orchestrator.endpoints.azure.models import model_format
from orchestrator.endpoints.management import missing_keys

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile


_LEAVING = ("gpt-4.1",)


def problem_with(job: JobFile, config: EndpointConfig) -> str | None:
    """Why this job can't run on this endpoint, with the next step; None if it can."""
    dialect, method = dialect_of(config.api), job.method
    way_out = f'set api = "v1" for {config.name} in {config.source}'
    if method.type not in dialect.methods:
        return f'api "{config.api}" has no method {method.type}; {way_out}'
    if dialect.method_field == "type" and method.hyperparameters.get("beta", "auto") != "auto":
        return f'api "{config.api}" has no beta; leave it out, or {way_out}'
    if found := _unknown_number(job, dialect, way_out):
        return found
    wanted = training_type_for(job.model, job.azure.training_type)
    if needs_global(job.model) and wanted not in _FOR_OPEN_WEIGHTS:
        allowed = " or ".join(_FOR_OPEN_WEIGHTS)
        return f'{job.model} can be trained only as {allowed}, but [azure] training_type is "{wanted}"'
    if wanted not in (None, USUAL) and not dialect.training_type:
        return f'api "{config.api}" has only the training type "{USUAL}", but this job needs "{wanted}"; {way_out}'
    deployment = job.azure.deployment
    if deployment is not None and deployment.auto and (missing := missing_keys(config)):
        keys = ", ".join(missing)
        return (
            f"[azure.deployment] needs {keys} in [endpoints.{config.name}] of {config.source}; or set auto = false"
        )
    return None


def _unknown_number(job: JobFile, dialect: Dialect, way_out: str) -> str | None:
    """Why a hyperparameter of `[azure]` can't be used; None if all can."""
    if job.azure.prompt_loss_weight is not None and job.method.type != "supervised":
        return f"[azure] prompt_loss_weight is for supervised training, not for {job.method.type}; leave it out"
    if job.azure.l2_multiplier is not None and job.method.type != "dpo":
        return f"[azure] l2_multiplier is for dpo, not for {job.method.type} training; leave it out"
    if job.azure.prompt_loss_weight is not None and dialect.method_field == "absent":
        return f'api "{dialect.api}" has no prompt_loss_weight; leave it out, or {way_out}'
    if job.azure.l2_multiplier is not None and dialect.method_field != "whole":
        return f'api "{dialect.api}" has no l2_multiplier; leave it out, or {way_out}'
    return None


def azure_notices(config: EndpointConfig, job: JobFile) -> list[str]:
    """Sentences to show before a submission to this endpoint."""
    found = [_training_type(job), *_large_files(config, job), _hosting(config, job), _leaving(job)]
    return [notice for notice in found if notice]


def _large_files(config: EndpointConfig, job: JobFile) -> list[str]:
    """Files that the address of a project may take only in one request."""
    if not is_project(config.base_url):
        return []
    sizes = {
        path: path.stat().st_size for path in (job.training_path, job.validation_path) if path and path.is_file()
    }
    return [
        f"{path.name} has {size / 1e6:,.0f} MB: the address of a project may take no uploads in parts, and one "
        f"request is known to fail above {LARGEST_IN_ONE_REQUEST / 1e6:.0f} MB. The resource's own address, "
        "https://RESOURCE.openai.azure.com, takes parts."
        for path, size in sizes.items()
        if size > LARGEST_IN_ONE_REQUEST
    ]


def _training_type(job: JobFile) -> str | None:
    if job.azure.training_type == DATA_ZONE:
        return "Data zone training exists in the US only: the resource must be in a US region."
    if job.azure.training_type or not needs_global(job.model):
        return None
    return (
        f"{job.model} is an open-weight model, so it is trained as GlobalStandard. The data may "
        "leave the resource's region."
    )


def _hosting(config: EndpointConfig, job: JobFile) -> str | None:
    price = find_price(config.type, job.model, tier=job.azure.training_type, prices=config.prices)
    if price is None or not price.hosting_per_hour:
        return None
    return (
        "on Azure a fine-tuned model answers only while it is deployed, and a standard deployment costs "
        f"{hosting_words(price.hosting_per_hour)}."
    )


def _leaving(job: JobFile) -> str | None:
    if not job.model.startswith(_LEAVING):
        return None
    return (
        "Azure trains gpt-4.1 models until 14 April 2027 at least, only for customers who have done so before, and "
        "deploys them until October 2027; new customers train open-weight models."
    )


# --- Training types and models -----------------------------------------------------------------------------------


TrainingType = Literal["Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier"]
USUAL: TrainingType = "Standard"
"""The default."""
DATA_ZONE: TrainingType = "DataZoneStandard"
_FOR_OPEN_WEIGHTS: tuple[TrainingType, ...] = ("GlobalStandard", DATA_ZONE)
LARGEST_IN_ONE_REQUEST = 150_000_000
"""In bytes; Microsoft's notes on fine-tuning say that larger plain uploads may fail later."""


def needs_global(model: str) -> bool:
    """Whether this model is not trained as Standard or DeveloperTier: by Microsoft's "Fine-tuning in Microsoft
    Foundry" (6 October 2026), no open-weight model is."""
    return model_format(model) != "OpenAI"


def training_type_for(model: str, asked: TrainingType | None) -> TrainingType | None:
    """The training type to send: the requested one, else the one usual for an open-weight model, else None."""
    return asked or ("GlobalStandard" if needs_global(model) else None)


def spelled(training_type: str) -> str:
    """As the API spells it: `globalStandard`. It ignores case: Microsoft's pages have `GlobalStandard` and
    `globalstandard` too."""
    return training_type[:1].lower() + training_type[1:]

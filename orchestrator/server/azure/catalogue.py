"""The base models that can be fine-tuned, their publishers, and their regions.

From Microsoft's pages on fine-tuning and deployment types (2026): OpenAI's models train in some regions, and
open-weight models only with the training type globalStandard. The regions are a selection.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.dataset.basemodels import base_model, is_version_of

DEVELOPER, DATA_ZONE = "DeveloperTier", "DataZoneStandard"
TRAINING_TYPES = ("Standard", "GlobalStandard", DATA_ZONE, "developerTier")
SKUS = ("Standard", "GlobalStandard", DATA_ZONE, DEVELOPER)
"""For deployments of fine-tuned models."""
_DATA_ZONE = ("eastus2", "northcentralus")
"""Training and hosting in a data zone exist in the US only."""
_REGIONS = ("eastus2", "northcentralus", "swedencentral")


@dataclass(frozen=True)
class BaseModel:
    """A family of models."""

    family: str
    format: str
    """The `model.format` of its deployments."""
    version: str
    open_weight: bool = False

    @property
    def name(self) -> str:
        """Its full name, as in fine-tuning jobs."""
        return self.family if self.open_weight else f"{self.family}-{self.version}"

    def trains_in(self, region: str, training_type: str) -> bool:
        """Whether a job may train it from a resource in that region."""
        if training_type.casefold() == DATA_ZONE.casefold():
            return region in _DATA_ZONE
        if self.open_weight:
            return training_type.casefold() == "globalstandard"
        return region in _REGIONS


MODELS = (
    BaseModel("gpt-4.1", "OpenAI", "2025-04-14"),
    BaseModel("gpt-4.1-mini", "OpenAI", "2025-04-14"),
    BaseModel("gpt-4.1-nano", "OpenAI", "2025-04-14"),
    BaseModel("gpt-4o", "OpenAI", "2024-08-06"),
    BaseModel("gpt-4o-mini", "OpenAI", "2024-07-18"),
    BaseModel("gpt-oss-20b", "Microsoft", "1", open_weight=True),
    BaseModel("Ministral-3B", "Mistral AI", "1", open_weight=True),
    BaseModel("Llama-3.3-70B-Instruct", "Meta", "1", open_weight=True),
    BaseModel("Qwen-3-32B", "Alibaba", "1", open_weight=True),
)


def find_model(name: str) -> BaseModel | None:
    """The base model of a name: a family's, a dated version's, or that of a model tuned from it."""
    base = base_model(name)
    return next((model for model in MODELS if is_version_of(base, model.family)), None)


def is_offered(model: BaseModel, region: str) -> bool:
    """Whether a resource in that region can deploy it."""
    return model.open_weight or region in _REGIONS


def has_sku(region: str, sku: str) -> bool:
    """Whether deployments there can be of this kind."""
    return sku != DATA_ZONE or region in _DATA_ZONE


def offered_in(region: str) -> list[BaseModel]:
    """The base models that a resource in that region can deploy."""
    return [model for model in MODELS if is_offered(model, region)]


def quota_text(sku: str, model: BaseModel) -> str:
    """The name of the quota for deployments of models tuned from this one."""
    return f"Tokens Per Minute (thousands) - {model.family} - finetune - {sku}"

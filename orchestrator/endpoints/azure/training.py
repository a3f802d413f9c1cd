"""How Azure trains: in one region or anywhere, and which models it trains in one way only."""

from __future__ import annotations

from typing import Literal

from orchestrator.endpoints.azure.models import model_format

TrainingType = Literal["Standard", "GlobalStandard", "DeveloperTier"]
USUAL: TrainingType = "Standard"
"""What is meant where nothing is said."""


def needs_global(model: str) -> bool:
    """Whether this model is trained as GlobalStandard only: Microsoft's notes on fine-tuning say so of all
    open-weight models."""
    return model_format(model) != "OpenAI"


def training_type_for(model: str, asked: TrainingType | None) -> TrainingType | None:
    """The training type to send: the one asked for, else the only one of the model, else None."""
    return asked or ("GlobalStandard" if needs_global(model) else None)


def spelled(training_type: str) -> str:
    """As the API writes it: `globalStandard`."""
    return training_type[:1].lower() + training_type[1:]

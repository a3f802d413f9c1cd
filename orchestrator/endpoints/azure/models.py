"""How Azure's management names a model: by format, name and version, while ftorch uses one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.dataset.basemodels import base_model, is_fine_tuned

_FORMATS: Mapping[str, str] = {
    "gpt-oss": "Microsoft",
    "ministral": "Mistral AI",
    "mistral": "Mistral AI",
    "llama": "Meta",
    "meta-llama": "Meta",
    "qwen": "Alibaba",
}
"""The `model.format` of fine-tuned open-weight models by the start of their base's name, from Microsoft's notes on
deploying fine-tuned models. Case matters; everything else is OpenAI's."""
_FINE_TUNED_VERSION = "1"
_DATED = re.compile(r"(?P<name>.+?)-(?P<version>\d{4}(-\d\d-\d\d)?)")


@dataclass(frozen=True)
class ArmModel:
    """`version` is None if Azure chooses it."""

    format: str
    name: str
    version: str | None


def arm_model(model: str) -> ArmModel:
    """The model as a deployment names it: `gpt-4.1-mini-2025-04-14` is version 2025-04-14 of gpt-4.1-mini."""
    if is_fine_tuned(model):
        return ArmModel(model_format(model), model, _FINE_TUNED_VERSION)
    dated = _DATED.fullmatch(model)
    if dated is None:
        return ArmModel(model_format(model), model, None)
    return ArmModel(model_format(model), dated["name"], dated["version"])


def model_name(name: str, version: str | None) -> str:
    """The reverse: the model's one name."""
    if is_fine_tuned(name) or version is None or not re.fullmatch(r"\d{4}(-\d\d-\d\d)?", version):
        return name
    return f"{name}-{version}"


def model_format(model: str) -> str:
    """The publisher of the model's base, as in `model.format`."""
    base = base_model(model).lower()
    return next((spelling for begin, spelling in _FORMATS.items() if base.startswith(begin)), "OpenAI")

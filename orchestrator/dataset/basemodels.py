"""What a model's name tells: its base, and how much of an example it trains on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Literal

Method = Literal["supervised", "dpo", "reinforcement"]
"""The `type` of a fine-tuning job's method: it decides what an example looks like."""

Subject = Literal["supervised", "dpo", "reinforcement", "images"]
"""What a model may or may not be trained with: a method, or examples with images."""

# Limits of each training example in tokens: OpenAI's fine-tuning guide, and for gpt-4o Microsoft's table of models
# that can be fine-tuned, "training example context length". A model that is not here has no check.
_TRAINING_CONTEXT = {
    "gpt-4.1": 65_536,
    "gpt-4.1-mini": 65_536,
    "gpt-4.1-nano": 65_536,
    "gpt-4o": 65_536,
    "gpt-4o-mini": 65_536,
    "gpt-3.5-turbo-0125": 16_385,
}

# OpenAI's page of deprecations, announced on 14 October 2026 (read in copies of it).
_OPENAI_ENDS = date(2027, 1, 14)
_SHUTDOWN = {("openai", family): _OPENAI_ENDS for family in ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini")}


# What models can be trained with, read in November 2026: OpenAI's guides to direct preference optimization,
# reinforcement and vision fine-tuning, and Azure's pages on models, reinforcement and vision. What is not here has
# no list.
_TRAINABLE: Mapping[tuple[str, Subject], tuple[str, ...]] = {
    ("openai", "dpo"): ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"),
    ("openai", "reinforcement"): ("o4-mini",),
    ("openai", "images"): ("gpt-4o",),
    ("azure", "reinforcement"): ("o4-mini", "gpt-5"),
    ("azure", "images"): ("gpt-4o", "gpt-4.1"),
}


def trained_with(endpoint_type: str, subject: Subject) -> tuple[str, ...] | None:
    """The families that the endpoint trains with a method, or with images; None where that is not known."""
    return _TRAINABLE.get((endpoint_type, subject))


def base_model(model: str) -> str:
    """The base of a fine-tuned model's name; a base model's name is given back as it is.

    OpenAI writes `ft:<base>:<organisation>:<suffix>:<id>`, Azure `<base>.ft-<job>-<suffix>`.
    """
    if model.startswith("ft:"):
        return model.split(":")[1]
    return model.partition(".ft-")[0]


def is_fine_tuned(model: str) -> bool:
    """True for the name of a fine-tuned model, in OpenAI's or Azure's way of writing it."""
    return base_model(model) != model


def is_version_of(model: str, family: str) -> bool:
    """True for the family's name and its dated versions: gpt-4o-2024-08-06 of gpt-4o, but not gpt-4o-mini."""
    return re.fullmatch(rf"{re.escape(family)}(-\d{{4}}(-\d\d-\d\d)?)?", model) is not None


def shutdown_date(endpoint_type: str, model: str) -> date | None:
    """When the endpoint ends a model and what was tuned from it, as announced; None where no date is known."""
    base = base_model(model)
    ends = (
        day for (kind, family), day in _SHUTDOWN.items() if kind == endpoint_type and is_version_of(base, family)
    )
    return next(ends, None)


def training_context(model: str) -> int | None:
    """The most tokens of one example that the model trains on; None where that is not known."""
    base = base_model(model)
    limits = (limit for family, limit in _TRAINING_CONTEXT.items() if is_version_of(base, family))
    return next(limits, None)


# --- Purposes of a data file -------------------------------------------------------------------------------------


Purpose = Literal["training", "validation", "evaluation"]
"""An evaluation file holds supervised conversations whose rows may carry keys of their own (id, slice, …)."""

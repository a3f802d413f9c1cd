"""What a model's name says: its base, and how much of an example it trains on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Literal

from orchestrator.spelling import nearest

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
# The same page: of these only the fine-tuned models ended.
_TUNED_ENDED = date(2026, 10, 23)
_TUNED_SHUTDOWN = {
    ("openai", family): _TUNED_ENDED for family in ("gpt-3.5-turbo", "gpt-4", "gpt-4.1-nano", "o4-mini")
}

# What models can be trained with, read in November 2026: OpenAI's guides to each method and to vision fine-tuning,
# and Azure's pages on models, reinforcement and vision. What is not here has no list.
_TRAINABLE: Mapping[tuple[str, Subject], tuple[str, ...]] = {
    ("openai", "supervised"): (
        *("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"),
        *("gpt-4o", "gpt-4o-mini", "gpt-3.5-turbo", "gpt-4"),
    ),
    ("openai", "dpo"): ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"),
    ("openai", "reinforcement"): ("o4-mini",),
    ("openai", "images"): ("gpt-4o",),
    ("azure", "reinforcement"): ("o4-mini", "gpt-5"),
    ("azure", "images"): ("gpt-4o", "gpt-4.1"),
}


def trained_with(endpoint_type: str, subject: Subject) -> tuple[str, ...] | None:
    """The families that the endpoint trains with a method, or with images; None where that is not known."""
    return _TRAINABLE.get((endpoint_type, subject))


def usual_model(method: Method) -> str:
    """The base model of OpenAI and Azure to begin with."""
    return "o4-mini-2025-04-16" if method == "reinforcement" else "gpt-4.1-mini-2025-04-14"


_TOGETHERS = re.compile(r"[^/:]+/([^:]+):[^:]*:ft-[0-9a-f-]+")
_ON_NEBIUS = "-LoRa:"


def base_model(model: str) -> str:
    """The base of a fine-tuned model's name; a base model's name is given back as it is.

    OpenAI writes `ft:<base>:<organisation>:<suffix>:<id>`, Azure `<base>.ft-<job>-<suffix>`, Together
    `<account>/<base>:<suffix>:ft-<job>`, Nebius `<base>-LoRa:<name>`. On Fireworks ftorch chooses the name,
    `accounts/<account>/models/<base>-ft-<suffix>`.
    """
    if model.startswith("ft:"):
        return model.split(":")[1]
    if found := _TOGETHERS.fullmatch(model):
        return found[1]
    if tuned := _TUNED_ON_FIREWORKS.fullmatch(model):
        return f"accounts/fireworks/models/{tuned[1]}"
    if _ON_NEBIUS in model:
        return model.partition(_ON_NEBIUS)[0]
    return model.partition(".ft-")[0]


FIREWORKS_TUNED = "-ft-"
"""What stands between the base and the suffix in the ids of models that ftorch has tuned on Fireworks."""
_TUNED_ON_FIREWORKS = re.compile(rf"accounts/(?!fireworks/)[^/]+/models/([^/]+?){FIREWORKS_TUNED}[^/]+")


def is_fine_tuned(model: str) -> bool:
    """True for the name of a fine-tuned model, in OpenAI's, Azure's or Together's way of writing it."""
    return base_model(model) != model


def is_version_of(model: str, family: str) -> bool:
    """True for the family's name and its dated versions: gpt-4o-2024-08-06 of gpt-4o, but not gpt-4o-mini."""
    return re.fullmatch(rf"{re.escape(family)}(-\d{{4}}(-\d\d-\d\d)?)?", model) is not None


def shutdown_date(endpoint_type: str, model: str) -> date | None:
    """When the endpoint ends a model and what was tuned from it, as announced; None where no date is known."""
    return _day(_SHUTDOWN, endpoint_type, model)


def tuned_until(endpoint_type: str, model: str) -> date | None:
    """The day on which the endpoint ends what is tuned from a model, as announced; None where none is known."""
    return _day(_TUNED_SHUTDOWN, endpoint_type, model) or shutdown_date(endpoint_type, model)


def _day(days: Mapping[tuple[str, str], date], endpoint_type: str, model: str) -> date | None:
    base = base_model(model)
    return next((days[key] for key in days if key[0] == endpoint_type and is_version_of(base, key[1])), None)


def training_context(model: str) -> int | None:
    """The most tokens of one example that the model trains on; None where that is not known."""
    base = base_model(model)
    limits = (limit for family, limit in _TRAINING_CONTEXT.items() if is_version_of(base, family))
    return next(limits, None)


# --- Misspelt names ----------------------------------------------------------------------------------------------


# Versions that the guides and price lists of OpenAI and Azure named in November 2026.
_VERSIONS = (
    *("gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14"),
    *("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o-mini-2024-07-18"),
    *("gpt-3.5-turbo-0125", "gpt-3.5-turbo-0613", "gpt-3.5-turbo-1106", "gpt-4-0613"),
    *("gpt-35-turbo-0125", "gpt-35-turbo-0613", "gpt-35-turbo-1106"),  # Azure's spelling
    *("o4-mini-2025-04-16", "gpt-5-2025-08-07"),
)
_VERSION = re.compile(r"-\d{4}(-\d\d-\d\d)?$")
_FAMILIES = (
    *dict.fromkeys(_VERSION.sub("", each) for each in _VERSIONS),
    *("gpt-oss-20b", "Ministral-3B", "Llama-3.3-70B-Instruct", "Qwen-3-32B"),
)
_ALIKE, _NEARLY_EQUAL = 0.85, 0.93


def is_of_known_family(model: str) -> bool:
    """Whether OpenAI's and Azure's lists name the model's family."""
    return _VERSION.sub("", base_model(model)) in _FAMILIES


def meant_instead(model: str) -> str | None:
    """The known base model whose name is closest: gpt-4.1-mini for gpt-4.1-mimi; None for any other name, such as
    that of an unknown model. Other numbers make another model: nothing is close to gpt-5-mini."""
    base = base_model(model)
    family = _VERSION.sub("", base)
    if family in _FAMILIES:
        is_known = base == family or base in _VERSIONS
        return None if is_known else nearest(base, _VERSIONS, cutoff=_NEARLY_EQUAL)
    near = nearest(family.lower(), [each.lower() for each in _FAMILIES], cutoff=_ALIKE)
    known = next((each for each in _FAMILIES if each.lower() == near), None)
    if known is None or _digits(known) != _digits(family):
        return None
    version = f"{known}{base.removeprefix(family)}"
    return version if version in _VERSIONS else known


def doubt_about(model: str) -> str | None:
    """A sentence about a name that is close to a known model's; None for any other."""
    near = meant_instead(model)
    return f'the model "{model}" is unknown; did you mean "{near}"?' if near else None


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


# --- Purposes of a data file -------------------------------------------------------------------------------------


Purpose = Literal["training", "validation", "evaluation"]
"""An evaluation file holds supervised conversations whose rows may have additional keys (id, slice, …)."""

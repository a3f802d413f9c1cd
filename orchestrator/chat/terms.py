"""On which terms a chat is held: what goes with each request, and what is doubtful about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.chat.partners import Partner
from orchestrator.chat.training import TrainedWith, trained_with
from orchestrator.dataset.shorten import in_variant
from orchestrator.dataset.variants import Variant, declared_functions, first_difference
from orchestrator.jobfile.addresses import is_address
from orchestrator.tools.functions import Tool

ROUNDS = 5
"""How often the model may call before it has to answer."""


@dataclass(frozen=True)
class Wishes:
    """What the user says; None is as in training."""

    variant: Variant | None = None
    system: str | None = None
    """"" for no system message."""
    rejection_tools: frozenset[str] | None = None
    """None: those of the job file."""
    temperature: float | None = None
    """None: the endpoint's own."""
    rounds: int = ROUNDS


@dataclass(frozen=True)
class Terms:
    """What holds for a whole chat."""

    endpoint: str
    tools: tuple[Tool, ...]
    variant: Variant
    system: Mapping[str, Any] | None
    """The message that the chat begins with."""
    fields: Mapping[str, Any]
    """What each request carries beside the messages."""
    rejection_tools: frozenset[str]
    rounds: int
    notes: tuple[str, ...]
    """In what the chat is unlike the training: such a model is not at its best."""


def agree(partner: Partner, tools: Sequence[Tool], wishes: Wishes) -> Terms:
    """The terms for a model: as it was trained, where that is known and nothing else is wished."""
    training = trained_with(partner.run) if partner.run else None
    variant = wishes.variant or (training.variant if training else "full")
    fields = _fields(partner.model, tools, variant, training, wishes.temperature)
    rejections = partner.rejection_tools if wishes.rejection_tools is None else wishes.rejection_tools
    return Terms(
        endpoint=partner.config.name,
        tools=tuple(tools),
        variant=variant,
        system=_system(training, wishes.system),
        fields=fields,
        rejection_tools=rejections,
        rounds=wishes.rounds,
        notes=tuple(_notes(partner, training, tools, variant, fields)),
    )


def _fields(
    model: str,
    tools: Sequence[Tool],
    variant: Variant,
    training: TrainedWith | None,
    temperature: float | None,
) -> dict[str, Any]:
    fields: dict[str, Any] = {"model": model}
    if temperature is not None:
        fields["temperature"] = temperature
    if tools:
        fields["tools"] = [tool.definition for tool in tools]
        if training and training.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = training.parallel_tool_calls
    return in_variant(fields, variant)


def _system(training: TrainedWith | None, wished: str | None) -> Mapping[str, Any] | None:
    if wished is None:
        return training.system if training else None
    return {"role": "system", "content": wished} if wished else None


def _notes(
    partner: Partner,
    training: TrainedWith | None,
    tools: Sequence[Tool],
    variant: Variant,
    fields: Mapping[str, Any],
) -> Iterator[str]:
    if training is None:
        if partner.run is not None:
            path = partner.run.training_path
            why = "was not read here" if is_address(path) else "is gone or changed"
            yield f"the training file {path} {why}, so nobody can tell whether these tools are its own"
        return
    if variant != training.variant:
        yield f"the model was trained with the variant {training.variant}, and is asked with {variant}"
    elif variant == "no-tools" and tools:
        yield "the model was trained without definitions, so none are sent; --variant full sends them"
    else:
        yield from _differences(training, fields)
    yield from _names(training, tools)


def _differences(training: TrainedWith, fields: Mapping[str, Any]) -> Iterator[str]:
    """Functions that are defined unlike every definition of them in training."""
    for function in declared_functions(fields):
        trained = training.definitions.functions.get(str(function.get("name")), {})
        if trained and json.dumps(function, sort_keys=True) not in trained:
            text, line = next(iter(trained.items()))
            place = first_difference(json.loads(text), function)
            where = f"{training.path} line {line}"
            yield f"{function['name']} is defined otherwise than in training, at {place}: compare {where}"


def _names(training: TrainedWith, tools: Sequence[Tool]) -> Iterator[str]:
    trained, given = training.definitions.functions, {tool.name for tool in tools}
    missing = [name for name in trained if name not in given]
    if missing:
        yield f"the model was trained to call functions that are not given with --tools: {_listed(missing)}"
    new = [tool.name for tool in tools if trained and tool.name not in trained]
    if new:
        yield f"not in training, so the model may not know when to call it: {_listed(new)}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

"""The terms of a chat: the parts of each request, and their differences from training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.chat.targets import Target
from orchestrator.chat.training import TrainedWith, trained_with
from orchestrator.dataset.shorten import CUTS, Cut, shortened
from orchestrator.dataset.variants import Variant, declared_functions, first_difference, variant_of
from orchestrator.errors import NoSuchTool
from orchestrator.spelling import did_you_mean
from orchestrator.tools.functions import Tool

ROUNDS = 5
"""Rounds of calls before the model has to answer."""


@dataclass(frozen=True)
class ChatOptions:
    """The user's options; None means as in training."""

    variant: Variant | None = None
    system: str | None = None
    """"" for no system message."""
    rejection_tools: frozenset[str] | None = None
    """None: the job file's."""
    temperature: float | None = None
    """None: the endpoint's default."""
    rounds: int = ROUNDS
    drop: Cut | None = None
    """Parts to leave out of the definitions, instead of a variant."""


@dataclass(frozen=True)
class Terms:
    """The terms of a whole chat."""

    endpoint: str
    tools: tuple[Tool, ...]
    variant: Variant
    """The form in which the definitions are sent."""
    system: Mapping[str, Any] | None
    """The first message of the chat."""
    fields: Mapping[str, Any]
    """Keys of each request in addition to the messages."""
    rejection_tools: frozenset[str]
    rounds: int
    notes: tuple[str, ...]
    """Differences from training, which may make the model worse."""
    tools_from: str = ""
    """The training file whose definitions are used; "" if tools were given, or there are none."""

    @property
    def executes(self) -> bool:
        """Whether any tool has a function; calls of the others are shown."""
        return any(tool.function is not None for tool in self.tools)


def agree(target: Target, tools: Sequence[Tool], options: ChatOptions) -> Terms:
    """The terms for a model: as in training if known, unless `options` say otherwise.

    Without `tools`, the definitions of the training file are used. Raises NoSuchTool if `options.drop` names a
    missing tool.
    """
    training = _training(target)
    is_own = not tools and training is not None and bool(training.tools)
    chosen = training.tools if is_own and training else tuple(tools)
    cut = _cut(options, chosen, None if is_own else training)
    fields = _fields(target.model, chosen, cut, training, options.temperature)
    variant = options.variant or (training.variant if training else "full")
    if options.drop is not None:
        variant = variant_of(declared_functions(fields))
    rejections = target.rejection_tools if options.rejection_tools is None else options.rejection_tools
    return Terms(
        endpoint=target.config.name,
        tools=chosen,
        variant=variant,
        system=_system(training, options.system),
        fields=fields,
        rejection_tools=rejections,
        rounds=options.rounds,
        notes=tuple(_notes(target, training, chosen, variant, fields)),
        tools_from=str(training.path) if is_own and training else "",
    )


def _training(target: Target) -> TrainedWith | None:
    place = target.training_place
    return (
        trained_with(place, target.run.training_sha256 if target.run else None) if isinstance(place, Path) else None
    )


def _cut(options: ChatOptions, tools: Sequence[Tool], training: TrainedWith | None) -> Cut:
    if options.drop is not None:
        known = [tool.name for tool in tools]
        for name in options.drop.names:
            if name not in known:
                hint = did_you_mean(name, known, ' (did you mean "{}"?)')
                raise NoSuchTool(name=name, hint=hint, known=", ".join(known) or "none")
        return options.drop
    return CUTS[options.variant or (training.variant if training else "full")]


def _fields(
    model: str, tools: Sequence[Tool], cut: Cut, training: TrainedWith | None, temperature: float | None
) -> dict[str, Any]:
    fields: dict[str, Any] = {"model": model}
    if temperature is not None:
        fields["temperature"] = temperature
    if tools:
        fields["tools"] = [tool.definition for tool in tools]
        if training and training.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = training.parallel_tool_calls
    return shortened(fields, cut)


def _system(training: TrainedWith | None, requested: str | None) -> Mapping[str, Any] | None:
    if requested is None:
        return training.system if training else None
    return {"role": "system", "content": requested} if requested else None


def _notes(
    target: Target,
    training: TrainedWith | None,
    tools: Sequence[Tool],
    variant: Variant,
    fields: Mapping[str, Any],
) -> Iterator[str]:
    if training is None:
        if (place := target.training_place) is not None:
            yield from _unread(place, bool(tools))
        return
    if variant != training.variant:
        yield f"the model was trained with {_FORMS[training.variant]}; these requests have {_FORMS[variant]}"
    elif variant == "no-tools" and tools:
        yield "the model was trained without definitions, so none are sent; --variant full sends them"
    else:
        yield from _differences(training, fields)
    yield from _names(training, tools)


_FORMS: Mapping[Variant, str] = {
    "full": "full definitions",
    "no-descriptions": "definitions without descriptions",
    "no-parameters": "definitions without parameters",
    "no-tools": "no definitions",
}


def _unread(place: object, has_tools: bool) -> Iterator[str]:
    if not isinstance(place, Path):
        problem = f"the training file {place} is not on this machine"
    elif place.exists():
        problem = f"the training file {place} has changed since the run"
    else:
        problem = f"the training file {place} was moved or deleted"
    if has_tools:
        yield f"{problem}, so these tools can't be compared with those of training"
    else:
        yield f"{problem}, so no tool definitions are sent. To send them: --tools FILE.jsonl or FILE.json"


def _differences(training: TrainedWith, fields: Mapping[str, Any]) -> Iterator[str]:
    """Functions whose definition differs from all their definitions in training."""
    for function in declared_functions(fields):
        trained = training.definitions.functions.get(str(function.get("name")), {})
        if trained and json.dumps(function, sort_keys=True) not in trained:
            text, line = next(iter(trained.items()))
            place = first_difference(json.loads(text), function)
            where = f"{training.path} line {line}"
            yield f"{function['name']} differs from its definition in training at {place}: {where}"


def _names(training: TrainedWith, tools: Sequence[Tool]) -> Iterator[str]:
    trained, given = training.definitions.functions, {tool.name for tool in tools}
    missing = [name for name in trained if name not in given]
    if missing:
        yield f"the model was trained to call functions that --tools does not give: {_listed(missing)}"
    new = [tool.name for tool in tools if trained and tool.name not in trained]
    if new:
        yield f"not in training, so the model may not know when to call it: {_listed(new)}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

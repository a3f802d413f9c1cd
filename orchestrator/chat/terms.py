"""On which terms a chat is held: what goes with each request, and what is doubtful about it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import inspect_file, open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.shorten import in_variant
from orchestrator.dataset.variants import Definitions, Variant, declared_functions, first_difference
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import DataFileEmpty, DataFileNotFound, DataFileUnreadable, NoTunedModel, SeveralModels
from orchestrator.evaluation.session import NEW_MODEL_SECONDS
from orchestrator.evaluation.subjects import candidates, find_subject
from orchestrator.jobfile.addresses import is_address
from orchestrator.jobfile.tables import TUNED
from orchestrator.ledger import Ledger
from orchestrator.store import deployments
from orchestrator.store.runs import Run
from orchestrator.tools.functions import Tool

ROUNDS = 5
"""How often the model may call before it has to answer."""


@dataclass(frozen=True)
class ChatOptions:
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


def agree(target: Target, tools: Sequence[Tool], options: ChatOptions) -> Terms:
    """The terms for a model: as it was trained, where that is known and nothing else is wished."""
    training = trained_with(target.run) if target.run else None
    variant = options.variant or (training.variant if training else "full")
    fields = _fields(target.model, tools, variant, training, options.temperature)
    rejections = target.rejection_tools if options.rejection_tools is None else options.rejection_tools
    return Terms(
        endpoint=target.config.name,
        tools=tuple(tools),
        variant=variant,
        system=_system(training, options.system),
        fields=fields,
        rejection_tools=rejections,
        rounds=options.rounds,
        notes=tuple(_notes(target, training, tools, variant, fields)),
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
        if target.run is not None:
            path = target.run.training_path
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


# --- The model to talk to ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """The model that is spoken to."""

    model: str
    config: EndpointConfig
    run: Run | None
    """The run that it comes from, where ftorch trained it."""
    rejection_tools: frozenset[str]
    """Those of the job file's `[evaluation]`: their call rejects a request."""
    deployment: str | None = None
    """The name it is asked by, where its endpoint needs a deployment and one is recorded."""

    @property
    def is_new(self) -> bool:
        """True where its endpoint may not know it yet."""
        finished = self.run.finished_at if self.run else None
        return finished is not None and time.time() - finished < NEW_MODEL_SECONDS


def find_target(ledger: Ledger, target: str, endpoint: str | None = None) -> Target:
    """The model that a job file, a run's id or name, or a model's own name stands for, as an evaluation finds it.

    Raises what `find_subject` raises, NoTunedModel, SeveralModels for a sweep, UnknownEndpoint.
    """
    try:
        subject = find_subject(ledger, [target], endpoint)
        found = candidates(subject, [TUNED], ledger)
    except NoTunedModel as error:
        facts = error.facts
        found_nothing = f"{facts['what']} has no fine-tuned model on {facts['endpoint']} yet"
        raise NoTunedModel(f"{found_nothing}. Train it first: {facts['command']}", **facts) from None
    if len(found) > 1:
        raise SeveralModels(key=subject.name, count=len(found))
    settings = subject.job.evaluation if subject.job else None
    config = ledger.workspace.endpoint(subject.endpoint)
    return Target(
        model=found[0].model,
        config=config,
        run=subject.runs[0] if subject.runs else None,
        rejection_tools=frozenset(settings.rejection_tools if settings else ()),
        deployment=_deployment(ledger, config, found[0].model),
    )


def _deployment(ledger: Ledger, config: EndpointConfig, model: str) -> str | None:
    """The name of the model's deployment, which counts as used from here on."""
    if not capabilities_of(config).needs_deployment:
        return None
    with ledger.database.write() as connection:
        found = deployments.answering(connection, config.name, model)
        if found is not None:
            deployments.used(connection, found.id, time.time())
    return found.name if found else None


# --- What the model was trained with -----------------------------------------------------------------------------


MOST_EXAMPLES = 1000
"""The first examples stand for the file: a chat should not begin with minutes of reading."""

_SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True)
class TrainedWith:
    """What the examples of a training file have in common."""

    path: Path
    definitions: Definitions
    system: Mapping[str, Any] | None
    """The message that all of them begin with; None where they begin differently, or with none."""
    parallel_tool_calls: bool | None
    """What all of them say about several calls in one answer; None where they say nothing or differ."""

    @property
    def variant(self) -> Variant:
        return self.definitions.variant


def trained_with(run: Run) -> TrainedWith | None:
    """What the run was trained with; None where its training file is gone or was changed since."""
    path = Path(run.training_path)
    try:
        if inspect_file(path).sha256 != run.training_sha256:
            return None
        examples = list(islice(_examples(path), MOST_EXAMPLES))
    except (DataFileNotFound, DataFileUnreadable, DataFileEmpty):
        return None
    definitions = Definitions(str(path))
    for line, row in examples:
        definitions.add(line, row)
    holders = [_holder(row) for _, row in examples]
    parallel = _common([holder.get("parallel_tool_calls") for holder in holders])
    system = _common([_system_of(holder) for holder in holders])
    return TrainedWith(path, definitions, system, parallel if isinstance(parallel, bool) else None)


def _examples(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            try:
                row = parse_json(line) if line is not None else None
            except NotJson:
                continue
            if isinstance(row, dict):
                yield number, row


def _holder(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where messages and tools stand: in a preference row, under "input"."""
    source = row.get("input")
    return source if isinstance(source, Mapping) else row


def _system_of(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    messages = holder.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    return first if isinstance(first, Mapping) and first.get("role") in _SYSTEM_ROLES else None


def _common(values: list[Any]) -> Any:
    return values[0] if values and all(value == values[0] for value in values) else None

"""What a data file holds, in figures: conversations, tokens, and what its calls show of each function."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.checking.rows import GoodRows
from orchestrator.dataset.profile import Profile
from orchestrator.dataset.profile.coverage import choices_of
from orchestrator.dataset.profile.functions import DISTINCT_VALUES, Argument, Function, Parameter
from orchestrator.dataset.tokens import count_example, count_messages

_TOOLSETS_COUNTED = 10_000


@dataclass(frozen=True)
class Distribution:
    """How a number is spread over the examples. p95 is the least value that 95 % do not exceed (nearest rank)."""

    minimum: int
    median: int
    p95: int
    maximum: int
    total: int


@dataclass(frozen=True)
class ArgumentCoverage:
    """What calls show of one parameter."""

    path: str
    """Dotted for parameters inside objects, `[]` for the items of an array."""
    required: bool
    given: int
    of: int
    """Calls of the function, or, for a parameter inside an object or array, how often that was given."""
    distinct: int
    more_distinct: bool
    """True where there are more values than are kept apart (200)."""
    choices: int
    """Values of its enum; 0 where it has none."""
    unshown: tuple[str, ...]
    """Those of them that no call shows, as JSON text."""


@dataclass(frozen=True)
class FunctionCoverage:
    """What the file shows of one function."""

    name: str
    declared: int
    """Examples that declare it."""
    called: int
    """Calls that are trained on; one example may hold several."""
    definitions: int
    """Different definitions of it."""
    arguments: tuple[ArgumentCoverage, ...]


@dataclass(frozen=True)
class Statistics:
    """The figures of one file. Tokens are estimates, see `tokens.count_messages`."""

    path: Path
    examples: int
    """Those without errors; all other figures are about them alone."""
    left_out: int
    """Lines with errors."""
    messages: Distribution
    lengths: Mapping[int, int]
    """The number of examples by their number of messages."""
    tokens: int
    """What one epoch trains on."""
    prompt_tokens: Distribution
    """Of a request for the last answer: all messages before it, and the tool definitions."""
    completion_tokens: Distribution
    """Of that answer; in preference data, of the preferred one."""
    definition_tokens: int
    """The part of all prompt tokens that tool definitions take."""
    answered_in_text: int
    """Examples that call no function."""
    functions: tuple[FunctionCoverage, ...]
    """From the most called to the least."""

    @property
    def definition_share(self) -> float:
        """Between 0 and 1."""
        return self.definition_tokens / self.prompt_tokens.total if self.prompt_tokens.total else 0.0


def statistics_of(path: Path, model: str | None = None, method: Method | None = None) -> Statistics:
    """Read `path` once and count; `model` chooses the token encoding, `method` what an example must look like.

    Raises NoGoodExample, NotExamples, DataFileNotFound, DataFileUnreadable or DataFileEmpty.
    """
    counting, rows = _Counting(model), GoodRows(path, method)
    for line, row in rows:
        counting.add(line, row)
    return counting.statistics(path, rows.left_out)


def distribution(values: Sequence[int]) -> Distribution:
    """Of at least one value."""
    ranked = sorted(values)

    def at(share: float) -> int:
        return ranked[max(0, ceil(share * len(ranked)) - 1)]

    return Distribution(ranked[0], at(0.5), at(0.95), ranked[-1], sum(ranked))


@dataclass
class _Counting:
    model: str | None
    survey: Profile = field(default_factory=lambda: Profile("training"))
    messages: array[int] = field(default_factory=lambda: array("I"))
    prompts: array[int] = field(default_factory=lambda: array("I"))
    completions: array[int] = field(default_factory=lambda: array("I"))
    definitions: int = 0
    tokens: int = 0
    _definition_tokens: dict[int, int] = field(default_factory=dict)

    def add(self, line: int, row: Mapping[str, Any]) -> None:
        self.survey.add(line, row)
        holder, before, answer = _parts(row)
        definitions = self._definitions(holder, before)
        self.messages.append(len(before) + len(answer))
        self.prompts.append(count_messages(before, None, self.model) + definitions)
        self.completions.append(count_messages(answer, None, self.model) - _PRIMING if answer else 0)
        self.definitions += definitions
        self.tokens += count_example(row, self.model)

    def _definitions(self, holder: Mapping[str, Any], before: Sequence[Any]) -> int:
        """What the definitions add to a prompt: alike for equal tools under equal instructions, which repeat."""
        prompts = self.survey.prompts
        key = prompts.conversations[-1] ^ prompts.prompts[-1]
        found = self._definition_tokens.get(key)
        if found is None:
            tools = [*(holder.get("tools") or ()), *(holder.get("functions") or ())]
            found = count_messages(before, tools, self.model) - count_messages(before, None, self.model)
            if len(self._definition_tokens) < _TOOLSETS_COUNTED:
                self._definition_tokens[key] = found
        return found

    def statistics(self, path: Path, left_out: int) -> Statistics:
        survey = self.survey
        survey.tools.settle()
        functions = sorted(survey.tools.functions.values(), key=lambda each: (-each.called, each.name))
        return Statistics(
            path=path,
            examples=len(survey),
            left_out=left_out,
            messages=distribution(self.messages),
            lengths=dict(sorted(Counter(self.messages).items())),
            tokens=self.tokens,
            prompt_tokens=distribution(self.prompts),
            completion_tokens=distribution(self.completions),
            definition_tokens=self.definitions,
            answered_in_text=survey.answers.in_text,
            functions=tuple(map(_function_coverage, functions)),
        )


_PRIMING = 3  # what `count_messages` adds for the reply that a request asks for


def _parts(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[Any], Sequence[Any]]:
    """What declares the tools, the messages of a request, and the answer to it; empty in reinforcement data."""
    source = row.get("input")
    if isinstance(source, Mapping) and "preferred_output" in row:
        return source, source["messages"], row["preferred_output"]
    messages = row["messages"]
    if messages[-1]["role"] != "assistant":
        return row, messages, ()
    return row, messages[:-1], messages[-1:]


def _function_coverage(function: Function) -> FunctionCoverage:
    unshown = {each.parameter.path: each.unshown for each in choices_of(function)}
    known = {parameter.path: parameter for parameter in function.parameters}
    others = [Parameter(path, False, (), False) for path in function.arguments if path not in known]
    return FunctionCoverage(
        name=function.name,
        declared=function.declared,
        called=function.called,
        definitions=len(function.variants) + (1 if function.more_variants else 0),
        arguments=tuple(_argument(each, function, unshown) for each in (*known.values(), *others)),
    )


def _argument(parameter: Parameter, function: Function, unshown: Mapping[str, tuple[str, ...]]) -> ArgumentCoverage:
    argument = function.arguments.get(parameter.path, Argument())
    return ArgumentCoverage(
        path=parameter.path,
        required=parameter.required,
        given=argument.given,
        of=_occasions(parameter.path, function),
        distinct=len(argument.values),
        more_distinct=len(argument.values) >= DISTINCT_VALUES,
        choices=len([choice for choice in parameter.choices if choice is not None]),
        unshown=unshown.get(parameter.path, ()),
    )


def _occasions(path: str, function: Function) -> int:
    """How often an argument could be given: with every call, or each time the object or array around it was."""
    outer = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0].removesuffix("[]")
    return function.arguments.get(outer, Argument()).given if outer else function.called

"""What a case expects: calls, a text without a call, or a rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.evaluation.scoring.rules import InvalidCase, RuleNode, canonical


@dataclass(frozen=True)
class ExpectedCall:
    """One call of a tool. `canonical` is the JSON text of the arguments with sorted keys, made once."""

    name: str
    arguments: Mapping[str, Any]
    rules: RuleNode | None
    """Match rules for its arguments."""
    canonical: bytes = field(repr=False, compare=False)


@dataclass(frozen=True)
class Calls:
    """One or more calls; in any order unless `ordered`."""

    calls: tuple[ExpectedCall, ...]
    ordered: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tools called, in the order of the calls."""
        return tuple(call.name for call in self.calls)

    @cached_property
    def argument_count(self) -> int:
        """The number of arguments of all calls."""
        return sum(len(call.arguments) for call in self.calls)


@dataclass(frozen=True)
class Text:
    """An answer without a call that contains each of these texts, ignoring case."""

    must_contain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rejection:
    """The request can't be met: a call of `tool`, with any valid arguments; None means plain text."""

    tool: str | None


Expected = Calls | Text | Rejection


@dataclass(frozen=True)
class Rejections:
    """The ways to reject a request that the cases of a file expect."""

    tools: frozenset[str] = frozenset()
    in_text: bool = False


@dataclass(frozen=True)
class ExpectationOptions:
    """How to read a case's answers, by its keys and the file's settings."""

    expect: str | None = None
    ordered: bool = False
    must_contain: tuple[str, ...] = ()
    rejection_tools: frozenset[str] = frozenset()
    rules: RuleNode | tuple[RuleNode | None, ...] | None = None
    """For all calls, or one for each call in order."""

    def rules_of(self, count: int) -> Sequence[RuleNode | None]:
        """The rules of each of `count` expected calls. Raises InvalidCase if the numbers differ."""
        if not isinstance(self.rules, tuple):
            return [self.rules] * count
        if len(self.rules) != count:
            raise InvalidCase(f'key "match": it has rules for {len(self.rules)} calls, but {count} are expected')
        return self.rules


def expected_of(message: Mapping[str, Any], options: ExpectationOptions) -> Expected:
    """An assistant message as an expected answer. Raises InvalidCase."""
    functions = _functions(message)
    calls = [
        _call(function, rules) for function, rules in zip(functions, options.rules_of(len(functions)), strict=True)
    ]
    is_rejection = options.expect == "rejection" or (
        len(calls) == 1 and options.expect is None and calls[0].name in options.rejection_tools
    )
    if is_rejection:
        if len(calls) > 1:
            raise InvalidCase("a rejection is one call or a text, but the expected answer has several calls")
        return Rejection(calls[0].name if calls else None)
    if options.expect == "call" and not calls:
        raise InvalidCase('key "expect": it says "call", but the expected answer calls nothing')
    if options.expect == "text" and calls:
        raise InvalidCase('key "expect": it says "text", but the expected answer calls a tool')
    if calls:
        return Calls(tuple(calls), options.ordered)
    if message.get("content") is None and message.get("refusal") is None:
        raise InvalidCase("there is no expected answer: the last message has neither a tool call nor a text")
    return Text(options.must_contain)


def accepted_of(entry: Any, options: ExpectationOptions) -> Expected:
    """One entry of `accept`: an assistant message, a call `{"name": …, "arguments": {…}}`, or a list of calls.

    Raises InvalidCase.
    """
    short = entry if isinstance(entry, list) else [entry]
    if short and all(isinstance(call, dict) and "name" in call for call in short):
        return expected_of({"tool_calls": [{"function": call} for call in short]}, options)
    if isinstance(entry, dict):
        return expected_of(entry, options)
    raise InvalidCase("write an assistant message, a call with name and arguments, or a list of such calls")


def _functions(message: Mapping[str, Any]) -> list[Any]:
    """The functions called, under `tool_calls` or the legacy `function_call`."""
    entries = message.get("tool_calls")
    if entries is not None and not isinstance(entries, list):
        raise InvalidCase(f"tool_calls must be a list; found {named_type(entries)}")
    functions = [entry.get("function") if isinstance(entry, dict) else entry for entry in entries or ()]
    legacy = message.get("function_call")
    return functions if legacy is None else [*functions, legacy]


def _call(function: Any, rules: RuleNode | None) -> ExpectedCall:
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise InvalidCase("an expected call has no name")
    written = function.get("arguments", {})
    try:
        # A JSON text, as in training files, or the object itself.
        arguments = parse_json(written) if isinstance(written, str) else written
        if not isinstance(arguments, dict):
            raise InvalidCase(f"the arguments of {shown(name)} must be an object; found {named_type(arguments)}")
        return ExpectedCall(name, arguments, rules, canonical(arguments))
    except NotJson as error:
        raise InvalidCase(f"the arguments of {shown(name)} are not JSON: {error.problem}") from None
    except TypeError:
        raise InvalidCase(f"the arguments of {shown(name)} are nested too deeply") from None

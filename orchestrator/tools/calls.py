"""A model's call: checked against its definition, executed, and its result returned as text.

Only functions that the user named are executed, and only with arguments that fit their schema.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import BoundArguments, isawaitable
from typing import Any

from pydantic import ValidationError

from orchestrator.dataset.findings import named_type
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.spelling import did_you_mean
from orchestrator.tools.functions import Tool
from orchestrator.tools.results import result_text

Wait = Callable[[Awaitable[Any]], Any]
"""Runs an asynchronous function to completion from synchronous code."""


@dataclass(frozen=True)
class Call:
    """A call as the model wrote it: `arguments` should be a JSON object but may be anything."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ReadyCall:
    """A call that may be executed: the function is known, and the arguments fit its schema."""

    call: Call
    tool: Tool
    arguments: Mapping[str, Any]
    """As JSON values, for display."""
    bound: BoundArguments | None
    """As the function takes them; None if there is only a definition."""

    @property
    def written(self) -> str:
        """In function-call notation: `get_price(ticker="MSFT")`."""
        return written(self.tool.name, self.arguments)


def written(name: str, arguments: Mapping[str, Any]) -> str:
    """A call in function-call notation: `get_price(ticker="MSFT")`."""
    return f"{name}({', '.join(f'{key}={_json(value)}' for key, value in arguments.items())})"


class CallRefused(Exception):
    """The call breaks its definition; the message is for people and the model."""


def ready(call: Call, tools: Iterable[Tool]) -> ReadyCall:
    """Check a call against the definition of its tool. Raises CallRefused."""
    tool = _tool(call.name, {tool.name: tool for tool in tools})
    arguments = arguments_of(call.arguments)
    if tool.function is None:
        problems = [f'{tool.name} takes no "{name}"' for name in tool.parameters.undeclared(arguments)]
        if problems := problems or tool.parameters.problems(arguments):
            raise CallRefused("; ".join(problems))
        return ReadyCall(call, tool, arguments, None)
    given = {name: value for name, value in arguments.items() if value is not None or not tool.may_be_null(name)}
    problems = [*(f'{tool.name} takes no "{name}"' for name in given if name not in tool.types)]
    problems = problems or tool.parameters.problems(given)
    if problems:
        raise CallRefused("; ".join(problems))
    return ReadyCall(call, tool, given, _bound(tool, given))


def execute(call: ReadyCall, wait: Wait) -> str:
    """Call the function and return its result as text: a string unchanged, anything else as JSON.

    Only for a tool with a function. Raises what the function raises, and TypeError if its result can't be written
    as JSON.
    """
    assert call.tool.function is not None
    assert call.bound is not None
    found = call.tool.function(*call.bound.args, **call.bound.kwargs)
    return result_text(wait(found) if isawaitable(found) else found)


def error_text(problem: str) -> str:
    """The text that the model gets for a call without a result."""
    return _json({"error": problem})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _tool(name: str, tools: Mapping[str, Tool]) -> Tool:
    if name in tools:
        return tools[name]
    otherwise = f"there are {', '.join(tools)}" if tools else "there are none"
    known = did_you_mean(name, tools, "did you mean {}?", otherwise=otherwise)
    raise CallRefused(f'there is no tool "{name[:100]}"; {known}')


def arguments_of(text: str) -> Mapping[str, Any]:
    """The arguments of a call. Raises CallRefused if they are not a JSON object."""
    try:
        arguments = parse_json(text)
    except NotJson as error:
        raise CallRefused(f"the arguments are not valid JSON: {error.problem}") from None
    if not isinstance(arguments, dict):
        raise CallRefused(f"the arguments must be an object; they are {named_type(arguments)}")
    return arguments


def _bound(tool: Tool, given: Mapping[str, Any]) -> BoundArguments:
    """The arguments as the types of the function's hints, such as dates, enums and models."""
    bound = tool.signature.bind_partial()
    for name in tool.signature.parameters:
        if name in given:
            bound.arguments[name] = _value(tool, name, given[name])
    # An omitted positional parameter before a given one needs its default value.
    bound.apply_defaults()
    return bound


def _value(tool: Tool, name: str, value: Any) -> Any:
    try:
        return tool.types[name].validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (name, *first["loc"])))
        raise CallRefused(f"{place}: {first['msg']}") from None

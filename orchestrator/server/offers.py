"""Reads which functions a chat request offers, and which of them must be called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.server.apierror import bad_request
from orchestrator.server.fields import Fields

MAX_TOOLS = 128
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MODES = ("none", "auto", "required")


@dataclass(frozen=True)
class Offer:
    """What the model may call, and whether it must: one forced by name is the only one left, and required."""

    functions: Sequence[Mapping[str, Any]] = ()
    choice: str = "none"
    parallel: bool = True
    legacy: bool = False
    """Whether `functions` were sent, which wants a `function_call` in the answer."""


def read_offer(fields: Fields) -> Offer:
    """The functions and the choice among them; ApiError 400 where they do not fit."""
    if fields.given("functions"):
        if fields.given("tools"):
            raise fields.wrong("functions", "cannot be set beside 'tools'")
        return _legacy_offer(fields)
    functions = [_function(tool) for tool in fields.tables("tools")]
    _check_number(fields, "tools", functions)
    if not functions:
        for key in ("tool_choice", "parallel_tool_calls"):
            if fields.given(key) and fields.raw(key) != "none":
                raise fields.wrong(key, "can be set only where 'tools' are")
        return Offer()
    parallel = fields.flag("parallel_tool_calls")
    return _chosen(fields, Offer(functions, "auto", parallel is not False))


def _legacy_offer(fields: Fields) -> Offer:
    functions = [_checked(function) for function in fields.tables("functions")]
    _check_number(fields, "functions", functions)
    if not functions:
        raise fields.wrong("functions", "must hold at least one function")
    choice = fields.raw("function_call")
    if choice is None or choice in ("none", "auto"):
        return Offer(functions, choice or "auto", parallel=False, legacy=True)
    name = _named(fields.table("function_call"))
    forced = _only(fields, "function_call", functions, [name])
    return Offer(forced, "required", parallel=False, legacy=True)


def _chosen(fields: Fields, offer: Offer) -> Offer:
    choice = fields.raw("tool_choice")
    if choice is None:
        return offer
    if isinstance(choice, str):
        return Offer(offer.functions, fields.choice("tool_choice", MODES) or "auto", offer.parallel)
    table = fields.table("tool_choice") or Fields({})
    table.required("type")
    if table.choice("type", ("function", "allowed_tools")) == "function":
        name = _named(table.table("function"))
        forced = _only(fields, "tool_choice", offer.functions, [name])
        return Offer(forced, "required", offer.parallel)
    table.required("allowed_tools")
    return _allowed(fields, table.table("allowed_tools") or Fields({}), offer)


def _allowed(fields: Fields, allowed: Fields, offer: Offer) -> Offer:
    allowed.required("mode", "tools")
    mode = allowed.choice("mode", ("auto", "required")) or "auto"
    # The guides show the name beside the type, the description's example inside `function`.
    names = [_named(tool.table("function") or tool) for tool in allowed.tables("tools")]
    return Offer(_only(fields, "tool_choice", offer.functions, names), mode, offer.parallel)


def _only(
    fields: Fields, key: str, functions: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    known = {function["name"]: function for function in functions}
    for name in names:
        if name not in known:
            raise fields.wrong(key, f"names {name[:64]!r}, which is not among the functions sent")
    return [known[name] for name in names]


def _function(tool: Fields) -> Mapping[str, Any]:
    tool.required("type")
    if tool.text("type") != "function":
        message = "The local endpoint's models call functions only."
        raise bad_request(message, tool.param("type"), "unsupported_value")
    tool.required("function")
    return _checked(tool.table("function") or Fields({}))


def _checked(function: Fields) -> Mapping[str, Any]:
    function.required("name")
    if not FUNCTION_NAME.fullmatch(function.text("name") or ""):
        raise function.wrong("name", "must be up to 64 letters, digits, underscores and hyphens")
    if not isinstance(function.raw("description") or "", str):
        raise function.wrong_type("description", "a string")
    function.table("parameters")
    return {key: value for key, value in function.as_mapping().items() if value is not None}


def _named(table: Fields | None) -> str:
    table = table or Fields({}, "tool_choice.function")
    table.required("name")
    return table.text("name") or ""


def _check_number(fields: Fields, key: str, functions: Sequence[Mapping[str, Any]]) -> None:
    if len(functions) > MAX_TOOLS:
        raise fields.wrong(key, f"may hold at most {MAX_TOOLS} functions, not {len(functions)}")

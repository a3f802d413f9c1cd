"""Strategies for conversations with calls, in the legacy format and in the present one."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from support.rows import EXAMPLE, LEGACY, PREFERENCE

Row = dict[str, Any]

_KEYS = (
    *("messages", "role", "content", "tool_calls", "function_call", "function", "functions", "tools", "name"),
    *("arguments", "id", "tool_call_id", "input", "preferred_output", "non_preferred_output", "user", "system"),
    *("conversations", "from", "value", "prompt", "call", "answer", "type", "weight"),
)

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_names = st.sampled_from(["climb", "land", "go_home"])
_values = st.one_of(st.integers(-5, 5), _texts, st.booleans(), st.none(), st.lists(st.integers(0, 3), max_size=2))
arguments = st.dictionaries(_texts.filter(bool), _values, max_size=3)


@st.composite
def legacy_rows(draw: st.DrawFn) -> Row:
    """Conversations with function calls, some of them answered, that end with the assistant."""
    messages: list[Row] = [{"role": "user", "content": draw(_texts)}]
    for _ in range(draw(st.integers(0, 4))):
        name = draw(_names)
        call = {"name": name, "arguments": json.dumps(draw(arguments))}
        messages.append({"role": "assistant", "content": draw(st.none() | _texts), "function_call": call})
        if draw(st.booleans()):
            messages.append({"role": "function", "name": name, "content": draw(_texts)})
        if draw(st.booleans()):
            messages.append({"role": "user", "content": draw(_texts)})
    messages.append({"role": "assistant", "content": draw(_texts)})
    functions = [{"name": name, "parameters": {"type": "object"}} for name in ("climb", "land", "go_home")]
    return {"messages": messages, "functions": functions}


_call = {"name": "climb", "arguments": '{"metres": 5}'}
_ROWS = (
    EXAMPLE,
    LEGACY,
    PREFERENCE,
    {"user": {"content": "Up."}, "function_call": _call, "functions": LEGACY["functions"]},
    {"conversations": [{"from": "human", "value": "Up."}, {"from": "gpt", "value": "ok"}], "tools": "[]"},
    {"prompt": "Up.", "call": "climb", "arguments": "{}"},
)
_words = st.sampled_from(["user", "assistant", "tool", "function", "gpt", "function_call", "f", "{}", "[]", ""])
_leaves = st.none() | st.booleans() | st.integers() | _words
_anything = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
)


@st.composite
def spoilt_rows(draw: st.DrawFn) -> Any:
    """Rows of every format with any JSON in up to three places of theirs."""
    row: Any = deepcopy(draw(st.sampled_from(_ROWS)))
    for _ in range(draw(st.integers(0, 3))):
        place = row
        while True:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 3)) == 0:
                place[key] = draw(_anything)
                break
            place = place[key]
    return row

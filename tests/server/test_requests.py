"""How a body is read by its model, and what is said of one that is wrong."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from orchestrator.server import chatrequest, jobrequest
from orchestrator.server.apierror import ApiError

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
JOB = {"model": "m", "training_file": "file-x"}


def refusal(read: Any, body: dict[str, Any]) -> tuple[str | None, str | None, str]:
    with pytest.raises(ApiError) as refused:
        read(body)
    assert refused.value.status == 400
    return refused.value.param, refused.value.code, refused.value.message


@pytest.mark.parametrize(
    ("change", "param", "code", "message"),
    [
        ({"n": "3"}, "n", "invalid_type", "Invalid type: 'n' must be a whole number."),
        ({"n": True}, "n", "invalid_type", "Invalid type: 'n' must be a whole number."),
        ({"n": 1.5}, "n", "invalid_type", "Invalid type: 'n' must be a whole number."),
        ({"n": 129}, "n", "invalid_value", "Invalid value: 'n' must be at most 128, not 129."),
        ({"temperature": "1"}, "temperature", "invalid_type", "Invalid type: 'temperature' must be a number."),
        ({"temperature": True}, "temperature", "invalid_type", "Invalid type: 'temperature' must be a number."),
        ({"temperature": float("inf")}, "temperature", "invalid_value", "must be a finite number."),
        ({"seed": 2**63}, "seed", "invalid_value", f"must be at most {2**63 - 1}"),
        ({"stream": 1}, "stream", "invalid_type", "Invalid type: 'stream' must be true or false."),
        ({"topp": None}, "topp", "unknown_parameter", "Unknown parameter: 'topp'."),
        ({"model": None}, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
        ({"model": "", "messages": None}, "messages", "missing_required_parameter", "Missing required"),
        ({"stop": ["a", 1]}, "stop", "invalid_type", "must be a string or an array of strings."),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role", "invalid_value", "not 'robot'."),
        ({"messages": [{"role": 1, "content": ""}]}, "messages[0].role", "invalid_type", "must be a string."),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "invalid_type",
            "must be a string.",
        ),
        (
            {"messages": [{"role": "tool", "content": ""}]},
            "messages[0].tool_call_id",
            "missing_required_parameter",
            "",
        ),
        ({"tool_choice": "any"}, "tool_choice", "invalid_value", "must be 'none', 'auto', 'required' or an object"),
        ({"tool_choice": {"type": 1}}, "tool_choice.type", "invalid_type", "must be a string."),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name", "missing_required_parameter", ""),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_coerced(change: Any, param: str, code: str, message: str) -> None:
    tools = [{"type": "function", "function": {"name": "land"}}]
    found = refusal(chatrequest.read, {**CHAT, "tools": tools, **change})
    assert found[:2] == (param, code)
    assert message in found[2]


@pytest.mark.parametrize(
    ("number", "read"), [(2, 2), (0.5, 0.5), ("auto", "auto"), (None, "auto")], ids=["2", "0.5", "auto", "null"]
)
def test_a_number_is_kept_as_it_was_sent(number: object, read: object) -> None:
    spec = jobrequest.read({**JOB, "hyperparameters": {"learning_rate_multiplier": number, "n_epochs": 3.0}})
    assert (repr(spec.learning_rate_multiplier), repr(spec.n_epochs)) == (repr(read), "3")


def test_a_field_that_is_null_counts_as_left_out() -> None:
    nulls = dict.fromkeys(
        ("n", "stop", "stream", "tools", "tool_choice", "functions", "stream_options", "logprobs")
    )
    assert chatrequest.read({**CHAT, **nulls}) == chatrequest.read(CHAT)


def test_what_is_unknown_in_messages_and_functions_is_handed_on() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = {"role": "user", "content": parts, "x": None}
    function = {"name": "land", "strict": True, "description": None, "parameters": {"enum": [None]}}
    asked = chatrequest.read(
        {"model": "m", "messages": [message], "tools": [{"type": "function", "function": function}]}
    )
    assert asked.messages == [{"role": "user", "content": "a\nb", "x": None}]
    assert asked.offer.functions == [{"name": "land", "strict": True, "parameters": {"enum": [None]}}]


def test_the_deprecated_hyperparameters_are_used_where_the_method_has_none() -> None:
    flat = {"n_epochs": 2, "beta": 0.5}
    dpo = jobrequest.read({**JOB, "method": {"type": "dpo"}, "hyperparameters": flat})
    assert (dpo.method, dpo.n_epochs, dpo.beta) == ("dpo", 2, 0.5)
    param, code, _ = refusal(jobrequest.read, {**JOB, "hyperparameters": flat})
    assert (param, code) == ("hyperparameters.beta", "unknown_parameter")


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [0] * 1000},
        {"messages": [{"role": "user", "content": [0] * 1000}]},
        {"tools": [0] * 1000},
        {str(number): 0 for number in range(1000)},
        {"stream_options": {str(number): 0 for number in range(1000)}},
    ],
    ids=["messages", "parts", "tools", "unknown", "unknown inside"],
)
def test_a_body_that_is_wrong_throughout_is_refused_at_its_first_fault(change: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        chatrequest.read({**CHAT, **change})
    cause = refused.value.__cause__
    assert isinstance(cause, pydantic.ValidationError)
    assert cause.error_count() == 1

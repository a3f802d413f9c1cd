"""Chat completions as hosts really send them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evaluation.answers import Answer, AnsweredCall, read_answer


def completion(message: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


def test_calls_text_and_tokens_are_read() -> None:
    message = {
        "content": "One moment.",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "a", "arguments": '{"b":1}'}}],
    }
    usage = {"prompt_tokens": 120, "completion_tokens": 9, "total_tokens": 129}
    assert read_answer({**completion(message), "usage": usage}, seconds=0.5) == Answer(
        calls=(AnsweredCall("a", '{"b":1}'),),
        text="One moment.",
        prompt_tokens=120,
        completion_tokens=9,
        seconds=0.5,
    )


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ({"name": "a", "arguments": {"b": 1}}, AnsweredCall("a", '{"b":1}')),
        ({"name": "a", "arguments": ""}, AnsweredCall("a", "{}")),
        ({"name": "a"}, AnsweredCall("a", "{}")),
        ({"name": None, "arguments": "{"}, AnsweredCall("", "{")),
        (None, AnsweredCall("", "{}")),
        ("a()", AnsweredCall("", "{}")),
    ],
)
def test_an_odd_call_is_still_a_call(function: Any, call: AnsweredCall) -> None:
    assert read_answer(completion({"tool_calls": [{"function": function}]})).calls == (call,)


def test_the_legacy_form_of_a_call_is_read() -> None:
    legacy = completion({"content": None, "function_call": {"name": "a", "arguments": "{}"}})
    assert read_answer(legacy).calls == (AnsweredCall("a", "{}"),)


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "Good "}, {"type": "text", "text": "day"}, {"type": "image_url"}, 3]
    assert read_answer(completion({"content": parts})).text == "Good day"


@pytest.mark.parametrize(
    "refusing",
    [
        completion({"content": None, "refusal": "I can't."}),
        completion({"content": ""}, finish_reason="content_filter"),
    ],
)
def test_a_refusal_is_seen_in_both_forms(refusing: dict[str, Any]) -> None:
    assert read_answer(refusing).refused


@pytest.mark.parametrize(
    "broken", [{}, {"choices": []}, {"choices": None}, {"choices": [None]}, {"choices": [{"message": "hello"}]}]
)
def test_what_is_no_completion_is_an_api_error(broken: dict[str, Any]) -> None:
    assert read_answer(broken).api_error == "the answer is not a chat completion"


HUGE = {"prompt_tokens": 10**400, "completion_tokens": 1 << 53}


@pytest.mark.parametrize(
    "usage", [None, [], {"prompt_tokens": -1, "completion_tokens": "9"}, {"prompt_tokens": True}, HUGE]
)
def test_tokens_that_are_no_counts_are_unknown(usage: Any) -> None:
    answer = read_answer({**completion({"content": "x"}), "usage": usage})
    assert (answer.prompt_tokens, answer.completion_tokens) == (None, None)

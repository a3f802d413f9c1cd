"""One line of a log: what is asked, what was answered, what people said of it, and what that makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.logs import TOOLS, answer, asked, exchange

from orchestrator.dataset.convert.changes import NotConvertible
from orchestrator.evaluation.logs.examples import BAD, UNJUDGED, Judged, LogReader

SAID = "Light in the hall, please"
CALL = {"name": "light_room", "arguments": {"room": "hall"}}


def read(row: Any) -> Judged:
    return LogReader().read(1, row)


def called(judged: Judged) -> Any:
    """The arguments of the right answer's call."""
    [call] = judged.row["messages"][-1]["tool_calls"]
    return json.loads(call["function"]["arguments"])


ANSWER = answer("hall")
FRAMES = {
    "request and response": {"request": asked(SAID), "response": {"choices": [{"message": ANSWER}]}},
    "input and output": {"input": asked(SAID), "output": {"choices": [{"message": ANSWER}]}},
    "input as messages": {"input": asked(SAID)["messages"], "output": ANSWER, "tools": TOOLS},
    "bodies of an exchange": {
        "request": {"body": asked(SAID)},
        "response": {"status_code": 200, "body": {"choices": [{"message": ANSWER}]}},
    },
    "bodies as text": {
        "request_body": json.dumps(asked(SAID)),
        "response_body": json.dumps({"choices": [{"message": ANSWER}]}),
    },
    "messages with the answer": {**asked(SAID), "messages": [*asked(SAID)["messages"], ANSWER]},
    "messages beside choices": {**asked(SAID), "choices": [{"message": ANSWER}]},
    "legacy functions": {
        "messages": [
            *asked(SAID)["messages"],
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "light_room", "arguments": '{"room": "hall"}'},
            },
        ],
        "functions": [TOOLS[0]["function"]],
        "function_call": "auto",
    },
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_usual_frame_gives_the_request_and_its_answer(frame: dict[str, Any]) -> None:
    found = read({**frame, "rating": "good"})
    assert found.kind == "confirmed"
    assert found.row["messages"][0] == {"role": "user", "content": SAID}
    assert called(found) == {"room": "hall"}
    assert "temperature" not in found.row
    assert found.training["tools"] == TOOLS


CORRECTIONS = {
    "a call": {"correction": CALL},
    "a call with its arguments as text": {"corrected": {"name": "light_room", "arguments": '{"room": "hall"}'}},
    "a list of calls": {"expected": [CALL]},
    "a message": {"correction": ANSWER},
    "a text of JSON": {"correction": json.dumps(CALL)},
    "feedback with a correction": {"feedback": {"rating": "bad", "correction": CALL, "comment": "no"}},
    "feedback that is a call": {"feedback": CALL},
    "metadata": {"metadata": {"correction": CALL}},
    "a rating beside it": {"rating": "bad", "correction": CALL},
}


@pytest.mark.parametrize("said", CORRECTIONS.values(), ids=CORRECTIONS)
def test_a_correction_is_the_right_answer_however_it_is_written(said: dict[str, Any]) -> None:
    found = read(exchange(SAID, "roof", **said))
    assert found.kind == "corrected"
    assert called(found) == {"room": "hall"}


def test_a_correction_in_text_is_an_answer_without_a_call() -> None:
    found = read(exchange("Sing", "roof", correction="I can only switch lights."))
    assert found.row["messages"][-1] == {"role": "assistant", "content": "I can only switch lights."}


def test_a_correction_that_repeats_the_answer_confirms_it() -> None:
    assert read(exchange(SAID, "hall", correction=CALL)).kind == "confirmed"


@pytest.mark.parametrize("rating", ["good", "Good", "thumbs up", True, 1, "correct"])
def test_a_good_rating_confirms_the_answer(rating: object) -> None:
    assert read(exchange(SAID, "hall", rating=rating)).kind == "confirmed"
    assert read(exchange(SAID, "hall", feedback=rating)).kind == "confirmed"
    assert read(exchange(SAID, "hall", metadata={"rating": rating})).kind == "confirmed"


REFUSED = [
    (exchange(SAID, "roof", rating="bad"), BAD),
    (exchange(SAID, "roof", feedback=False), BAD),
    (exchange(SAID, "roof"), UNJUDGED),
    (exchange(SAID, "roof", feedback="the wrong room"), UNJUDGED),
    (exchange(SAID, "roof", rating=3), "the rating is 3"),
    (exchange(SAID, "roof", correction=7), "the correction is a number without an answer"),
    (
        exchange(SAID, "roof", correction={"name": "light_rom", "arguments": {}}),
        'the function "light_rom" is called',
    ),
    (exchange(SAID, "roof", correction={"name": "light_room", "arguments": {"room": 1}}), "room"),
    ({"request": asked(SAID), "rating": "good"}, "it was rated but has no answer"),
    ({"prompt": SAID, "rating": "good"}, 'it has no request; its keys: "prompt", "rating"'),
    ({"messages": [], "rating": "good"}, "it has no message to answer"),
    ([SAID], "it is an array"),
]


@pytest.mark.parametrize(("row", "problem"), REFUSED)
def test_what_has_no_known_right_answer_says_why(row: Any, problem: str) -> None:
    with pytest.raises(NotConvertible) as error:
        read(row)
    assert problem in error.value.problem


def test_only_the_judged_answer_is_trained_on() -> None:
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "What can I do?"}]
    row = exchange(SAID, "hall", rating="good")
    row["request"]["messages"] = [*turns, *row["request"]["messages"]]
    found = read(row)
    assert [message.get("weight") for message in found.training["messages"]] == [None, 0, None, None]
    assert all("weight" not in message for message in found.case["messages"])


def test_a_case_keeps_its_keys_and_says_whether_the_model_had_been_right() -> None:
    found = read(
        exchange(SAID, "roof", correction=CALL, id="r1", slice="rooms", cluster="c", match={"room": "any"})
    )
    case = found.case
    assert (case["id"], case["slices"], case["cluster"]) == ("r1", ["rooms", "corrected"], "c")
    assert case["match"] == {"room": "any"}
    assert set(found.training) == {"messages", "tools"}

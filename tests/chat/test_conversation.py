"""The exchange between user, model and functions, with a model whose answers are written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from support.awaiting import finished

from orchestrator.chat.conversation import Conversation, Fate, Outcome, Reply
from orchestrator.chat.terms import Terms
from orchestrator.errors import CallNotAllowed, NoAnswer, StillCalling
from orchestrator.tools.calls import ReadyCall
from orchestrator.tools.definitions import defined_tools
from orchestrator.tools.functions import tool_of

PRICES = {"MSFT": 511.29}
CALLED: list[str] = []


def get_price(ticker: str) -> dict[str, float]:
    """Get a price."""
    CALLED.append(ticker)
    if ticker == "BOOM":
        raise SystemExit("gone")
    if ticker == "HALF":
        raise ValueError("\ud800")
    if ticker == "WAIT":
        raise KeyboardInterrupt
    return {"price": PRICES[ticker]}


def sell(ticker: str, count: int = 1) -> str:
    """Sell shares."""
    CALLED.append(f"sell {ticker}")
    return "sold"


class Host:
    """Allows what it is told to, and remembers what it saw."""

    def __init__(self, *allowed: str, keeps_on: bool = True) -> None:
        self.allowed = allowed
        self.keeps_on = keeps_on
        self.saw_all: list[Outcome] = []
        self.results: list[str | None] = []
        self.heard: list[str] = []

    def said(self, text: str) -> None:
        self.heard.append(text)

    def allows(self, calls: list[ReadyCall]) -> Iterator[bool]:
        return (call.tool.name in self.allowed for call in calls)

    def result_of(self, call: ReadyCall) -> str | None:
        return self.results.pop(0) if self.results else None

    def saw(self, outcome: Outcome) -> None:
        self.saw_all.append(outcome)

    def stops_functions(self) -> bool:
        return self.keeps_on


class Model:
    """Answers in the order of its script, and keeps what it was asked."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(json.loads(json.dumps(request)))
        answer = self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        usage = {"prompt_tokens": 10, "completion_tokens": 2}
        return {"choices": [{"message": answer, "finish_reason": "stop"}], "usage": usage}


def calling(*calls: tuple[str, Any], text: str | None = None) -> dict[str, Any]:
    """An assistant message with these calls."""
    made = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for n, (name, given) in enumerate(calls)
    ]
    return {"role": "assistant", "content": text, "tool_calls": made, "refusal": None, "annotations": []}


def saying(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


Begin = Callable[..., Conversation]


@pytest.fixture
def begin() -> Begin:
    """A conversation with a scripted model."""
    CALLED.clear()

    def make(model: Model, host: Host | None = None, **changes: Any) -> Conversation:
        tools = (tool_of(get_price), tool_of(sell))
        values: dict[str, Any] = {
            "endpoint": "local",
            "tools": tools,
            "variant": "full",
            "system": None,
            "fields": {"model": "ft", "tools": [tool.definition for tool in tools]},
            "rejection_tools": frozenset({"reject"}),
            "rounds": 3,
            "notes": (),
        }
        return Conversation(Terms(**{**values, **changes}), model, host or Host("get_price"), finished)

    return make


def fates(reply: Reply) -> list[Fate]:
    return [outcome.fate for outcome in reply.outcomes]


def told(model: Model) -> list[str]:
    """What the last request tells the model of its calls."""
    return [message["content"] for message in model.asked[-1]["messages"] if message["role"] == "tool"]


def test_a_call_is_executed_and_its_result_goes_back_to_the_model(begin: Begin) -> None:
    model = Model(calling(("get_price", {"ticker": "MSFT"})), saying("It is 511.29."))
    system = {"role": "system", "content": "Short."}
    chat = begin(model, system=system)
    reply = chat.say("Microsoft?")
    assert (reply.text, fates(reply), CALLED) == ("It is 511.29.", [Fate.EXECUTED], ["MSFT"])
    assert (reply.requests, reply.prompt_tokens, reply.completion_tokens) == (2, 20, 4)
    call = {
        "id": "call_0",
        "type": "function",
        "function": {"name": "get_price", "arguments": '{"ticker": "MSFT"}'},
    }
    assert model.asked[1]["messages"] == [
        system,
        {"role": "user", "content": "Microsoft?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": '{"price":511.29}'},
    ]
    assert all(asked["model"] == "ft" and len(asked["tools"]) == 2 for asked in model.asked)


def test_the_next_request_goes_on_from_the_last(begin: Begin) -> None:
    model = Model(saying("Hello"), saying("Again"))
    chat = begin(model)
    chat.say("Hi")
    chat.say("And now?")
    assert [message["content"] for message in model.asked[1]["messages"]] == ["Hi", "Hello", "And now?"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (("os.system", {"ticker": "rm"}), "there is no tool"),
        (("get_price", '{"ticker": "MSFT"'), "not valid JSON"),
        (("get_price", {"ticker": 3}), "must be a string"),
        (("get_price", {}), "ticker is missing"),
    ],
)
def test_what_can_not_be_executed_is_told_to_the_model_which_may_correct_it(
    call: tuple[str, Any], problem: str, begin: Begin
) -> None:
    model = Model(calling(call), calling(("get_price", {"ticker": "MSFT"})), saying("511.29"))
    reply = begin(model).say("Microsoft?")
    assert fates(reply) == [Fate.REFUSED, Fate.EXECUTED]
    assert CALLED == ["MSFT"]
    assert problem in json.loads(told(model)[0])["error"]


def test_of_several_calls_each_has_its_own_fate_and_its_own_answer(begin: Begin) -> None:
    calls = [
        ("get_price", {"ticker": "MSFT"}),
        ("sell", {"ticker": "MSFT"}),
        ("nope", {}),
        ("get_price", {"ticker": "X"}),
    ]
    model = Model(calling(*calls, text="Let me see"), saying("done"))
    host = Host("get_price")
    reply = begin(model, host).say("Microsoft?")
    assert fates(reply) == [Fate.EXECUTED, Fate.DECLINED, Fate.REFUSED, Fate.RAISED]
    assert CALLED == ["MSFT", "X"]
    assert host.heard == ["Let me see"]
    assert list(host.saw_all) == list(reply.outcomes)
    answered = [message for message in model.asked[1]["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in answered] == ["call_0", "call_1", "call_2", "call_3"]
    assert "did not allow" in answered[1]["content"]
    assert json.loads(answered[3]["content"]) == {"error": "KeyError: 'X'"}


def test_a_function_that_raises_does_not_end_the_chat(begin: Begin) -> None:
    model = Model(calling(("get_price", {"ticker": "BOOM"})), saying("Sorry"))
    reply = begin(model).say("Go")
    assert (reply.text, reply.outcomes[0].problem) == ("Sorry", "SystemExit: gone")
    first_frame = reply.outcomes[0].traceback.splitlines()[1]
    assert "test_conversation.py" in first_frame
    assert "in get_price" in first_frame


def test_ctrl_c_stops_the_function_and_not_the_conversation(begin: Begin) -> None:
    model = Model(calling(("get_price", {"ticker": "WAIT"})), saying("Stopped"))
    reply = begin(model).say("Go")
    assert (fates(reply), reply.text) == ([Fate.STOPPED], "Stopped")
    with pytest.raises(KeyboardInterrupt):
        begin(Model(calling(("get_price", {"ticker": "WAIT"}))), Host("get_price", keeps_on=False)).say("Go")


def test_a_model_that_calls_for_ever_is_stopped_after_the_rounds(begin: Begin) -> None:
    again = calling(("get_price", {"ticker": "MSFT"}))
    with pytest.raises(StillCalling, match="after 3 rounds"):
        begin(Model(*[again] * 9)).say("Go")
    assert CALLED == ["MSFT"] * 3
    assert begin(Model(*[again] * 3, saying("511.29"))).say("Go").text == "511.29"


def test_a_rejection_is_not_executed_and_needs_no_further_request(begin: Begin) -> None:
    model = Model(calling(("get_price", {"ticker": "MSFT"}), ("reject", {"why": "no"})), saying("Next"))
    chat = begin(model)
    reply = chat.say("Sing")
    assert reply.rejection is not None
    assert (reply.rejection.name, reply.text, len(model.asked), CALLED) == ("reject", "", 1, [])
    assert fates(reply) == [Fate.DECLINED, Fate.REJECTION]
    assert chat.say("And now?").text == "Next"
    roles = [message["role"] for message in model.asked[1]["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "user"]


def test_nothing_is_executed_where_one_call_of_an_answer_is_not_allowed(begin: Begin) -> None:
    class Strict(Host):
        def allows(self, calls: list[ReadyCall]) -> Iterator[bool]:
            raise CallNotAllowed(call=calls[-1].written, name="sell")

    model = Model(calling(("get_price", {"ticker": "MSFT"}), ("sell", {"ticker": "MSFT", "count": 2})))
    chat = begin(model, Strict())
    with pytest.raises(CallNotAllowed, match=r'sell\(ticker="MSFT", count=2\)'):
        chat.say("Go")
    assert (CALLED, chat.messages) == ([], [])


def test_a_failed_request_leaves_no_trace_unless_something_was_executed(begin: Begin) -> None:
    trouble = NoAnswer(endpoint="local", problem="gone", advice="")
    chat = begin(
        Model(saying("Hello"), trouble, calling(("get_price", {"ticker": "MSFT"})), trouble, saying("Yes"))
    )
    chat.say("Hi")
    for request in ("First", "Second"):
        with pytest.raises(NoAnswer):
            chat.say(request)
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "user", "assistant", "tool"]
    assert chat.messages[2]["content"] == "Second"
    assert chat.say("Did you?").text == "Yes"


@pytest.mark.parametrize("completion", [{}, {"choices": []}, {"choices": [None]}, {"choices": [{"message": 3}]}])
def test_an_answer_without_a_message_is_an_error(completion: dict[str, Any], begin: Begin) -> None:
    chat = begin(Model())
    chat.ask = lambda _: completion
    with pytest.raises(NoAnswer, match="not a chat completion"):
        chat.say("Hi")
    assert chat.messages == []


def test_hosts_that_give_no_ids_or_the_same_twice_get_ids_that_tell_calls_apart(begin: Begin) -> None:
    one = calling(("get_price", {"ticker": "MSFT"}), ("get_price", {"ticker": "MSFT"}))
    for call in one["tool_calls"]:
        call["id"] = "same"
    legacy = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "get_price", "arguments": {"ticker": "MSFT"}},
    }
    model = Model(one, legacy, saying("done"))
    assert fates(begin(model).say("Go")) == [Fate.EXECUTED] * 3
    messages = model.asked[-1]["messages"]
    made = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert (made, len(set(made))) == (answered, 3)


def test_halves_of_surrogate_pairs_do_not_spoil_what_follows(begin: Begin) -> None:
    half = calling(("get_price", '{"ticker": "\ud800"}'), ("get_price", {"ticker": "HALF"}), text="\udfff🙂")
    chat = begin(Model(half, saying("no \ud800")))
    assert chat.say("Go \udcff").text == "no \ufffd"
    json.dumps(chat.messages, ensure_ascii=False).encode()
    assert chat.messages[1]["content"] == "\ufffd🙂"


def test_refusals_and_cut_answers_are_told_apart(begin: Begin) -> None:
    reply = begin(Model({"role": "assistant", "content": None, "refusal": "I can't."})).say("Go")
    assert (reply.refused, reply.text) == (True, "I can't.")
    chat = begin(Model())
    chat.ask = lambda _: {"choices": [{"message": saying("It is"), "finish_reason": "length"}]}
    assert chat.say("Go").cut


def defined(*functions: Any) -> tuple[Any, ...]:
    """The tools of these functions, as definitions alone."""
    return defined_tools([tool_of(each).definition["function"] for each in functions], "train.jsonl")


def test_calls_without_functions_are_shown_and_end_the_turn(begin: Begin) -> None:
    model = Model(calling(("get_price", {"ticker": "A"})), saying("Hello"))
    host = Host("get_price")
    chat = begin(model, host, tools=defined(get_price))
    reply = chat.say("A?")
    assert (fates(reply), reply.text, CALLED, len(model.asked)) == ([Fate.SHOWN], "", [], 1)
    assert [outcome.arguments for outcome in reply.calls] == [{"ticker": "A"}]
    assert chat.say("Hi").text == "Hello"
    assert told(model) == ["The call was not executed."]


def test_a_result_that_the_user_gives_goes_to_the_model(begin: Begin) -> None:
    model = Model(calling(("get_price", {"ticker": "A"}), ("sell", {"ticker": "A"})), saying("It is 3."))
    host = Host()
    host.results = ["3", None]
    reply = begin(model, host, tools=defined(get_price, sell)).say("A?")
    assert (fates(reply), reply.text, reply.calls) == ([Fate.GIVEN, Fate.SHOWN], "It is 3.", ())
    assert told(model) == ["3", "The call was not executed."]


def test_an_invalid_call_without_a_function_is_a_finding_and_not_tried_again(begin: Begin) -> None:
    model = Model(calling(("get_price", {"symbol": "A"})))
    reply = begin(model, tools=defined(get_price)).say("A?")
    assert (fates(reply), len(model.asked)) == ([Fate.REFUSED], 1)
    assert reply.calls[0].problem == 'get_price takes no "symbol"'

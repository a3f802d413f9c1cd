"""A chat is held as the model was trained, and says where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.chat.targets import Target
from orchestrator.chat.terms import ChatOptions, Terms, agree
from orchestrator.config import find_workspace
from orchestrator.dataset.files import inspect_file
from orchestrator.dataset.shorten import cut_of, in_variant
from orchestrator.errors import NoSuchTool
from orchestrator.store.runs import Run
from orchestrator.tools.functions import tool_of

SYSTEM = {"role": "system", "content": "You look up prices."}


def get_price(ticker: str) -> float:
    """Get a price.

    Args:
        ticker: Symbol of the share.
    """


def sell(ticker: str) -> str:
    """Sell a share."""


def row(**changes: Any) -> dict[str, Any]:
    messages = [SYSTEM, {"role": "user", "content": "Microsoft?"}, {"role": "assistant", "content": "511"}]
    tools = [tool_of(get_price).definition]
    return {"messages": messages, "tools": tools, "parallel_tool_calls": False, **changes}


@pytest.fixture
def agreed(home: Path, make_run: Callable[..., Run]) -> Callable[..., Terms]:
    """The terms with a model that was trained with these rows."""

    def make(rows: list[dict[str, Any]], *functions: Any, **options: Any) -> Terms:
        path = home / "train.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        run = make_run(training_path="train.jsonl", training_sha256=inspect_file(path).sha256)
        target = Target("ft:x", find_workspace().endpoint("local"), run, frozenset({"reject"}))
        return agree(target, [tool_of(each) for each in functions or (get_price,)], ChatOptions(**options))

    return make


def test_a_chat_is_held_as_the_model_was_trained(agreed: Callable[..., Terms]) -> None:
    terms = agreed([row(), row()])
    assert terms.fields == {
        "model": "ft:x",
        "tools": [tool_of(get_price).definition],
        "parallel_tool_calls": False,
    }
    assert (terms.system, terms.variant, terms.notes) == (SYSTEM, "full", ())
    assert terms.rejection_tools == {"reject"}


def test_what_the_examples_do_not_agree_on_is_left_open(agreed: Callable[..., Terms]) -> None:
    other = row(messages=row()["messages"][1:], parallel_tool_calls=True)
    terms = agreed([row(), other])
    assert (terms.system, "parallel_tool_calls" in terms.fields) == (None, False)


@pytest.mark.parametrize("variant", ["no-descriptions", "no-parameters"])
def test_shorter_definitions_are_sent_to_a_model_that_learned_them(
    variant: Any, agreed: Callable[..., Terms]
) -> None:
    terms = agreed([in_variant(row(), variant)])
    assert (terms.variant, terms.notes) == (variant, ())
    assert terms.fields["tools"] == in_variant({"tools": [tool_of(get_price).definition]}, variant)["tools"]


def test_a_model_that_learned_without_definitions_gets_none_and_it_is_said(agreed: Callable[..., Terms]) -> None:
    terms = agreed([in_variant(row(), "no-tools")])
    assert terms.fields == {"model": "ft:x"}
    assert "--variant full sends them" in terms.notes[0]
    assert terms.tools[0].name == "get_price"


def test_wishes_come_before_training_and_are_noted(agreed: Callable[..., Terms]) -> None:
    terms = agreed(
        [row()], variant="no-parameters", system="Be brief.", temperature=0.5, rejection_tools=frozenset()
    )
    assert terms.system == {"role": "system", "content": "Be brief."}
    assert (terms.fields["temperature"], terms.rejection_tools) == (0.5, frozenset())
    assert terms.notes == (
        "the model was trained with full definitions; these requests have definitions without parameters",
    )
    assert agreed([row()], system="").system is None


def test_functions_unlike_those_of_training_are_named_with_the_place(agreed: Callable[..., Terms]) -> None:
    trained = json.loads(json.dumps(tool_of(get_price).definition))
    trained["function"]["parameters"]["properties"]["ticker"]["description"] = "A symbol."
    [note] = agreed([row(), row(tools=[trained])], get_price).notes or ["alike"]
    assert note == "alike"
    [note] = agreed([row(tools=[trained])], get_price).notes
    place = "parameters.properties.ticker.description"
    assert note == f"get_price differs from its definition in training at {place}: train.jsonl line 1"


def test_functions_missing_on_either_side_are_named(agreed: Callable[..., Terms]) -> None:
    notes = agreed([row()], sell).notes
    assert "trained to call functions that --tools does not give: get_price" in notes[0]
    assert "not in training, so the model may not know when to call it: sell" in notes[1]


def test_a_training_file_that_changed_since_is_not_compared(
    home: Path, make_run: Callable[..., Run], agreed: Callable[..., Terms]
) -> None:
    agreed([row()])
    for path, problem in (("train.jsonl", "has changed since the run"), ("gone.jsonl", "was moved or deleted")):
        run = make_run(training_path=path)
        target = Target("ft:x", find_workspace().endpoint("local"), run, frozenset())
        terms = agree(target, [tool_of(get_price)], ChatOptions())
        assert (terms.system, terms.variant) == (None, "full")
        terms = agree(target, [], ChatOptions())
        assert terms.tools == ()
        assert terms.notes[0].endswith("To send them: --tools FILE.jsonl or FILE.json")
        terms = agree(target, [tool_of(get_price)], ChatOptions())
        assert terms.notes[0].startswith(f"the training file {path} {problem}, so these tools can't be compared")
    target = Target(
        "ft:x", find_workspace().endpoint("local"), make_run(training_path="https://host/t"), frozenset()
    )
    [note] = agree(target, [tool_of(get_price)], ChatOptions()).notes
    assert "https://host/t is not on this machine" in note


def test_a_model_that_nobody_recorded_is_asked_in_full(home: Path) -> None:
    target = Target("gpt", find_workspace().endpoint("local"), None, frozenset())
    terms = agree(target, [], ChatOptions())
    assert (terms.fields, terms.notes) == ({"model": "gpt"}, ())


def test_preference_data_is_read_too(agreed: Callable[..., Terms]) -> None:
    source = {key: value for key, value in row().items() if key != "messages"}
    source["messages"] = row()["messages"][:2]
    preferred = {"input": source, "preferred_output": [], "non_preferred_output": []}
    terms = agreed([preferred])
    assert (terms.system, terms.fields["parallel_tool_calls"], terms.notes) == (SYSTEM, False, ())


def without_tools(home: Path, make_run: Callable[..., Run], rows: list[dict[str, Any]], **options: Any) -> Terms:
    path = home / "train.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    run = make_run(training_path="train.jsonl", training_sha256=inspect_file(path).sha256)
    target = Target("ft:x", find_workspace().endpoint("local"), run, frozenset())
    return agree(target, [], ChatOptions(**options))


def test_without_tools_the_definitions_of_training_are_sent_as_they_are(
    home: Path, make_run: Callable[..., Run]
) -> None:
    short = in_variant(row(), "no-descriptions")
    terms = without_tools(home, make_run, [short, row(tools=[tool_of(sell).definition])])
    assert terms.fields["tools"] == [*short["tools"], tool_of(sell).definition]
    assert (terms.tools_from, terms.executes, terms.notes) == ("train.jsonl", False, ())


def test_what_is_dropped_is_not_sent_and_noted(home: Path, make_run: Callable[..., Run]) -> None:
    terms = without_tools(home, make_run, [row()], drop=cut_of(["descriptions"]))
    assert terms.fields["tools"] == in_variant(row(), "no-descriptions")["tools"]
    assert "these requests have definitions without descriptions" in terms.notes[0]
    both = [row(tools=[tool_of(get_price).definition, tool_of(sell).definition])]
    terms = without_tools(home, make_run, both, drop=cut_of(["tool:sell"]))
    assert [tool["function"]["name"] for tool in terms.fields["tools"]] == ["get_price"]
    with pytest.raises(NoSuchTool, match=r'"sel" \(did you mean "sell"'):
        without_tools(home, make_run, both, drop=cut_of(["tool:sel"]))

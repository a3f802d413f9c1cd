from __future__ import annotations

import time

import pytest
from support.surveys import asks, call, noted, says, tool

LIGHT, LOCK, REJECT = tool("light"), tool("lock"), tool("reject_request")
SENTENCE = (
    "The lamp in the hall was switched on this morning, and it will stay on until the evening, as you have asked me"
)


def lit(count: int) -> list[dict[str, object]]:
    return [asks(f"Light number {number}", call("light"), tools=[LIGHT, LOCK]) for number in range(count)]


# --- number, rejections, balance -----------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "few"), [(99, True), (100, False)])
def test_fewer_than_100_examples_are_few_to_train_on(count: int, few: bool) -> None:
    assert ("FT601" in noted(lit(count))) is few
    assert "FT601" not in noted(lit(count), "validation")


@pytest.mark.parametrize(
    "rejection",
    [
        says("Make coffee", "I can't do that.", tools=[LIGHT]),
        asks("Make coffee", call("reject_request"), tools=[LIGHT, REJECT]),
        asks("Make coffee", call("respond"), tools=[LIGHT, tool("respond")]),
    ],
    ids=["in text", "by a tool that rejects", "by a tool that answers"],
)
def test_one_rejection_is_enough_not_to_ask_for_any(rejection: dict[str, object]) -> None:
    assert "FT621" in noted(lit(12))
    assert "FT621" not in noted([*lit(12), rejection])
    assert "FT621" not in noted(lit(12), "evaluation")


def test_files_without_tools_need_no_rejections() -> None:
    assert "FT621" not in noted([says("Hi", "Hello!")])


@pytest.mark.parametrize(("count", "uneven"), [(40, True), (39, False)])
def test_twenty_times_as_many_examples_of_one_function_are_uneven(count: int, uneven: bool) -> None:
    rows = [*lit(count), *(asks(f"Lock {number}", call("lock"), tools=[LIGHT, LOCK]) for number in range(2))]
    found = noted(rows)
    assert ("FT622" in found) is uneven
    if uneven:
        assert found["FT622"] == "light is the answer of 40 of 42 examples, twenty times more often than: lock (2)"


def test_a_function_that_few_examples_declare_is_not_expected_to_be_called_often() -> None:
    assert "FT622" not in noted([*lit(100), asks("Open", call("open"), tools=[tool("open")])])


# --- weights, legacy -----------------------------------------------------------------------------------------


def test_only_examples_whose_every_answer_has_weight_0_train_on_nothing() -> None:
    half = {"messages": [*says("a", "b", weight=0)["messages"], *says("c", "d", weight=1)["messages"]]}
    assert noted([says("a", "b", weight=0), half])["FT624"].startswith("1 example(s)")
    assert "FT624" not in noted([half])


def test_calls_with_weight_0_teach_nothing_and_do_not_count() -> None:
    rows = lit(3)
    rows[0]["messages"][1]["weight"] = 0  # type: ignore[index]
    other = asks("Lock", call("lock"), tools=[LIGHT, LOCK])
    other["messages"][1]["weight"] = 0
    assert "lock" in noted([*rows, other])["FT612"]


def test_a_function_call_counts_as_legacy_like_functions_do() -> None:
    answer = {"role": "assistant", "content": None, "function_call": {"name": "light", "arguments": "{}"}}
    assert noted([{"messages": [{"role": "user", "content": "a"}, answer]}])["FT616"].endswith("line 1")


# --- system prompts ---


def test_long_system_prompts_are_shown_where_they_differ() -> None:
    text = "You switch the lamps of a large house for the people who live in it, and answer in "
    rows = [says(f"q{number}", "ok", system=f"{text}French.") for number in range(4)]
    found = noted([*rows, says("q", "ok", system=f"{text}German.")])["FT623"]
    assert "French." in found
    assert "German." in found
    blank = noted([*rows, says("q", "ok", system=f"{text}French. ")])["FT623"]
    assert "the same except for white space at character 91" in blank


# --- cut off -------------------------------------------------------------------------------------------------


def test_a_sentence_without_end_is_found_among_sentences_that_end() -> None:
    whole = [says(f"q{number}", f"{SENTENCE}.") for number in range(12)]
    assert noted([*whole, says("q", SENTENCE)])["FT625"].endswith("like a text that was cut off: line 13")
    assert "FT625" not in noted(whole)


@pytest.mark.parametrize(
    "ending",
    [
        "Yours sincerely\nAnna Berg",
        "and so it was written down by the caretaker of the house, Anna Berg",
        "and see https://example.org/lamps",
        "at 17",
        "as follows: {",
        "and that is all (see above)",
    ],
)
def test_endings_that_only_look_cut_off_are_let_be(ending: str) -> None:
    whole = [says(f"q{number}", f"{SENTENCE}.") for number in range(20)]
    assert "FT625" not in noted([*whole, says("q", f"{SENTENCE} {ending}")])


def test_a_file_whose_sentences_never_end_has_a_style_of_its_own() -> None:
    assert "FT625" not in noted([says(f"q{number}", SENTENCE) for number in range(20)])


def test_an_open_block_of_code_is_found_in_any_file() -> None:
    rows = [says("a", "```\nx\n```"), says("b", "```\nx")]
    assert noted(rows)["FT625"].startswith("1 answer(s) open a block of code")


@pytest.mark.parametrize("unit", ["yes ", "\n", " ", "a", "a@", "-", "a, ", "```"])
def test_the_time_a_text_takes_grows_no_faster_than_its_length(unit: str) -> None:
    text = unit * 100_000
    began = time.process_time()
    noted([says(text, text)])
    assert time.process_time() - began < 5

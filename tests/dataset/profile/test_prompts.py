from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from support.surveys import asks, call, noted, says, survey_of, tool

from orchestrator.dataset.profile.fingerprints import resemblance, sketch

LIGHT = tool(mode={"type": "string"})
ON, OFF = call("light", mode="on"), call("light", mode="off")


# --- repeated and contradicting ------------------------------------------------------------------------------


def test_repeated_examples_are_counted_once_with_their_lines() -> None:
    rows = [says("a", "1"), says("b", "2"), says("a", "1"), says("a", "1"), says("b", "2")]
    assert (
        noted(rows)["FT602"]
        == "3 line(s) repeat an earlier example, including its answer: lines 1, 3 and 4; lines 2 and 5"
    )


@pytest.mark.parametrize(
    "other",
    [
        asks("Switch it on", call("light", "call_77", mode="on"), tools=[LIGHT]),
        {
            **asks("Switch it on", {**ON, "function": {"arguments": '{ "mode":"on" }', "name": "light"}}),
            "tools": [LIGHT],
        },
    ],
    ids=["another call id", "other blanks and order of keys"],
)
def test_examples_that_say_the_same_are_repeated_however_they_are_written(other: object) -> None:
    found = noted([asks("Switch it on", ON, tools=[LIGHT]), other])  # type: ignore[list-item]
    assert "FT602" in found
    assert "FT604" not in found


def test_one_prompt_with_two_calls_is_a_contradiction() -> None:
    rows = [
        asks("Light!", ON, tools=[LIGHT]),
        asks("Dark!", OFF, tools=[LIGHT]),
        asks("Light!", OFF, tools=[LIGHT]),
    ]
    assert noted(rows)["FT604"].endswith("though the tools are the same: lines 1 and 3")


def test_a_call_here_and_a_text_there_is_a_contradiction() -> None:
    rows = [asks("Light!", ON, tools=[LIGHT]), says("Light!", "Sorry, no.", tools=[LIGHT])]
    assert "FT604" in noted(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asks("Light!", ON, tools=[LIGHT]), says("Light!", "I have no lamp.", tools=[tool("lock")])),
        (asks("Go", ON, tools=[LIGHT], system="It is dark."), asks("Go", OFF, tools=[LIGHT], system="It is day.")),
        (asks("Both", ON, call("light", "b", mode="off")), asks("Both", OFF, call("light", "c", mode="on"))),
    ],
    ids=["other tools", "other instructions", "the same calls in another order"],
)
def test_what_is_no_contradiction(one: object, other: object) -> None:
    assert not {"FT604", "FT605"} & noted([one, other]).keys()  # type: ignore[list-item]


def test_a_constant_prompt_with_many_texts_is_one_finding_and_quick() -> None:
    rows = [says("Write a poem", f"Poem {number}") for number in range(20_000)]
    found = noted(rows)
    assert found["FT605"].endswith("different texts: lines 1, 2, 3, 4, 5 and 19,995 more")
    assert "FT604" not in found


# --- nearly the same -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Switch the light on", "switch  the light ON!"),
        ("Switch the light on", "The light: switch it on"),
        ("Could you switch the light on in the hall", "Could you please switch the light on in the hall"),
        ("\uff33witch the light on", "Switch the light on"),
    ],
    ids=["case and marks", "order", "a word more", "full-width letters"],
)
def test_prompts_that_differ_in_little_are_near(one: str, other: str) -> None:
    rows = [asks(one, ON, tools=[LIGHT]), asks(other, ON, tools=[LIGHT])]
    assert noted(rows)["FT603"].endswith("line 2 is nearly line 1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Light in the hall", "Light in the bath"),
        ("Switch on the light in the hall right now", "Give me light in the hall right now"),
        ("Switch the light on", "Brighter, please"),
    ],
)
def test_prompts_that_differ_in_more_are_not_near(one: str, other: str) -> None:
    assert "FT603" not in noted([asks(one, ON, tools=[LIGHT]), asks(other, ON, tools=[LIGHT])])


def test_nearly_the_same_prompt_with_another_answer_is_a_distinction_to_be_learned() -> None:
    rows = [
        asks("Could you switch the light in the hall on now", ON, tools=[LIGHT]),
        asks("Could you switch the light in the hall off now", OFF, tools=[LIGHT]),
    ]
    assert "FT603" not in noted(rows)


def test_the_words_of_a_template_make_no_prompts_alike() -> None:
    template = "Tell whether the review that follows between the quotation marks is good or bad: {}"
    words = [f"{first}{second}" for first in ("dull", "poor", "weak", "sad", "flat") for second in range(6)]
    rows = [says(template.format(f"a {word} book"), "bad") for word in words]
    assert "FT603" not in noted(rows)
    assert "FT603" in noted([*rows[:2], says(template.format("a  dull0 - book"), "bad")])


def test_a_long_text_with_a_word_changed_is_near_and_another_long_text_is_not() -> None:
    text = " ".join(f"word{number}" for number in range(300))
    changed = text.replace("word150 ", "other ")
    rows = [says(text, "yes"), says(changed, "yes"), says(text[: len(text) // 2] + text[:99].upper()[::-1], "yes")]
    survey = survey_of(rows)
    assert list(survey.prompts.near_pairs()) == [(0, 1)]


@given(st.text(st.characters(max_codepoint=127)))
def test_words_in_ascii_are_the_same_words_as_in_any_text(text: str) -> None:
    # A blank that is not ASCII takes the other way, and adds no word.
    assert sketch(text) == sketch(f"{text}\u3000")


def test_resemblance_is_exact_for_short_texts_and_close_for_long_ones() -> None:
    assert resemblance(sketch("a b c d"), sketch("c d e f")) == (2 / 6, 6)
    assert resemblance(sketch(""), sketch("")) == (0.0, 0)
    found = []
    for turn in range(30):
        ours, theirs = (" ".join(f"{turn}w{each}" for each in numbers) for numbers in (range(300), range(60, 360)))
        estimate, compared = resemblance(sketch(ours), sketch(theirs))
        assert compared >= 20
        found.append(estimate)
    assert sum(found) / len(found) == pytest.approx(240 / 360, abs=0.05)


def test_thousands_of_prompts_with_one_answer_are_compared_quickly() -> None:
    rows = [says(f"please do thing number {number} in room {number % 7}", "no") for number in range(5000)]
    assert "FT603" not in noted(rows)


# --- memory --------------------------------------------------------------------------------------------------


def test_an_example_takes_150_bytes_whatever_its_length() -> None:
    prompts = survey_of([says(f"{'long ' * 500}{line}", "yes " * 500) for line in range(20)]).prompts
    columns = [column for column in vars(prompts).values() if column]
    assert sum(len(column) * column.itemsize for column in columns) <= 150 * len(prompts)
    assert len(columns) == len(vars(prompts))


def test_groups_are_the_same_when_they_are_found_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_of([says(f"prompt {number % 40}", f"{number % 3}") for number in range(200)])
    whole = sorted(survey.prompts.groups(survey.prompts.prompts))
    monkeypatch.setattr("orchestrator.dataset.profile.prompts._COMPARED_AT_ONCE", 30)
    assert sorted(survey.prompts.groups(survey.prompts.prompts)) == whole
    assert len(whole) == 40

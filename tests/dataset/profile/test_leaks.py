from __future__ import annotations

from typing import Any

from support.surveys import asks, call, reasons, says, survey_of, tool

from orchestrator.dataset.findings import Notes
from orchestrator.dataset.profile import Leak, Profile, leaks_between, note_leaks

LIGHT = tool(mode={"type": "string"})
ON, OFF = call("light", mode="on"), call("light", mode="off")


def leaks(training: list[Any], measured: list[Any]) -> list[Leak]:
    return list(leaks_between(survey_of(training).prompts, survey_of(measured, "evaluation").prompts))


def test_the_same_case_is_found_with_both_lines() -> None:
    training = [says("Other", "a"), asks("Light!", ON, tools=[LIGHT])]
    assert leaks(training, [says("New", "b"), asks("Light!", ON, tools=[LIGHT])]) == [Leak(2, 2, exact=True)]


def test_shortened_definitions_and_another_answer_hide_no_leak() -> None:
    assert leaks([asks("Light!", ON, tools=[LIGHT])], [asks("Light!", OFF, tools=[tool()])]) == [
        Leak(1, 1, exact=True)
    ]


def test_other_instructions_hide_no_leak_where_the_answer_is_the_same() -> None:
    training = [says("Light!", "Yes", system="A")]
    assert leaks(training, [says("Light!", "Yes", system="B")]) == [Leak(1, 1, exact=True)]
    assert leaks(training, [says("Light!", "No", system="B")]) == []


def test_a_constant_prompt_whose_case_is_in_the_instructions_leaks_only_with_them() -> None:
    training = [says("Which one is it of the two?", "good", system=f"Review {number}") for number in range(4)]
    measured = [says("Which one is it of the two?", "good", system=text) for text in ("Review 2", "Review 9")]
    assert leaks(training, measured) == [Leak(1, 3, exact=True)]


def test_a_prompt_with_a_word_more_and_the_same_answer_leaks_nearly() -> None:
    training = [asks("Could you switch the light on in the hall", ON, tools=[LIGHT])]
    near = "Could you please switch the light on in the hall"
    assert leaks(training, [asks(near, ON, tools=[LIGHT])]) == [Leak(1, 1, exact=False)]
    assert leaks(training, [asks(near, OFF, tools=[LIGHT])]) == []


def test_leaks_are_noted_at_the_file_that_measures_and_name_the_other() -> None:
    surveys = {
        "train.jsonl": survey_of([says(f"q{number}", "a") for number in range(9)]),
        "valid.jsonl": survey_of([says(text, "a") for text in ("q3", "x", "q5", "y", "z")], "validation"),
        "eval.jsonl": survey_of([says("x", "a")], "evaluation"),
    }
    notes = {name: Notes() for name in surveys}
    note_leaks(surveys, notes)
    assert notes["train.jsonl"].findings == []
    [valid], [evaluation] = notes["valid.jsonl"].findings, notes["eval.jsonl"].findings
    where = "line 1 is line 4 there; line 3 is line 6 there"
    assert (valid.code, valid.line) == ("FT606", 1)
    assert valid.reason == f"2 of 5 example(s) also appear in train.jsonl: {where}"
    assert (evaluation.code, evaluation.reason.count("valid.jsonl")) == ("FT606", 1)


def test_two_training_files_are_not_compared() -> None:
    surveys: dict[str, Profile] = {name: survey_of([says("q", "a")]) for name in ("one", "two")}
    notes = {name: Notes() for name in surveys}
    note_leaks(surveys, notes)
    assert not notes["two"].findings


def about_image(url: str) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": "Which bird sits on the branch?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A wren."}]}


def test_the_same_question_about_another_image_leaks_nothing() -> None:
    one, other = (about_image(f"https://example.org/{name}.png") for name in "ab")
    assert leaks([one], [other]) == []
    assert leaks([one], [one]) == [Leak(1, 1, exact=True)]


def test_the_same_question_about_another_image_repeats_no_prompt() -> None:
    rows = [about_image(f"https://example.org/{number}.png") for number in range(3)]
    assert reasons(survey_of(rows)).keys() & {"FT602", "FT603"} == set()
    assert "FT602" in reasons(survey_of([rows[0], rows[0]]))

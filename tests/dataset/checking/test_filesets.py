"""Files that belong together: one endpoint's limits, cases in two files, tools defined in two ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.surveys import says, write_rows

from orchestrator.dataset.basemodels import Purpose
from orchestrator.dataset.checking import checks
from orchestrator.dataset.checking.filesets import CheckedSource, Source, check_together
from orchestrator.dataset.checking.limits import Limits, limits_of

PLACES = [f"{colour} {thing}" for colour in ("red", "blue", "old") for thing in ("barn", "bridge", "tower", "mill")]
Write = Callable[..., Source]


def definition(description: str = "Fly to a place.", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties or {"place": {"type": "string"}}}
    function = {"name": "fly", "description": description, "parameters": parameters}
    return {"type": "function", "function": {key: value for key, value in function.items() if value}}


def row(place: str, tool: dict[str, Any]) -> dict[str, Any]:
    function = {"name": "fly", "arguments": json.dumps({"place": place})}
    call = {"id": "call_1", "type": "function", "function": function}
    messages = [{"role": "user", "content": f"Go to the {place}"}, {"role": "assistant", "tool_calls": [call]}]
    return {"messages": messages, "tools": [tool]}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of flights, by default to the twelve places."""

    def write(name: str, places: list[str] = PLACES, tool: dict[str, Any] | None = None, **source: Any) -> Source:
        path = tmp_path / name
        rows = [row(place, tool or definition()) for place in places]
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        return Source(path, **{"purpose": "training", "group": "g", **source})

    return write


def codes(checked: CheckedSource) -> set[str]:
    return {finding.code for finding in checked.report.findings}


# --- one endpoint's limits -----------------------------------------------------------------------------------


def test_a_method_is_an_error_only_for_the_endpoint_that_does_not_train_with_it(write: Write) -> None:
    source = write("train.jsonl", method="reinforcement")
    for endpoint, refused in (("local", True), ("openai", False), ("azure", False)):
        [checked] = check_together([replace(source, limits=limits_of(endpoint))])
        assert ("FT701" in codes(checked)) is refused


@pytest.mark.parametrize(("endpoint", "refused"), [("openai", True), ("azure", True), ("compatible", False)])
def test_a_schema_that_the_large_services_refuse_is_an_error_for_them(
    write: Write, endpoint: str, refused: bool
) -> None:
    tool = definition(place={"type": "string"}, stops={"type": "array"})
    [checked] = check_together([write("train.jsonl", tool=tool, limits=limits_of(endpoint))])
    assert "FT333" in codes(checked)
    assert ("FT703" in codes(checked)) is refused
    assert checked.report.ok is not refused


def pictures(path: Path, *, preference: bool = False) -> Path:
    rows = []
    for number in range(12):
        url = f"https://example.org/{number}.png"
        asked = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
        good, bad = ({"role": "assistant", "content": text} for text in ("A wren.", "A bird."))
        shape = {"input": {"messages": [asked]}, "preferred_output": [good], "non_preferred_output": [bad]}
        rows.append(shape if preference else {"messages": [asked, good]})
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


@pytest.mark.parametrize(
    ("endpoint", "model", "said"),
    [
        ("openai", "gpt-4.1-mini", True),
        ("openai", "gpt-4o-2024-08-06", False),
        ("azure", "gpt-4.1", False),
        ("azure", "gpt-4o-mini", True),
        ("compatible", "gpt-4.1-mini", False),
        ("openai", None, False),
    ],
)
def test_images_are_held_against_the_models_that_are_trained_with_them(
    tmp_path: Path, endpoint: str, model: str | None, said: bool
) -> None:
    path = pictures(tmp_path / "train.jsonl")
    [checked] = check_together([Source(path, "training", model=model, limits=limits_of(endpoint))])
    fixes = [each.fix for each in checked.report.findings if each.code == "FT704"]
    assert [fix.startswith("Set the model to ") for fix in fixes] == [True] * said
    assert checked.report.ok


def test_a_method_is_held_against_the_models_that_are_trained_with_it(write: Write, tmp_path: Path) -> None:
    path = pictures(tmp_path / "preference.jsonl", preference=True)
    for model, said in (("gpt-3.5-turbo-0125", True), ("gpt-4.1-nano-2025-04-14", False)):
        [checked] = check_together([Source(path, "training", model=model, limits=limits_of("openai"))])
        assert ("FT704" in codes(checked)) is said


def test_images_are_named_where_the_local_endpoint_reads_text_only(tmp_path: Path) -> None:
    purposes: tuple[Purpose, ...] = ("training", "evaluation")
    for purpose in purposes:
        path = pictures(tmp_path / f"{purpose}.jsonl")
        [checked] = check_together([Source(path, purpose, model="tiny", limits=limits_of("local"))])
        [found] = [each for each in checked.report.findings if each.code == "FT704"]
        assert found.reason.startswith("local trains on text only with ftorch, not on images, found in ")


def test_a_job_files_findings_name_its_keys_and_no_options(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.jsonl", [{"messages": [{"role": "user", "content": "Up"}]}] * 12)
    for of_job, words in ((False, "--method reinforcement"), (True, 'type = "reinforcement" under [method]')):
        [checked] = check_together([Source(path, "training", of_job=of_job)])
        [fix] = [each.fix for each in checked.report.findings if each.code == "FT208"]
        assert words in fix
        assert ("--method" in fix) is not of_job
    for of_job, words in ((False, "give --allow-leak."), (True, "set data.allow_leak = true in the job file.")):
        good = write_rows(tmp_path / "good.jsonl", [says(f"Climb {number}", "Yes.") for number in range(12)])
        sources = [Source(good, "training", of_job=of_job), Source(good, "evaluation", of_job=of_job)]
        fixes = [each.fix for each in check_together(sources)[1].report.findings if each.code == "FT802"]
        assert [fix.endswith(words) for fix in fixes] == [True]


def test_preference_data_with_images_is_an_error_for_openai(tmp_path: Path) -> None:
    path = pictures(tmp_path / "train.jsonl", preference=True)
    for endpoint, refused in (("openai", True), ("compatible", False)):
        [checked] = check_together([Source(path, "training", limits=limits_of(endpoint))])
        assert ("FT703" in codes(checked)) is refused


def test_tokens_times_epochs_are_held_against_the_limit_of_a_job(write: Write) -> None:
    source = write("train.jsonl")
    [counted] = check_together([source])
    assert counted.report.tokens
    limits = Limits("azure", most_trained_tokens=3 * counted.report.tokens)
    [just] = check_together([replace(source, limits=limits, epochs=3)])
    [beyond] = check_together([replace(source, limits=limits, epochs=4)])
    assert "FT702" not in codes(just)
    assert "FT702" in codes(beyond)
    assert not beyond.report.ok


def test_a_compatible_host_may_take_files_of_any_size(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LARGEST_FILE_BYTES", 100)
    source = write("train.jsonl")
    for limits, refused in ((None, True), (limits_of("azure"), True), (limits_of("compatible"), False)):
        [checked] = check_together([replace(source, limits=limits)])
        assert ("FT502" in codes(checked)) is refused


# --- between files -------------------------------------------------------------------------------------------


def test_a_case_in_training_and_validation_is_noted_at_the_validation_file(write: Write) -> None:
    validation = write("valid.jsonl", ["new dam", "far shore", PLACES[3]], purpose="validation")
    checked = check_together([validation, write("train.jsonl")])
    assert [each.source.purpose for each in checked] == ["validation", "training"]
    assert "FT606" in codes(checked[0])
    [finding] = [each for each in checked[0].report.findings if each.code == "FT606"]
    assert "train.jsonl" in finding.reason
    assert checked[0].report.counts["FT606"] == 1
    assert "FT606" not in codes(checked[1])


def test_files_without_common_cases_are_not_said_to_leak(write: Write) -> None:
    evaluation = write("eval.jsonl", ["new dam", "far shore"], purpose="evaluation")
    for checked in check_together([write("train.jsonl"), evaluation]):
        assert "FT606" not in codes(checked)


def test_two_files_for_the_same_purpose_may_hold_the_same_cases(write: Write) -> None:
    for purpose in ("training", "validation", "evaluation"):
        for checked in check_together([write("a.jsonl", purpose=purpose), write("b.jsonl", purpose=purpose)]):
            assert "FT606" not in codes(checked)


def test_one_file_for_training_and_validation_leaks_whole(write: Write) -> None:
    training = write("train.jsonl")
    _, validation = check_together([training, replace(training, purpose="validation")])
    [finding] = [each for each in validation.report.findings if each.code == "FT802"]
    assert "(training)" in finding.reason


def test_a_file_of_which_half_is_in_training_measures_nothing(write: Write) -> None:
    half = write("eval.jsonl", ["new dam", "far shore", *PLACES[:2]], purpose="evaluation")
    training, checked = check_together([write("train.jsonl"), half])
    assert (training.report.ok, checked.report.ok) == (True, False)
    [finding] = checked.report.errors
    assert finding.code == "FT802"
    assert finding.reason.startswith("2 of 4 example(s) also appear in ")
    assert "line 3 is line 1 there" in finding.reason
    assert "FT606" not in codes(checked)
    _, allowed = check_together([write("train.jsonl"), replace(half, allow_leak=True)])
    assert allowed.report.ok
    assert "FT606" in codes(allowed)


def test_an_evaluation_may_repeat_the_validation_file(write: Write) -> None:
    validation = write("valid.jsonl", ["new dam", "far shore"], purpose="validation")
    _, evaluation = check_together([validation, replace(validation, purpose="evaluation")])
    assert evaluation.report.ok


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        (definition(description=""), "variant"),
        (definition(place={"type": "string"}, speed={"type": "integer"}), "parameters"),
        (definition(description="Go to a place."), "description"),
    ],
)
def test_measuring_on_other_definitions_than_training_is_an_error(
    tool: dict[str, Any], reason: str, write: Write
) -> None:
    for purpose in ("validation", "evaluation"):
        other = write("other.jsonl", ["new dam"], tool, purpose=purpose)
        training, measured = check_together([write("train.jsonl"), other])
        [finding] = [each for each in measured.report.findings if each.code == "FT801"]
        assert reason in finding.reason
        assert not measured.report.ok
        assert training.report.ok


def test_the_same_definitions_are_no_error(write: Write) -> None:
    other = write("valid.jsonl", ["new dam"], purpose="validation")
    for checked in check_together([write("train.jsonl"), other]):
        assert "FT801" not in codes(checked)


def test_definitions_of_another_group_are_not_compared(write: Write) -> None:
    other = write("valid.jsonl", ["new dam"], definition(description=""), purpose="validation", group="other")
    for checked in check_together([write("train.jsonl"), other]):
        assert "FT801" not in codes(checked)


def test_the_variant_is_read_off_the_definitions(write: Write) -> None:
    full, short = check_together([write("a.jsonl"), write("b.jsonl", tool=definition(description=""))])
    assert (full.variant, short.variant) == ("full", "no-descriptions")


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_checked(
    write: Write, tmp_path: Path
) -> None:
    told: list[Path] = []
    sources = [Source(tmp_path, "training"), write("train.jsonl")]
    directory, file = check_together(sources, announce=lambda source: told.append(source.path))
    assert codes(directory) == {"FT100"}
    assert file.report.examples == 12
    assert told == [tmp_path, tmp_path / "train.jsonl"]

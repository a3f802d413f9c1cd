from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.rows import EXAMPLE, LEGACY, PREFERENCE, TOOL, changed

from orchestrator.dataset.variants import (
    MOST_DEFINITIONS,
    Definitions,
    definitions_of_file,
    disagreement,
    first_difference,
    variant_of,
    variant_of_file,
)

BARE = {"name": "climb", "parameters": {"type": "object", "properties": {}}}
UNDESCRIBED = {"name": "climb", "parameters": TOOL["function"]["parameters"]}


@pytest.mark.parametrize(
    ("tools", "variant"),
    [
        ([], "no-tools"),
        ([TOOL], "full"),
        ([{"type": "function", "function": UNDESCRIBED}], "no-descriptions"),
        ([UNDESCRIBED, BARE], "no-descriptions"),
        ([BARE], "no-parameters"),
        ([{"name": "f", "parameters": {"properties": {"x": {"items": {"description": "deep"}}}}}], "full"),
        ([{"name": "f", "parameters": {"properties": {"description": {"type": "string"}}}}], "no-descriptions"),
        ([{**BARE, "description": ""}], "no-parameters"),
    ],
)
def test_definitions_tell_their_variant(tools: list[Any], variant: str) -> None:
    assert variant_of(tools) == variant


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_a_file_has_the_variant_of_all_its_definitions_in_every_format(tmp_path: Path) -> None:
    preference = PREFERENCE | {"input": PREFERENCE["input"] | {"tools": [TOOL]}}
    for row, variant in (
        (EXAMPLE, "full"),
        (LEGACY, "no-parameters"),
        (PREFERENCE, "no-tools"),
        (preference, "full"),
    ):
        assert variant_of_file(write(tmp_path / "data.jsonl", "not JSON", "[]", row)) == variant


def test_files_with_the_same_definitions_agree_whatever_their_order(tmp_path: Path) -> None:
    other = {"function": dict(reversed(TOOL["function"].items())), "type": "function"}
    training = definitions_of_file(write(tmp_path / "train", EXAMPLE, EXAMPLE | {"tools": [TOOL, BARE]}))
    validation = definitions_of_file(write(tmp_path / "valid", EXAMPLE | {"tools": [BARE, other]}))
    assert disagreement(training, validation) is None


def test_another_definition_of_a_function_is_found_with_its_place_and_lines(tmp_path: Path) -> None:
    parameter = ("tools", 0, "function", "parameters", "properties", "metres")
    training = definitions_of_file(write(tmp_path / "train", {"messages": []}, EXAMPLE))
    other = changed(EXAMPLE, *parameter, "type", "number")
    validation = definitions_of_file(write(tmp_path / "valid", EXAMPLE, EXAMPLE, other))
    found = disagreement(training, validation)
    assert found is not None
    assert "climb is defined differently at parameters.properties.metres.type" in found.reason
    assert f"{tmp_path / 'train'} line 2, {tmp_path / 'valid'} line 3" in found.reason


def test_another_variant_is_found_before_single_functions_are_compared(tmp_path: Path) -> None:
    training = definitions_of_file(write(tmp_path / "train", EXAMPLE))
    validation = definitions_of_file(write(tmp_path / "valid", EXAMPLE | {"tools": [UNDESCRIBED]}))
    found = disagreement(training, validation)
    assert found is not None
    assert "train has the variant full, but" in found.reason
    assert "ftorch data shorten" in found.fix


def test_what_training_itself_defines_in_several_ways_may_be_used_in_each_of_them() -> None:
    training, validation = Definitions("train"), Definitions("valid")
    second = changed(EXAMPLE, "tools", 0, "function", "description", "Climb.")
    training.add(1, EXAMPLE)
    training.add(2, second)
    validation.add(1, second)
    assert disagreement(training, validation) is None
    assert disagreement(validation, training) is not None


def test_a_function_defined_anew_on_every_line_is_neither_stored_nor_compared() -> None:
    training, validation = Definitions("train"), Definitions("valid")
    for line in range(1, 50):
        training.add(line, changed(EXAMPLE, "tools", 0, "function", "description", f"Climb {line}."))
    validation.add(1, changed(EXAMPLE, "tools", 0, "function", "description", "Climb 49."))
    assert len(training.functions["climb"]) == MOST_DEFINITIONS + 1
    assert disagreement(training, validation) is None


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"), ({"a": 1}, {"a": 1, "c": 2}, "c"), (1, 2, "")],
)
def test_the_first_difference_is_a_dotted_place(one: Any, other: Any, place: str) -> None:
    assert first_difference(one, other) == place

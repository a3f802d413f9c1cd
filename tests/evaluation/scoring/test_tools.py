"""Schemas mean the same where answers are scored as where data is checked."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.dataset.checking.schemas import parameters_of
from orchestrator.evaluation.scoring.tools import Tool

PAIR = {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}
DRAFT_7: dict[str, Any] = {"type": "object", "properties": {"pair": PAIR}}
DRAFT_7["$schema"] = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(("pair", "is_valid"), [(["a", 1], True), ([1, "a"], False)])
def test_a_schema_that_names_its_draft_is_taken_by_that_draft(pair: list[Any], is_valid: bool) -> None:
    tool = Tool("place", DRAFT_7)
    assert tool.allows({"pair": pair}) is is_valid
    assert (not parameters_of(DRAFT_7).problems({"pair": pair})) is is_valid
    assert [problem.is_type for problem in tool.problems({"pair": pair})] == ([] if is_valid else [True, True])


def test_nothing_is_fetched_for_a_reference() -> None:
    tool = Tool("place", {"type": "object", "properties": {"x": {"$ref": "https://example.invalid/schema"}}})
    with pytest.raises(Exception, match=r"example\.invalid"):
        tool.allows({"x": 1})

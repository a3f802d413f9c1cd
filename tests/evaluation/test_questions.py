"""Questions: which there are, what they send, and which are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from support.evaluation import MakeCase, MakeRow

from orchestrator.dataset.variants import Variant
from orchestrator.errors import VariantNotThere
from orchestrator.evaluation.asking import VARIANTS, Grid, chosen_variants, questions
from orchestrator.jobfile.tables import Variant as VariantOfJobFile

BOOKING = ("book_table", {"place": "Roma"})


def test_each_case_is_asked_of_each_model_in_each_variant_as_often_as_wanted(make_case: MakeCase) -> None:
    grid = Grid(["base", "tuned"], ["full", "no-tools"], samples=3, parameters={"temperature": 0.5})
    asked = [question for _, question in questions([make_case(BOOKING, id="a"), make_case("Hi", id="b")], grid)]
    assert len(asked) == len({(q.model, q.variant, q.case, q.sample) for q in asked}) == grid.count(2) == 24
    assert asked[0].request["model"] == "base"
    assert asked[0].request["temperature"] == 0.5
    assert [message["role"] for message in asked[0].request["messages"]] == ["user"]


def test_equal_requests_are_one_question_to_the_endpoint(make_case: MakeCase) -> None:
    cases = [make_case(BOOKING, id="a"), make_case(("cancel_table", {"place": "Roma"}), id="b")]
    asked = [question for _, question in questions(cases, Grid(["base", "tuned"], ["full"], 2, {}))]
    assert len(asked) == 8
    assert len({question.sha256 for question in asked}) == 2
    assert len({question.once for question in asked}) == 4


def test_a_variant_sends_shorter_definitions_and_leaves_the_case_as_it_is(make_case: MakeCase) -> None:
    case = make_case(BOOKING, parallel_tool_calls=False)
    sent = {q.variant: q.request for _, q in questions([case], Grid(["m"], VARIANTS, 1, {}))}
    assert sent["full"]["tools"] == case.request["tools"]
    bare = sent["no-parameters"]["tools"][0]["function"]["parameters"]
    assert bare == {"type": "object", "properties": {}}
    assert sent["no-tools"].keys() == {"model", "messages"}
    assert case.request["tools"][0]["function"]["parameters"]["properties"]


def test_a_file_gives_no_fuller_variant_than_its_own(make_row: MakeRow, write_cases: Callable[..., Path]) -> None:
    path = write_cases(make_row(BOOKING))
    requested: list[Variant] = ["no-descriptions", "no-parameters", "no-tools"]
    assert chosen_variants(path, requested) == requested
    assert chosen_variants(path, None) == ["no-descriptions"]
    with pytest.raises(VariantNotThere, match="has the variant no-descriptions, so full can't be made"):
        chosen_variants(path, ["full"])


def test_job_files_know_the_same_variants() -> None:
    assert get_args(VariantOfJobFile) == VARIANTS

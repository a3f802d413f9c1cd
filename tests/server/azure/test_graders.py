"""A grader is checked before there is a job: by its fields, as the SDK's types have them."""

from __future__ import annotations

from typing import Any

import openai
import pytest

SAME = {"type": "string_check", "name": "same", "input": "a", "reference": "b", "operation": "eq"}
NEAR = {"type": "text_similarity", "name": "near", "input": "a", "reference": "b", "evaluation_metric": "bleu"}
PYTHON = {"type": "python", "name": "own", "source": "def grade(sample, item):\n    return 1.0"}
MODEL = {
    "type": "score_model",
    "name": "judge",
    "model": "o4-mini",
    "input": [{"role": "user", "content": "Good?"}],
}
MULTI = {"type": "multi", "name": "all", "graders": {"same": SAME}, "calculate_output": "same"}


@pytest.mark.parametrize("grader", [SAME, NEAR, PYTHON, MODEL, MULTI], ids=lambda grader: grader["type"])
async def test_a_grader_of_each_kind_comes_back(app: Any, speak: Any, grader: dict[str, Any]) -> None:
    found = await speak(app, "v1").fine_tuning.alpha.graders.validate(grader=grader)
    assert found.grader.type == grader["type"]


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        ({**SAME, "operation": "is"}, "operation"),
        ({**PYTHON, "source": "def grade(:"}, "is not a Python program"),
        ({**PYTHON, "source": "score = 1"}, "must define a function grade"),
        ({**MULTI, "graders": {"same": {"type": "magic"}}}, "magic"),
        ({"name": "none"}, "type"),
        ("a text", "grader"),
    ],
)
async def test_a_grader_that_can_not_be_one_is_refused(app: Any, speak: Any, grader: Any, said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        await speak(app, "v1").fine_tuning.alpha.graders.validate(grader=grader)


async def test_dated_versions_have_no_such_request(http: Any) -> None:
    path = "/openai/fine_tuning/alpha/graders/validate?api-version=2025-04-01-preview"
    assert (await http.post(path, json={"grader": SAME})).status_code == 404

"""Our counts against those that the API reported, where somebody published both the request and the figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.dataset.tokens import count_messages

PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "billed_tokens.json").read_text())
CASES = [
    pytest.param(request, model, billed, id=f"{model}-{billed}")
    for request in PUBLISHED["requests"]
    for model, billed in request["billed"].items()
]


@pytest.mark.parametrize(("request_", "model", "billed"), CASES)
def test_prompt_tokens_equal_those_that_the_api_reported(request_: dict[str, Any], model: str, billed: int) -> None:
    assert count_messages(request_["messages"], request_.get("tools"), model) == billed

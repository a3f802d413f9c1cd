"""Definitions that rows repeat are recognised, and written and checked once."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from orchestrator.dataset.rendering.definitions import KnownDefinitions
from orchestrator.dataset.rendering.sandbox import Compiled, tojson

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "land", "parameters": {"type": "object", "properties": {"at": {}}}}}
]


@pytest.mark.parametrize("tools", [TOOLS, [{"big": 10**30}], [{"half": "\ud800"}]])
def test_equal_definitions_are_one_object(tools: list[dict[str, Any]]) -> None:
    known = KnownDefinitions()
    assert known.of(tools) is known.of(copy.deepcopy(tools))
    assert known.of(tools) is not known.of([*tools, {}])
    assert known.of(tools) == tools


def test_a_definition_is_written_as_json_once_and_with_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def noted(value: Any, **options: Any) -> str:
        written.append(value)
        return tojson(value, **options)

    monkeypatch.setattr("orchestrator.dataset.rendering.sandbox.tojson", noted)
    compiled = Compiled(
        "{{ tools[0] | tojson }} {{ tools[0].function.parameters | tojson }} {{ messages | tojson }}"
    )
    known, hello = KnownDefinitions(), [{"role": "user", "content": "x"}]
    texts = {compiled.render(hello, known.of(copy.deepcopy(TOOLS)), answering=True) for _ in range(3)}
    assert [written.count(each) for each in (TOOLS[0], TOOLS[0]["function"]["parameters"])] == [1, 1]
    assert texts == {compiled.render(hello, TOOLS, answering=True)}

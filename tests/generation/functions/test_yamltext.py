"""YAML is read as the JSON value it writes, or refused at once."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from orchestrator.generation.functions.yamltext import NotYaml, parse_yaml


def test_yaml_is_read_by_the_rules_of_version_1_2() -> None:
    text = "on: [on, off, yes, no, y]\ntime: 12:30\ndate: 2024-01-01\n200: 0x1F\nnull: ~\n"
    text += "n: [07, 1.5, 1e3, '1', !!str 1]\n"
    assert parse_yaml(text) == {
        "on": ["on", "off", "yes", "no", "y"],
        "time": "12:30",
        "date": "2024-01-01",
        "200": 31,
        "null": None,
        "n": [7, 1.5, 1000.0, "1", "1"],
    }


def test_yaml_anchors_and_merges_are_followed() -> None:
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: [*x]\n"
    assert parse_yaml(text) == {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}, "c": [{"p": 1, "q": 2}]}


BILLIONS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "nested more than 100 levels|maximum nesting depth"),  # PyYAML has a limit since 6.0.4
        (BILLIONS, "more than 1,000,000 values"),
        ("a: &a [*a]", r"\*a has no anchor before it"),
        ("a: !python/object:os.system x", "the tag !python"),
        ("? [1]\n: 2", "a key is a list"),
        ("a: .nan", "no number"),
        ("a: 1e999", "too large"),
        ("a: 1\n---\nb: 1", "a second document begins"),
        ("a: \0", "control characters"),
    ],
)
def test_yaml_that_is_no_json_value_is_refused_at_once(text: str, said: str) -> None:
    start = time.monotonic()
    with pytest.raises(NotYaml, match=said):
        parse_yaml(text)
    assert time.monotonic() - start < 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abn:~0 ", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_json_as_yaml_writes_it_is_read_as_the_same_value(value: Any) -> None:
    # Quoted, as YAML 1.1 and 1.2 differ in what plain texts mean.
    assert parse_yaml(yaml.safe_dump(value, default_style='"', allow_unicode=True)) == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        json.dumps(parse_yaml(text))
    except NotYaml as error:
        assert error.problem  # noqa: PT017

"""Numbers are read from digits and from English words."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from orchestrator.server.trainers.tiny.text import numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fly to fifty meters", [50]),
        ("twenty-five", [25]),
        ("minus twenty-five degrees", [-25]),
        ("1,200.5 and 1,20", [1200.5, 1, 20]),
        ("-30 and +40", [-30, 40]),
        ("10-20", [10, 20]),
        ("climb 50m, then 3km", [50, 3]),
        ("one hundred and twenty five", [125]),
        ("a hundred", [100]),
        ("two and a half", [2.5]),
        ("two point five", [2.5]),
        ("37.77, -122.41", [37.77, -122.41]),
        ("3 thousand", [3000]),
        ("twenty five thousand three hundred", [25300]),
        ("five twenty", [5, 20]),
        ("ten and twenty", [10, 20]),
        ("tilt −10°", [-10]),
        ("up 5.", [5]),
        (".5", [0.5]),
        ("version v2 of B12", []),
        ("nothing, a bit", []),
        ("9" * 400, []),
    ],
)
def test_numbers_are_read(text, values):
    assert [number.value for number in numbers(text)] == values


@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_any_decimal_is_read_back(whole, hundredths):
    text = f"{whole}.{hundredths:02d}"
    assert [number.value for number in numbers(f"go {text} now")] == [float(text)]


@given(st.text(max_size=60))
def test_any_text_is_read_and_positions_lie_inside_it(text):
    for number in numbers(text):
        assert 0 <= number.start < number.end <= len(text)

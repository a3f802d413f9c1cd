"""From where on a fixed cost is earned back."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from orchestrator.evaluation.ownership import BreakEven, Cheaper, break_even

PRICES = st.floats(1e-6, 1.0)


@given(base=PRICES, own=PRICES, fixed=st.floats(1e-3, 1e4))
def test_below_it_the_base_is_cheaper_and_above_it_the_tuned_model(base: float, own: float, fixed: float) -> None:
    found = break_even(base, own, fixed)
    if found.requests_per_day is None:
        assert found.cheaper is Cheaper.NEVER
        assert own >= base * (1 - 1e-9)
        return
    for share in (0.5, 0.99):
        few = share * found.requests_per_day
        assert few * base < fixed + few * own
    for share in (1.01, 2.0):
        many = share * found.requests_per_day
        assert many * base > fixed + many * own


@pytest.mark.parametrize(
    ("base", "own", "fixed", "cheaper"),
    [
        (2.0, 1.0, 0.0, Cheaper.ALWAYS),
        (1.0, 1.0, 0.0, Cheaper.NEVER),
        (0.1 + 0.2, 0.3, 1.0, Cheaper.NEVER),  # the same price, added up in another way
        (1.0, 2.0, None, Cheaper.NEVER),
        (2.0, 1.0, None, Cheaper.UNKNOWN),
        (None, 1.0, 1.0, Cheaper.UNKNOWN),
        (1.0, None, 1.0, Cheaper.UNKNOWN),
    ],
)
def test_what_has_no_number_is_said_in_a_word(
    base: float | None, own: float | None, fixed: float | None, cheaper: Cheaper
) -> None:
    assert break_even(base, own, fixed) == BreakEven(cheaper)

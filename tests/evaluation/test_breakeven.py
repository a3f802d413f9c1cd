"""From where on a fixed cost is earned back."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from orchestrator.evaluation.ownership import BreakEven, Cheaper, Option, break_even, replacing
from orchestrator.evaluation.pricing import Training

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


# --- In place of something that is hosted too --------------------------------------------------------------------


def option(per_request: float | None, hosting: float | None, training: float | None = None) -> Option:
    paid = None if training is None else Training(training, "as billed")
    return Option(cast(Any, None), per_request, hosting, paid)


@given(PRICES, PRICES, st.floats(0, 100), st.floats(0, 100))
def test_the_cheaper_one_is_named_at_every_volume(theirs: float, own: float, instead: float, fixed: float) -> None:
    other, mine = option(theirs, instead), option(own, fixed)
    found = replacing(other, mine, 365)
    for requests in (0.01, 1.0, 100.0, 1e6):
        cost, others = mine.usd_per_day(requests, 365), other.usd_per_day(requests, 365)
        assert cost is not None
        assert others is not None
        at = found.requests_per_day
        is_cheaper = {
            Cheaper.ALWAYS: True,
            Cheaper.NEVER: False,
            Cheaper.FROM: at is not None and requests > at,
            Cheaper.BELOW: at is not None and requests < at,
        }[found.cheaper]
        if abs(cost - others) > 1e-6 * (cost + others):
            assert is_cheaper == (cost < others)


def test_training_is_spread_over_the_days_of_use() -> None:
    found = replacing(option(0.002, 0.0), option(0.001, 0.0, training=36.5), 365)
    assert found.requests_per_day == pytest.approx(100)


@pytest.mark.parametrize(
    ("other", "own"),
    [
        (option(0.1, None), option(0.01, 0.0)),
        (option(0.1, 1.0), option(0.01, None)),
        (option(None, 1.0), option(0.01, 0.0)),
        (option(0.1, 0.0), option(None, 0.0)),
    ],
)
def test_an_unknown_price_leaves_it_unknown(other: Option, own: Option) -> None:
    assert replacing(other, own, 365).cheaper is Cheaper.UNKNOWN

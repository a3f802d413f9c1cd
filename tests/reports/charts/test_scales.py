"""Axes: round numbers that hold every value, in the labels people write."""

from __future__ import annotations

import pytest

from orchestrator.reports.charts.scale import scale_of


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.04, 2.3], ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]),
        ([1, 777], ["0", "200", "400", "600", "800"]),
        ([0.201, 0.229], ["0.20", "0.21", "0.22", "0.23"]),
        ([-3, 4], ["-4", "-2", "0", "2", "4"]),
        ([0, 12_000], ["0", "2,500", "5,000", "7,500", "10,000", "12,500"]),
        ([0.0, 0.0], ["-0.6", "-0.4", "-0.2", "0.0", "0.2", "0.4", "0.6"]),
        ([0, 2e7], ["0", "5e+06", "1e+07", "1.5e+07", "2e+07"]),
        ([1e-5, 4e-5], ["1e-05", "2e-05", "3e-05", "4e-05"]),
        ([], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([float("nan"), float("inf"), 1.0, 2.0], ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]),
    ],
)
def test_an_axis_has_round_numbers_around_its_values(values: list[float], labels: list[str]) -> None:
    scale = scale_of(values)
    assert [scale.label(tick) for tick in scale.ticks] == labels
    assert all(-1e-9 <= scale.at(value) <= 1 + 1e-9 for value in values if abs(value) < 1e9)


def test_a_snug_axis_ends_at_its_values() -> None:
    scale = scale_of([3, 777], is_snug=True)
    assert (scale.low, scale.high) == (3, 777)
    assert [scale.label(tick) for tick in scale.ticks] == ["200", "400", "600"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.02, 1e6], ["0.01", "1", "100", "10,000", "1e+06"]),
        ([1, 1000], ["1", "10", "100", "1,000"]),
        ([3, 40], ["2", "5", "10", "20", "50"]),
        ([100, 100], ["50", "100", "200"]),
        ([0, -4, 10, 1000], ["10", "100", "1,000"]),
    ],
)
def test_a_logarithmic_axis_has_powers_of_ten(values: list[float], labels: list[str]) -> None:
    scale = scale_of(values, is_log=True)
    assert [scale.label(tick) for tick in scale.ticks] == labels
    assert all(-1e-9 <= scale.at(value) <= 1 + 1e-9 for value in values if value > 0)


def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis() -> None:
    scale = scale_of([1, 10_000], is_log=True)
    assert scale.at(100) == pytest.approx(0.5)

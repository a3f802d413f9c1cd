from __future__ import annotations

from orchestrator.dataset.remembered import Remembered


def test_no_more_values_are_kept_than_asked_for() -> None:
    known: Remembered[int, str] = Remembered(3)
    for number in range(10):
        assert known.keep(number, str(number)) == str(number)
        assert known.get(number) == str(number)
        assert len(known) <= 3

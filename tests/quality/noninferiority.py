"""How often Tango's interval covers the true difference, and how often a model passes: the table in
docs/evaluation.md.

    python tests/quality/noninferiority.py
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

from orchestrator.evaluation.noninferiority import score_interval

DRAWS = 20_000
MARGIN = 0.05
CASES = (40, 100, 300, 1000)
CHANGED = (0.1, 0.3)
"""Shares of cases that only one of the two models answers correctly."""


@cache
def interval(broken: int, fixed: int, count: int) -> tuple[float, float]:
    found = score_interval(broken, fixed, count)
    assert found is not None
    return found.low, found.high


def simulated(count: int, changed: float, difference: float) -> tuple[float, float]:
    """The shares of intervals that cover the difference, and of models that pass."""
    rng = random.Random(f"{count} {changed} {difference}")
    shares = ((changed - difference) / 2, (changed + difference) / 2, 1 - changed)
    covered = passed = 0
    for _ in range(DRAWS):
        drawn = Counter(rng.choices("bf=", shares, k=count))
        low, high = interval(drawn["b"], drawn["f"], count)
        covered += low <= difference <= high
        passed += low > -MARGIN
    return covered / DRAWS, passed / DRAWS


def main() -> None:
    print("cases  changed  covered: equal, worse by 5  passes: equal, worse by 5")
    for count in CASES:
        for changed in CHANGED:
            equal, worse = (simulated(count, changed, difference) for difference in (0.0, -MARGIN))
            print(f"{count:5}  {changed:7.0%}  {equal[0]:.1%}, {worse[0]:.1%}  {equal[1]:.1%}, {worse[1]:.1%}")


if __name__ == "__main__":
    main()

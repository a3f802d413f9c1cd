"""The list of guards that `break_the_guards.py` takes away is whole, and names tests that exist."""

from __future__ import annotations

from security.guards import BREAKS
from support.breaking import TESTS


def test_what_has_to_notice_a_guard_that_is_gone_is_there() -> None:
    places = [test.partition("::")[0] for broken in BREAKS for test in broken.tests]
    assert [place for place in places if not (TESTS / place).is_file()] == []
    assert {broken.rule for broken in BREAKS} == set(range(1, 9))

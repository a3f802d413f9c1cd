"""The proof bites: with the protocol broken on purpose, it finds what is paid twice."""

from __future__ import annotations

import pytest
from support.breaking import TESTS, Break as BrokenRule

from faults.break_the_protocol import (
    BREAKS,
    Break,
    do_not_let_it_settle,
    retry_in_the_sdk,
    send_before_the_intent,
)
from faults.product import Case, prove_alone
from faults.rules import BREAKS as RULES

FATAL: dict[Break, Case] = {
    send_before_the_intent: Case("metadata", crash="before-commit-creating"),
    retry_in_the_sdk: Case("marks", on_create="answer-lost"),
    do_not_let_it_settle: Case("metadata", on_create="arrives-late"),
}


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_broken_protocol_is_found_out(break_it: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove_alone(FATAL[break_it]).violations == []
    break_it(monkeypatch)
    [violation, *_] = prove_alone(FATAL[break_it]).violations
    assert "2 jobs on the endpoint, not 1" in violation


@pytest.mark.parametrize(
    "broken", [broken for broken in RULES if broken.cases], ids=lambda broken: broken.make.__name__
)
def test_a_broken_rule_is_found_out(broken: BrokenRule, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.named(broken.cases[0])
    assert prove_alone(case).violations == []
    broken.make(monkeypatch)
    assert prove_alone(case).violations


def test_what_has_to_notice_a_broken_rule_is_there() -> None:
    assert {broken.rule for broken in RULES} == set(range(1, 13))
    assert [test for broken in RULES for test in broken.tests if not (TESTS / test).is_file()] == []
    assert all(broken.tests or broken.cases for broken in RULES)

"""The budget that successors share, and what a plan warns of."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import MigrationOverBudget
from orchestrator.migration import plan as module
from orchestrator.migration.plan import Successor, points, too_few_cases, unknown_tools, within_budget
from orchestrator.migration.targets import Target


def successor(name: str, usd: float | None, *, is_recorded: bool = False) -> Successor:
    """One whose training is to cost so much, or has."""
    plan = SimpleNamespace(may_cost=True, cost=SimpleNamespace(usd=usd))
    run = SimpleNamespace(cost_usd=usd) if is_recorded else None
    return Successor(Target(name, None, name, name), cast(Any, None), plan=cast(Any, plan), run=cast(Any, run))


def left_out(found: list[Successor]) -> list[str]:
    assert all(isinstance(each.problem, MigrationOverBudget | None) for each in found)
    return [each.label for each in found if each.problem]


def test_without_a_limit_everything_fits() -> None:
    assert left_out([*within_budget([successor("a", 1e6)], None)]) == []


def test_what_no_longer_fits_is_left_out_and_a_cheaper_one_behind_it_still_fits() -> None:
    found = [*within_budget([successor("a", 6.0), successor("b", 5.0), successor("c", 4.0)], 10.0)]
    assert left_out(found) == ["b"]
    assert "$6.00 of $10.00 are used or planned, and b would add about $5.00" in str(found[1].problem)


def test_what_is_paid_counts_first_wherever_it_is_named() -> None:
    found = [*within_budget([successor("a", 6.0), successor("b", 5.0, is_recorded=True)], 10.0)]
    assert left_out(found) == ["a"]


def test_a_recorded_run_is_never_left_out() -> None:
    assert left_out([*within_budget([successor("a", 60.0, is_recorded=True)], 10.0)]) == []


def test_an_unknown_cost_is_not_held_back() -> None:
    assert left_out([*within_budget([successor("a", None)], 10.0)]) == []


def test_one_that_is_impossible_uses_nothing() -> None:
    impossible = replace(successor("a", 8.0), problem=MigrationOverBudget(target="a", used="", added="", limit=""))
    assert left_out([*within_budget([impossible, successor("b", 8.0)], 10.0)]) == ["a"]


def test_too_few_cases_are_warned_of_with_the_number_needed() -> None:
    assert too_few_cases(73, 0.05, 1) is None
    warning = too_few_cases(40, 0.05, 2)
    assert warning is not None
    assert "40 cases are too few" in warning
    assert "at least 96 for 2 successors" in warning


def test_what_an_endpoint_is_not_sent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(
        config=SimpleNamespace(name="host"),
        recipe=SimpleNamespace(hyperparameters={"n_epochs": 3, "batch_size": "auto"}),
        job=SimpleNamespace(metadata={"team": "x"}),
    )
    less = replace(capabilities_of(EndpointConfig("host", "compatible")), metadata=False, accepts_auto=False)
    monkeypatch.setattr(module, "capabilities_of", lambda config: less)
    assert [*module.left_out(cast(Any, found))] == [
        'batch_size "auto": not sent, host chooses',
        "metadata team: not sent, host takes none",
    ]
    monkeypatch.setattr(module, "capabilities_of", lambda config: replace(less, metadata=True, accepts_auto=True))
    assert [*module.left_out(cast(Any, found))] == []


def test_words() -> None:
    assert [points(0.05), points(0.01), points(0.025)] == ["5 points", "1 point", "2.5 points"]
    assert unknown_tools(["b", "a", "c"], {"a": 1}) == ["b", "c"]

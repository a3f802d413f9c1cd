"""What a deployment costs, and when Azure ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.deploying import MODEL, Rig

from orchestrator.deployments import hosting
from orchestrator.store import deployments as store

HOUR, DAY = 3600.0, 86_400.0
TUNED = "gpt-4.1-mini-2025-04-14.ft-78959ec5-drone"


@pytest.fixture
def hosted(rig: Rig) -> Any:
    """A Standard deployment, provisioned at hour 0."""
    return replace(rig.record(), provisioned_at=0.0, deployed_at=60.0)


def test_hosting_is_charged_from_its_provision_by_the_hour(rig: Rig, hosted: Any) -> None:
    assert hosting.cost_so_far(rig.config, hosted, 10 * HOUR) == pytest.approx(17.0)
    assert hosting.cost_per_day(rig.config, TUNED, "Standard") == pytest.approx(40.8)


def test_it_ends_with_the_deployment(rig: Rig, hosted: Any) -> None:
    ended = replace(hosted, finished_at=2 * HOUR)
    assert hosting.cost_so_far(rig.config, ended, 100 * HOUR) == pytest.approx(3.4)


def test_what_is_not_provisioned_costs_nothing_yet(rig: Rig) -> None:
    assert hosting.cost_so_far(rig.config, rig.record(), 100 * HOUR) == 0.0


def test_one_that_was_asked_for_and_never_looked_at_may_be_charged_and_is_idle(rig: Rig) -> None:
    """Its process died, or did not wait."""
    forgotten = replace(rig.record(), requested_at=HOUR)
    assert hosting.cost_so_far(rig.config, forgotten, 11 * HOUR) == pytest.approx(17.0)
    assert not hosting.is_idle(forgotten, 11 * HOUR)
    assert hosting.is_idle(forgotten, 2 * DAY)


@pytest.mark.parametrize(("model", "sku"), [(TUNED, "DeveloperTier"), ("gpt-4.1-mini", "GlobalStandard")])
def test_the_developer_tier_and_base_models_are_hosted_without_charge(rig: Rig, model: str, sku: str) -> None:
    assert hosting.cost_per_day(rig.config, model, sku) == 0.0


def test_an_unknown_price_is_not_nothing(rig: Rig) -> None:
    assert hosting.cost_per_day(rig.config, "Ministral-3B.ft-1-x", "GlobalStandard") is None


def test_azure_ends_the_developer_tier_after_a_day_however_it_is_used(rig: Rig, hosted: Any) -> None:
    assert hosting.ends_at(rig.config, replace(hosted, sku="DeveloperTier", last_used_at=20 * HOUR)) == DAY


def test_azure_ends_others_after_fifteen_days_without_a_request(rig: Rig, hosted: Any) -> None:
    assert hosting.ends_at(rig.config, hosted) == 60.0 + 15 * DAY
    assert hosting.ends_at(rig.config, replace(hosted, last_used_at=DAY)) == 16 * DAY
    assert hosting.ends_at(rig.config, replace(hosted, finished_at=DAY)) is None


def test_idle_is_what_was_not_used_for_so_long(hosted: Any) -> None:
    assert not hosting.is_idle(hosted, DAY)
    assert hosting.is_idle(hosted, DAY + 61)
    assert not hosting.is_idle(replace(hosted, last_used_at=DAY), DAY + 61)
    assert hosting.is_idle(replace(hosted, last_used_at=DAY), 3 * DAY, seconds=2 * DAY)


def test_what_was_made_elsewhere_is_never_idle(hosted: Any) -> None:
    used = replace(hosted, last_used_at=DAY)
    assert hosting.is_idle(used, 100 * DAY)
    assert not hosting.is_idle(replace(used, made_elsewhere=True), 100 * DAY)


async def test_the_cost_of_ownership_reads_how_a_lasting_deployment_is_hosted(rig: Rig) -> None:

    await rig.deployed(temporary=True)
    with rig.ledger.database.read() as connection:
        assert store.sku_of(connection, "azure", MODEL) is None
    lasting = await rig.deployed(sku="GlobalStandard")
    await rig.remove(lasting)
    with rig.ledger.database.read() as connection:
        assert store.sku_of(connection, "azure", MODEL) == "GlobalStandard"

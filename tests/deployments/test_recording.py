"""From a wish to a recorded deployment: names, terms, and deployments that follow their run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.deploying import MODEL, Rig

from orchestrator.api.deployments import find
from orchestrator.deployments.recording import due, name_for, name_problem, usual_sku, want
from orchestrator.deployments.states import MOVES, State
from orchestrator.deployments.subjects import Subject
from orchestrator.endpoints.management import RULES
from orchestrator.errors import AmbiguousDeployment, DeploymentDiffers, DeploymentNotPossible
from orchestrator.jobfile import Deployment as Settings
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment
from orchestrator.store.runs import Run

BASE = "gpt-4.1-mini-2025-04-14"

AZURE = RULES["azure"]


def test_the_same_wish_is_recorded_once(rig: Rig) -> None:
    assert rig.record(name="mine").id == rig.record(name="mine").id
    assert len(rig.all()) == 1


@pytest.mark.parametrize("other", [{"capacity": 60}, {"sku": "GlobalStandard"}, {"model": "gpt-4o.ft-1-x"}])
def test_another_deployment_of_that_name_is_not_changed(rig: Rig, other: dict[str, Any]) -> None:
    rig.record(name="mine")
    with pytest.raises(DeploymentDiffers, match="ftorch deployments remove mine"):
        rig.record(name="mine", **other)


async def test_a_deployment_that_is_being_removed_is_not_found_again(rig: Rig) -> None:
    rig.request_removal(rig.record(name="mine"))
    with pytest.raises(DeploymentDiffers, match="being removed"):
        rig.record(name="mine")


def test_a_name_on_two_endpoints_has_to_be_told_apart(rig: Rig) -> None:
    here = rig.record(name="mine")
    there = replace(here, id="there", endpoint="azure-too")
    with rig.ledger.database.write() as connection:
        store.add(connection, there)
    with pytest.raises(AmbiguousDeployment, match="azure, azure-too"):
        find(rig.ledger, "mine")
    assert [each.id for each in find(rig.ledger, "mine", "azure-too")] == ["there"]


async def test_after_its_end_a_deployment_gets_a_new_record(rig: Rig) -> None:
    first = await rig.remove(await rig.deployed(name="mine"))
    assert rig.record(name="mine").id != first.id
    assert rig.reread(first).state == "undeployed"


@pytest.mark.parametrize("name", ["x", "a" * 65, "my model", "-mine", "mine.", "mine/other", "größe"])
def test_a_name_that_azure_refuses_is_refused_before(rig: Rig, name: str) -> None:
    with pytest.raises(DeploymentNotPossible, match="name"):
        rig.record(name=name)


def test_names_come_from_the_run_and_fit(make_run: Callable[..., Run]) -> None:
    run = make_run(id="ab12cd34", name="drone." + "x" * 58)
    for name in (
        name_for(AZURE, MODEL, run),
        name_for(AZURE, MODEL, run, 1200),
        name_for(AZURE, MODEL, run, temporary=True),
    ):
        assert len(name) <= AZURE.longest_name
        assert name_problem(AZURE, name) is None
        assert "ab12cd34" in name
    assert name_for(AZURE, MODEL, make_run(id="ab12cd34", name="drone"), 12) == "drone-ab12cd34-step-12"


def test_names_of_models_without_a_run_are_told_apart() -> None:
    first, second = ("gpt-4.1-mini-2025-04-14.ft-" + "0" * 40 + end for end in ("a", "b"))
    assert name_for(AZURE, first, None) != name_for(AZURE, second, None)
    assert all(name_problem(AZURE, name_for(AZURE, model, None)) is None for model in (first, second, BASE))


def test_hosting_is_the_cheapest_that_fits(rig: Rig) -> None:
    def sku(model: str, *, temporary: bool = False) -> str:
        return usual_sku(Subject(rig.config, model, None), temporary=temporary)

    assert sku(MODEL) == "Standard"
    assert sku(MODEL, temporary=True) == "DeveloperTier"
    assert sku("gpt-4o-mini-2024-07-18.ft-1-x", temporary=True) == "Standard"
    assert sku(BASE, temporary=True) == "GlobalStandard"
    assert sku("Ministral-3B.ft-1-x", temporary=True) == "GlobalStandard"


@pytest.mark.parametrize("temporary", [False, True])
def test_what_was_trained_in_a_data_zone_is_hosted_there(
    rig: Rig, run_of_azure: Callable[..., Run], temporary: bool
) -> None:
    run = run_of_azure(method={"type": "supervised", "hyperparameters": {}, "training_type": "DataZoneStandard"})
    assert usual_sku(Subject(rig.config, MODEL, run), temporary=temporary) == "DataZoneStandard"
    with rig.ledger.database.write() as connection:
        wanted = want(connection, rig.config, Settings(), run, now=0.0, rng=random.Random(1))
    assert wanted is not None
    assert wanted.sku == "DataZoneStandard"


@pytest.mark.parametrize(("state", "after"), [("succeeded", "deploying"), ("failed", "undeployed")])
def test_a_wanted_deployment_begins_when_its_run_has_succeeded(
    rig: Rig, run_of_azure: Callable[..., Run], state: str, after: str
) -> None:
    model = MODEL if state == "succeeded" else None
    run = run_of_azure(state=state, fine_tuned_model=model)
    wanted = wanted_by(rig, Settings(sku="DeveloperTier"), run)
    begun = due(rig.ledger, None, now=rig.clock.now(), rng=rig.rng)
    found = rig.reread(wanted)
    assert found.state == after
    assert (found.model, found.sku) == (model, "DeveloperTier")
    assert [each.id for each in begun] == ([wanted.id] if after == "deploying" else [])
    assert found.lease_owner is None


def test_a_wanted_deployment_waits_for_its_run(rig: Rig, run_of_azure: Callable[..., Run]) -> None:
    run = run_of_azure(state="running", fine_tuned_model=None, finished_at=None)
    wanted = wanted_by(rig, Settings(), run)
    assert due(rig.ledger, None, now=rig.clock.now(), rng=rig.rng) == []
    assert rig.reread(wanted).state == "wanted"


def test_a_run_is_wanted_once_and_only_where_the_job_file_says_so(
    rig: Rig, run_of_azure: Callable[..., Run]
) -> None:
    run = run_of_azure()
    assert wanted_by(rig, None, run) is None
    assert wanted_by(rig, Settings(auto=False), run) is None
    assert wanted_by(rig, Settings(), run) is not None
    assert wanted_by(rig, Settings(), run) is None


def wanted_by(rig: Rig, settings: Settings | None, run: Run) -> Deployment:
    with rig.ledger.database.write() as connection:
        found: Any = want(connection, rig.config, settings, run, now=rig.clock.now(), rng=rig.rng)
    return found


def test_a_wanted_deployment_can_be_withdrawn(rig: Rig, run_of_azure: Callable[..., Run]) -> None:
    run = run_of_azure(state="running", fine_tuned_model=None, finished_at=None)
    wanted = wanted_by(rig, Settings(), run)
    rig.request_removal(wanted)
    assert rig.reread(wanted).state == "undeployed"


def test_only_ends_have_no_moves() -> None:
    assert {state for state, moves in MOVES.items() if not moves} == {State.UNDEPLOYED, State.FAILED}
    assert set(MOVES) == set(State)

"""What owning a tuned model costs, by recorded evaluations and the table of prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.errors import NoBaseToCompare, NothingCharged
from orchestrator.evaluation.ownership import Cheaper, Ownership, Terms, ownership_of
from orchestrator.evaluation.pricing import origin_of, training_of
from orchestrator.evaluation.results import results_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import deployments, records, runs, sweeps
from orchestrator.store.deployments import Deployment
from orchestrator.store.records import Checkpoint, Model
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

MakeRun = Callable[..., Run]

TOKENS = {"full": (1000, 20), "no-parameters": (200, 20)}
ASKED = {(BASE, "full"): [1], (TUNED, "full"): [1], (TUNED, "no-parameters"): [1]}


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text('[endpoints.azure]\ntype = "compatible"\nbase_url = "https://host/v1"\n')
    with open_ledger(home, create=True) as opened:
        yield opened


def owning(ledger: Ledger, terms: Terms, today: date = date(2026, 1, 1), **recorded: Any) -> Ownership:
    evaluation = record_evaluation(ledger, recorded.pop("right", ASKED), tokens=TOKENS, **recorded)
    return ownership_of(ledger, results_of(ledger, evaluation), terms, today)


def test_requests_cost_what_their_measured_tokens_do(ledger: Ledger) -> None:
    found = owning(ledger, Terms((1000,), 100, training_usd=30.0))
    [base] = found.bases
    full, short = found.owned
    # openai, gpt-4.1-mini: 0.40 and 1.60 a million tokens of the base, 0.80 and 3.20 of the tuned model.
    assert base.usd_per_request == pytest.approx((1000 * 0.40 + 20 * 1.60) / 1e6)
    assert short.option.usd_per_request == pytest.approx((200 * 0.80 + 20 * 3.20) / 1e6)
    assert found.usd_per_month(base, 1000) == pytest.approx(30 * 1000 * 432e-6)
    assert found.usd_per_month(short.option, 1000) == pytest.approx(30 * (30.0 / 100 + 1000 * 224e-6))
    assert full.break_even.cheaper is Cheaper.NEVER
    assert short.break_even.requests_per_day == pytest.approx(0.3 / (432e-6 - 224e-6))


def test_the_base_is_taken_with_the_fullest_definitions_it_was_asked_with(ledger: Ledger) -> None:
    right = {(BASE, "no-parameters"): [1], (BASE, "full"): [1], (TUNED, "no-parameters"): [1]}
    found = owning(ledger, Terms((100,), 365, training_usd=1.0), right=right)
    assert [(base.series.variant) for base in found.bases] == ["full"]
    assert [owned.option.series.variant for owned in found.owned] == ["no-parameters"]


def test_hosting_is_paid_by_the_hour_where_the_prices_say_so(ledger: Ledger) -> None:
    standard = Terms((100,), 365, "azure", "GlobalStandard", training_usd=0.0)
    found = owning(ledger, standard)
    assert found.owned[0].option.hosting_per_day == pytest.approx(24 * 1.70)
    assert found.bases[0].hosting_per_day == 0.0
    # Calls cost the same on azure, so shorter prompts alone have to earn the hosting.
    saved = (1000 - 200) * 0.40 / 1e6
    assert found.owned[1].break_even.requests_per_day == pytest.approx(24 * 1.70 / saved)
    assert found.stands_in
    assert found.priced_as == "azure GlobalStandard"


def test_a_tier_that_is_named_goes_before_that_of_the_recorded_deployment(ledger: Ledger) -> None:
    azure: dict[str, Any] = {"endpoint_type": "azure", "endpoint": "azure"}
    named = owning(ledger, Terms((100,), 365, tier="DeveloperTier", training_usd=0.0), **azure)
    assert named.owned[0].option.hosting_per_day == 0.0
    usual = owning(ledger, Terms((100,), 365, training_usd=0.0), **azure, id="eval0002")
    assert usual.owned[0].option.hosting_per_day == pytest.approx(24 * 1.70)


def test_calls_are_priced_at_the_tier_that_the_model_is_deployed_at(ledger: Ledger) -> None:
    deployment = Deployment(
        id="deploy01",
        endpoint="azure",
        name="drone",
        model=TUNED,
        run_id=None,
        sku="GlobalStandard",
        capacity=50,
        temporary=False,
        state="deployed",
        reason="it answers",
        version=1,
        created_at=1.0,
        updated_at=1.0,
        deployed_at=1.0,
    )
    with ledger.database.write() as connection:
        deployments.add(connection, deployment)
    found = owning(ledger, Terms((100,), 365, training_usd=0.0), endpoint_type="azure", endpoint="azure")
    assert found.owned[0].option.usd_per_request == pytest.approx((1000 * 0.40 + 20 * 1.60) / 1e6)


def test_the_developer_tier_hosts_for_nothing(ledger: Ledger) -> None:
    found = owning(ledger, Terms((100,), 365, "azure", "DeveloperTier", training_usd=0.0))
    assert found.owned[0].option.hosting_per_day == 0.0
    assert found.owned[0].option.usd_per_request is None  # nobody can be quoted for it


def test_an_unknown_price_makes_the_sum_unknown_and_never_nothing(ledger: Ledger) -> None:
    found = owning(ledger, Terms((100,), 365))
    [owned, _] = found.owned
    assert owned.option.training is not None
    assert owned.option.training.usd is None
    assert "its run is not recorded" in owned.option.training.source
    assert found.usd_per_month(owned.option, 100) is None
    assert [each.break_even.cheaper for each in found.owned] == [Cheaper.NEVER, Cheaper.UNKNOWN]


def test_without_a_tier_the_first_one_with_every_price_of_calls_is_taken(ledger: Ledger) -> None:
    """Standard, the usual one, has a row without prices of calls."""
    found = owning(ledger, Terms((1000,), 365, "azure", training_usd=0.0))
    assert found.priced_as == "azure GlobalStandard"
    assert found.usd_per_month(found.bases[0], 1000) == pytest.approx(30 * 1000 * (1000 * 0.40 + 20 * 1.60) / 1e6)
    assert found.owned[0].break_even.cheaper is Cheaper.NEVER
    [note] = [note for note in found.notes if note.startswith("Calls and hosting")]
    assert "at the tier GlobalStandard. For another, give --price-as azure:TIER." in note
    assert f"Standard: no input, output, base_input or base_output of {BASE}." in note


def test_a_tier_that_lacks_a_price_is_said_to_lack_it(ledger: Ledger) -> None:
    found = owning(ledger, Terms((1000,), 365, "azure", "Standard", training_usd=0.0))
    assert found.usd_per_month(found.bases[0], 1000) is None
    lack = f"The price table has no input, output, base_input or base_output for {BASE} on azure Standard"
    assert any(note.startswith(lack) for note in found.notes)
    unheard_of = owning(ledger, Terms((1000,), 365, "azure", "Basic"), id="eval0002")
    assert any("Tiers with a row: Standard, GlobalStandard, DeveloperTier." in note for note in unheard_of.notes)


def test_where_prices_have_no_tier_none_is_named(ledger: Ledger) -> None:
    found = owning(ledger, Terms((1000,), 365, training_usd=0.0))
    assert found.priced_as == "openai"
    assert not any("tier" in note for note in found.notes)


def test_without_the_cost_of_training_calls_and_hosting_still_give_the_least(ledger: Ledger) -> None:
    found = owning(ledger, Terms((1000,), 365, "azure"))
    short = found.owned[1]
    assert found.usd_per_month(short.option, 1000) is None
    calls = 1000 * (200 * 0.40 + 20 * 1.60) / 1e6
    assert found.least_usd_per_month(short.option, 1000) == pytest.approx(30 * (24 * 1.70 + calls))
    assert short.break_even.requests_per_day is None
    assert short.break_even.least_per_day == pytest.approx(24 * 1.70 / ((1000 - 200) * 0.40 / 1e6))


def test_an_endpoint_that_charges_nothing_needs_prices_of_another(ledger: Ledger) -> None:
    with pytest.raises(NothingCharged, match="--price-as openai"):
        owning(ledger, Terms((100,), 365), endpoint="local", endpoint_type="local")
    found = owning(ledger, Terms((100,), 365, "openai"), endpoint="local", endpoint_type="local", id="eval0002")
    assert found.stands_in


@pytest.mark.parametrize(("requests", "life_days"), [([], 365), ([0, 100], 365), ([100], 0)])
def test_terms_without_requests_or_days_are_none(requests: list[int], life_days: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Terms(requests, life_days)


def test_without_a_base_there_is_nothing_to_compare(ledger: Ledger) -> None:
    with pytest.raises(NoBaseToCompare):
        owning(ledger, Terms((100,), 365), right={(TUNED, "full"): [1]})


def test_a_life_beyond_the_announced_end_of_the_model_is_told(ledger: Ledger) -> None:
    terms = Terms((100,), 365, training_usd=1.0)
    late = owning(ledger, terms, today=date(2026, 11, 21))
    assert any("2027-01-14, in 54 days" in note and "--life-days 54" in note for note in late.notes)
    early = owning(ledger, terms, today=date(2025, 11, 21), id="eval0002")
    assert not any("2027-01-14" in note for note in early.notes)


def test_tokens_from_a_cache_are_told(ledger: Ledger) -> None:
    found = owning(ledger, Terms((100,), 365, training_usd=1.0), cached=640)
    assert any(
        "base (full): 640 tokens per prompt on average came from the endpoint's cache" in note
        for note in found.notes
    )


def test_training_costs_what_is_recorded_else_what_was_estimated(make_run: MakeRun) -> None:
    recorded = training_of(make_run(cost_usd=2.5, estimated_cost_usd=3.0))
    estimated = training_of(make_run(estimated_cost_usd=3.0))
    assert (recorded.usd, recorded.source) == (2.5, "recorded, from the trained tokens")
    assert estimated.usd == 3.0
    assert estimated.source.startswith("estimated before the run")
    assert training_of(make_run(estimated_cost_usd=None)).usd is None


def test_a_rehearsed_training_is_priced_as_the_same_tokens_elsewhere(make_run: MakeRun) -> None:
    run = make_run(cost_usd=0.0, trained_tokens=2_000_000)
    assert training_of(run, priced_as="openai").usd == pytest.approx(2 * 5.00)
    unknown = training_of(run, priced_as="azure", tier="GlobalStandard")
    assert unknown.usd is None
    assert "no training price per token for gpt-4.1-mini-2025-04-14 on azure GlobalStandard" in unknown.source
    assert "--training-cost" in unknown.source


def test_models_and_checkpoints_of_any_name_are_traced_to_their_run(ledger: Ledger, make_run: MakeRun) -> None:
    run = make_run(endpoint="host", endpoint_type="compatible", model="qwen-3-32b", cost_usd=4.0)
    with ledger.database.write() as connection:
        runs.add(connection, run, "recorded")
        records.add_model(connection, Model("host", "my-org/drone-7", run.id, run.model, 1.0))
        records.add_checkpoints(connection, [Checkpoint(run.id, "c1", 10, "my-org/drone-7-step10", {}, 1.0)])
    for model in ("my-org/drone-7", "my-org/drone-7-step10"):
        found = origin_of(ledger, "host", model)
        assert (found.base, found.is_tuned, found.run) == ("qwen-3-32b", True, run)
    assert not origin_of(ledger, "elsewhere", "my-org/drone-7").is_tuned


def test_of_a_trial_it_is_said_what_its_whole_sweep_cost(ledger: Ledger, make_run: MakeRun) -> None:
    trials = [
        make_run(sweep_id="sweep001", endpoint="openai", state="succeeded", cost_usd=cost, finished_at=9.0)
        for cost in (2.0, 3.5)
    ]
    recorded = RecordedSweep("sweep001", "drone", "openai", "jobs/drone.toml", {}, 2, None, 1.0)
    with ledger.database.write() as connection:
        sweeps.add(connection, recorded)
        for number, run in enumerate(trials, start=1):
            runs.add(connection, run, "recorded")
            sweeps.add_trial(connection, RecordedTrial("sweep001", number, {}, 0, f"{number}" * 64, run.id))
        records.add_model(connection, Model("openai", TUNED, trials[0].id, BASE, 1.0))
    found = owning(ledger, Terms((100,), 365))
    assert found.owned[0].option.training is not None
    assert found.owned[0].option.training.usd == 2.0
    [said] = [note for note in found.notes if "sweep" in note]
    assert said.startswith("Training is the cost of each single trial. All 2 trials of sweep drone cost $5.50")
    given = owning(ledger, Terms((100,), 365, training_usd=5.5), id="eval0002")
    assert not any("sweep" in note for note in given.notes)

"""What a job file can ask of an Azure endpoint, told before anything is sent, and what its user should know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.endpoints.azure import fitting
from orchestrator.endpoints.azure.fitting import azure_notices, problem_with, training_type_for
from orchestrator.jobfile import job_from_document

OLD, PREVIEW = "2024-10-21", "2025-04-01-preview"


@pytest.fixture
def job(tmp_path):
    """A job file with these tables and keys."""

    def job(model="gpt-4.1-mini-2025-04-14", **tables):
        document = {"name": "a", "model": model, "data": {"training_file": "a.jsonl"}, **tables}
        return job_from_document(document, tmp_path / "job.toml")

    return job


DPO = {"type": "dpo"}
REINFORCEMENT = {"type": "reinforcement", "grader": {}}


@pytest.mark.parametrize(
    ("api", "method"),
    [
        ("v1", DPO),
        ("v1", REINFORCEMENT),
        ("v1", {**DPO, "beta": 0.1}),
        (PREVIEW, DPO),
        (OLD, {"type": "supervised"}),
    ],
)
def test_what_a_dialect_takes_is_no_problem(api, method, job, azure_config):
    assert problem_with(job(method=method), replace(azure_config, api=api)) is None


@pytest.mark.parametrize(
    ("api", "tables", "problem"),
    [
        (OLD, {"method": DPO}, f'api "{OLD}" has no method dpo'),
        (PREVIEW, {"method": REINFORCEMENT}, f'api "{PREVIEW}" has no method reinforcement'),
        (PREVIEW, {"method": {**DPO, "beta": 0.1}}, f'api "{PREVIEW}" has no beta'),
        (
            OLD,
            {"azure": {"training_type": "GlobalStandard"}},
            f'api "{OLD}" has only the training type "Standard", but this job needs "GlobalStandard"',
        ),
        (
            OLD,
            {"model": "gpt-oss-20b"},
            f'api "{OLD}" has only the training type "Standard", but this job needs "GlobalStandard"',
        ),
    ],
)
def test_what_a_dialect_does_not_take_is_refused_with_the_way_out(api, tables, problem, job, azure_config):
    found = problem_with(job(**tables), replace(azure_config, api=api))
    assert found.startswith(problem)
    assert found.endswith('set api = "v1" for azure-sim in ftorch.toml')


@pytest.mark.parametrize("model", ["gpt-oss-20b", "Ministral-3B", "Llama-3.3-70B-Instruct", "Qwen-3-32B"])
def test_an_open_weight_model_is_trained_as_global_standard_without_being_told_to(model, job, azure_config):
    assert training_type_for(model, None) == "GlobalStandard"
    assert problem_with(job(model), azure_config) is None
    [notice] = [each for each in azure_notices(azure_config, job(model)) if "GlobalStandard" in each]
    assert notice.startswith(f"{model} is an open-weight model, so it is trained as GlobalStandard")
    other = job(model, azure={"training_type": "DeveloperTier"})
    assert problem_with(other, azure_config) == (
        f"{model} can be trained only as GlobalStandard or DataZoneStandard, "
        'but [azure] training_type is "DeveloperTier"'
    )
    assert problem_with(job(model, azure={"training_type": "DataZoneStandard"}), azure_config) is None


def test_that_data_zones_are_in_the_us_only_is_told(job, azure_config):
    [notice, *_] = azure_notices(azure_config, job(azure={"training_type": "DataZoneStandard"}))
    assert notice == "Data zone training exists in the US only: the resource must be in a US region."


@pytest.mark.parametrize(
    ("api", "tables", "problem"),
    [
        (
            OLD,
            {"azure": {"prompt_loss_weight": 0.1}},
            f'api "{OLD}" has no prompt_loss_weight; leave it out, or set',
        ),
        (
            PREVIEW,
            {"azure": {"l2_multiplier": 0.1}, "method": DPO},
            f'api "{PREVIEW}" has no l2_multiplier; leave it out, or set api = "v1"',
        ),
        (
            "v1",
            {"azure": {"prompt_loss_weight": 0.1}, "method": DPO},
            "[azure] prompt_loss_weight is for supervised training, not for dpo; leave it out",
        ),
        (
            "v1",
            {"azure": {"l2_multiplier": 0.1}},
            "[azure] l2_multiplier is for dpo, not for supervised training; leave it out",
        ),
    ],
)
def test_numbers_of_azure_are_refused_where_they_have_no_meaning(api, tables, problem, job, azure_config):
    found = problem_with(job(**tables), replace(azure_config, api=api))
    assert found is not None
    assert found.startswith(problem)


@pytest.mark.parametrize("api", ["v1", PREVIEW])
def test_a_weight_of_prompts_is_taken_by_supervised_training(api, job, azure_config):
    config = replace(azure_config, api=api)
    assert problem_with(job(azure={"prompt_loss_weight": 0.1}), config) is None


def test_a_large_file_is_told_that_a_project_may_take_it_only_in_one_request(
    job, azure_config, tmp_path, monkeypatch
):
    (tmp_path / "a.jsonl").write_bytes(b"x" * 200)
    monkeypatch.setattr(fitting, "LARGEST_IN_ONE_REQUEST", 100)
    project = replace(azure_config, base_url="https://res.services.ai.azure.com/api/projects/flight")
    assert any(each.startswith("a.jsonl has 0 MB") for each in azure_notices(project, job("gpt-oss-20b")))
    assert not any("a.jsonl" in each for each in azure_notices(azure_config, job("gpt-oss-20b")))


def test_other_models_are_trained_as_asked():
    assert training_type_for("gpt-4.1-mini", None) is None
    assert training_type_for("gpt-4.1-mini", "DeveloperTier") == "DeveloperTier"


def test_what_hosting_costs_a_month_is_told_from_the_price_table(job, azure_config, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nendpoint_type = "azure"\nmodel = "mine"\nhosting_per_hour = 2.0\n')
    config = replace(azure_config, prices=prices)
    assert any(
        "$2.00 an hour, $48.00 a day, $1,440.00 per 30 days, used or not" in notice
        for notice in azure_notices(config, job("mine"))
    )
    assert azure_notices(config, job("a-model-nobody-knows")) == []


def test_how_long_a_model_can_still_be_trained_is_told(job, azure_config):
    assert any("14 April 2027" in notice for notice in azure_notices(azure_config, job()))
    assert not any("2027" in notice for notice in azure_notices(azure_config, job("gpt-oss-20b")))

"""A job file planned on an Azure endpoint: refused in time, told what changes, priced by its way of training."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

import pytest

from orchestrator.config import find_workspace
from orchestrator.errors import JobFileNotFitting
from orchestrator.jobfile import load_job_file
from orchestrator.reports.plans import plan_facts, plan_object
from orchestrator.runs.plan import Plan, plan_job
from orchestrator.runs.submission import record_run

PRICES = """
[[price]]
endpoint_type = "azure"
model = "gpt-4.1-mini"
tier = "Standard"
training = 10.0
[[price]]
endpoint_type = "azure"
model = "gpt-4.1-mini"
tier = "DeveloperTier"
training = 1.0
"""


@pytest.fixture
def plan(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Plans a job file with these lines at its top and at its end, on this endpoint."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-azure")
    (home / "prices.toml").write_text(PRICES)
    azure = 'type = "azure"\nbase_url = "https://res.openai.azure.com"\nprices = "prices.toml"'
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}"}]}
        for n in range(12)
    ]
    (home / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def plan(
        endpoint: str = "there", *, top: str = "", end: str = "", file: str = "train.jsonl", table: str = ""
    ) -> Plan:
        tables = f'[endpoints.there]\n{azure}\n{table}\n[endpoints.old]\n{azure}\napi = "2024-10-21"\n'
        (home / "ftorch.toml").write_text(tables)
        lines = ['name = "a"', 'model = "gpt-4.1-mini"', top, "[data]", f'training_file = "{file}"']
        (home / "job.toml").write_text("\n".join([*lines, "[method]", "n_epochs = 1", end]))
        return plan_job(load_job_file(Path("job.toml")), find_workspace(home), endpoint)

    return plan


def test_a_suffix_that_azure_does_not_take_is_changed_and_told(plan):
    told = plan(top=f'suffix = "v1.{"x" * 40}"').notices[0]
    sent = f"v1-{'x' * 28}-"
    assert told.startswith("there takes suffixes of at most 40 characters and no dots:")
    assert f'is sent as "{sent}" with the run\'s id behind it' in told
    assert not any("suffix" in notice for notice in plan(top='suffix = "drone"').notices)


def test_the_training_type_decides_the_price_and_makes_another_run(plan, db):
    usual, developer = plan(), plan(end='[azure]\ntraining_type = "DeveloperTier"')
    assert usual.cost.usd == pytest.approx(10 * developer.cost.usd)
    assert usual.fingerprint != developer.fingerprint
    assert plan(endpoint="local", end='[azure]\ntraining_type = "DeveloperTier"').cost.usd == 0
    run = record_run(developer, db, now=1000.0, rng=random.Random(1)).run
    assert run.method["training_type"] == "DeveloperTier"
    assert "training_type" not in record_run(usual, db, now=1000.0, rng=random.Random(2)).run.method


def test_numbers_of_azure_make_another_run_and_are_named_in_its_request(plan, db):
    usual, weighted = plan(), plan(end="[azure]\nprompt_loss_weight = 0.1")
    assert usual.fingerprint != weighted.fingerprint
    run = record_run(weighted, db, now=1000.0, rng=random.Random(1)).run
    assert run.method["hyperparameters"]["prompt_loss_weight"] == 0.1
    elsewhere = plan(endpoint="local", end="[azure]\nprompt_loss_weight = 0.1")
    assert "[azure] prompt_loss_weight has no effect on local." in elsewhere.notices
    assert elsewhere.fingerprint == plan(endpoint="local").fingerprint


def test_what_the_dialect_can_not_do_is_told_before_anything_is_sent(plan):
    with pytest.raises(
        JobFileNotFitting, match=r'job\.toml can\'t run on old: api "2024-10-21" has only the training type'
    ):
        plan("old", end='[azure]\ntraining_type = "GlobalStandard"')


def test_an_address_goes_to_azure_alone(plan):
    with pytest.raises(JobFileNotFitting, match="it takes files, not addresses: download https://host/a"):
        plan("local", file="https://host/a.jsonl")


@pytest.fixture
def silence(monkeypatch):
    """No request leaves, and no name is looked up."""

    def refuse(*arguments, **_):
        raise AssertionError(f"asked for {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_planning_an_address_asks_nobody_for_anything(plan, silence, monkeypatch):
    planned = plan(file="https://host.example/a.jsonl?${SAS}", table='import_variables = ["SAS"]')
    [line] = [text for role, text in plan_facts(planned, None) if role == "training"]
    assert line == (
        "https://host.example/a.jsonl?${SAS}: fetched by the endpoint, never by ftorch; "
        "not checked, tokens not counted; SAS filled in for that request"
    )
    found = plan_object(planned)["files"]
    assert found == [
        {
            "role": "training",
            "address": "https://host.example/a.jsonl?${SAS}",
            "variables": ["SAS"],
            "fetched_by": "endpoint",
        }
    ]


def test_a_variable_that_is_not_listed_is_refused_with_its_place_and_what_to_set(plan, silence, monkeypatch):
    monkeypatch.setenv("CANARY", "canary-value")
    with pytest.raises(JobFileNotFitting) as caught:
        plan(file="https://host.example/a.jsonl?${CANARY}&${SAS}", table='import_variables = ["SAS"]')
    said = str(caught.value)
    assert "job.toml:5 can't run on there: the value of CANARY would be sent to there and to host.example" in said
    assert 'set import_variables = ["SAS", "CANARY"] in [endpoints.there] of ' in said
    assert "canary-value" not in said


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("http://host.example/a.jsonl", "is not encrypted"),
        ("https://169.254.169.254/metadata", "points to a private address (169.254.169.254)"),
        ("https://2130706433/a.jsonl", "points to a private address (2130706433)"),
    ],
)
def test_only_public_https_addresses_are_passed_on_unless_the_endpoint_allows_others(plan, silence, file, found):
    with pytest.raises(JobFileNotFitting) as caught:
        plan(file=file)
    assert f"{found}; give a public https:// address, or set import_private = true in" in str(caught.value)
    assert plan(file=file, table="import_private = true").imports

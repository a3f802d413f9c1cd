"""Azure endpoints from the command line: what they are, and cancelling where it costs something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import make_project

from orchestrator.ledger import open_ledger
from orchestrator.store import records, runs as store
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    azure = f'type = "azure"\nbase_url = "{NOBODY}"\n'
    (home / "ftorch.toml").write_text(f'[endpoints.there]\n{azure}[endpoints.signed]\n{azure}auth = "entra"\n')
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-azure")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")


@pytest.fixture
def recorded(home: Path, make_run: Callable[..., Run]) -> Callable[..., Run]:
    """A run on the Azure endpoint, in this state."""

    def recorded(state: str) -> Run:
        run = make_run(endpoint="there", endpoint_type="azure", state=state, job_id=f"ftjob-{state}")
        with open_ledger(home, create=True) as ledger, ledger.database.write() as connection:
            store.add(connection, run, "submitted")
        return run

    return recorded


def wish_of(home: Path, run: Run) -> str | None:
    with open_ledger(home) as ledger:
        return ledger.run(run.id).requested_action


def test_endpoints_tells_the_dialect_and_the_sign_in() -> None:
    found = {each["name"]: each for each in json.loads(ftorch("endpoints", "--json").stdout)}
    assert (found["there"]["api"], found["there"]["auth"], found["there"]["usable"]) == ("v1", "key", True)
    assert (found["signed"]["auth"], found["signed"]["api_key_env"]) == ("entra", None)
    assert (found["local"]["api"], found["local"]["auth"]) == (None, None)
    lines = ftorch("endpoints").stdout.splitlines()
    assert any(line.split()[:4] == ["there", "azure", "v1", "AZURE_OPENAI_API_KEY"] for line in lines)
    assert any(line.split()[:5] == ["signed", "azure", "v1", "Entra", "ID"] for line in lines)


@pytest.mark.parametrize("state", ["running", "paused"])
def test_cancelling_what_has_trained_is_confirmed_first(
    state: str, home: Path, recorded: Callable[..., Run]
) -> None:
    run = recorded(state)
    asked = ftorch("cancel", run.id)
    assert asked.exit_code == 4
    told = " ".join(asked.stderr.split())
    assert "there charges what the job has trained until now" in told
    assert told.endswith(f"To cancel {run.id} anyway, add --yes.")
    assert wish_of(home, run) is None


def test_a_paused_job_that_waits_in_the_queue_again_has_trained(home: Path, recorded: Callable[..., Run]) -> None:
    run = recorded("queued")
    with open_ledger(home) as ledger, ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(run.id, step=975, train_loss=0.2)])
    assert ftorch("cancel", run.id).exit_code == 4
    assert wish_of(home, run) is None


def test_with_yes_it_is_wished_and_carried_out_when_the_endpoint_can_be_used(
    home: Path, recorded: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded("running")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    assert ftorch("cancel", run.id, "--yes").exit_code == 2
    assert wish_of(home, run) == "cancel"


def test_what_has_not_trained_yet_is_cancelled_unasked(
    home: Path, recorded: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded("queued")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    assert ftorch("cancel", run.id).exit_code == 2
    assert wish_of(home, run) == "cancel"


@pytest.mark.parametrize("sweep", ["", "[sweep.space]\nn_epochs = [1, 2]\n"])
def test_a_cap_is_not_promised_where_the_price_is_unknown(sweep: str, home: Path) -> None:
    table = (home / "ftorch.toml").read_text()
    data = {"training_file": 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'}
    limits = "[limits]\nmax_cost_usd = 20\n"
    job = make_project(home).write_job(limits + sweep, endpoint='endpoint = "there"', **data)
    trained = (home / "jobs" / "train.jsonl").read_text().splitlines()
    (home / "jobs" / "validation.jsonl").write_text(trained[0].replace("hall", "shed"))
    (home / "ftorch.toml").write_text(table)
    done = ftorch("submit", str(job), "--dry-run")
    plan = " ".join((done.stdout + done.stderr).split())
    assert "so max_cost_usd ($20.00) can't hold it back" in plan
    assert "$20.00 (max_cost_usd)" not in plan

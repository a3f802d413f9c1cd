"""`ftorch evaluate --requests-per-day`, `--html` and `--cost-plot` on a model that was really trained."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.command import ftorch
from support.project import Project, make_project

from orchestrator.endpointtables import DEFAULTS
from orchestrator.ledger import open_ledger

EVALUATION = '[evaluation]\nfile = "cases.jsonl"\nauto = true\n'
OWNING = ("--requests-per-day", "100,1000", "--price-as", "openai")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose job was submitted and evaluated; two cases that are not in training."""
    project = make_project(tmp_path_factory.mktemp("owned"))
    rows = [json.loads(line) for line in (project.root / "jobs" / "train.jsonl").read_text().splitlines()]
    with (project.root / "jobs" / "cases.jsonl").open("w") as stream:
        for room, row in zip(("garden", "garage"), rows, strict=False):
            row["messages"][0]["content"] = f"Switch on the light in the {room}"
            row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": room})
            stream.write(json.dumps(row) + "\n")
    project.write_job(EVALUATION)
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    return project


@pytest.fixture
def inside(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(trained.root)
    monkeypatch.setenv("HOME", str(trained.root / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return trained


def test_the_cost_of_ownership_stands_under_the_figures(inside: Project) -> None:
    done = ftorch("evaluate", "jobs/greet.toml", *OWNING, "--life-days", "30")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.index("call accuracy") < done.stdout.index("Cost of ownership")
    assert "list prices of openai, training spread over 30 days of use" in done.stdout
    assert "measured on another endpoint" in done.stdout


def test_a_rehearsed_training_costs_its_trained_tokens_at_the_borrowed_price(inside: Project) -> None:
    done = ftorch("evaluate", "greet", *OWNING, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["cost_of_ownership"]
    with open_ledger(inside.root) as ledger:
        tokens = ledger.run("greet").trained_tokens
    assert tokens
    assert found["models"][0]["training_usd"] == pytest.approx(tokens * 5.00 / 1e6)
    assert found["prices_are_borrowed"] is True
    assert found["life_days"] == 365


def test_the_lines_of_a_table_have_it_too(inside: Project) -> None:
    rows = list(csv.DictReader(io.StringIO(ftorch("evaluate", "greet", *OWNING, "--csv").stdout)))
    assert {"usd_per_month_at_100", "usd_per_month_at_1000", "break_even_requests_per_day"} <= set(rows[0])


def test_a_page_and_a_drawing_are_written_beside_the_tables(inside: Project) -> None:
    done = ftorch("evaluate", "greet", *OWNING, "--html", "out/greet.html", "--cost-plot", "out/greet.svg")
    assert done.exit_code == 0, done.stderr
    assert "wrote out/greet.html" in done.stderr
    assert "call accuracy" in done.stdout
    page = (inside.root / "out" / "greet.html").read_text()
    assert "<svg" in page
    assert "a tiny local model answered" in page
    assert (inside.root / "out" / "greet.svg").read_text().startswith("<svg")


def test_the_older_name_of_the_drawing_is_still_understood(inside: Project) -> None:
    done = ftorch("evaluate", "greet", *OWNING, "--plot", "out/older.svg")
    assert done.exit_code == 0, done.stderr
    assert (inside.root / "out" / "older.svg").read_text().startswith("<svg")


def test_an_endpoint_without_prices_is_told_before_anything_is_asked(inside: Project) -> None:
    refused = ftorch("evaluate", "greet", "--variants", "no-tools", "--requests-per-day", "100")
    assert refused.exit_code == 2
    assert "local charges nothing" in refused.stderr
    assert "--price-as openai" in refused.stderr
    plan = ftorch("evaluate", "greet", "--variants", "no-tools", "--dry-run")
    assert "4 to be asked" in plan.stderr


def test_a_comparison_without_the_base_is_refused_before_anything_is_asked(inside: Project) -> None:
    refused = ftorch("evaluate", "greet", "--models", "tuned", *OWNING)
    assert refused.exit_code == 2
    assert "--models base,tuned" in refused.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--requests-per-day", "0"), "not a list of whole numbers from 1"),
        (("--requests-per-day", "100,many"), "not a list of whole numbers from 1"),
        (("--requests-per-day", "²"), "not a list of whole numbers from 1"),
        (
            ("--requests-per-day", "100", "--price-as", "google"),
            f'"google" is not one of {", ".join(kind for kind in DEFAULTS if kind != "local")}',
        ),
        (("--requests-per-day", "100", "--training-cost", "nan"), "is not an amount from 0"),
        (("--life-days", "30"), "--training-cost need --requests-per-day"),
        (("--cost-plot", "cost.svg"), "--cost-plot needs --requests-per-day"),
        ((*OWNING, "--cost-plot", "cost.pdf"), "ends in .svg or .png"),
        (("--html", "jobs/cases.jsonl"), "ends in .html or .htm"),
    ],
)
def test_wishes_that_make_no_sense_are_usage_errors(
    inside: Project, options: tuple[str, ...], problem: str
) -> None:
    before = (inside.root / "jobs" / "cases.jsonl").read_text()
    done = ftorch("evaluate", "greet", *options)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert (inside.root / "jobs" / "cases.jsonl").read_text() == before

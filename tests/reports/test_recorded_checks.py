"""What `show` tells of the recorded check of a run's files."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.ledger import RunDetails
from orchestrator.reports.rundetails import details_object, print_details
from orchestrator.store.datachecks import DataCheck
from orchestrator.store.runs import Run

CHECK = DataCheck("a" * 64, "training", "supervised", 20, 4000, "no-descriptions", {"FT601": 1}, 1000.0)


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run()


def details(run: Run, check: DataCheck | None) -> RunDetails:
    return RunDetails(run, [], [], [], {} if check is None else {"training": check})


def shown(found: RunDetails) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_details(found, None, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_variant_and_the_findings_are_shown(run: Run) -> None:
    text = shown(details(run, CHECK))
    assert "20 examples, 4,000 tokens, tool definitions: no-descriptions" in text
    assert "FT601 few examples" in text


def test_a_code_that_this_version_does_not_know_stands_alone(run: Run) -> None:
    text = shown(details(run, replace(CHECK, findings={"FT999": 1200})))
    assert ": FT999 (1,200)" in text


def test_a_file_without_findings_is_said_to_be_clean(run: Run) -> None:
    text = shown(details(run, replace(CHECK, findings={}, variant=None)))
    assert text.split("checked")[1].splitlines()[0].rstrip().endswith(": clean")
    assert "tool definitions" not in text


def test_a_run_recorded_before_checks_were_is_shown_without_one(run: Run) -> None:
    assert "checked" not in shown(details(run, None))
    [training] = details_object(details(run, None))["files"]
    assert training["check"] is None

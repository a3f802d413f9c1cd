"""`models`: each model with its run's name, its stage, and its last evaluation; filters, order, columns and ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
import pytest
from sqlalchemy import event
from support.project import Project
from support.recording import record_evaluation

from orchestrator.bookkeeping import catalogue
from orchestrator.cli.models import list_models
from orchestrator.cli.status import status
from orchestrator.ledger import open_ledger
from orchestrator.store import promotions, records, runs
from orchestrator.store.listing import Listing
from orchestrator.store.promotions import Promotion
from orchestrator.store.records import Model
from orchestrator.store.runs import Run

BASE = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def recorded(project: Project, make_run: Callable[..., Run]) -> Project:
    """Three models: the first evaluated twice and in production, the second evaluated in a rehearsal."""
    with project.entered(), open_ledger(create=True) as ledger:
        with ledger.database.write() as connection:
            for number, name in enumerate(("drone", "stock", "drone"), start=1):
                ended = {"state": "succeeded", "finished_at": 2000.0, "fine_tuned_model": f"ft:{number}"}
                run = make_run(id=f"run{number}", name=name, endpoint="openai", **ended)
                runs.add(connection, run, "")
                records.add_model(connection, Model("openai", f"ft:{number}", run.id, BASE, float(number)))
            for stage in ("candidate", "production"):
                promotions.add(connection, Promotion("openai", "ft:1", "drone", stage, "ann", "good", 1.0))
        record_evaluation(ledger, {("ft:1", "full"): range(1, 4)}, id="older", created_at=1.0)
        record_evaluation(ledger, {("ft:1", "full"): range(1, 9), ("ft:1", "no-tools"): ()}, id="newer")
        rehearsed = {("ft:2", "full"): range(1, 11)}
        record_evaluation(ledger, rehearsed, id="tried", endpoint_type="local")
        record_evaluation(ledger, {("ft:3", "full"): ()}, id="foreign", endpoint="local")
    return project


def models(project: Project, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.ftorch("models", *options, "--json").out)
    assert project.ftorch("models", *options, "--ids").out.split() == [each["model"] for each in found]
    return found


def test_each_model_has_its_name_its_stage_and_its_last_evaluation(recorded: Project) -> None:
    third, second, first = models(recorded)
    assert [each["name"] for each in (first, second, third)] == ["drone", "stock", "drone"]
    assert [each["stage"] for each in (first, second, third)] == ["production", None, None]
    assert third["evaluation"] is None, "another endpoint's model of the same id was evaluated"
    assert second["evaluation"]["rehearsal"] is True
    assert first["evaluation"] == {
        "id": "newer",
        "name": "drone",
        "metric": "call_accuracy",
        "variant": "full",
        "value": 0.8,
        "rehearsal": False,
    }
    shown = recorded.ftorch("models", COLUMNS="80").out
    assert "call accuracy 80 %" in shown
    assert "call accuracy 100 % rehearsal" in shown
    assert "production" in shown


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["ft:3", "ft:2", "ft:1"]),
        (("--limit", "2"), ["ft:3", "ft:2"]),
        (("--reverse",), ["ft:1", "ft:2", "ft:3"]),
        (("--model", "ft:2"), ["ft:2"]),
        (("--model", "gpt-4.1"), ["ft:3", "ft:2", "ft:1"]),
        (("--endpoint", "openai"), ["ft:3", "ft:2", "ft:1"]),
        (("--endpoint", "local"), []),
        (("--sort", "name"), ["ft:3", "ft:1", "ft:2"]),
        (("--mine",), []),
    ],
)
def test_filters_are_about_the_models_runs(
    recorded: Project, options: tuple[str, ...], expected: list[str]
) -> None:
    with recorded.entered(), open_ledger() as ledger, ledger.database.write() as connection:
        changes = runs.RUNS.table.update().where(runs.RUNS.table.c.id.like("run%"))
        connection.execute(changes.values(endpoint="openai"))
        for number in (1, 2, 3):
            its = runs.RUNS.table.update().where(runs.RUNS.table.c.id == f"run{number}")
            connection.execute(its.values(fine_tuned_model=f"ft:{number}"))
    assert [each["model"] for each in models(recorded, *options)] == expected


def test_a_screen_says_that_there_is_more(recorded: Project) -> None:
    assert "The first 2 are shown; --all shows every one." in recorded.ftorch("models", "--limit", "2").out
    assert "shown" not in recorded.ftorch("models", "--limit", "3").out


def test_a_screen_reads_a_screen(recorded: Project) -> None:
    sent: list[str] = []
    with recorded.entered(), open_ledger() as ledger:
        event.listen(ledger.database.engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
        found = catalogue.catalogue(ledger, Listing(), limit=1)
    assert len(found) == 1
    assert not any("FROM models" in text and "LIMIT" not in text for text in sent)


def test_a_value_that_takes_long_to_read_is_left_out_and_said_so(
    recorded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "MOST_ANSWERS", 15)
    [_, second, first] = models(recorded)
    assert first["evaluation"] == {**first["evaluation"], "id": "newer", "value": None}, "20 answers"
    assert second["evaluation"]["value"] == 1.0, "10 answers"
    shown = recorded.ftorch("models").out
    assert "call accuracy not read" in shown
    assert "ftorch leaderboard" in shown


def test_columns_come_as_asked_with_the_model_last(recorded: Project) -> None:
    done = recorded.ftorch("models", "--columns", "model,base,name", "--limit", "1")
    assert done.out.splitlines()[0].split() == ["BASE", "MODEL", "NAME", "MODEL"]
    wrong = recorded.ftorch("models", "--columns", "state")
    assert (wrong.code, 'there is no column "state". Did you mean stage?' in wrong.err) == (2, True)


def test_no_models_says_why(recorded: Project) -> None:
    done = recorded.ftorch("models", "--since", "1d")
    assert (done.code, done.out) == (0, "")
    assert done.err == "No model matches. To list every one: ftorch models --all\n"
    with recorded.entered(), open_ledger() as ledger, ledger.database.write() as connection:
        connection.execute(runs.RUNS.table.update().values(archived_at=1.0))
    assert recorded.ftorch("models").err == "Nothing but models of archived runs: ftorch models --archived\n"
    assert len(models(recorded, "--archived")) == 3


def test_the_filters_are_those_of_status_but_for_the_state() -> None:
    def options(command: click.Command) -> set[str]:
        return {name for param in command.params for name in param.opts if name.startswith("--")}

    assert options(status) - options(list_models) == {"--state", "--watch", "--verbose"}

"""What MLflow gets equals the records, once: exported twice, after lost answers, and while a run is trained."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.mlflowhost import MlflowHost, mlflow_host
from support.project import Project
from support.webhost import WebHost, web_host

from orchestrator.errors import ExperimentDeleted, TrackerRefuses, TrackerUnreachable
from orchestrator.export.content import Content
from orchestrator.export.destination import Result
from orchestrator.export.mlflow.exporting import MlflowExport, destination_name
from orchestrator.export.mlflow.names import accepted, name_of
from orchestrator.export.records import MEASURED, exported
from orchestrator.export.tracker import Tracker
from orchestrator.ledger import Ledger
from orchestrator.store import exports as store, labels, records, runs
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

NOW = 1_800_000_000.0


def send(project: Project, server: MlflowHost, *arguments: str, **environment: str):
    return project.ftorch("runs", "export", "mlflow", server.url, *arguments, **environment)


def rows(project: Project, *arguments: str) -> list[dict[str, object]]:
    done = project.ftorch("runs", "export", "jsonl", *arguments)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


# --- a whole command ---------------------------------------------------------------------------------------------


def test_a_sweep_is_there_once_and_equal(trained: Project, server: MlflowHost) -> None:
    first = send(trained, server)
    assert first.code == 0, first.err
    assert first.out == f"2 runs to {server.url}, experiment ftorch: 2 created\n"
    before = server.content
    asked = len(server.asked)
    second = send(trained, server)
    assert second.out == f"2 runs to {server.url}, experiment ftorch: 2 there already\n"
    assert len(server.asked) == asked
    third = send(trained, server, "--again")
    assert third.out == f"2 runs to {server.url}, experiment ftorch: 2 there already\n"
    assert server.content == before
    steps = rows(trained, "--metrics")
    ours = rows(trained)
    assert len(server.runs) == 3
    [parent] = server.tagged("ftorch.sweep_id", str(ours[0]["sweep"]))
    for row in ours:
        [found] = server.tagged("ftorch.run_id", str(row["run"]))
        assert (found.info["status"], found.tags["ftorch.model"]) == ("FINISHED", row["model"])
        assert found.tags["mlflow.parentRunId"] == parent.id
        assert found.tags["mlflow.note.content"] == "kept for the demo\n(ada)"
        assert (found.tags["team"], found.tags["mlflow.user"]) == ("flight", "ada")
        assert found.params["n_epochs"] == str(row["used.n_epochs"])
        assert found.params["asked.batch_size"] == "auto"
        for name in MEASURED:
            measured = [(step["step"], step[name]) for step in steps if step["run"] == row["run"]]
            assert found.points(name) == [pair for pair in measured if pair[1] is not None]
        judged = {key: value for key, value in row.items() if key.startswith("evaluation.")}
        variant = judged.pop("evaluation.variant")
        assert variant == "full"
        assert judged
        for key, value in judged.items():
            assert found.points(key.replace(".", "/", 1)) == [(0, value)]
    assert parent.info["status"] == "FINISHED"
    assert parent.tags["ftorch.best_model"] in {row["model"] for row in ours}


def test_after_any_lost_answer_the_rest_is_sent_and_nothing_twice(trained: Project, server: MlflowHost) -> None:
    assert send(trained, server).code == 0
    whole, requests = server.content, len(server.asked)
    assert requests > 10
    for number in range(1, requests + 1):
        for lost in ("lose_before", "lose_after"):
            with mlflow_host() as other:
                getattr(other, lost).add(number)
                broken = send(trained, other)
                assert broken.code == 1, (number, lost, broken)
                assert "Nothing is lost" in broken.err
                assert send(trained, other).code == 0
                assert other.content == whole, (number, lost)


def test_a_server_that_is_down_is_said_and_loses_nothing(trained: Project, server: MlflowHost) -> None:
    server.is_down = True
    done = send(trained, server)
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith(f"Error: {server.url} can't be used: ")
    server.is_down = False
    assert send(trained, server).out.endswith("2 created\n")
    nowhere = trained.ftorch("runs", "export", "mlflow", "http://127.0.0.1:9")
    assert nowhere.code == 1
    assert "it can't be reached" in nowhere.err


@pytest.mark.parametrize(
    ("uri", "finding"),
    [
        ("http://tracker.example.org", "unencrypted"),
        ("https://ada:secret@tracker.example.org", "without a password"),
        ("sqlite:///mlruns.db", "http(s) address"),
        ("databricks", "http(s) address"),
    ],
)
def test_an_address_that_can_not_be_used_is_refused(trained: Project, uri: str, finding: str) -> None:
    done = trained.ftorch("runs", "export", "mlflow", uri)
    assert done.code == 2
    assert finding in done.err
    assert "secret" not in done.err


def test_the_address_may_come_from_the_file(trained: Project, server: MlflowHost) -> None:
    nothing = trained.ftorch("runs", "export", "mlflow")
    assert nothing.code == 2
    assert "[track.mlflow]" in nothing.err
    file = trained.root / "ftorch.toml"
    file.write_text(f'[track.mlflow]\nuri = "{server.url}"\nexperiment = "drones"\n')
    try:
        assert "experiment drones: 2 created" in trained.ftorch("runs", "export", "mlflow").out
    finally:
        file.write_text("")


def test_a_key_goes_to_the_server_and_nowhere_else(trained: Project, server: MlflowHost) -> None:
    server.key = "Bearer canary-of-mlflow"
    refused = send(trained, server, MLFLOW_TRACKING_TOKEN="canary-wrong", OPENAI_LOG="debug")
    assert refused.code == 1
    assert "set MLFLOW_TRACKING_TOKEN" in refused.err
    assert "canary" not in refused.err + refused.out
    done = send(trained, server, MLFLOW_TRACKING_TOKEN="canary-of-mlflow")
    assert done.code == 0, done.err
    server.key = "Basic YWRhOnNlY3JldA=="
    signed = send(trained, server, "--again", MLFLOW_TRACKING_USERNAME="ada", MLFLOW_TRACKING_PASSWORD="secret")
    assert signed.code == 0
    database = (trained.root / ".ftorch" / "ftorch.db").read_bytes()
    assert b"canary" not in database


def test_what_is_deleted_there_is_left_out(trained: Project, server: MlflowHost) -> None:
    assert send(trained, server).code == 0
    run = next(run for run in server.runs.values() if "ftorch.run_id" in run.tags)
    run.info["lifecycle_stage"] = "deleted"
    done = send(trained, server, "--again")
    assert done.code == 0
    assert done.out.endswith("1 there already, 1 deleted there and left out\n")
    server.experiments["ftorch"]["lifecycle_stage"] = "deleted"
    other = send(trained, server, "--experiment", "ftorch", "--json")
    assert json.loads(other.out)["unchanged"] == 2  # by the records


# --- one run -----------------------------------------------------------------------------------------------------


@pytest.fixture
def destination(ledger: Ledger, server: MlflowHost) -> Iterator[MlflowExport]:
    found = MlflowExport(ledger, server.url, "ftorch")
    yield found
    found.close()


def add(ledger: Ledger, run: Run, *metrics: Metric) -> None:
    with ledger.database.write() as connection:
        runs.add(connection, run)
        records.add_metrics(connection, metrics)


def sent(ledger: Ledger, destination: MlflowExport, run: Run) -> Result:
    [found] = exported(ledger, [run.id])
    return destination.send(found)


def test_many_steps_go_in_batches_and_late_values_are_added(
    ledger: Ledger, server: MlflowHost, destination: MlflowExport, make_run: Callable[..., Run]
) -> None:
    run = make_run(state="running")
    add(ledger, run, *(Metric(run.id, step, train_loss=1 / step) for step in range(1, 2502)))
    assert sent(ledger, destination, run) is Result.NEW
    [found] = server.tagged("ftorch.run_id", run.id)
    assert len(found.metrics) == 2501
    late = MlflowExport(ledger, server.url, "ftorch")
    with ledger.database.write() as connection:
        records.add_metrics(connection, [Metric(run.id, 3, valid_loss=0.5), Metric(run.id, 2502, train_loss=0.1)])
    assert sent(ledger, late, run) is Result.CHANGED
    assert sent(ledger, late, run) is Result.SAME
    late.close()
    assert found.points("valid_loss") == [(3, 0.5)]
    assert len(found.points("train_loss")) == 2502
    batches = [len(body.get("metrics", [])) for body in server.bodies if body and "run_id" in body]
    assert [size for size in batches if size] == [1000, 1000, 501, 2]


def test_a_tag_that_the_user_removed_is_removed_there(
    ledger: Ledger, server: MlflowHost, destination: MlflowExport, make_run: Callable[..., Run]
) -> None:
    run = make_run(state="running")
    add(ledger, run)
    hostile = {"team": "flight", "mlflow.parentRunId": "x", "a//../b": "1", "/c": "2", "ä!": "3"}
    with ledger.database.write() as connection:
        labels.set_tags(connection, [run.id], hostile)
    sent(ledger, destination, run)
    [found] = server.tagged("ftorch.run_id", run.id)
    assert found.tags["tag.mlflow.parentRunId"] == "x"
    assert "mlflow.parentRunId" not in found.tags
    assert {"a/_/_/b", "_/c", "ä_"} <= found.tags.keys()
    with ledger.database.write() as connection:
        labels.set_tags(connection, [run.id], {"team": None})
    assert sent(ledger, destination, run) is Result.CHANGED
    assert "team" not in found.tags


def test_a_status_is_set_last(
    ledger: Ledger, server: MlflowHost, destination: MlflowExport, make_run: Callable[..., Run]
) -> None:
    for state, status in (("failed", "FAILED"), ("cancelled", "KILLED"), ("unknown", "RUNNING")):
        run = make_run(state=state, finished_at=None if state == "unknown" else NOW)
        add(ledger, run, Metric(run.id, 1, train_loss=1.0))
        sent(ledger, destination, run)
        [found] = server.tagged("ftorch.run_id", run.id)
        assert found.info["status"] == status
        assert found.params.get("n_epochs") == (None if state == "unknown" else "3")
    assert server.asked[-1].path.endswith("runs/log-batch")
    ends = [asked.path.rpartition("/")[2] for asked in server.asked if asked.path.endswith(("update", "log-batch"))]
    assert ends.count("update") == 2


def test_a_run_that_the_server_lost_is_created_again(
    ledger: Ledger, server: MlflowHost, destination: MlflowExport, make_run: Callable[..., Run]
) -> None:
    run = make_run(state="running")
    add(ledger, run)
    sent(ledger, destination, run)
    server.runs.clear()
    other = MlflowExport(ledger, server.url, "ftorch")
    assert sent(ledger, other, run) is Result.NEW
    other.close()
    assert len(server.tagged("ftorch.run_id", run.id)) == 1


def test_a_deleted_experiment_and_a_refusal_are_said(
    ledger: Ledger, server: MlflowHost, destination: MlflowExport, make_run: Callable[..., Run]
) -> None:
    server.experiments["ftorch"] = {"experiment_id": "1", "name": "ftorch", "lifecycle_stage": "deleted"}
    run = make_run(state="running")
    add(ledger, run)
    with pytest.raises(ExperimentDeleted, match="Restore it there"):
        sent(ledger, destination, run)
    server.experiments["ftorch"]["lifecycle_stage"] = "active"
    sent(ledger, destination, run)
    [found] = server.tagged("ftorch.run_id", run.id)
    found.info["lifecycle_stage"] = "deleted"
    with ledger.database.write() as connection:
        labels.set_tags(connection, [run.id], {"a": "b"})
    with pytest.raises(TrackerRefuses, match="'active' state"):
        sent(ledger, destination, run)
    with ledger.database.read() as connection:
        assert store.problems(connection, destination.name) == 1


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"[" * 100_000])
def test_what_is_not_mlflow_is_said(ledger: Ledger, make_run: Callable[..., Run], answer: bytes) -> None:
    with web_host(WebHost(answer=lambda asked: (200, answer))) as host:
        run = make_run(state="running")
        add(ledger, run)
        other = MlflowExport(ledger, host.url, "ftorch")
        with pytest.raises(TrackerUnreachable, match="is it MLflow"):
            sent(ledger, other, run)
        other.close()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("n_epochs", "n_epochs"),
        ("../../etc", "_/_/etc"),
        ("a/", "a/_"),
        ("", "_"),
        ("ä=b", "ä_b"),
        ("x" * 300, "x" * 250),
    ],
)
def test_names_are_accepted(text: str, name: str) -> None:
    assert name_of(text) == name


def test_values_are_cut_to_what_mlflow_takes() -> None:
    content = Content("ftorch.run_id", "a", "a", "RUNNING", 0.0, None, None, {"p": "x" * 7000}, {"t": "y" * 9000})
    found = accepted(content)
    assert len(found.params["p"]) == 6000
    assert len(found.tags["t"]) == 5000
    assert found.tags["t"].endswith("…")


# --- live --------------------------------------------------------------------------------------------------------


def test_a_run_goes_along_while_it_is_trained(project: Project, server: MlflowHost) -> None:
    (project.root / "ftorch.toml").write_text(f'[track.mlflow]\nuri = "{server.url}"\n')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    [run] = server.runs.values()
    assert run.tags["ftorch.model"] == done.out.strip()
    assert run.info["status"] == "FINISHED"
    assert len(run.points("train_loss")) == len(rows(project, "--metrics"))
    asked = len(server.asked)
    assert send(project, server).out.endswith("1 there already\n")
    assert len(server.asked) == asked


def test_a_tracker_that_is_down_changes_nothing_and_gets_the_run_later(
    project: Project, server: MlflowHost
) -> None:
    server.is_down = True
    (project.root / "ftorch.toml").write_text(f'[track.mlflow]\nuri = "{server.url}"\n')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0
    assert done.out.startswith("ft:")
    assert done.err.count(f"tracking: {server.url} can't be used") == 1
    server.is_down = False
    assert project.ftorch("resume").code == 0
    [run] = server.runs.values()
    assert run.info["status"] == "FINISHED"


def test_what_a_stranger_wrote_is_not_sent_to(project: Project, server: MlflowHost) -> None:
    (project.root / "ftorch.toml").write_text(f'[track.mlflow]\nuri = "{server.url}"\n')
    stranger = replace(project, environment={**project.environment, "FTORCH_TRUST": ""})
    done = stranger.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0
    assert server.url in done.err
    assert "ftorch endpoints trust" in done.err
    assert not server.asked
    assert server.url in stranger.ftorch("endpoints", "trust", "--yes").err
    assert stranger.ftorch("submit", "jobs/greet.toml", "--again").code == 0
    assert len(server.runs) == 2 - 1


def test_a_tracker_waits_longer_after_each_failure_and_says_it_once(
    ledger: Ledger, server: MlflowHost, make_run: Callable[..., Run]
) -> None:
    said: list[str] = []
    clock = [NOW]
    name = MlflowExport(ledger, server.url, "ftorch").name
    tracker = Tracker(
        ledger, name, lambda: MlflowExport(ledger, server.url, "ftorch"), said.append, lambda: clock[0]
    )
    add(ledger, ended := make_run(state="failed", finished_at=NOW + 1, updated_at=NOW + 1))
    add(ledger, make_run(state="failed", finished_at=NOW - 1, updated_at=NOW - 1))
    server.is_down = True
    assert [tracker.look() for _ in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert len(said) == 1
    server.is_down = False
    tracker.look()
    assert said[1:] == [f"tracking: {server.url}, experiment ftorch answers again"]
    assert [run.tags["ftorch.run_id"] for run in server.runs.values()] == [ended.id]
    asked = len(server.asked)
    tracker.look()
    assert len(server.asked) == asked
    tracker.close()


def test_two_processes_create_a_run_once(ledger: Ledger, server: MlflowHost, make_run: Callable[..., Run]) -> None:
    said: list[str] = []
    name = MlflowExport(ledger, server.url, "ftorch").name
    trackers = [
        Tracker(ledger, name, lambda: MlflowExport(ledger, server.url, "ftorch"), said.append) for _ in range(4)
    ]
    added = [make_run(state="running") for _ in range(5)]
    for run in added:
        add(ledger, run)
    threads = [threading.Thread(target=each.look) for each in trackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.tags["ftorch.run_id"] for run in server.runs.values()) == sorted(run.id for run in added)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[track.mlflow]\n", "track.mlflow.uri is missing"),
        ('[track.mlflow]\nuri = "http://elsewhere"', "would travel to http://elsewhere unencrypted"),
        ('[track.mlflow]\nuri = "https://a:b@h"', "track.mlflow.uri must be an address"),
        ('[track.mlfow]\nuri = "https://h"', 'unknown table "mlfow" in [track]; did you mean "mlflow"'),
        ("[track.trackio]\nproject = 1", "track.trackio.project must be a name"),
        ('[track.wandb]\nproject = "p"\ntags = "x"', "track.wandb.tags must be a list"),
        ("track = 1", "track must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_place(project: Project, text: str, finding: str) -> None:
    (project.root / "ftorch.toml").write_text(text)
    done = project.ftorch("status")
    assert done.code == 2
    assert "ftorch.toml:" in done.err
    assert finding in done.err


def test_the_records_are_those_of_the_place(home: Path) -> None:
    assert (
        destination_name("http://h/", "a") == destination_name("http://h", "a") != destination_name("http://h", "b")
    )

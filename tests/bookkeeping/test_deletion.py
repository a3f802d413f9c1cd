"""Deleted runs: what goes, what stays, and what must not go. Doing it again ends what a killed process began."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert
from support.paid_host import PaidHost, paid_host
from support.project import Project, Result
from support.sweeping import write_sweep

from orchestrator.engine.crashpoints import DELETION_POINTS
from orchestrator.ledger import open_ledger
from orchestrator.store import deletion as store, labels, records, runs, submissions, sweeps
from orchestrator.store.database import Database
from orchestrator.store.records import Metric, Model
from orchestrator.store.schema import deployments, promotions
from orchestrator.store.submissions import Provenance
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

JOB = "jobs/greet.toml"
PAID = {"endpoint": 'endpoint = "paid"'}
CHILDREN = ("events", "metrics", "checkpoints", "transitions", "tags", "notes", "models", "evaluations", "scores")


@pytest.fixture
def host(project: Project) -> Iterator[PaidHost]:
    """A host that charges, on which the project's job file has been trained."""
    with paid_host() as served:
        served.configure(project.root)
        project.write_job(**PAID)
        assert project.ftorch("submit", JOB, "--yes").code == 0
        yield served


@pytest.fixture
def ended(project: Project) -> Project:
    """A project whose run has succeeded on the local endpoint, and was evaluated, tagged and annotated."""
    assert project.ftorch("submit", JOB).code == 0
    evaluated = project.ftorch("evaluate", "greet", "--file", "jobs/train.jsonl", "--allow-leak")
    assert evaluated.code == 0, evaluated.err
    project.ftorch("runs", "tag", "greet", "team=flight")
    project.ftorch("runs", "note", "greet", "well done")
    return project


def run_id(project: Project, name: str = "greet") -> str:
    with open_ledger(project.root) as ledger:
        return ledger.run(name).id


def delete(project: Project, key: str, *options: str) -> Result:
    return project.ftorch("runs", "delete", key, "--yes", *options)


def shown(project: Project, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ftorch("show", key, "--json").out)
    return found


def rows(project: Project, table: str, where: str = "1 = 1") -> int:
    with open_ledger(project.root) as ledger, ledger.database.read() as connection:
        query = f"SELECT count(*) FROM {table} WHERE {where}"
        return int(connection.exec_driver_sql(query).scalar_one())


# --- here ----------------------------------------------------------------------------------------------------


def test_all_records_go_except_those_that_prevent_paying_again(ended: Project) -> None:
    run, before = run_id(ended), shown(ended, "greet")
    assert all(rows(ended, table) for table in CHILDREN)
    done = delete(ended, run)
    assert done.code == 0, done.err
    assert {table: rows(ended, table) for table in CHILDREN} == dict.fromkeys(CHILDREN, 0)
    assert rows(ended, "answers", "model LIKE 'ft:%'") == 0
    assert rows(ended, "answers") > 0, "those of the base model belong to no run"
    assert rows(ended, "job_files") == 0
    assert rows(ended, "deleted_calls") > 0, "what the answers cost still counts"
    after = shown(ended, run)
    assert after["deleted_at"] is not None
    kept = ("job_id", "fine_tuned_model", "cost_usd", "created_at", "finished_at", "hyperparameters", "endpoint")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert [file["sha256"] for file in after["files"]] == [file["sha256"] for file in before["files"]]
    assert (after["history"], after["metrics"], after["tags"], after["notes"]) == ([], [], {}, [])
    assert after["submission"]["user"] == before["submission"]["user"]


def test_a_deleted_run_is_in_no_list_and_can_not_be_changed(ended: Project) -> None:
    run = run_id(ended)
    delete(ended, "greet")
    assert ended.status() == []
    assert json.loads(ended.ftorch("models", "--json").out) == []
    assert ended.ftorch("show", "greet").code == 2
    text = ended.ftorch("show", run).out
    assert ("deleted by" in text, "To call it" in text, "History" in text) == (True, False, False)
    for refused in (
        delete(ended, run),
        ended.ftorch("runs", "tag", run, "a=b"),
        ended.ftorch("runs", "archive", run),
    ):
        assert (refused.code, f"Run {run} was deleted" in refused.err) == (2, True), refused.err


def test_nothing_is_deleted_without_a_yes(ended: Project) -> None:
    refused = ended.ftorch("runs", "delete", "greet", "--remote")
    assert (refused.code, "add --yes" in refused.err) == (4, True)
    assert ended.terminal("runs", "delete", "greet", typed="n\n").code == 1
    assert shown(ended, "greet")["deleted_at"] is None
    agreed = ended.terminal("runs", "delete", "greet", typed="y\n")
    assert agreed.code == 0, agreed.out
    assert "leaves 1 result file, 1 data file, 2 models on the endpoint; --remote deletes these too" in agreed.out


def test_a_whole_sweep_is_deleted_and_no_single_trial(project: Project) -> None:
    write_sweep(project)
    assert project.ftorch("submit", JOB).code == 0
    trial = run_id(project)
    refused = delete(project, trial)
    assert refused.code == 2
    assert "it is a trial of the sweep greet" in refused.err
    assert "To delete the whole sweep: ftorch runs delete greet" in refused.err
    done = delete(project, "greet", "--remote")
    assert done.code == 0, done.err
    assert (rows(project, "sweeps"), rows(project, "trials"), rows(project, "runs")) == (0, 0, 2)
    assert shown(project, trial)["deleted_at"] is not None
    again = project.ftorch("submit", JOB)
    assert again.code == 0, again.err


def test_every_database_deletes_a_sweep_with_all_that_refers_to_it(database: Database, make_run: Any) -> None:
    ended = {"state": "succeeded", "finished_at": 2.0, "training_file_id": "file-1"}
    other = make_run(fine_tuned_model="ft:3", **ended)
    first, second = (make_run(sweep_id="s1", fine_tuned_model=f"ft:{n}", **ended) for n in (1, 2))
    model: dict[str, Any] = {"endpoint": "local", "base_model": "gpt-4.1", "created_at": 2.0}
    with database.write() as connection:
        spec = {"document": {"name": "night"}}
        sweeps.add(connection, RecordedSweep("s1", "night", "local", "job.toml", spec, 2, None, 1.0))
        for number, run in enumerate((first, second), 1):
            runs.add(connection, run, run.reason)
            sweeps.add_trial(connection, RecordedTrial("s1", number, {}, 0, str(number), run.id))
            labels.set_tags(connection, [run.id], {"team": "flight"})
            labels.add_note(connection, run.id, "ann", "well done", 3.0)
            records.add_metrics(connection, [Metric(run.id, 1, 1, train_loss=0.5)])
            records.add_model(connection, Model(model=run.fine_tuned_model, run_id=run.id, **model))
            submissions.record(connection, "run", run.id, Provenance("ann", "laptop", "0.1.0", job_file="x"), 1.0)
        runs.add(connection, other, other.reason)
        assert store.counts(connection, [first, second], ["s1"]) == store.Counts(0, 2, 0, 0, 0)
        assert store.file_users(connection, "file-1", [], [first.id, second.id]) == [other.id]
        for run in (first, second):
            store.delete_run(connection, run, "deleted by ann", 4.0)
        store.delete_sweep(connection, "s1")
    with database.read() as connection:
        assert runs.newest(connection) == [other]
        assert sweeps.newest(connection) == []
        left = runs.get(connection, first.id)
        assert (left.deleted_at, left.sweep_id, left.fine_tuned_model) == (4.0, None, "ft:1")
        assert runs.same(connection, first.fingerprint, except_states=()) == other
        counted = [connection.exec_driver_sql(f"SELECT count(*) FROM {each}").scalar() for each in CHILDREN]
        assert counted == [0, 0, 0, 1, 0, 0, 0, 0, 0], "the other run's own history is left"
        assert connection.exec_driver_sql("SELECT count(*) FROM job_files").scalar() == 0


# --- what must not go ----------------------------------------------------------------------------------------


def test_an_unfinished_run_is_not_deleted(project: Project) -> None:
    project.ftorch("submit", JOB, "--detach")
    refused = delete(project, "greet")
    assert (refused.code, "has not finished" in refused.err) == (2, True), refused.err


def test_a_name_of_several_runs_deletes_none(ended: Project) -> None:
    ended.ftorch("submit", JOB, "--again")
    refused = delete(ended, "greet")
    assert (refused.code, '"greet" is the name of 2 runs' in refused.err) == (2, True)
    assert len(ended.status()) == 2


def test_a_run_whose_model_is_deployed_is_not_deleted(ended: Project) -> None:
    _deploy(ended, shown(ended, "greet")["fine_tuned_model"])
    refused = delete(ended, "greet")
    assert refused.code == 2
    assert "its model is deployed as night on azure" in refused.err
    assert "ftorch deployments remove night" in refused.err


def test_a_run_whose_model_is_in_production_is_not_deleted(ended: Project) -> None:
    model = shown(ended, "greet")["fine_tuned_model"]
    _promote(ended, model, "production")
    refused = delete(ended, "greet")
    assert (refused.code, f"its model {model} is in production" in refused.err) == (2, True), refused.err
    _promote(ended, model, "retired")
    assert delete(ended, "greet").code == 0


def test_the_parent_of_a_run_is_deleted_with_it_or_after_it(ended: Project) -> None:
    parent = run_id(ended)
    model = shown(ended, parent)["fine_tuned_model"]
    ended.write_job(name='name = "child"', model=f'model = "{model}"')
    trained = ended.ftorch("submit", JOB)
    assert trained.code == 0, trained.err
    refused = delete(ended, parent)
    assert (refused.code, "(child) was trained from its model" in refused.err) == (2, True), refused.err
    both = ended.ftorch("runs", "delete", parent, "child", "--yes")
    assert both.code == 0, both.err
    assert ended.status() == []


def _deploy(project: Project, model: str) -> None:
    values = {"id": "d1", "endpoint": "azure", "name": "night", "model": model, "sku": "Standard", "capacity": 1}
    state = {"temporary": False, "made_elsewhere": False, "state": "deployed", "reason": "", "version": 1}
    with open_ledger(project.root) as ledger, ledger.database.write() as connection:
        connection.execute(insert(deployments).values(**values, **state, created_at=1.0, updated_at=1.0))


def _promote(project: Project, model: str, stage: str) -> None:
    values = {"endpoint": "local", "model": model, "name": "greet", "stage": stage, "user": "ann", "reason": ""}
    with open_ledger(project.root) as ledger, ledger.database.write() as connection:
        connection.execute(insert(promotions).values(**values, at=1.0))


# --- paying again --------------------------------------------------------------------------------------------


def test_the_content_of_a_deleted_run_is_named_and_not_paid_unasked(project: Project, host: PaidHost) -> None:
    before = shown(project, "greet")
    assert delete(project, "greet").code == 0
    refused = project.ftorch("submit", JOB, "--yes")
    said = f"trained before as run {before['run']} (greet, deleted 20"
    assert (refused.code, len(host.jobs), said in refused.err) == (4, 1, True), refused.err
    assert f"model {before['fine_tuned_model']}" in refused.err
    doctor = project.ftorch("endpoints", "doctor", "paid")
    assert before["job_id"] not in doctor.out + doctor.err
    adopted = project.ftorch("runs", "adopt", before["job_id"], "--endpoint", "paid")
    assert "is already run" in adopted.out
    assert project.ftorch("submit", JOB, "--yes", "--again").code == 0
    assert len(host.jobs) == 2


# --- on the endpoint -----------------------------------------------------------------------------------------


def test_a_model_and_its_files_are_deleted_on_request(project: Project, host: PaidHost) -> None:
    [file_id], model = [*host.files], shown(project, "greet")["fine_tuned_model"]
    done = delete(project, "greet", "--remote")
    assert done.code == 0, done.err
    assert host.deleted == [file_id, model]
    assert f"deleted {model} on paid" in done.err
    assert rows(project, "uploads", "file_id IS NOT NULL") == 0
    again = project.ftorch("submit", JOB, "--yes", "--again")
    assert again.code == 0, again.err
    assert (len(host.files), file_id in host.files) == (1, False), "a deleted file is uploaded anew"


def test_without_remote_the_endpoint_is_not_asked(project: Project, host: PaidHost) -> None:
    asked = host.requests
    assert delete(project, "greet").code == 0
    assert (host.requests, host.deleted) == (asked, [])


def test_each_kind_is_a_question_of_its_own(project: Project, host: PaidHost) -> None:
    model = shown(project, "greet")["fine_tuned_model"]
    done = project.terminal("runs", "delete", "greet", "--remote", typed="y\nn\ny\n")
    assert done.code == 0, done.out
    assert ("Delete 1 data file on paid?" in done.out, "Delete 1 model on paid?" in done.out) == (True, True)
    assert (host.deleted, len(host.files)) == ([model], 1)


def test_what_another_run_uses_stays(project: Project, host: PaidHost) -> None:
    first = run_id(project)
    project.write_job(**PAID, n_epochs="n_epochs = 2")
    assert project.ftorch("submit", JOB, "--yes").code == 0
    second = run_id(project)
    model = shown(project, first)["fine_tuned_model"]
    done = delete(project, first, "--remote")
    assert done.code == 0, done.err
    assert (host.deleted, len(host.files)) == ([model], 1)
    assert f"keeps data file file-1 on paid: run {second} uses it" in done.err
    assert delete(project, second, "--remote").code == 0
    assert host.files == {}


def test_a_model_that_two_runs_have_stays_with_its_answers(ended: Project) -> None:
    first = run_id(ended)
    model = shown(ended, first)["fine_tuned_model"]
    assert ended.ftorch("submit", JOB, "--again").code == 0
    second = run_id(ended)
    answered = rows(ended, "answers")
    with open_ledger(ended.root) as ledger, ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE runs SET fine_tuned_model = '{model}' WHERE id = '{second}'")
    done = delete(ended, first, "--remote")
    assert (done.code, f"keeps model {model} on local: run {second} uses it" in done.err) == (0, True), done.err
    assert rows(ended, "answers") == answered


def test_what_a_run_that_has_not_begun_will_use_stays(project: Project, host: PaidHost) -> None:
    first = run_id(project)
    project.write_job(**PAID, n_epochs="n_epochs = 2")
    host.status = "running"
    assert project.ftorch("submit", JOB, "--yes", "--detach").code == 0
    with open_ledger(project.root) as ledger, ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE runs SET training_file_id = NULL WHERE id <> '{first}'")
    assert delete(project, first, "--remote").code == 0
    assert len(host.files) == 1


def test_what_is_gone_already_is_no_error(project: Project, host: PaidHost) -> None:
    host.files.clear()
    host.deleted.append(shown(project, "greet")["fine_tuned_model"])
    assert delete(project, "greet", "--remote").code == 0
    assert project.status() == []


def test_a_refusal_keeps_the_records_and_the_same_command_ends_it(project: Project, host: PaidHost) -> None:
    run, model = run_id(project), shown(project, "greet")["fine_tuned_model"]
    refusal = 403, {"error": {"message": "only owners delete models", "code": "forbidden"}}
    host.on_delete = lambda path: refusal if path.startswith("/models") else None
    refused = delete(project, run, "--remote")
    assert (refused.code, host.files) == (1, {})
    assert f"the records of run {run} are kept" in refused.err
    assert f"{model}: " in refused.err
    assert "only owners delete models" in refused.err
    assert shown(project, run)["deleted_at"] is None
    assert shown(project, run)["metrics"]
    host.on_delete = lambda path: None
    assert delete(project, run, "--remote").code == 0
    assert (host.deleted[-1], project.status()) == (model, [])


def test_an_endpoint_that_has_no_such_request_is_a_refusal(project: Project, host: PaidHost) -> None:
    """A host without the route answers 404 too, but still has the model."""
    model = shown(project, "greet")["fine_tuned_model"]
    missing = 404, {"error": {"message": "unknown path", "code": "unknown_url"}}
    host.on_delete = lambda path: missing if path.startswith("/models") else None
    host.models = {model}
    refused = delete(project, "greet", "--remote")
    assert (refused.code, f"{model}: " in refused.err) == (1, True), refused.err
    assert len(project.status()) == 1


@pytest.mark.parametrize("place", DELETION_POINTS)
def test_a_killed_deletion_is_ended_by_the_same_command(project: Project, host: PaidHost, place: str) -> None:
    run = run_id(project)
    died = project.process("runs", "delete", run, "--remote", "--yes", FTORCH_CRASH_AT=place)
    assert died.code == -signal.SIGKILL, died
    if place == "after-commit-deletion":
        assert shown(project, run)["deleted_at"] is not None
    else:
        assert shown(project, run)["deleted_at"] is None
        done = delete(project, run, "--remote")
        assert done.code == 0, done.err
    assert (host.files, len(host.deleted), project.status()) == ({}, 2, [])
    assert project.ftorch("submit", JOB, "--yes", "--again").code == 0
    assert (len(host.files), len(host.jobs)) == (1, 2)


def test_a_killed_deletion_of_a_sweep_is_ended_by_the_same_command(project: Project) -> None:
    write_sweep(project)
    assert project.ftorch("submit", JOB).code == 0
    died = project.process("runs", "delete", "greet", "--yes", FTORCH_CRASH_AT="after-commit-deletion")
    assert died.code == -signal.SIGKILL, died
    assert (rows(project, "sweeps"), rows(project, "runs", "deleted_at IS NOT NULL")) == (1, 1)
    assert project.ftorch("sweep", "show", "greet").code == 0
    assert project.ftorch("status").code == 0
    done = delete(project, "greet")
    assert done.code == 0, done.err
    assert (rows(project, "sweeps"), rows(project, "runs", "deleted_at IS NULL")) == (0, 0)

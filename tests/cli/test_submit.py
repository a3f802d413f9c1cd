"""`submit` as a user types it."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support.project import Project

MODEL = re.compile(r"ft:gpt-4\.1-mini-2025-04-14:local:[^:]*:\w+")


def test_the_model_id_stands_alone_on_stdout(project: Project) -> None:
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    assert MODEL.fullmatch(done.out.strip())
    assert "tiny" in done.err
    assert "trains in place of gpt-4.1-mini-2025-04-14" in done.err
    [run] = project.status()
    assert run["state"] == "succeeded"
    assert run["fine_tuned_model"] == done.out.strip()


def test_the_same_submission_is_found_and_not_trained_again(project: Project) -> None:
    first = project.ftorch("submit", "jobs/greet.toml")
    second = project.ftorch("submit", "jobs/greet.toml")
    assert second.out == first.out
    assert "already submitted as run" in second.err
    assert "paid" not in second.err, "nothing is paid on the local endpoint"
    assert len(project.status()) == 1


def test_again_trains_once_more(project: Project) -> None:
    first = project.ftorch("submit", "jobs/greet.toml")
    second = project.ftorch("submit", "jobs/greet.toml", "--again")
    assert second.out != first.out
    assert len(project.status()) == 2


def test_a_dry_run_records_nothing(project: Project) -> None:
    done = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    assert done.code == 0
    assert "12 examples" in done.err
    assert project.status() == []
    assert not (project.root / ".ftorch").exists()


def test_detach_leaves_when_the_job_exists_and_resume_finishes_it(project: Project) -> None:
    left = project.ftorch("submit", "jobs/greet.toml", "--detach")
    assert left.code == 0, left.err
    [run] = project.status()
    assert run["job_id"]
    assert f"run {run['run']} pauses until ftorch runs again; continue with: ftorch resume {run['run']}" in left.err
    assert (
        f"Train it first: ftorch resume {run['run']}."
        in project.ftorch("evaluate", "jobs/greet.toml", "--file", "jobs/train.jsonl", "--allow-leak").err
    )
    resumed = project.ftorch("resume")
    assert MODEL.search(left.out + resumed.out)
    assert project.status()[0]["state"] == "succeeded"


def test_openai_warns_with_the_dates_of_the_wind_down_and_asks_before_it_costs(project: Project) -> None:
    done = project.ftorch("submit", "jobs/greet.toml", "--endpoint", "openai", OPENAI_API_KEY="none-for-tests")
    assert done.code == 4
    for fact in ("7 May 2026", "2 July 2026", "6 January 2027", "--yes"):
        assert fact in done.err
    assert project.status() == []


# --- bad input: one clear error, nothing lost ----------------------------------------------------------------


def test_no_such_job_file(project: Project) -> None:
    done = project.ftorch("submit", "jobs/gret.toml")
    assert done.code == 2
    assert "no job file jobs/gret.toml" in done.err


def test_a_syntax_error_names_its_line(project: Project) -> None:
    project.write_job(model="model = oops")
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 2
    assert "jobs/greet.toml:3" in done.err


def test_unknown_keys_wrong_types_and_ranges_are_all_told_at_once(project: Project) -> None:
    project.write_job("[tuning]\ntrials = 3", name="nmae = 'greet'", n_epochs="n_epochs = 0")
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 2
    assert 'jobs/greet.toml:1: unknown key "nmae"; did you mean "name"?' in done.err
    assert 'jobs/greet.toml:7: method.n_epochs must be "auto" or a whole number from 1 to 50, not 0' in done.err
    assert 'jobs/greet.toml:8: unknown table "tuning"; known here: azure, data, ' in done.err


def test_a_missing_data_file_is_named_with_the_nearest_one(project: Project) -> None:
    project.write_job(training_file='training_file = "trian.jsonl"')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 2
    assert "did you mean train.jsonl?" in done.err


def test_an_empty_data_file(project: Project) -> None:
    (project.root / "jobs" / "train.jsonl").write_text("")
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 2
    assert "train.jsonl" in done.err
    assert "empty" in done.err


def test_bad_data_is_told_with_its_line_and_never_uploaded(project: Project) -> None:
    path = project.root / "jobs" / "train.jsonl"
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace('"assistant"', '"asistant"')
    path.write_text("\n".join(lines) + "\n")
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 1
    assert "train.jsonl:5" in done.err
    assert "Nothing was uploaded" in done.err
    assert project.status() == []


def test_an_unknown_endpoint(project: Project) -> None:
    done = project.ftorch("submit", "jobs/greet.toml", "--endpoint", "locl")
    assert done.code == 2
    assert 'no endpoint named "locl". Did you mean "local"? Known: local, openai' in done.err


def test_a_missing_key_variable(project: Project) -> None:
    done = project.ftorch("submit", "jobs/greet.toml", "--endpoint", "openai", "--yes")
    assert done.code == 2
    assert "OPENAI_API_KEY is not set" in done.err
    assert project.status() == []


AZURE = '[endpoints.azure]\ntype = "azure"\nbase_url = "https://res.openai.azure.com"\n'
COMPATIBLE = """[endpoints.host]
type = "compatible"
base_url = "https://host.example/v1"
api_key_env = "HOST_KEY"
headers = { X-Team = "${TEAM_KEY}" }
"""


@pytest.mark.parametrize(
    ("endpoint", "table", "said"),
    [
        ("openai", "", "OPENAI_API_KEY is not set"),
        ("azure", AZURE, "AZURE_OPENAI_API_KEY is not set"),
        ("host", COMPATIBLE, "HOST_KEY and TEAM_KEY are not set"),
    ],
)
@pytest.mark.parametrize("sweep", ["", "[sweep.space]\nn_epochs = [1, 2]\n"])
def test_a_plan_needs_no_key_and_says_that_submitting_does(
    project: Project, endpoint: str, table: str, said: str, sweep: str
) -> None:
    (project.root / "ftorch.toml").write_text(table)
    data = {"training_file": 'training_file = "train.jsonl"\nvalidation_file = "train.jsonl"\nallow_leak = true'}
    project.write_job(sweep, **data)
    told = f"{said}: the plan needs no key, but submitting does"
    planned = project.ftorch("submit", "jobs/greet.toml", "--endpoint", endpoint, "--dry-run")
    assert planned.code == 0, planned.err
    assert planned.err.count(told) == 1
    assert project.ftorch("data", "check", "jobs/greet.toml", "--for", endpoint).code == 0
    found = json.loads(
        project.ftorch("submit", "jobs/greet.toml", "--endpoint", endpoint, "--dry-run", "--json").out
    )
    assert told in found["notices"]
    submitted = project.ftorch("submit", "jobs/greet.toml", "--endpoint", endpoint, "--yes")
    assert submitted.code == 2
    assert "is not set; export" in submitted.err
    assert not (project.root / ".ftorch").exists()


def test_an_unreachable_endpoint_keeps_the_run(project: Project) -> None:
    table = '[endpoints.gone]\ntype = "compatible"\nbase_url = "http://127.0.0.1:9/v1"\n'
    (project.root / "ftorch.toml").write_text(table)
    done = project.ftorch("submit", "jobs/greet.toml", "--endpoint", "gone", "--yes")
    assert done.code == 1
    assert "gone can't be reached" in done.err
    assert "ftorch resume" in done.err
    [run] = project.status()
    assert run["state"] == "uploading"
    assert "waiting for gone" in str(run["reason"])


def test_a_model_to_train_further_is_looked_up_before_anything_is_sent(project: Project) -> None:
    project.write_job(model='model = "ft:gpt-4.1-mini-2025-04-14:local:drone:nothere"')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 2
    assert 'local has no model "ft:gpt-4.1-mini-2025-04-14:local:drone:nothere"' in done.err
    assert "Nothing was uploaded" in done.err
    assert project.status() == []
    project.write_job()
    model = project.ftorch("submit", "jobs/greet.toml").out.strip()
    project.write_job(model=f'model = "{model}"')
    assert project.ftorch("submit", "jobs/greet.toml").code == 0


def test_a_misspelt_model_is_asked_about(project: Project) -> None:
    project.write_job(model='model = "gpt-4.1-mimi"')
    nobody = project.ftorch("submit", "jobs/greet.toml")
    assert nobody.code == 4
    assert 'Correct "gpt-4.1-mimi", or add --yes' in nobody.err
    assert 'did you mean "gpt-4.1-mini"?' in project.ftorch("submit", "jobs/greet.toml", "--dry-run").err
    assert project.status() == []
    code = project.terminal("submit", "jobs/greet.toml", typed="n\n")
    assert 'Train "gpt-4.1-mimi" anyway?' in " ".join(code.out.split())
    assert project.status() == []
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    found = project.ftorch("submit", "jobs/greet.toml")
    assert (found.code, len(project.status())) == (0, 1), "what is recorded is found without a question"
    project.write_job(model='model = "my-own-model"')
    assert project.ftorch("submit", "jobs/greet.toml").code == 0, "any other name is a stand-in"


def test_the_evaluation_file_is_checked_with_the_others(project: Project) -> None:
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines(keepends=True)
    job = '[evaluation]\nfile = "cases.jsonl"\n'
    project.write_job(job)
    cases = project.root / "jobs" / "cases.jsonl"
    cases.write_text(rows[0].replace('"user"', '"pilot"'))
    refused = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    assert refused.code == 1
    assert "cases.jsonl:1: FT204 at /messages/0/role: the role is" in refused.err
    cases.write_text("".join(rows[:4]))
    leaked = project.ftorch("submit", "jobs/greet.toml")
    assert leaked.code == 1
    assert "FT802: 4 of 4 example(s) also appear in" in leaked.err
    assert project.status() == []
    allowed = project.ftorch("submit", "jobs/greet.toml", "--allow-leak", "--dry-run")
    assert allowed.code == 0, allowed.err
    assert "data.allow_leak = true, evaluation.allow_leak = true" in " ".join(allowed.err.split())
    project.write_job(job + "allow_leak = true\n")
    assert project.ftorch("submit", "jobs/greet.toml").code == 0


def test_a_leak_can_be_allowed_for_one_submission_without_an_evaluation(project: Project) -> None:
    project.write_job(training_file='training_file = "train.jsonl"\nvalidation_file = "train.jsonl"')
    assert "FT802" in project.ftorch("submit", "jobs/greet.toml").err
    assert project.ftorch("submit", "jobs/greet.toml", "--allow-leak").code == 0


def test_a_refusal_of_data_is_written_in_sentences(project: Project) -> None:
    path = project.root / "jobs" / "train.jsonl"
    path.write_text(path.read_text().replace('"role": "user"', '"role": "pilot"', 1))
    done = project.ftorch("submit", "jobs/greet.toml")
    checked = project.ftorch("data", "check", "jobs/greet.toml")
    place = "at /messages/"
    assert place in done.err
    assert place in checked.out
    assert re.search(r"train\.jsonl:1: FT204 at /messages/\d+/role: the role is .*\w\. [A-Z]", done.err)


def test_a_state_directory_that_cannot_be_written(project: Project) -> None:
    (project.root / ".ftorch").write_text("a file where the directory belongs")
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 1
    assert "can't be written" in done.err
    assert "FTORCH_HOME" in done.err


def test_a_database_of_a_newer_version_is_refused_and_left_alone(project: Project) -> None:
    project.ftorch("submit", "jobs/greet.toml")
    path = project.root / ".ftorch" / "ftorch.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = _rows(path)
    done = project.ftorch("status")
    assert done.code == 1
    assert "written by a newer ftorch" in done.err
    assert _rows(path) == before


def test_a_database_of_an_unreleased_version_is_refused_with_a_remedy_that_works(project: Project) -> None:
    submitted = project.ftorch("submit", "jobs/greet.toml")
    path = project.root / ".ftorch" / "ftorch.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0007'")
    before = _rows(path)
    refused = project.ftorch("status")
    assert (refused.code, refused.out) == (1, "")
    [move] = re.findall(r"\((mv .*?)\)", refused.err)
    assert "ftorch runs adopt --all --endpoint NAME" in refused.err
    subprocess.run(move, shell=True, check=True)
    adopted = project.ftorch("adopt", "--all", "--endpoint", "local")
    assert adopted.code == 0, adopted.err
    [run] = project.status()
    assert (run["state"], run["fine_tuned_model"]) == ("succeeded", submitted.out.strip())
    assert _rows(path.with_name("ftorch.db.unreleased")) == before


def _rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute("SELECT id, state, version FROM runs").fetchall()


def test_the_plan_is_priced_by_the_table_that_the_endpoint_names(project: Project) -> None:
    (project.root / "ftorch.toml").write_text(
        '[endpoints.there]\ntype = "compatible"\nbase_url = "http://127.0.0.1:9/v1"\nprices = "prices.toml"\n'
    )
    job = project.write_job(endpoint='endpoint = "there"')
    missing = project.ftorch("submit", str(job), "--dry-run")
    assert (missing.code, f"{project.root}/prices.toml can't be used" in missing.err) == (2, True)
    (project.root / "prices.toml").write_text(
        '[[price]]\nendpoint_type = "compatible"\nmodel = "gpt-4.1-mini"\ntraining = 1000000\n'
    )
    priced = project.ftorch("submit", str(job), "--dry-run", "--json")
    plan = json.loads(priced.out)
    assert plan["estimated_cost_usd"] == plan["files"][0]["tokens"] > 0

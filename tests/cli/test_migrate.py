"""`ftorch migrate` from a model that was really trained and evaluated to others on the same machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import pytest
from support.paid_host import PaidHost, paid_host
from support.project import Project, Result, make_project

from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.errors import RequestRefused
from orchestrator.evaluation import session
from orchestrator.ledger import open_ledger

ROOMS = ("garden", "garage", "kitchen", "stairs", "loft", "barn", "shed", "study")
TABLE = '[evaluation]\nfile = "cases.jsonl"\n'
SUCCESSOR = ("migrate", "jobs/greet.toml", "--to", "local:second-model")
PASSING = ("--margin", "60")
PAID_PRICES = """[[price]]
endpoint_type = "compatible"
model = "paid-model"
training = 1000
input = 1
output = 2
"""


def write_cases(project: Project, rooms: tuple[str, ...] = ROOMS, name: str = "cases.jsonl") -> Path:
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    path = project.root / "jobs" / name
    with path.open("w") as stream:
        for room in rooms:
            row["messages"][0]["content"] = f"Switch on the light in the {room}"
            row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": room})
            stream.write(json.dumps({"id": room, **row}) + "\n")
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose tuned model has answered eight cases: the baseline."""
    project = make_project(tmp_path_factory.mktemp("evaluated"))
    write_cases(project)
    project.write_job(TABLE)
    assert project.ftorch("submit", "jobs/greet.toml").code == 0
    assert project.ftorch("evaluate", "jobs/greet.toml", "--models", "tuned").code == 0
    return project


@pytest.fixture
def project(evaluated: Project, tmp_path: Path) -> Project:
    """A copy of it, to be changed."""
    root = tmp_path / "copy"
    shutil.copytree(evaluated.root, root)
    found = Project(root, {**evaluated.environment, "HOME": str(root / "home")})
    moved(found, str(evaluated.root))
    return found


def moved(project: Project, before: str) -> None:
    """The evaluation's file is recorded by its path."""
    from sqlalchemy import update

    from orchestrator.store.schema import evaluations, runs

    with project.entered(), open_ledger() as ledger, ledger.database.write() as connection:
        for table, column in ((evaluations, "file_path"), (evaluations, "job_file"), (runs, "job_file")):
            for row in connection.execute(table.select()).mappings().all():
                changed = str(row[column]).replace(before, str(project.root))
                connection.execute(update(table).where(table.c.id == row["id"]).values({column: changed}))


def results(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def paid(project: Project) -> Iterator[PaidHost]:
    with paid_host() as host:
        host.configure(project.root)
        (project.root / "prices.toml").write_text(PAID_PRICES)
        yield host


# --- From one job file to successors ---------------------------------------------------------------------------


def test_a_successor_is_trained_asked_the_same_cases_and_judged(project: Project) -> None:
    done = project.ftorch(*SUCCESSOR, *PASSING, "--json", "--requests-per-day", "1000")
    assert done.code == 0, done.err
    found = results(done)
    [successor] = found["successors"]
    assert found["non_inferior"] == ["local:second-model"]
    assert (successor["verdict"], successor["base_model"]) == ("non-inferior", "second-model")
    assert successor["model"].startswith("ft:second-model:local:")
    assert successor["judgement"]["baseline"]["of"] == successor["judgement"]["successor"]["of"] == len(ROOMS)
    assert found["baseline"]["model"].startswith("ft:gpt-4.1-mini-2025-04-14:local:")
    assert found["baseline"]["usd_per_month"] == successor["usd_per_month"] == {"1000": 0.0}
    assert successor["median_seconds"] > 0


def test_cases_that_cant_decide_exit_with_3_and_say_how_many_would(project: Project) -> None:
    done = project.ftorch(*SUCCESSOR)
    assert done.code == 3, done.err
    assert "8 cases are too few" in done.err
    assert "that takes at least 73." in done.err
    assert "No successor passes: none is shown not to be worse than the baseline by more than 5 points" in done.out
    assert "undecided with 8 cases" in done.out


def test_the_same_command_neither_trains_nor_asks_again(project: Project) -> None:
    first = results(project.ftorch(*SUCCESSOR, *PASSING, "--json"))
    done = project.ftorch(*SUCCESSOR, "--json")
    again = results(done)
    assert "recorded as run" in done.err
    assert again["successors"][0]["run"] == first["successors"][0]["run"]
    assert again["successors"][0]["evaluation"] == first["successors"][0]["evaluation"]
    assert len(project.status()) == 2


def test_several_successors_are_judged_together(project: Project) -> None:
    (project.root / "ftorch.toml").write_text('[endpoints.other]\ntype = "local"\n')
    done = project.ftorch(*SUCCESSOR, "--to", "other", *PASSING)
    assert done.code == 0, done.err
    assert "Holm-adjusted for 2 successors" in done.out
    assert [line.split()[0] for line in done.out.splitlines() if "non-inferior" in line] == ["local", "other"]


def test_an_identical_run_under_another_name_is_taken_and_not_repeated(project: Project) -> None:
    assert (
        project.ftorch("submit", "jobs/greet.toml", "--model", "second-model", "--set", "name=elsewhere").code == 0
    )
    done = project.ftorch(*SUCCESSOR, *PASSING, "--json")
    assert done.code == 0, done.err
    assert [run["name"] for run in project.status()] == ["elsewhere", "greet"]


@pytest.mark.parametrize("ending", ["html", "md", "json", "csv"])
def test_the_page_is_written_in_each_form(project: Project, ending: str) -> None:
    done = project.ftorch(*SUCCESSOR, *PASSING, "-o", f"page.{ending}")
    assert done.code == 0, done.err
    text = (project.root / f"page.{ending}").read_text()
    assert "non-inferior" in text
    assert str(project.root) not in text


def test_ci_gets_a_test_case_for_each_successor_that_fails_unless_it_passes(project: Project) -> None:
    assert project.ftorch(*SUCCESSOR, *PASSING, "--junit", "passed.xml").code == 0
    assert project.ftorch(*SUCCESSOR, "--junit", "undecided.xml").code == 3
    passed, undecided = (parse(project.root / f"{name}.xml").getroot() for name in ("passed", "undecided"))
    assert (passed.get("tests"), passed.get("failures"), undecided.get("failures")) == ("1", "0", "1")
    [failure] = undecided.iter("failure")
    assert failure.get("type") == "undecided"
    assert "would show it" in str(failure.text)
    assert project.ftorch(*SUCCESSOR, "--junit", "page.html").code == 2


def test_a_successor_without_answers_is_an_error_for_ci(project: Project, paid: PaidHost) -> None:
    paid.status = "failed"
    command = ("migrate", "jobs/greet.toml", "--to", "paid:paid-model", "--yes", "--junit", "failed.xml")
    assert project.ftorch(*command).code == 1
    [error] = parse(project.root / "failed.xml").getroot().iter("error")
    assert "is failed" in str(error.get("message"))


def test_a_page_over_another_file_is_refused_before_anything(project: Project) -> None:
    (project.root / "page.md").write_text("mine")
    done = project.ftorch(*SUCCESSOR, "-o", "page.md")
    assert done.code == 2
    assert len(project.status()) == 1


# --- The baseline ----------------------------------------------------------------------------------------------


def test_without_recorded_answers_there_is_no_baseline(project: Project) -> None:
    write_cases(project, ROOMS[:3], "fewer.jsonl")
    done = project.ftorch(*SUCCESSOR, "--file", "jobs/fewer.jsonl")
    assert done.code == 2
    assert "There is no baseline: no tuned model has recorded answers to jobs/fewer.jsonl." in done.err
    assert "ftorch evaluate jobs/greet.toml --file jobs/fewer.jsonl" in done.err


def test_the_baseline_may_be_named_by_its_model_its_run_or_its_evaluation(project: Project) -> None:
    [run] = project.status()
    with project.entered(), open_ledger() as ledger:
        [evaluation] = ledger.evaluations()
    for key in (str(run["fine_tuned_model"]), str(run["run"]), "greet", evaluation.id):
        done = project.ftorch(*SUCCESSOR, "--dry-run", "--json", "--baseline", key)
        assert done.code == 0, done.err
        assert results(done)["baseline"]["evaluation"] == evaluation.id


def test_a_baseline_without_answers_to_the_cases_is_refused_with_the_command(project: Project) -> None:
    done = project.ftorch(*SUCCESSOR, "--baseline", "nobody")
    assert done.code == 2
    assert "ftorch evaluate nobody --endpoint local --file jobs/cases.jsonl" in done.err


def test_an_evaluation_of_other_cases_says_which_file_it_asked(project: Project) -> None:
    with project.entered(), open_ledger() as ledger:
        [evaluation] = ledger.evaluations()
    write_cases(project, ROOMS[:3], "fewer.jsonl")
    done = project.ftorch(*SUCCESSOR, "--baseline", evaluation.id, "--file", "jobs/fewer.jsonl")
    assert done.code == 2
    assert f"--file {project.root}/jobs/cases.jsonl" in done.err


def test_other_rejection_tools_than_the_baselines_are_said_with_the_command_that_scores_it_again(
    project: Project,
) -> None:
    project.write_job(f'{TABLE}rejection_tools = ["set_light"]\n')
    command = (*SUCCESSOR, *PASSING, "--dry-run")
    told = " ".join(project.ftorch(*command).err.split())
    assert "calling set_light rejects a request, but the baseline was scored with no tool" in told
    advice = told.partition("without asking: ftorch ")[2].partition("--models tuned")[0].split()
    assert project.ftorch(*advice, "--models", "tuned").code == 0
    assert "the baseline was scored with" not in " ".join(project.ftorch(*command).err.split())


def test_a_job_file_without_cases_takes_those_of_the_evaluation(project: Project) -> None:
    project.write_job()
    with project.entered(), open_ledger() as ledger:
        [evaluation] = ledger.evaluations()
    assert "names no evaluation file" in project.ftorch(*SUCCESSOR).err
    done = project.ftorch(*SUCCESSOR, *PASSING, "--baseline", evaluation.id)
    assert done.code == 0, done.err


def test_cases_that_changed_since_are_no_baseline(project: Project) -> None:
    project.write_job()
    with project.entered(), open_ledger() as ledger:
        [evaluation] = ledger.evaluations()
    write_cases(project, ROOMS[:3])
    done = project.ftorch(*SUCCESSOR, "--baseline", evaluation.id)
    assert done.code == 2
    assert "has changed or is gone since evaluation" in done.err


# --- What a user may get wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--to", "nowhere"), 'no endpoint named "nowhere"'),
        (("--to", ":model"), "is not ENDPOINT or ENDPOINT:MODEL"),
        (("--to", "local:"), "is not ENDPOINT or ENDPOINT:MODEL"),
        (("--to", "local:a", "--to", "local:a"), "named twice"),
        (("--to", "local"), "trained the baseline itself"),
        (("--to", "local:a", "--margin", "0"), "not in the range 0<x<100"),
        (("--to", "local:a", "--metric", "over_rejection"), "not one of"),
        (("--to", "local:a", "--max-cost-usd", "0"), "not in the range x>0"),
    ],
)
def test_a_wrong_option_exits_with_2_and_records_nothing(
    project: Project, options: tuple[str, ...], said: str
) -> None:
    done = project.ftorch("migrate", "jobs/greet.toml", *options)
    assert done.code == 2, done
    assert said in done.err
    assert len(project.status()) == 1


def test_a_sweep_is_refused_with_the_way_to_its_best_trial(project: Project) -> None:
    project.write_job(f'{TABLE}[sweep]\nmetric = "evaluation"\n[sweep.space]\nn_epochs = [1, 2]\n')
    done = project.ftorch(*SUCCESSOR)
    assert done.code == 2
    assert "ftorch sweep best greet" in done.err


def test_a_tuned_base_needs_a_model_on_another_endpoint(project: Project) -> None:
    (project.root / "ftorch.toml").write_text('[endpoints.other]\ntype = "local"\n')
    project.write_job(TABLE, model='model = "ft:gpt-4.1-mini-2025-04-14:local::abc"')
    done = project.ftorch("migrate", "jobs/greet.toml", "--to", "other")
    assert done.code == 2
    assert "--to other:MODEL" in done.err


def test_cases_of_tools_that_training_does_not_know_are_refused(project: Project) -> None:
    training = project.root / "jobs" / "train.jsonl"
    training.write_text(training.read_text().replace("light_room", "dim_room"))
    done = project.ftorch(*SUCCESSOR)
    assert done.code == 2
    assert "name the tools light_room, and no example of" in done.err


def test_cases_that_are_in_training_are_refused(project: Project) -> None:
    cases = (project.root / "jobs" / "cases.jsonl").read_text().splitlines()
    training = project.root / "jobs" / "train.jsonl"
    row = {key: value for key, value in json.loads(cases[0]).items() if key != "id"}
    training.write_text(training.read_text() + json.dumps(row) + "\n")
    done = project.ftorch(*SUCCESSOR)
    assert done.code == 2
    assert "1 of 8 cases also appear in the training file" in done.err


def test_a_dry_run_records_nothing(project: Project) -> None:
    done = project.ftorch(*SUCCESSOR, "--dry-run")
    assert done.code == 0, done.err
    assert "second-model" in done.err
    assert len(project.status()) == 1


# --- Money -----------------------------------------------------------------------------------------------------


def test_paid_successors_are_asked_about_once_and_nothing_is_sent_without_a_yes(
    project: Project, paid: PaidHost
) -> None:
    done = project.ftorch("migrate", "jobs/greet.toml", "--to", "paid:paid-model", "--to", "local:second-model")
    assert done.code == 4
    assert "add --yes" in done.err
    assert paid.requests == 0
    assert len(project.status()) == 1


def test_a_budget_without_room_exits_with_4_and_trains_nothing(project: Project, paid: PaidHost) -> None:
    done = project.ftorch("migrate", "jobs/greet.toml", "--to", "paid:paid-model", "--yes", "--max-cost-usd", "0.5")
    assert done.code == 4
    assert "Over budget: $0.00 of $0.50 are used or planned" in done.err
    assert not paid.jobs
    assert len(project.status()) == 1


def test_one_that_the_budget_leaves_out_does_not_stop_another(project: Project, paid: PaidHost) -> None:
    to = ("--to", "paid:paid-model", "--to", "local:second-model")
    done = project.ftorch("migrate", "jobs/greet.toml", *to, "--yes", "--max-cost-usd", "0.5", *PASSING, "--json")
    assert done.code == 0, done.err
    assert [each["verdict"] for each in results(done)["successors"]] == ["waits", "non-inferior"]


def test_a_failed_job_is_a_failure_of_its_successor_alone(project: Project, paid: PaidHost) -> None:
    paid.status = "failed"
    to = ("--to", "paid:paid-model", "--to", "local:second-model")
    done = project.ftorch("migrate", "jobs/greet.toml", *to, "--yes", *PASSING, "--json")
    assert done.code == 0, done.err
    failed, passed = results(done)["successors"]
    assert (failed["verdict"], passed["verdict"]) == ("failed", "non-inferior")
    assert "is failed" in failed["reason"]
    alone = project.ftorch("migrate", "jobs/greet.toml", *to[:2], "--yes")
    assert alone.code == 1, alone


def test_a_host_that_gives_no_answers_is_no_successor(
    project: Project, paid: PaidHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "NEW_MODEL_SECONDS", 0.0)
    done = project.ftorch("migrate", "jobs/greet.toml", "--to", "paid:paid-model", "--yes", "--json")
    assert done.code == 1, done
    [found] = results(done)["successors"]
    assert found["verdict"] == "failed"
    assert "404" in found["reason"]


def test_a_question_that_is_answered_later_is_scored_then(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = OpenAIEndpoint.chat

    async def refusing(self: OpenAIEndpoint, request: Any, once: str) -> Any:
        if "garden" in str(request["messages"]):
            raise RequestRefused(endpoint="local", problem="too dark", message="too dark", status=400)
        return await ask(self, request, once)

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIEndpoint, "chat", refusing)
        [first] = results(project.ftorch(*SUCCESSOR, *PASSING, "--json"))["successors"]
    assert first["unanswered"] == 1
    otherwise = ("--file", "jobs/cases.jsonl", "--rejection-tool", "set_light")
    evaluated = project.ftorch("evaluate", first["run"], "--models", "tuned", *otherwise)
    assert evaluated.code == 0, evaluated.err
    [second] = results(project.ftorch(*SUCCESSOR, *PASSING, "--json"))["successors"]
    assert second["unanswered"] == 0


def test_one_yes_is_for_the_training_and_the_answers(
    project: Project, paid: PaidHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "NEW_MODEL_SECONDS", 0.0)
    done = project.terminal("migrate", "jobs/greet.toml", "--to", "paid:paid-model", typed="y\ny\n")
    assert done.out.count("[y/N]") == 1
    assert len(paid.jobs) == 1
    assert "evaluating paid" in done.out


def test_a_missing_key_leaves_its_successor_out(project: Project, paid: PaidHost) -> None:
    paid.configure(project.root, settings='api_key_env = "PAID_KEY"\n')
    done = project.ftorch("migrate", "jobs/greet.toml", "--to", "paid:paid-model", "--yes")
    assert done.code == 2
    assert "PAID_KEY" in done.err

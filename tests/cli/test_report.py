"""`ftorch report` and `show --plot` on runs that were really trained."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.project import Project, make_project

SWEEP = "[sweep.space]\nn_epochs = [1, 2]"
CASES = '[evaluation]\nfile = "cases.jsonl"\nauto = true\n'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run with its evaluation, and a sweep of two trials."""
    project = make_project(tmp_path_factory.mktemp("reported"))
    jobs = project.root / "jobs"
    rows = (jobs / "train.jsonl").read_text()
    (jobs / "cases.jsonl").write_text(rows.replace("Switch on the light in the", "Lights up, please, all over the"))
    project.write_job(CASES.replace("auto = true\n", "auto = true\nallow_leak = true\n"))
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 0, done.err
    (jobs / "valid.jsonl").write_text(rows.replace("Switch on the light in the", "Make it bright all around the"))
    data = 'training_file = "train.jsonl"\nvalidation_file = "valid.jsonl"'
    project.write_job(SWEEP, name='name = "many"', training_file=data, n_epochs="")
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 0, done.err
    return project


@pytest.fixture
def ids(trained: Project) -> list[str]:
    return [str(each["run"]) for each in trained.status()]


@pytest.fixture
def evaluation(trained: Project) -> str:
    [found] = json.loads(trained.ftorch("show", "greet", "--json").out)["lineage"]["run"]["models"][0][
        "evaluations"
    ]
    return str(found["evaluation"])


@pytest.mark.parametrize("what", ["run", "sweep", "evaluation", "comparison", "data"])
@pytest.mark.parametrize("ending", ["html", "md", "csv", "json"])
def test_everything_is_reported_in_every_form(
    trained: Project, ids: list[str], evaluation: str, what: str, ending: str
) -> None:
    keys = {
        "run": ["greet"],
        "sweep": ["many"],
        "evaluation": [evaluation],
        "comparison": ids[:2],
        "data": ["jobs/train.jsonl"],
    }
    name = f"reports/{what}.{ending}"
    done = trained.ftorch("report", *keys[what], "-o", name)
    assert (done.code, done.out, done.err) == (0, "", f"wrote {name}\n")
    text = (trained.root / name).read_text()
    assert str(trained.root) not in text
    assert len(text) > 30
    if ending == "json":
        assert json.loads(text)["kind"] == what


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_pictures_show_the_losses(trained: Project, ids: list[str], ending: str) -> None:
    for name, keys in (("run", ["greet"]), ("sweep", ["many"]), ("two", ids[:2])):
        done = trained.ftorch("report", *keys, "-o", f"pictures/{name}.{ending}")
        assert done.code == 0, done.err
        assert (trained.root / "pictures" / f"{name}.{ending}").stat().st_size > 1000


def test_without_a_file_markdown_is_printed(trained: Project) -> None:
    done = trained.ftorch("report", "greet")
    assert done.code == 0, done.err
    assert done.out.startswith("# Run greet: succeeded\n\n- tuned: `ft:gpt-4.1-mini")
    for heading in ("## Loss and accuracy", "## Evaluations", "## Hyperparameters", "## Files", "## History"):
        assert heading in done.out, heading


def test_a_spreadsheet_has_a_row_for_each_step_and_trial(trained: Project) -> None:
    for key, column in (("greet", "train_loss"), ("many", "valid_loss")):
        trained.ftorch("report", key, "-o", f"{key}.csv", "--force")
        rows = list(csv.DictReader(io.StringIO((trained.root / f"{key}.csv").read_text())))
        assert len(rows) >= 2
        assert column in rows[0]


def test_a_file_that_may_be_data_is_kept(trained: Project) -> None:
    path = trained.root / "jobs" / "mine.json"
    path.write_text("mine")
    done = trained.ftorch("report", "greet", "-o", "jobs/mine.json")
    assert (done.code, path.read_text()) == (2, "mine")
    assert "add --force to replace it" in done.err
    assert trained.ftorch("report", "greet", "-o", "jobs/mine.json", "--force").code == 0
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("nowhere",), 'There is no run, sweep or evaluation "nowhere". See: ftorch status'),
        (("greet", "-o", "greet.pdf"), "must end in one of .html, .md, .csv, .json, .svg, .png"),
        (("greet", "many"), '"many" is a sweep of several runs; give the ids of its trials'),
        (("greet", "greet"), '"greet" is a run that was already named'),
        (("greet", "nowhere"), '"nowhere" is not a run'),
        (("nowhere.jsonl",), "nowhere.jsonl"),
        ((), "Missing argument"),
    ],
)
def test_mistakes_are_usage_errors_and_write_nothing(
    trained: Project, arguments: tuple[str, ...], problem: str
) -> None:
    before = sorted(trained.root.rglob("*.pdf"))
    done = trained.ftorch("report", *arguments)
    assert done.code in (1, 2)
    assert problem in done.err
    assert done.out == ""
    assert sorted(trained.root.rglob("*.pdf")) == before


def test_show_draws_the_losses_of_a_run(trained: Project) -> None:
    done = trained.ftorch("show", "greet", "--plot", "pictures/shown.svg")
    assert done.code == 0, done.err
    assert "wrote pictures/shown.svg" in done.err
    assert "succeeded" in done.out
    assert "<title>Loss of greet (" in (trained.root / "pictures" / "shown.svg").read_text()
    refused = trained.ftorch("show", "greet", "--plot", "shown.pdf")
    assert (refused.code, refused.out) == (2, "")
    assert ".svg, .png" in refused.err


def test_what_has_no_losses_is_no_picture(trained: Project) -> None:
    done = trained.ftorch("report", "jobs/train.jsonl", "-o", "data.svg")
    assert done.code == 1
    assert "has nothing to draw" in done.err
    assert not (trained.root / "data.svg").exists()

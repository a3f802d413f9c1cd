"""Every use case through both hosts: the command, and the functions that a notebook imports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.azure_resource import AzureResource, azure_resource
from support.command import ftorch
from support.project import Project, make_project

import orchestrator
import orchestrator.notebook
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import batches, deployments, evaluations
from orchestrator.store.schema import deployments as deployments_table

EVALUATION = '[evaluation]\nfile = "cases.jsonl"\nmodels = ["tuned"]\nauto = true\n'
DEPLOYMENT = '[azure.deployment]\nsku = "DeveloperTier"\nname = "greeter"\n'
GRID = "[sweep.space]\nn_epochs = [1, 2]\n"


@dataclass(frozen=True)
class Way:
    """One way to ask for the same work; each function fails the test where the work fails."""

    submit: Callable[[Path], object]
    resume: Callable[[], object]
    cancel: Callable[[str], object]
    evaluate: Callable[[Path], object]
    rescue: Callable[[str, Path], object]
    migrate: Callable[[Path, str], object]


def _command(*arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    done = ftorch(*arguments)
    assert done.exit_code in codes, done.stderr


def _migrate_by_command(path: Path, to: str) -> None:
    _command("migrate", str(path), "--to", to, "--yes", codes=(0, 3))


COMMAND = Way(
    submit=lambda path: _command("submit", str(path), "--yes"),
    resume=lambda: _command("resume"),
    cancel=lambda key: _command("cancel", key, "--yes"),
    evaluate=lambda path: _command("evaluate", str(path), "--yes"),
    rescue=lambda endpoint, folder: _command("rescue", endpoint, "-o", str(folder), "--no-answers"),
    migrate=_migrate_by_command,
)
NOTEBOOK = Way(
    orchestrator.submit,
    orchestrator.resume,
    orchestrator.cancel,
    orchestrator.evaluate,
    orchestrator.notebook.rescue,
    orchestrator.migrate,
)


@pytest.fixture(params=[COMMAND, NOTEBOOK], ids=["command", "notebook"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(scope="module")
def resource(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureResource]:
    with azure_resource(tmp_path_factory.mktemp("resource"), file_seconds=0.1) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = make_project(tmp_path / "project")
    row = json.loads((found.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    row["messages"][0]["content"] = "Switch on the light in the winter garden"
    (found.root / "jobs" / "cases.jsonl").write_text(json.dumps(row) + "\n")
    for name, value in {"HOME": str(found.root / "home"), "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FTORCH_HOME", raising=False)
    monkeypatch.chdir(found.root)
    return found


@pytest.fixture
def on_azure(
    project: Project, resource: AzureResource, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Path]]:
    """Writes a job file for the simulated resource; the account is emptied afterwards."""
    (project.root / "ftorch.toml").write_text(resource.table)
    for name, value in resource.environment.items():
        monkeypatch.setenv(name, value)
    yield lambda text: project.write_job(text, endpoint='endpoint = "azure-sim"')
    for each in json.loads(ftorch("deployments", "--json").stdout)["deployments"]:
        ftorch("undeploy", each["name"], "--yes")


def read(project: Project) -> AbstractContextManager[Ledger]:
    return open_ledger(project.root)


def states_of_evaluations(project: Project) -> list[str]:
    with read(project) as ledger, ledger.database.read() as connection:
        return [each.state for each in evaluations.newest(connection, states=("wanted", "asking", "done"))]


def states_of_deployments(project: Project) -> dict[str, str]:
    with read(project) as ledger, ledger.database.read() as connection:
        return {each.name: each.state for each in deployments.newest(connection)}


def write_sweep(project: Project, text: str = "") -> Path:
    """A job file of two trials, which are ranked by their validation loss."""
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines()[:3]
    lines = "\n".join(rows).replace("Switch on the light in the", "Light up the") + "\n"
    (project.root / "jobs" / "validation.jsonl").write_text(lines)
    files = 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'
    return project.write_job(f"{GRID}{text}", training_file=files)


def test_a_submission_is_followed_and_found_again(way: Way, project: Project) -> None:
    job = project.write_job()
    way.submit(job)
    way.submit(job)
    [run] = orchestrator.status()
    assert run.state == "succeeded"
    assert run.fine_tuned_model


def test_a_sweep_is_followed_to_its_end(way: Way, project: Project) -> None:
    way.submit(write_sweep(project))
    assert [run.state for run in orchestrator.status()] == ["succeeded", "succeeded"]
    with read(project) as ledger:
        [standing] = ledger.sweeps()
    assert standing.counts == {"succeeded": 2}


def test_a_run_is_evaluated_when_it_has_succeeded(way: Way, project: Project) -> None:
    way.submit(project.write_job(EVALUATION))
    assert states_of_evaluations(project) == ["done"]


def test_a_sweep_is_evaluated_when_its_trials_are_over(way: Way, project: Project) -> None:
    way.submit(write_sweep(project, EVALUATION))
    assert states_of_evaluations(project) == ["done"]


def test_a_run_is_deployed_when_it_has_succeeded(
    way: Way, project: Project, on_azure: Callable[[str], Path]
) -> None:
    way.submit(on_azure(DEPLOYMENT))
    assert states_of_deployments(project) == {"greeter": "deployed"}


def test_resume_drives_evaluates_and_deploys_what_was_left(
    way: Way, project: Project, on_azure: Callable[[str], Path]
) -> None:
    _command("submit", str(on_azure(f"{DEPLOYMENT}{EVALUATION}")), "--detach", "--yes")
    assert states_of_deployments(project) == {"greeter": "wanted"}
    way.resume()
    assert [run.state for run in orchestrator.status()] == ["succeeded"]
    assert states_of_deployments(project) == {"greeter": "deployed"}
    assert states_of_evaluations(project) == ["done"]


def test_resume_removes_what_a_dead_evaluation_left(
    way: Way, project: Project, resource: AzureResource, on_azure: Callable[[str], Path]
) -> None:
    on_azure("")
    deploy = ("deploy", resource.model, "--endpoint", "azure-sim", "--name", "left", "--sku", "DeveloperTier")
    _command(*deploy, "--yes")
    with read(project) as ledger, ledger.database.write() as connection:
        connection.execute(deployments_table.update().values(temporary=True))
    way.resume()
    assert states_of_deployments(project) == {"left": "undeployed"}


def test_resume_collects_batches(way: Way, project: Project) -> None:
    with_batch(project)
    way.resume()
    with read(project) as ledger, ledger.database.read() as connection:
        assert ledger.batches() == []
        assert [each.state for each in batches.by_ids(connection, _batch_ids(ledger))] == ["done"]


def test_a_run_is_cancelled(way: Way, project: Project) -> None:
    run = orchestrator.submit(project.write_job(), follow=False)
    assert isinstance(run, orchestrator.Run)
    way.cancel(run.id)
    assert [each.state for each in orchestrator.status()] == ["cancelled"]


def test_a_batch_is_cancelled(way: Way, project: Project) -> None:
    [batch_id] = with_batch(project)
    way.cancel(batch_id)
    with read(project) as ledger:
        assert ledger.batches() == []


def test_an_endpoint_is_rescued_and_a_successor_trained_from_its_folder(way: Way, project: Project) -> None:
    """Twice: everything is there once, and the job file that rescue writes is all that migrate needs."""
    _command("submit", str(project.write_job(EVALUATION)), "--yes")
    for _ in range(2):
        way.rescue("local", project.root / "rescued")
    [job_file] = (project.root / "rescued" / "jobs").glob("*.toml")
    for _ in range(2):
        way.migrate(job_file, "local:another-model")
    assert sorted(run.model for run in orchestrator.status()) == ["another-model", "gpt-4.1-mini-2025-04-14"]
    assert states_of_evaluations(project) == ["done", "done"]


def test_one_failure_keeps_nothing_after_it_from_being_done(project: Project) -> None:
    """The evaluation file is gone, and the batch is collected all the same; the error comes at the end."""
    with_batch(project)
    orchestrator.submit(project.write_job(f"{EVALUATION}", name='name = "other"'), follow=False)
    (project.root / "jobs" / "cases.jsonl").unlink()
    with pytest.raises(orchestrator.FtorchError, match=r"cases\.jsonl"):
        orchestrator.resume()
    with read(project) as ledger:
        assert ledger.batches() == []
    assert [run.state for run in orchestrator.status()] == ["succeeded"]
    assert ftorch("resume").exit_code == 2


def with_batch(project: Project) -> list[str]:
    """Record a batch of questions to the base model; returns its id."""
    job = project.write_job(EVALUATION.replace("tuned", "base").replace("true", "false"))
    with open_ledger(project.root, create=True) as ledger:
        plan = plan_evaluation(ledger, [str(job)], EvaluationOptions(in_batches=True))
        return record_batches(ledger, plan)


def _batch_ids(ledger: Ledger) -> list[str]:
    from orchestrator.store.schema import batches as table

    with ledger.database.read() as connection:
        return [row.id for row in connection.execute(table.select())]

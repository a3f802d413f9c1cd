"""`ftorch models export`: a model that was trained from open weights, as a folder for other programs."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.exporting import SPECIALS, make_base, train_by_scribe
from support.project import Project, Result, make_project

import orchestrator
from orchestrator.dataset.rendering.renderer import open_renderer
from orchestrator.ledger import open_ledger
from orchestrator.modelorigin import exported_from
from orchestrator.store import runs
from orchestrator.store.records import checkpoints_of
from orchestrator.store.runs import Run

CARD = "---\nlicense: other\nlicense_name: acme-1\nlicense_link: https://acme.example/license\n---\n# Base\n"
ADAPTER = {
    *("README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"),
    *("tokenizer.json", "tokenizer_config.json"),
}
MERGED = {
    *("README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"),
    *("tokenizer.json", "tokenizer_config.json"),
}
LIKE_MERGE = """#!/bin/sh
# -P -m MODULE BASE ADAPTER TARGET
umask 077
echo '{"model_type": "llama", "_name_or_path": "'$4'"}' > $6/config.json
echo '{}' > $6/generation_config.json
echo merged > $6/model.safetensors
"""
FAILS = "#!/bin/sh\necho half > $6/model.safetensors; echo 'ValueError: a sum is not finite'; exit 1\n"
"""Programs in place of the trainer's Python."""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with an open-weights model that was tuned and evaluated, and one that was only tuned, by tiny."""
    top = tmp_path_factory.mktemp("tuned")
    base = make_base(top / "models" / "smol", template="x")
    project = make_project(top / "project")
    (project.root / "ftorch.toml").write_text(f'[models]\nsmol = "{base}"\n')
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines()[:6]
    cases = "\n".join(rows).replace("Switch on the light in the", "Light up the") + "\n"
    (project.root / "jobs" / "cases.jsonl").write_text(cases)
    evaluated = '[evaluation]\nfile = "cases.jsonl"\nmodels = ["base", "tuned"]\n'
    project.write_job(evaluated, name='name = "greet"', model='model = "smol"')
    with pytest.MonkeyPatch.context() as patch:
        train_by_scribe(patch)
        _done(project.ftorch("submit", "jobs/greet.toml", "--yes"))
        _done(project.ftorch("evaluate", "greet", "--yes"))
    project.write_job(name='name = "toy"')
    _done(project.ftorch("submit", "jobs/greet.toml", "--yes"))
    project.write_job(evaluated, name='name = "greet"', model='model = "smol"')
    return project


def _done(result: Result) -> None:
    assert result.code == 0, result.err


@pytest.fixture
def copied(tuned: Project, tmp_path: Path) -> Project:
    """A copy of it, in which a test may change what it likes."""
    shutil.copytree(tuned.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", {**tuned.environment, "HOME": str(tmp_path / "project" / "home")})


@pytest.fixture
def export(tuned: Project, tmp_path: Path) -> Callable[..., Path]:
    """Exports and returns the folder."""

    def export(key: str = "greet", *options: str) -> Path:
        folder = tmp_path / f"out-{time.monotonic_ns()}"
        _done(tuned.ftorch("models", "export", key, "-o", str(folder), *options))
        return folder

    return export


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def front_matter(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return found


def run_of(project: Project, name: str) -> dict[str, Any]:
    return next(run for run in project.status() if run["name"] == name)


# --- What is written ---------------------------------------------------------------------------------------------


def test_an_adapter_has_all_that_others_need_and_no_path_of_this_machine(tuned: Project, export) -> None:
    folder = export()
    assert names(folder) == ADAPTER
    base = tuned.root.parent / "models" / "smol"
    assert (folder / "chat_template.jinja").read_text() == open_renderer(base).template.text
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "smol"
    assert json.loads((folder / "tokenizer_config.json").read_text()) == {
        "bos_token": SPECIALS[1],
        "eos_token": SPECIALS[2],
        "pad_token": SPECIALS[2],
    }
    assert "name_or_path" in (folder / "tokenizer.json").read_text(), "a token is no place"
    for path in folder.iterdir():
        assert str(tuned.root.parent).encode() not in path.read_bytes(), path.name


def test_the_card_says_what_was_trained_on_what(tuned: Project, export) -> None:
    folder = export()
    facts, text = front_matter(folder), (folder / "README.md").read_text()
    assert (facts["base_model"], facts["library_name"], facts["license"]) == ("smol", "peft", "unknown")
    data = hashlib.sha256((tuned.root / "jobs" / "train.jsonl").read_bytes()).hexdigest()
    assert f"| training data | `train.jsonl`, SHA-256 `{data}`, 12 examples |" in text
    for row in (
        "| seed | 3 |",
        "| lora_rank | `12` |",
        "| n_epochs | `1` |",
        "| steps | 6 |",
        "| method | supervised |",
    ):
        assert row in text
    assert exported_from(folder) == run_of(tuned, "greet")["fine_tuned_model"]
    assert "--max-lora-rank 16 --lora-modules tuned=." in text, "vLLM takes certain ranks only"
    assert "--tool-call-parser hermes" in text
    assert "with ftorch 0." in text


def test_the_card_has_base_and_tuned_side_by_side_with_their_intervals(tuned: Project, export) -> None:
    text = (export() / "README.md").read_text()
    cases = hashlib.sha256((tuned.root / "jobs" / "cases.jsonl").read_bytes()).hexdigest()
    assert re.search(rf"`cases.jsonl`, 6 cases, on [\d-]{{10}}, SHA-256 `{cases}`:", text)
    assert "| metric | base | tuned | difference |" in text
    assert "| call accuracy | 0 of 6, 0% (0-39) | 6 of 6, 100% (61-100) | +100 (+100 to +100) |" in text
    assert "| tool accuracy | 6 of 6, 100% (61-100) | 6 of 6, 100% (61-100) | no case changed |" in text


def test_an_evaluation_that_asked_the_base_model_too_goes_before_a_newer_one(copied: Project) -> None:
    _done(copied.ftorch("evaluate", "greet", "--models", "tuned", "--rescore", "--yes"))
    _done(copied.ftorch("models", "export", "greet", "-o", "out"))
    assert "| metric | base | tuned | difference |" in (copied.root / "out" / "README.md").read_text()


def test_a_model_that_was_not_evaluated_says_so(tuned: Project, export) -> None:
    with open_ledger(tuned.root) as ledger, ledger.database.read() as connection:
        checkpoint = checkpoints_of(connection, run_of(tuned, "greet")["run"])[0].model
    text = (export(checkpoint) / "README.md").read_text()
    assert f"| model id | `{checkpoint}` |" in text
    assert "No evaluation of this model is recorded." in text
    assert "How well it answers was not measured." in text


def test_what_was_written_is_an_object_on_request(tuned: Project, tmp_path: Path) -> None:
    done = tuned.ftorch("models", "export", "greet", "-o", str(tmp_path / "out"), "--json")
    found = json.loads(done.out)
    assert {file["name"] for file in found["files"]} == ADAPTER
    assert found["bytes"] == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert (found["model"], found["merged"], found["license"]) == (
        run_of(tuned, "greet")["fine_tuned_model"],
        False,
        None,
    )
    assert len(found["evaluations"]) == 1


def test_a_notebook_writes_the_same_files(tuned: Project, tmp_path: Path) -> None:
    with tuned.entered():
        written = orchestrator.export_model("greet", tmp_path / "out")
    assert {row["file"] for row in written.to_dicts()} == names(tmp_path / "out") == ADAPTER
    assert repr(written).startswith(f"<Exported to {tmp_path / 'out'}: {len(ADAPTER)} files, ")
    assert "README.md" in written._repr_html_()


def test_people_are_told_of_a_missing_license(tuned: Project, tmp_path: Path) -> None:
    done = tuned.ftorch("models", "export", "greet", "-o", str(tmp_path / "out"))
    assert "names no license: check it before you share the model" in done.out


# --- Names -------------------------------------------------------------------------------------------------------


def test_a_run_a_job_file_and_a_model_id_name_the_same(tuned: Project, export) -> None:
    run = run_of(tuned, "greet")
    keys = [run["run"], run["run"][:5], run["fine_tuned_model"], str(tuned.root / "jobs" / "greet.toml")]
    cards = {(export(key) / "README.md").read_text() for key in ["greet", *keys]}
    assert len(cards) == 1


def test_a_model_that_another_client_trained_is_exported_by_its_id(tuned: Project, copied: Project) -> None:
    model = run_of(tuned, "greet")["fine_tuned_model"]
    for path in (copied.root / ".ftorch").glob("ftorch.db*"):
        path.unlink()
    _done(copied.ftorch("models", "export", model, "-o", "out"))
    text = (copied.root / "out" / "README.md").read_text()
    assert f"# {model}\n" in text
    assert re.search(r"\| training data \| `ftorch-[0-9a-f]{16}-train.jsonl`, SHA-256 `[0-9a-f]{64}` \|", text)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("toy", "trained by tiny, the trainer for rehearsals"),
        ("nothing", 'There is no run "nothing", and no model of that name on this machine'),
        ("ft:nothing:local::1", "no model of that name"),
    ],
)
def test_what_has_no_weights_to_export_is_refused(key: str, said: str, tuned: Project, tmp_path: Path) -> None:
    refused = tuned.ftorch("models", "export", key, "-o", str(tmp_path / "out"))
    assert refused.code == 2
    assert said in refused.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "advice"), [("openai", "gives out no weights"), ("compatible", "run this command there")]
)
def test_weights_on_another_host_stay_there(
    kind: str, advice: str, tuned: Project, copied: Project, make_run: Callable[..., Run]
) -> None:
    theirs = {"endpoint": "there", "endpoint_type": kind, "fine_tuned_model": "ft:theirs", "state": "succeeded"}
    with open_ledger(copied.root) as ledger, ledger.database.write() as connection:
        runs.add(connection, make_run(name="theirs", finished_at=1.0, **theirs), "submitted")
    refused = copied.ftorch("models", "export", "theirs", "-o", "out")
    assert refused.code == 2
    assert "The weights of ft:theirs are on there" in refused.err
    assert advice in refused.err


# --- The base model ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_base(copied: Project, tmp_path: Path) -> Iterator[Path]:
    """A base model that the copied project's model was trained on, in a place where a test may change it."""
    base = make_base(tmp_path / "base")
    (copied.root / "ftorch.toml").write_text(f'[models]\nother = "{base}"\n')
    copied.write_job(name='name = "own"', model='model = "other"')
    with pytest.MonkeyPatch.context() as patch:
        train_by_scribe(patch)
        _done(copied.ftorch("submit", "jobs/greet.toml", "--yes"))
        yield base


def test_a_base_model_that_moved_is_found_by_its_name(copied: Project, own_base: Path, tmp_path: Path) -> None:
    own_base.rename(tmp_path / "moved")
    gone = copied.ftorch("models", "export", "own", "-o", "out")
    assert gone.code == 1
    assert f"It was in {own_base}" in gone.err
    (copied.root / "ftorch.toml").write_text(f'[models]\nother = "{tmp_path / "moved"}"\n')
    _done(copied.ftorch("models", "export", "own", "-o", "out"))
    assert names(copied.root / "out") == ADAPTER


def test_a_base_model_that_changed_is_refused(copied: Project, own_base: Path) -> None:
    (own_base / "tokenizer_config.json").write_text('{"eos_token": "<other>"}')
    refused = copied.ftorch("models", "export", "own", "-o", "out")
    assert refused.code == 1
    assert "is not the one that" in refused.err
    assert not (copied.root / "out").exists()


def test_licenses_go_with_the_weights(copied: Project, own_base: Path) -> None:
    (own_base / "LICENSE.txt").write_text("Apache License\n  Version 2.0, January 2004\n")
    (own_base / "NOTICE").write_text("Made by Acme.\n")
    done = copied.ftorch("models", "export", "own", "-o", "out")
    assert names(copied.root / "out") == ADAPTER | {"LICENSE.txt", "NOTICE"}
    assert front_matter(copied.root / "out")["license"] == "apache-2.0"
    assert "names no license" not in done.out


def test_a_model_of_the_hugging_face_cache_keeps_its_id_revision_and_license(
    copied: Project, tmp_path: Path
) -> None:
    cached = tmp_path / "hf" / "hub" / "models--acme--smol-1b"
    make_base(cached / "snapshots" / "0123abc", **{"README.md": CARD})
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0123abc")
    copied.write_job(name='name = "cached"', model='model = "acme/smol-1b"')
    there = {"HF_HOME": str(tmp_path / "hf")}
    with pytest.MonkeyPatch.context() as patch:
        train_by_scribe(patch)
        _done(copied.ftorch("submit", "jobs/greet.toml", "--yes", **there))
    _done(copied.ftorch("models", "export", "cached", "-o", "out", **there))
    facts = front_matter(copied.root / "out")
    assert facts["base_model"] == "acme/smol-1b"
    assert (facts["license"], facts["license_name"]) == ("other", "acme-1")
    assert facts["license_link"] == "https://acme.example/license"
    config = json.loads((copied.root / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("acme/smol-1b", "0123abc")


# --- Whole or not at all -----------------------------------------------------------------------------------------


def test_a_folder_that_is_not_empty_is_left_alone(tuned: Project, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    refused = tuned.ftorch("models", "export", "greet", "-o", str(tmp_path))
    assert refused.code == 2
    assert "is not empty, and nothing was written" in refused.err
    assert names(tmp_path) == {"mine"}


def test_a_full_disk_leaves_nothing(tuned: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    refused = tuned.ftorch("models", "export", "greet", "-o", str(tmp_path / "new" / "out"))
    assert refused.code == 1
    assert "out can't be written: No space left on device" in refused.err
    assert names(tmp_path) == set()


def test_weights_that_are_gone_are_named(copied: Project) -> None:
    for weights in (copied.root / ".ftorch" / "local" / "weights").glob("*/adapter_model.safetensors"):
        weights.unlink()
    refused = copied.ftorch("models", "export", "greet", "-o", "out")
    assert refused.code == 1
    assert "adapter_model.safetensors: it does not exist. Train the model again" in refused.err


# --- Merging -----------------------------------------------------------------------------------------------------


@pytest.fixture
def merge(copied: Project, tuned: Project) -> Callable[[str], Result]:
    """Exports the merged weights, with this script as the trainer's Python."""

    def merge(script: str) -> Result:
        program = copied.root / "python"
        program.write_text(script)
        program.chmod(0o755)
        models = (tuned.root / "ftorch.toml").read_text()
        (copied.root / "ftorch.toml").write_text(f'{models}[endpoints.local]\npython = "./python"\n')
        return copied.ftorch("models", "export", "greet", "-o", "out", "--merge")

    return merge


def test_a_merged_model_has_all_that_others_need_and_no_path_of_this_machine(
    merge, copied: Project, tuned: Project
) -> None:
    done = merge(LIKE_MERGE)
    _done(done)
    assert "Merging takes about 0.5 GB of memory" in done.err
    folder = copied.root / "out"
    assert names(folder) == MERGED
    assert json.loads((folder / "config.json").read_text()) == {"model_type": "llama"}
    assert front_matter(folder)["library_name"] == "transformers"
    assert "vllm serve . --chat-template" in (folder / "README.md").read_text()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_a_merge_that_fails_says_why_and_leaves_nothing(merge, copied: Project) -> None:
    refused = merge(FAILS)
    assert refused.code == 1
    assert "could not be merged: ValueError: a sum is not finite" in refused.err
    assert not (copied.root / "out").exists()
    assert not list(copied.root.glob(".out*"))


def test_a_python_without_the_libraries_gets_the_command_that_installs_them(tuned: Project, tmp_path: Path) -> None:
    refused = tuned.ftorch("models", "export", "greet", "-o", str(tmp_path / "out"), "--merge")
    assert refused.code == 1
    assert "has no peft. Run: " in refused.err

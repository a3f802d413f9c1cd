"""Which open-weights model a `--model` option means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.modelfolders import model_folder
from support.openweights import cached_model, model_folder as whole_model

from orchestrator.config import Workspace, find_workspace
from orchestrator.dataset.checking.rendering import Base
from orchestrator.endpoints.basefolders import base_named, base_names, require_base
from orchestrator.endpoints.openweights import OpenWeights, keep
from orchestrator.errors import ModelFolderUnusable, ModelNotAllowed, NoSuchBase
from orchestrator.modelfolders import content_mark


@pytest.fixture
def workspace(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Workspace]:
    """The project in the current folder, with these models."""
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "cache"))

    def workspace(models: str = "") -> Workspace:
        (home / "ftorch.toml").write_text(f"[models]\n{models}\n")
        return find_workspace()

    return workspace


def test_a_folder_needs_no_weights(home: Path, workspace: Callable[..., Workspace]) -> None:
    folder = model_folder(home / "models" / "Small Model").resolve()
    for written in ("models/Small Model", "./models/Small Model", str(folder)):
        assert base_named(written, workspace()) == Base("Small-Model", folder)


def test_a_bare_name_of_a_folder_with_a_model_is_that_folder(
    home: Path, workspace: Callable[..., Workspace]
) -> None:
    folder = model_folder(home / "small").resolve()
    (home / "gpt-4.1-mini").mkdir()
    assert base_named("small", workspace()) == Base("small", folder)
    assert base_named("gpt-4.1-mini", workspace()) is None


def test_a_name_of_models_comes_before_a_folder(home: Path, workspace: Callable[..., Workspace]) -> None:
    named = whole_model(home / "elsewhere" / "small").resolve()
    model_folder(home / "small")
    assert base_named("small", workspace('small = "elsewhere/small"')) == Base("small", named)


def test_a_tuned_model_is_rendered_as_its_base(home: Path, workspace: Callable[..., Workspace]) -> None:
    named = whole_model(home / "small").resolve()
    assert base_named("ft:mine:local:drone:1234abcd", workspace('mine = "small"')) == Base("mine", named)


def test_an_id_is_looked_up_in_the_cache(home: Path, workspace: Callable[..., Workspace]) -> None:
    cached = cached_model(home / "cache", "org/small")
    assert base_named("org/small", workspace()) == Base("org/small", cached)
    assert base_named("org/large", workspace()) is None


def test_a_name_that_a_job_used_is_known(home: Path, workspace: Callable[..., Workspace]) -> None:
    folder = whole_model(home / "away" / "small")
    found = workspace()
    keep(OpenWeights("small", folder, content_mark(folder)), found.home)
    assert base_named("small", found) == Base("small", folder)
    assert base_names(found) == ["small"]


def test_what_is_no_model_is_told_with_the_next_step(home: Path, workspace: Callable[..., Workspace]) -> None:
    whole_model(home / "small")
    found = workspace('small = "small"')
    (home / "file").write_text("")
    for text, problem in (("./nowhere", "does not exist"), ("./file", "not a folder")):
        with pytest.raises(ModelFolderUnusable, match=problem):
            base_named(text, found)
    for text, advice in (
        ("smal", r"Did you mean small\?"),
        ("llama", "Known: small; or give the folder"),
        ("org/llama", "hf download org/llama"),
    ):
        with pytest.raises(NoSuchBase, match=advice):
            require_base(text, found)
    with pytest.raises(NoSuchBase, match="Give the folder of a model, or a Hugging Face id"):
        require_base("llama", workspace())


def test_a_folder_outside_the_project_needs_permission(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FTORCH_TRUST", raising=False)
    outside = whole_model(tmp_path_factory.mktemp("outside") / "small")
    (home / "ftorch.toml").write_text(f'[models]\nmine = "{outside}"\n')
    with pytest.raises(ModelNotAllowed, match="ftorch endpoints trust"):
        base_named("mine", find_workspace())

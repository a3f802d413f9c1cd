"""The folder of the open-weights model that a `--model` option or a job file means, for reading its template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config import Workspace, find_workspace
from orchestrator.dataset.basemodels import base_model
from orchestrator.dataset.checking.rendering import Base
from orchestrator.endpoints.openweights import known_models, weights_of
from orchestrator.errors import ModelFolderUnusable, NoSuchBase
from orchestrator.modelfolders import CONFIG, cached_folder, cached_ids, expanded, is_hub_id, is_path, name_of
from orchestrator.spelling import did_you_mean

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile  # loads pydantic

_LOCAL = "local"
_ALIKE = 0.8


def base_named(text: str, workspace: Workspace) -> Base | None:
    """The model that a name, a folder or a Hugging Face id means; None if it means none on this machine.

    Weights are not needed: a folder with a tokenizer and a template is enough. Raises ModelFolderUnusable for a
    path that is no folder, and for a name of `[models]` what its folder raises.
    """
    name = base_model(text)
    if name in workspace.models:
        return Base(name, workspace.models[name].folder)
    folder = expanded(text)
    if is_path(text) or ("/" in text and folder.is_dir()) or (folder / CONFIG).is_file():
        return Base(name_of(str(folder.absolute())), _existing(folder))
    found = cached_folder(name) if is_hub_id(name) else None
    found = found or _known(workspace).get(name)
    return Base(name, found) if found else None


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        problem = "it is not a folder" if folder.exists() else "it does not exist"
        raise ModelFolderUnusable(path=folder, problem=problem)
    return folder.resolve()


def require_base(text: str, workspace: Workspace) -> Base:
    """As `base_named`. Raises NoSuchBase for any other name."""
    found = base_named(text, workspace)
    if found is None:
        raise NoSuchBase(model=text, advice=advice_on(text, workspace))
    return found


def base_of_job(job: JobFile, endpoint: str | None = None) -> Base | None:
    """The open-weights model that a job trains; None if it trains none. Raises what `weights_of` raises."""
    workspace = find_workspace(job.source.parent)
    weights = weights_of(job, workspace.endpoint(endpoint or job.endpoint), workspace.home)
    return Base(weights.name, weights.folder) if weights else None


def base_names(workspace: Workspace) -> list[str]:
    """The names that `base_named` knows, sorted; folders have none."""
    return sorted({*workspace.models, *_known(workspace), *cached_ids()})


def advice_on(text: str, workspace: Workspace) -> str:
    """The next step for a name that means no model on this machine."""
    names = base_names(workspace)
    known = f"Known: {', '.join(names)}; or give" if names else "Give"
    advice = f"{known} the folder of a model, or a Hugging Face id."
    if is_hub_id(text):
        advice = f"It is not in your Hugging Face cache, and ftorch downloads no models. Run: hf download {text}"
    return did_you_mean(text, names, otherwise=advice, cutoff=_ALIKE)


def _known(workspace: Workspace) -> Mapping[str, Path]:
    return known_models(workspace.endpoints[_LOCAL], workspace.home)

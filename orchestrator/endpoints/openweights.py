"""Open-weights models on this machine: the folder that a job's model means, and what names have meant so far.

Runs and answers are recorded under a model's name. So the state directory keeps a small file for each name that was
used, with its folder and a mark of its contents: the name finds its folder again from any directory, and can't
come to mean another model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from orchestrator.config import PROJECT_FILE, EndpointConfig, Workspace
from orchestrator.dataset.basemodels import base_model, is_fine_tuned, is_of_known_family
from orchestrator.endpoints.capabilities import capabilities_of
from orchestrator.endpoints.fitting import key_of
from orchestrator.errors import (
    BaseModelGone,
    BaseModelUnknown,
    BaseNameNotKept,
    BaseNameTaken,
    ModelFolderUnusable,
    NotOpenWeights,
)
from orchestrator.modelfolders import (
    cached_folder,
    cached_ids,
    content_mark,
    expanded,
    find_folder,
    is_hub_id,
    is_model_name,
    models_below,
    problem_with,
)
from orchestrator.spelling import nearest

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile  # loads pydantic, which commands without a plan do not need

FOLDER = "base-models"
"""In the state directory: a file for each name that was used."""
_ALIKE = 0.85
"""Names as similar as this are taken for slips; the server refuses them too."""


@dataclass(frozen=True)
class OpenWeights:
    """A base model on this machine."""

    name: str
    folder: Path
    mark: str
    """SHA-256 (hex) that tells its contents from other models', at whatever path they are."""


def weights_of(job: JobFile, config: EndpointConfig, home: Path) -> OpenWeights | None:
    """The open-weights model that a job trains on this endpoint; None if it trains none.

    Raises ModelFolderUnusable, ModelNotDownloaded, ModelNotAllowed, BaseModelGone, BaseNameTaken, BaseModelUnknown
    for a name close to a known one, and NotOpenWeights for any other model of a job with `[lora]` or an absolute
    learning rate.
    """
    if config.type != "local":
        return None
    folder = _folder_of(job, config, home)
    if folder is None:
        _require_tiny(job, config, home)
        return None
    found = OpenWeights(base_model(job.model), folder, content_mark(folder))
    _require_same_meaning(found, config, home)
    return found


def problem_elsewhere(job: JobFile, config: EndpointConfig, workspace: Workspace) -> str | None:
    """Why a job whose model is on this machine can't run on another endpoint, with the next step; else None."""
    if config.type == "local":
        return None
    way_out = f"name one of the models of {config.name}, or add --endpoint local"
    if job.has_folder:
        return f"model is the folder {job.written_model} on this machine; {way_out}"
    is_theirs = bool(capabilities_of(config).lora) or is_of_known_family(job.model)
    if is_theirs or job.model not in workspace.models:
        return None
    return f'"{job.model}" is on this machine, by [models] in {workspace.models[job.model].file}; {way_out}'


def known_models(config: EndpointConfig, home: Path | None) -> dict[str, Path]:
    """The folders of open-weights models by name: those used before in the state directory `home`, and those of
    `[models]` that can be used. A folder may be gone by now."""
    if config.type != "local":
        return {}
    named = {name: model.folder for name, model in config.models.items() if model.problem is None}
    used = {kept.name: kept.folder for kept in _all_kept(home)} if home else {}
    return {**used, **named}


def more_models(texts: Iterable[str], config: EndpointConfig, home: Path | None) -> dict[str, Path]:
    """The models that these folders are or hold, by name, recorded in `home` if there is one.

    Raises what `models_below` raises, BaseNameTaken and BaseNameNotKept.
    """
    found: dict[str, OpenWeights] = {}
    for text in texts:
        for name, folder in models_below(text).items():
            weights = OpenWeights(name, folder, content_mark(folder))
            _require_same_meaning(weights, config, home, [found[name]] if name in found else [])
            found[name] = weights
    if home:
        for weights in found.values():
            keep(weights, home)
    return {name: weights.folder for name, weights in found.items()}


def require_there(models: Iterable[str], config: EndpointConfig, home: Path) -> None:
    """Check that the open-weights models among these base and tuned models are still in their folders. Raises
    BaseModelGone."""
    known = known_models(config, home)
    for name in dict.fromkeys(map(base_model, models)):
        if name in known:
            _require_model(name, known[name])


def _require_model(name: str, folder: Path) -> Path:
    if problem := problem_with(folder):
        raise BaseModelGone(name=name, folder=folder, problem=problem, file=PROJECT_FILE)
    return folder


# --- From a job's model to a folder ------------------------------------------------------------------------------


def _folder_of(job: JobFile, config: EndpointConfig, home: Path) -> Path | None:
    name, written, start = base_model(job.model), job.written_model, job.source.parent
    named = config.models.get(name)
    if job.has_folder:
        try:
            return find_folder(written, start)
        except ModelFolderUnusable:
            if named is None:
                _require_kept(name, home)
                raise
    if named is not None:
        return named.folder
    if "/" in written and (start / expanded(written)).is_dir():
        _require_name(name, written)
        return find_folder(written, start)
    if is_hub_id(written) and cached_folder(written):
        return find_folder(written, start)
    kept = _kept(home, name)
    return _require_model(name, kept.folder) if kept else None


def _require_kept(name: str, home: Path) -> None:
    """A folder that was used before is more than a wrong path. Raises BaseModelGone."""
    if kept := _kept(home, name):
        _require_model(name, kept.folder)


def _require_name(name: str, written: str) -> None:
    if not is_model_name(name):
        problem = f"its path can't be a model's name; write model = \"./{written}\""
        raise ModelFolderUnusable(path=written, problem=problem)


_RATE, _LORA = "learning_rate, the rate itself, is for open-weights models", "[lora] trains open-weights models"


def _require_tiny(job: JobFile, config: EndpointConfig, home: Path) -> None:
    """Check that the job file has no setting that only open-weights models take."""
    known = sorted(known_models(config, home))
    near = None if is_fine_tuned(job.model) else nearest(job.model, known, cutoff=_ALIKE)
    if near:
        raise BaseModelUnknown(place=job.place("model"), model=job.model, endpoint=config.name, near=near)
    facts = {"endpoint": config.name, "model": job.model, "advice": _advice(job.model, known)}
    if job.lora is not None:
        raise NotOpenWeights(place=job.place("lora"), what=_LORA, **facts)
    if job.method.learning_rate != "auto":
        facts["advice"] += " To rehearse the job with tiny, add --set method.learning_rate=auto."
        raise NotOpenWeights(place=job.place(*key_of(job, "learning_rate")), what=_RATE, **facts)


def _advice(model: str, known: list[str]) -> str:
    if is_hub_id(model):
        return f"It is not in your Hugging Face cache. Download it: hf download {model}"
    if found := next((each for each in cached_ids() if each.rpartition("/")[2] == model), None):
        return f'Your Hugging Face cache has it: write model = "{found}"'
    more = f'a line NAME = "FOLDER" under [models] in {PROJECT_FILE}'
    if known:
        return f"Set model to one of {', '.join(known)}; {more} adds another."
    return f"None is known here yet. Set model to the folder of one, or add {more}."


def _require_same_meaning(
    found: OpenWeights, config: EndpointConfig, home: Path | None, others: Iterable[OpenWeights] = ()
) -> None:
    others = [*others]
    if (named := config.models.get(found.name)) and named.problem is None and named.folder != found.folder:
        others.append(OpenWeights(found.name, named.folder, content_mark(named.folder)))
    if home and (kept := _kept(home, found.name)):
        others.append(kept)
    for other in others:
        if other.mark != found.mark:
            where = (
                f"the one in {other.folder}" if other.folder != found.folder else "the folder's earlier contents"
            )
            raise BaseNameTaken(name=found.name, other=where, folder=found.folder, file=PROJECT_FILE)


# --- What names have meant ---------------------------------------------------------------------------------------


def keep(weights: OpenWeights | None, home: Path) -> None:
    """Record what the name means in this state directory; None is nothing to record. Raises BaseNameNotKept."""
    if weights is None or _kept(home, weights.name) == weights:
        return
    path = _path(home, weights.name)
    new = path.with_suffix(f".{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps({"folder": str(weights.folder), "mark": weights.mark}))
        new.replace(path)
    except OSError as error:
        raise BaseNameNotKept(name=weights.name, path=path.parent, problem=error.strerror or error) from error


def keep_missing(bases: Mapping[str, Mapping[str, str]], home: Path) -> None:
    """Record what these models mean, by name the folder and the mark as recorded with runs, where the state
    directory has lost it: the endpoint would train a stand-in for an unknown name. Raises BaseNameNotKept."""
    for model, base in bases.items():
        if _kept(home, name := base_model(model)) is None:
            keep(OpenWeights(name, Path(base["folder"]), base["mark"]), home)


def _path(home: Path, name: str) -> Path:
    return home / FOLDER / f"{quote(name, safe='')}.json"


def _kept(home: Path, name: str) -> OpenWeights | None:
    """None also for a file that can't be read: then the name is free again."""
    try:
        found = json.loads(_path(home, name).read_bytes())
        return OpenWeights(name, Path(found["folder"]), str(found["mark"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _all_kept(home: Path) -> Iterator[OpenWeights]:
    for path in sorted((home / FOLDER).glob("*.json")):
        if kept := _kept(home, unquote(path.stem)):
            yield kept

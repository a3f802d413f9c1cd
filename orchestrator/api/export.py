"""Exporting a model that was trained from open weights: finding it, and writing a folder for other programs."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.api.host import Host
from orchestrator.api.newfolder import new_folder
from orchestrator.api.openweights import Trained, find_trained
from orchestrator.endpoints.localweights import (
    CONFIG,
    TEMPLATE,
    TENSORS,
    Adapter,
    StoredModel,
    merge,
    merge_memory,
)
from orchestrator.errors import DataFileUnusable
from orchestrator.evaluation.leaderboard import holding, removed_from
from orchestrator.evaluation.results import Results, results_of
from orchestrator.jobfile.tables import BASE
from orchestrator.ledger import Ledger
from orchestrator.modelfolders import WEIGHTS
from orchestrator.modelorigin import CARD, License, hub_id_of, license_files, license_of, revision_of
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model"),
)
"""The files of Hugging Face's tokenizers; a folder has some of them."""
_TOKENIZER = "tokenizer_config.json"
_CONFIGURATION = ("config.json", CONFIG, _TOKENIZER)
"""Files in which libraries write where they loaded something from."""
_PLACES = ("_name_or_path", "name_or_path", "base_model_name_or_path", "tokenizer_file")
"""Keys in which libraries keep the place that a model was loaded from."""


@dataclass(frozen=True)
class Base:
    """The base model of an adapter."""

    name: str
    folder: Path
    hub_id: str | None
    revision: str | None
    license: License | None


@dataclass(frozen=True)
class Export:
    """A model to export, and what is recorded about it."""

    trained: Trained
    base: Base
    results: tuple[Results, ...]
    """An evaluation of it on each file."""

    @property
    def model(self) -> StoredModel:
        return self.trained.model

    @property
    def adapter(self) -> Adapter:
        return self.trained.adapter

    @property
    def run(self) -> Run | None:
        """The run that trained it; None if another client of `ftorch serve` did."""
        return self.trained.run


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    files: tuple[tuple[str, int], ...]
    """Names and bytes."""

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files)


def plan_export(ledger: Ledger, key: str) -> Export:
    """The model of a job file, a run's id or name, or a model or checkpoint id, with all that its export needs.

    Raises what `find_trained` raises.
    """
    trained = find_trained(ledger, key)
    name, folder = trained.model.base, trained.base
    base = Base(name, folder, hub_id_of(folder, name), revision_of(folder), license_of(folder))
    return Export(trained, base, _results(ledger, trained.model.name))


def write_export(export: Export, target: Path, card: str, host: Host, *, merged: bool = False) -> Exported:
    """Write the adapter, or with `merged` the base model with the adapter merged into it, into the new folder
    `target`, with tokenizer, chat template, license texts and the model card; all of it, or nothing.

    Raises FolderTaken, OutputUnwritable, MergeFailed and DataFileUnusable.
    """
    base = export.base.folder
    with new_folder(target, needed=_size(export, merged=merged)) as draft:
        if merged:
            _say_memory(base, host)
            merge(export.model, base, draft, export.trained.python)
        else:
            _copy(export.adapter.folder / TENSORS, draft)
            _write_json(draft / CONFIG, _shared_config(export))
        for path in [base / name for name in TOKENIZER_FILES if (base / name).is_file()]:
            _copy(path, draft)
        _copy(export.adapter.folder / TEMPLATE, draft)
        for path in license_files(base):
            _copy(path, draft)
        (draft / CARD).write_text(card, encoding="utf-8")
        _forget_places(draft)
    return Exported(target, tuple(sorted((path.name, path.stat().st_size) for path in target.iterdir())))


def _results(ledger: Ledger, model: str) -> tuple[Results, ...]:
    """The newest evaluation of the model on each file; one that asked the base model too goes first."""
    found = [each for each in holding(ledger, model) if each.endpoint_type == "local"]
    kept: dict[str, Evaluation] = {}
    for each in sorted(found, key=lambda each: not _asks_base(each)):
        if model not in removed_from(each):
            kept.setdefault(each.file_sha256, each)
    return tuple(results_of(ledger, each) for each in kept.values())


def _asks_base(evaluation: Evaluation) -> bool:
    return any(entry["label"] == BASE for entry in evaluation.settings["models"])


# --- Writing -----------------------------------------------------------------------------------------------------


def _size(export: Export, *, merged: bool) -> int:
    """About how many bytes are written."""
    weights = list(export.base.folder.glob(WEIGHTS)) if merged else [export.adapter.folder / TENSORS]
    others = [export.base.folder / name for name in TOKENIZER_FILES]
    return sum(path.stat().st_size for path in [*weights, *others] if path.is_file())


def _say_memory(base: Path, host: Host) -> None:
    needed, free = merge_memory(base)
    beside = "" if free is None else f"; {free / 1e9:.1f} GB are free"
    host.say(f"Merging takes about {needed / 1e9:.1f} GB of memory{beside}.")


def _copy(source: Path, folder: Path) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise DataFileUnusable(path=source, problem=error.strerror) from error
    with file, (folder / source.name).open("xb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


def _shared_config(export: Export) -> dict[str, Any]:
    """PEFT's configuration, with the base model's id on the Hub, or else its name, in place of a folder here."""
    base = export.base
    found = {**export.adapter.config, "base_model_name_or_path": base.hub_id or base.name}
    return {**found, "revision": base.revision} if base.revision else found


def _forget_places(folder: Path) -> None:
    """Remove this machine's paths from the configuration, and a second chat template from the tokenizer's."""
    for path in [folder / name for name in _CONFIGURATION if (folder / name).is_file()]:
        found = json.loads(path.read_bytes())
        kept = {name: value for name, value in found.items() if not _is_place(name, value)}
        if path.name == _TOKENIZER:
            kept.pop("chat_template", None)
        if kept != found:
            _write_json(path, kept)


def _is_place(name: str, value: Any) -> bool:
    return name in _PLACES and isinstance(value, str) and Path(value).is_absolute()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

"""A validated job file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from orchestrator.errors import TomlSyntaxError, TomlUnreadable
from orchestrator.jobfile.addresses import Address, path_from, place_of
from orchestrator.jobfile.generate import Generate
from orchestrator.jobfile.overrides import Override, with_overrides
from orchestrator.jobfile.sweep import Sweep
from orchestrator.jobfile.tables import (
    MAX_SEED,
    Azure,
    Data,
    Evaluation,
    Limits,
    Lora,
    Metadata,
    Method,
    Poll,
    Supervised,
    Table,
)
from orchestrator.modelfolders import expanded, is_path, name_of
from orchestrator.tomlsource import KeyPath, read_toml

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MODEL_PATTERN = r"^([^\s\x00-\x1f\x7f]+|(/|~/|\.\.?/)[^\x00-\x1f\x7f]*)$"
"""Only a folder's path may have spaces."""
LONGEST_MODEL = 1024
MAX_SUFFIX = 64
SUFFIX_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MAX_ENDPOINT_NAME = 64


def rate_keys(document: Mapping[str, Any]) -> list[KeyPath]:
    """The keys of a job file's content that set its absolute learning rate, the present name first."""
    found: list[KeyPath] = []
    for table in ("method", "lora"):
        given = document.get(table)
        if isinstance(given, dict) and given.get("learning_rate", "auto") != "auto":
            found.append((table, "learning_rate"))
    return found


class JobFile(Table):
    """The user's request. `training_path` and similar properties resolve its paths."""

    name: str = Field(pattern=NAME_PATTERN)
    endpoint: str = Field(default="local", min_length=1, max_length=MAX_ENDPOINT_NAME)
    written_model: str = Field(alias="model", min_length=1, max_length=LONGEST_MODEL, pattern=MODEL_PATTERN)
    """The key `model`: a model's name, or the folder of an open-weights model."""
    suffix: str | None = Field(default=None, max_length=MAX_SUFFIX, pattern=SUFFIX_PATTERN)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    data: Data
    method: Method = Supervised()
    lora: Lora | None = None
    metadata: Metadata = Field(default={})
    limits: Limits = Limits()
    poll: Poll = Poll()
    azure: Azure = Azure()
    sweep: Sweep | None = None
    evaluation: Evaluation | None = None
    generate: Generate | None = None

    _source: Path = PrivateAttr(default=Path("job.toml"))
    _document: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _overrides: tuple[Override, ...] = PrivateAttr(default=())
    _text: str | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path:
        """The path of the job file."""
        return self._source

    @property
    def model(self) -> str:
        """The base model's name: for a folder, its last part."""
        if not self.has_folder:
            return self.written_model
        return name_of(os.path.abspath(self._source.parent / expanded(self.written_model)))

    @property
    def has_folder(self) -> bool:
        """Whether `model` can only be the folder of an open-weights model."""
        return is_path(self.written_model)

    def place(self, *key: str) -> str:
        """`job.toml:4`, the place of a key in the job file, or the option that replaced it; only the path if that
        file is gone."""
        try:
            return with_overrides(read_toml(self._source), self._overrides).place(*key)
        except (FileNotFoundError, TomlSyntaxError, TomlUnreadable):
            return str(self._source)

    @property
    def document(self) -> Mapping[str, Any]:
        """The file's content as read; `job_from_document` makes the same job file from it."""
        return self._document

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The settings that the command line replaced."""
        return self._overrides

    @property
    def text(self) -> str | None:
        """The file's text as read; None if the content came from elsewhere, such as a recorded sweep."""
        return self._text

    @property
    def training_place(self) -> Path | Address:
        return place_of(self.data.training_file, self._source.parent)

    @property
    def validation_place(self) -> Path | Address | None:
        file = self.data.validation_file
        return place_of(file, self._source.parent) if file else None

    @property
    def training_path(self) -> Path | None:
        """None if the file is at an address."""
        place = self.training_place
        return place if isinstance(place, Path) else None

    @property
    def validation_path(self) -> Path | None:
        """None without such a file, or if it is at an address."""
        place = self.validation_place
        return place if isinstance(place, Path) else None

    @property
    def evaluation_path(self) -> Path | None:
        return path_from(self._source.parent, self.evaluation.file) if self.evaluation else None

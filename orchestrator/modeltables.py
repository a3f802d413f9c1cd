"""The `[models]` table of a file: names of open-weights models, and where each is on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import FtorchError, InvalidConfig, ModelFolderUnusable, ModelNotAllowed
from orchestrator.modelfolders import LONGEST_NAME, expanded, find_folder, is_hub_id, is_model_name, is_path
from orchestrator.tomlsource import TomlSource

TABLE = "models"
_LONGEST_TEXT = 4096


@dataclass(frozen=True)
class NamedModel:
    """One line of a `[models]` table. Its folder is looked at only when it is needed."""

    name: str
    written: str
    """A folder, or a Hugging Face id."""
    file: Path
    """The configuration file; a relative folder starts from where it is."""
    is_allowed: bool = True
    """Whether the user has allowed a folder outside the project; other models need no permission."""

    @property
    def folder(self) -> Path:
        """The folder of the model. Raises ModelNotAllowed, ModelFolderUnusable and ModelNotDownloaded."""
        if not self.is_allowed:
            raise ModelNotAllowed(source=self.file, name=self.name, folder=self.written)
        try:
            return find_folder(self.written, self.file.parent)
        except ModelFolderUnusable as error:
            problem = f"{error.facts['problem']} ({self.name} under [{TABLE}] in {self.file})"
            raise ModelFolderUnusable(path=error.facts["path"], problem=problem) from error

    @property
    def problem(self) -> str | None:
        """Why it can't be used now, with the next step; None if it can."""
        try:
            _ = self.folder
        except FtorchError as error:
            return str(error)
        return None

    def leads_out_of(self, root: Path) -> bool:
        """Whether it names a folder that is not below `root`. What the user downloaded into the cache does not
        count."""
        folder = self.file.parent / expanded(self.written)
        if not is_path(self.written) and is_hub_id(self.written) and not folder.exists():
            return False
        return not folder.resolve().is_relative_to(root.resolve())


def read_models(source: TomlSource) -> dict[str, NamedModel]:
    """The models of one file by name. Raises InvalidConfig with all its problems."""
    table = source.data.get(TABLE, {})
    if not isinstance(table, dict):
        raise InvalidConfig(source.path, [f"{source.place(TABLE)}: {TABLE} must be a table: [{TABLE}]"])
    found = [_problem(source, name, value) for name, value in table.items()]
    if problems := [problem for problem in found if problem]:
        raise InvalidConfig(source.path, problems)
    return {name: NamedModel(name, written, source.path) for name, written in table.items()}


def _problem(source: TomlSource, name: str, value: Any) -> str | None:
    place = source.place(TABLE, name)
    if isinstance(value, Mapping):
        return _unquoted(place, name, value)
    if not is_model_name(name):
        return (
            f"{place}: {TABLE}.{name}: a model's name has 1 to {LONGEST_NAME} letters, digits and . _ - /, and "
            "begins with a letter or digit"
        )
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT or not value.isprintable():
        return f"{place}: {TABLE}.{name} must be a folder or a Hugging Face id in quotes, not {value!r}"
    return None


def _unquoted(place: str, name: str, value: Mapping[str, Any]) -> str:
    """A dot in a name without quotes makes a table in TOML."""
    parts = [name]
    inner: Any = value
    while isinstance(inner, Mapping) and len(inner) == 1:
        [(part, inner)] = inner.items()
        parts.append(part)
    if not isinstance(inner, str):
        return f"{place}: {TABLE}.{name} must be a folder or a Hugging Face id in quotes, not a table"
    return f'{place}: put the name into quotes, as it has a dot: "{".".join(parts)}" = "{inner}"'

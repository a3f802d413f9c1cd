"""Settings of a job file that the command line overrides: `--set method.n_epochs=5`, `--model M`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import OverrideUnreadable
from orchestrator.modelfolders import expanded, is_path
from orchestrator.tomlsource import KeyPath, TomlSource, split_key


@dataclass(frozen=True)
class Override:
    """One setting, and its option as typed."""

    key: KeyPath
    value: Any
    option: str

    @property
    def name(self) -> str:
        return ".".join(self.key)


def overrides_of(settings: Iterable[str] = (), model: str | None = None) -> tuple[Override, ...]:
    """The settings `KEY=VALUE`, and the model if given; the last one for a key wins. A folder as the model is
    relative to the current folder.

    A value is TOML; anything else, or a date, is text. Raises OverrideUnreadable without a key.
    """
    found = [_override(setting) for setting in settings]
    if model is not None:
        is_folder = is_path(model) or ("/" in model and expanded(model).is_dir())
        value = os.path.abspath(expanded(model)) if is_folder else model
        found.append(Override(("model",), value, f"--model {model}"))
    return tuple({override.key: override for override in found}.values())


def leaks_allowed(*, has_evaluation: bool) -> tuple[Override, ...]:
    """The settings of `--allow-leak`: rows of the validation file, and cases of an evaluation, may be in
    training."""
    tables = ("data", "evaluation") if has_evaluation else ("data",)
    return tuple(Override((table, "allow_leak"), True, "--allow-leak") for table in tables)


def with_overrides(source: TomlSource, overrides: Sequence[Override]) -> TomlSource:
    """The file's content with these settings, whose place in errors is their option."""
    data: Mapping[str, Any] = source.data
    for override in overrides:
        data = _with(data, override.key, override.value)
    return replace(source, data=data, options={override.key: override.option for override in overrides})


def _override(setting: str) -> Override:
    name, equals, text = setting.partition("=")
    key = split_key(name.strip()) if equals else None
    if key is None:
        raise OverrideUnreadable(found=setting)
    return Override(key, _value(text.strip()), f"--set {setting}")


def _value(text: str) -> Any:
    if text.isprintable():
        try:
            value = tomllib.loads(f"x = {text}")["x"]
        except (ValueError, RecursionError):
            return text
        if isinstance(value, str | int | float | list | dict):
            return value
    return text


def _with(table: Mapping[str, Any], key: KeyPath, value: Any) -> dict[str, Any]:
    first, *rest = key
    if rest:
        inner = table.get(first)
        value = _with(inner if isinstance(inner, dict) else {}, tuple(rest), value)
    return {**table, first: value}

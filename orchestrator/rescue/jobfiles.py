"""A job file for each rescued job: what was trained, with the numbers that the job used, to train it elsewhere.

A job file is the user's from the moment it is written: one that was edited is never replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.interface import RemoteJob
from orchestrator.errors import InvalidJobFile
from orchestrator.evaluation.trained import is_unchanged
from orchestrator.jobfile import load_job_file
from orchestrator.jobfile.job import MAX_SUFFIX, SUFFIX_PATTERN
from orchestrator.jobfile.tables import AZURE_HYPERPARAMETERS, LORA_NAMES, MAX_SEED, METHODS, Azure, Lora, Table
from orchestrator.jobfile.writing import Line, aligned, quoted
from orchestrator.rescue.casefiles import rejection_tools_of
from orchestrator.rescue.manifest import Manifest, read_folder
from orchestrator.rescue.names import job_file_path
from orchestrator.runs.adoption import suffix_of
from orchestrator.store.runs import Run, resolved_hyperparameters

_RATES = ("learning_rate_multiplier", "learning_rate")


def keep_job_file(
    manifest: Manifest, config: EndpointConfig, job: RemoteJob, run: Run, evaluation: Path | None
) -> None:
    """Write the job file of a job that `run` records, unless the user has edited it. Its data files are those in
    the folder, or the run's own if they are unchanged; `evaluation` is a file in the folder.

    The manifest has the reason where no valid job file can be written. Raises OutputUnwritable.
    """
    found = _Rescued(manifest, config, job, run, evaluation)
    path = job_file_path(run.name, job.id)
    problem = found.problem
    if problem is None:
        content = found.text.encode()
        problem = _invalid(manifest, path, content)
    if problem is None:
        manifest.keep_editable("job file", job.id, path, content, of=job.id)
    else:
        manifest.lack("job file", job.id, "unusable", problem, of=job.id)


def rescued_job(job_file: Path) -> tuple[str, str] | None:
    """The endpoint and the id of the job that a rescue wrote this job file for; None if none did."""
    path = job_file.absolute()
    origin, entries = read_folder(path.parent.parent)
    written = f"{path.parent.name}/{path.name}"
    ids = [entry.id for entry in entries if (entry.kind, entry.path) == ("job file", written)]
    return (str(origin.get("endpoint")), ids[-1]) if ids else None


def _invalid(manifest: Manifest, path: str, content: bytes) -> str | None:
    """Why `submit` would refuse the job file; None if it would not."""
    draft = manifest.draft_beside(path)
    draft.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.write_bytes(content)
        load_job_file(draft)
    except InvalidJobFile as error:
        return "; ".join(each.replace(f"{draft}:", "line ", 1) for each in error.problems)
    finally:
        draft.unlink(missing_ok=True)
    return None


@dataclass(frozen=True)
class _Rescued:
    """A job, and what its job file is made of."""

    manifest: Manifest
    config: EndpointConfig
    job: RemoteJob
    run: Run
    evaluation: Path | None

    @cached_property
    def training(self) -> str | None:
        return self._data(self.job.training_file, self.run.training_path, self.run.training_sha256)

    @cached_property
    def validation(self) -> str | None:
        return self._data(self.job.validation_file, self.run.validation_path or "", self.run.validation_sha256)

    @property
    def problem(self) -> str | None:
        """Why there is nothing to write."""
        if self.training is None:
            return "its training file could not be had"
        return None if self.job.model else "the host doesn't name its base model"

    def _data(self, file_id: str | None, recorded: str, sha256: str | None) -> str | None:
        """A data file's path in the job file; None if its content is not on this machine."""
        kept = self.manifest.kept("file", file_id) if file_id else None
        if kept is not None:
            return f"../{kept.path}"
        return recorded if sha256 and is_unchanged(Path(recorded), sha256) else None

    @property
    def text(self) -> str:
        parts = [self._top(), self._data_table(), self._method(), self._evaluation()]
        lines = [line for part in map(list, parts) if part for line in (("", ""), *part)]
        name = job_file_path(self.run.name, self.job.id).rpartition("/")[2]
        command = f"ftorch migrate {name} --to ENDPOINT:MODEL"
        made = f", which made {self.job.fine_tuned_model}" if self.job.fine_tuned_model else ""
        head = [f"Job {self.job.id} of {self.config.name}{made}.", f"To train a successor: {command}"]
        return "".join(f"# {_visible(line)}\n" for line in head) + aligned(lines[1:])

    def _top(self) -> Iterator[Line]:
        yield f"name = {quoted(self.run.name)}", ""
        yield f"endpoint = {quoted(self.config.name)}", "where it was trained"
        yield f"model = {quoted(self.job.model or '')}", "the base model"
        suffix = self.run.suffix or suffix_of(self.job)  # of a run of ours, without the mark that was sent
        if re.fullmatch(SUFFIX_PATTERN, suffix) and len(suffix) <= MAX_SUFFIX:
            yield f"suffix = {quoted(suffix)}", ""
        if self.job.seed is not None and 0 <= self.job.seed <= MAX_SEED:
            yield f"seed = {self.job.seed}", ""

    def _data_table(self) -> Iterator[Line]:
        yield "[data]", "paths are relative to this file"
        yield f"training_file = {quoted(self.training or '')}", ""
        if self.validation:
            yield f"validation_file = {quoted(self.validation)}", ""
        elif self.job.validation_file:
            yield "# validation_file", "the job had one, and it could not be had"

    def _method(self) -> Iterator[Line]:
        kind, grader = self._kind, self._inner.get("grader")
        numbers = {name: _plain(value) for name, value in resolved_hyperparameters(self.job.raw).items()}
        yield "[method]", "the numbers are those that the job used"
        yield f"type = {quoted(kind)}", ""
        for name, value in self._settings(numbers).items():
            yield f"{name} = {_toml(value)}", ""
        if isinstance(grader, dict):
            yield f"grader = {_toml(grader)}", ""
        for table, settings in (("lora", _lora(numbers)), ("azure", _azure(numbers))):
            if settings:
                yield "", ""
                yield f"[{table}]", ""
                yield from ((f"{name} = {_toml(value)}", "") for name, value in settings.items())

    @property
    def _kind(self) -> str:
        return str((self.job.raw.get("method") or {}).get("type") or "supervised")

    @property
    def _inner(self) -> Mapping[str, Any]:
        return (self.job.raw.get("method") or {}).get(self._kind) or {}

    def _settings(self, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `[method]`; of the two rates, the one that the endpoint takes."""
        model = METHODS.get(self._kind)
        if model is None:
            return {}
        other = _RATES[capabilities_of(self.config).learning_rate_multiplier]
        known = {name: value for name, value in numbers.items() if name in model.model_fields and name != other}
        required = {"type": self._kind, **({"grader": {}} if "grader" in model.model_fields else {})}
        return _valid(model, known, required)

    def _evaluation(self) -> Iterator[Line]:
        if self.evaluation is not None:
            yield "[evaluation]", ""
            path = self.evaluation.resolve().relative_to(self.manifest.folder.resolve())
            yield f"file = {quoted(f'../{path.as_posix()}')}", "the cases that its model answers"
            if names := rejection_tools_of(self.run):
                yield f"rejection_tools = [{', '.join(map(quoted, names))}]", "a call of these rejects the request"


def _lora(numbers: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: numbers[name] for key, name in LORA_NAMES.items() if key not in _RATES and name in numbers}
    return _valid(Lora, given, {})


def _azure(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return _valid(Azure, {name: numbers[name] for name in AZURE_HYPERPARAMETERS if name in numbers}, {})


def _valid(table: type[Table], given: Mapping[str, Any], required: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a job file takes. Hosts report "auto" and -1 for what they have not chosen yet."""
    found = {}
    for name, value in given.items():
        try:
            table.model_validate({**required, name: value})
        except ValidationError:
            continue
        if value not in (None, "auto"):
            found[name] = value
    return found


def _plain(value: Any) -> Any:
    """A number as a number: some hosts send text, or 3.0 epochs."""
    try:
        number = float(value) if isinstance(value, str | float) else value
    except ValueError:
        return value
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _toml(value: Any) -> str:
    """A value on one line. TOML has no null: such keys are left out."""
    if isinstance(value, dict):
        pairs = (f"{quoted(str(key))} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value if each is not None)}]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _visible(text: str) -> str:
    """Comments of TOML have no control characters."""
    return "".join(each if each.isprintable() else "?" for each in text)

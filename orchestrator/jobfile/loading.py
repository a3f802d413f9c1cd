"""Read a job file, and check it as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import InvalidJobFile, TomlSyntaxError, TomlUnreadable
from orchestrator.jobfile.addresses import Address, path_from, place_of
from orchestrator.jobfile.contradictions import contradictions
from orchestrator.jobfile.job import JobFile
from orchestrator.jobfile.mistaken import no_job, no_job_file
from orchestrator.jobfile.overrides import Override, with_overrides
from orchestrator.jobfile.problems import Problem, absence, explain, in_file_order, problem
from orchestrator.jobfile.tables import Data
from orchestrator.tomlsource import TomlSource, read_toml

_DATA = [("data", key) for key in Data.model_fields]
_CASES = ("evaluation", "file")


def load_job_to_generate(path: Path) -> JobFile:
    """Read, parse and validate a job file with a `[generate]` table, whose data files need not exist yet.

    Raises what `load_job_file` raises, and InvalidJobFile without such a table.
    """
    return _load(path, _to_generate)


def load_job_to_evaluate(path: Path, overrides: Sequence[Override] = ()) -> JobFile:
    """Read, parse and validate a job file whose training files may have moved since its model was trained.

    Raises what `load_job_file` raises.
    """
    return _load(path, lambda source: _missing_files(source, [_CASES]), overrides)


def load_job_file(path: Path, overrides: Sequence[Override] = ()) -> JobFile:
    """Read, parse and validate a job file, with the settings that the command line overrides.

    Raises JobFileNotFound, JobFileIsData, JobFileIsFolder, JobFileNotToml, TomlSyntaxError, TomlUnreadable, or
    InvalidJobFile, whose `problems` name the file, line, key, found and allowed value of every problem.
    """
    return _load(path, _all_missing, overrides)


def _load(path: Path, look: Callable[[TomlSource], list[Problem]], overrides: Sequence[Override] = ()) -> JobFile:
    source = _read(path)
    source = with_overrides(source, overrides)
    problems = look(source)
    try:
        job = job_from_document(source.data, path)
    except ValidationError as error:
        problems += [explain(source, details) for details in error.errors()]
        raise InvalidJobFile(path, in_file_order(problems)) from error
    problems += contradictions(job, source)
    if problems:
        raise InvalidJobFile(path, in_file_order(problems))
    job._overrides, job._text = tuple(overrides), source.text
    return job


def _read(path: Path) -> TomlSource:
    try:
        return read_toml(path, quoting=True)
    except FileNotFoundError as error:
        raise no_job_file(path) from error
    except (TomlSyntaxError, TomlUnreadable) as error:
        raise no_job(path) or error from error


def require_valid(source: TomlSource) -> None:
    """Check the content of a job file before it is written. Raises InvalidJobFile."""
    try:
        job_from_document(source.data, source.path)
    except ValidationError as error:
        problems = [explain(source, details) for details in error.errors()]
        raise InvalidJobFile(source.path, in_file_order(problems)) from error


def job_from_document(document: Mapping[str, Any], path: Path) -> JobFile:
    """The job file of content read earlier from `path`; its files may be gone or changed since.

    Raises pydantic's ValidationError if the content is not a job file's.
    """
    job = _with_one_rate(JobFile.model_validate(_with_method_type(document)))
    job._source, job._document = path, document
    return job


def _with_method_type(data: Mapping[str, Any]) -> dict[str, Any]:
    method = data.get("method")
    return {**data, "method": {"type": "supervised", **method}} if isinstance(method, dict) else dict(data)


def _with_one_rate(job: JobFile) -> JobFile:
    """An absolute learning rate has been a key of `[lora]`; it is one of `[method]`, whose own value wins."""
    if job.lora is None or job.lora.learning_rate is None:
        return job
    given, former = job.method.learning_rate, job.lora.learning_rate
    method = job.method.model_copy(update={"learning_rate": former if given == "auto" else given})
    lora = job.lora.model_copy(update={"learning_rate": None})
    return job.model_copy(update={"method": method, "lora": lora})


def _all_missing(source: TomlSource) -> list[Problem]:
    return [*_missing_files(source, [*_DATA, _CASES]), *_missing_validation(source)]


def _to_generate(source: TomlSource) -> list[Problem]:
    if isinstance(source.data.get("generate"), dict):
        return []
    return [problem(source, (), "there is no [generate] table with the settings of the data to make")]


def _missing_files(source: TomlSource, named: Sequence[tuple[str, str]]) -> list[Problem]:
    """Problems of the files under these keys; pydantic reports values of a wrong type."""
    problems = []
    make_it = f"; to make it: ftorch data generate {source.path}" if "generate" in source.data else ""
    for key in named:
        place = _named_place(source, *key)
        if isinstance(place, Address) and place.problem:
            problems.append(problem(source, key, f"{'.'.join(key)} {place.problem}"))
        elif isinstance(place, Path) and not os.path.exists(place):
            problems.append(problem(source, key, f"{'.'.join(key)}: {absence(place)}{make_it}"))
    return problems


def _missing_validation(source: TomlSource) -> list[Problem]:
    data, method = source.data.get("data"), source.data.get("method")
    has_file = isinstance(data, dict) and "validation_file" in data
    if has_file or not isinstance(method, dict) or method.get("type") != "reinforcement":
        return []
    sentence = 'method.type "reinforcement" needs a validation file; set data.validation_file'
    return [problem(source, ("method", "type"), sentence)]


def _named_place(source: TomlSource, table: str, key: str) -> Path | Address | None:
    """Only data may be at an address; evaluation files are read on this machine."""
    found = source.data.get(table)
    name = found.get(key) if isinstance(found, dict) else None
    if not isinstance(name, str):
        return None
    folder = source.path.parent
    return place_of(name, folder) if table == "data" else path_from(folder, name)

"""The job file: TOML in, a typed and validated `JobFile` out. Its format is explained in jobs/README.md."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from orchestrator.errors import InvalidJobFile, JobFileNotFound
from orchestrator.tomlsource import TomlSource, read_toml

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAX_SUFFIX = 64
MAX_SEED = 2_147_483_647
MAX_ENDPOINT_NAME = 64
MAX_METADATA_PAIRS, MAX_METADATA_KEY, MAX_METADATA_VALUE = 16, 64, 512
RESERVED_METADATA_KEYS = frozenset({"ftorch_token", "ftorch_run"})


def _auto_or(kind: type[int] | type[float], rule: str, allowed: Callable[[float], bool]) -> Callable[[Any], Any]:
    """A validator for `"auto"` or a number: one clear sentence instead of one error for each arm of a union."""

    def check(value: Any) -> Any:
        is_number = isinstance(value, kind | int) and not isinstance(value, bool)
        if value == "auto":
            return value
        if is_number and allowed(value):
            return kind(value)
        raise PydanticCustomError("auto_or_number", 'must be "auto" or {rule}', {"rule": rule})

    return check


def _whole(low: int, high: int) -> Callable[[Any], Any]:
    return _auto_or(int, f"a whole number from {low} to {high}", lambda value: low <= value <= high)


# The ranges are those of CreateFineTuningJobRequest and FineTune*Hyperparameters in OpenAI's API description 2.3.0.
Epochs = Annotated[int | Literal["auto"], PlainValidator(_whole(1, 50))]
BatchSize = Annotated[int | Literal["auto"], PlainValidator(_whole(1, 256))]
RateMultiplier = Annotated[
    float | Literal["auto"],
    PlainValidator(_auto_or(float, "a number above 0", lambda value: 0 < value <= sys.float_info.max)),
]
Beta = Annotated[
    float | Literal["auto"],
    PlainValidator(_auto_or(float, "a number above 0 and at most 2", lambda value: 0 < value <= 2)),
]
ComputeMultiplier = Annotated[
    float | Literal["auto"],
    PlainValidator(_auto_or(float, "a number above 0.00001 and at most 10", lambda value: 1e-5 < value <= 10)),
]
Interval = Annotated[int | Literal["auto"], PlainValidator(_whole(1, MAX_SEED))]


def _check_metadata_key(key: str) -> str:
    if key in RESERVED_METADATA_KEYS:
        raise PydanticCustomError("metadata", "this key is ftorch's own; choose another")
    if len(key) > MAX_METADATA_KEY:
        facts = {"found": len(key), "most": MAX_METADATA_KEY}
        raise PydanticCustomError("metadata", "this key has {found} characters, at most {most} are allowed", facts)
    return key


def _check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Two of the pairs that the API takes are kept free for ftorch's own marker."""
    room = MAX_METADATA_PAIRS - len(RESERVED_METADATA_KEYS)
    if len(metadata) > room:
        facts = {"found": len(metadata), "room": room}
        raise PydanticCustomError("metadata", "has {found} pairs, at most {room} fit", facts)
    return metadata


MetadataKey = Annotated[str, AfterValidator(_check_metadata_key)]
MetadataValue = Annotated[str, Field(max_length=MAX_METADATA_VALUE)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], AfterValidator(_check_metadata)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(_Table):
    """Paths relative to the job file."""

    training_file: str = Field(min_length=1)
    validation_file: str | None = Field(default=None, min_length=1)


class _Method(_Table):
    n_epochs: Epochs = "auto"
    batch_size: BatchSize = "auto"
    learning_rate_multiplier: RateMultiplier = "auto"

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The numbers and "auto"s by their API names."""
        return self.model_dump(exclude={"type", "grader"})


class Supervised(_Method):
    type: Literal["supervised"] = "supervised"


class Preference(_Method):
    """Direct preference optimisation."""

    type: Literal["dpo"]
    beta: Beta = "auto"


class Reinforcement(_Method):
    type: Literal["reinforcement"]
    reasoning_effort: Literal["default", "low", "medium", "high"] = "default"
    compute_multiplier: ComputeMultiplier = "auto"
    eval_interval: Interval = "auto"
    eval_samples: Interval = "auto"
    grader: dict[str, Any]


Method = Annotated[Supervised | Preference | Reinforcement, Field(discriminator="type")]


class Limits(_Table):
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Poll(_Table):
    seconds: float | None = Field(default=None, ge=0.05, le=3600)


class JobFile(_Table):
    """What a user asks for. Paths are resolved by `training_path` and `validation_path`."""

    name: str = Field(pattern=NAME_PATTERN)
    endpoint: str = Field(default="local", min_length=1, max_length=MAX_ENDPOINT_NAME)
    model: str = Field(min_length=1, max_length=256, pattern=r"^[^\s\x00-\x1f\x7f]+$")
    suffix: str | None = Field(default=None, max_length=MAX_SUFFIX, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    data: Data
    method: Method = Supervised()
    metadata: Metadata = {}
    limits: Limits = Limits()
    poll: Poll = Poll()

    _source: Path = PrivateAttr(default=Path("job.toml"))

    @property
    def source(self) -> Path:
        """Where the job file lies."""
        return self._source

    @property
    def training_path(self) -> Path:
        return self._source.parent / self.data.training_file

    @property
    def validation_path(self) -> Path | None:
        return self._source.parent / self.data.validation_file if self.data.validation_file else None


def load_job_file(path: Path) -> JobFile:
    """Read, parse and validate a job file.

    Raises JobFileNotFound, TomlSyntaxError, TomlUnreadable, or InvalidJobFile, whose `problems` name file, line,
    key, what was found and what is allowed, all of them at once.
    """
    try:
        source = read_toml(path)
    except FileNotFoundError as error:
        raise JobFileNotFound(path=path) from error
    problems = _missing_files(source)
    try:
        job = JobFile.model_validate(_with_method_type(source.data))
    except ValidationError as error:
        problems += [_problem(source, details) for details in error.errors()]
        raise InvalidJobFile(path, _in_file_order(problems)) from error
    if problems:
        raise InvalidJobFile(path, _in_file_order(problems))
    job._source = path
    return job


@dataclass(frozen=True)
class _Problem:
    line: int
    sentence: str


def _in_file_order(problems: list[_Problem]) -> list[str]:
    return [problem.sentence for problem in sorted(problems, key=lambda problem: problem.line)]


def _with_method_type(data: Mapping[str, Any]) -> dict[str, Any]:
    method = data.get("method")
    return {**data, "method": {"type": "supervised", **method}} if isinstance(method, dict) else dict(data)


def _problem(source: TomlSource, details: ErrorDetails) -> _Problem:
    key = _key(details)
    return _Problem(source.line(*key), _sentence(source, key, details))


def _key(details: ErrorDetails) -> tuple[str, ...]:
    """The key in the file: pydantic marks a key itself, and the arm of a union, with a part of its own."""
    key = tuple(str(part) for part in details["loc"])
    if key[:1] == ("metadata",):
        return key[:2]
    if key[:1] == ("method",) and len(key) > 1 and key[1] in _METHODS:
        return (key[0], *key[2:])
    return key


def _sentence(source: TomlSource, key: tuple[str, ...], details: ErrorDetails) -> str:
    if details["type"] == "extra_forbidden":
        return source.unknown_key(key, _known_keys(source.data, key))
    name = ".".join(key)
    if details["type"] == "missing":
        return f"{source.place(*key)}: {name} is missing; it must be set"
    if details["type"] == "union_tag_invalid":
        found = _shown(details["input"]["type"])
        return f"{source.place('method', 'type')}: method.type must be one of {', '.join(_METHODS)}, not {found}"
    if details["type"] == "metadata":
        return f"{source.place(*key)}: {name}: {details['msg']}"
    return f"{source.place(*key)}: {name} {_expectation(details)}, not {_shown(details['input'])}"


_METHODS: Mapping[str, type[_Method]] = {
    "supervised": Supervised,
    "dpo": Preference,
    "reinforcement": Reinforcement,
}
_TABLES: Mapping[str, type[_Table]] = {"data": Data, "limits": Limits, "poll": Poll}


def _known_keys(data: Mapping[str, Any], unknown: tuple[str, ...]) -> list[str]:
    """What could have been meant in the place of an unknown key; in the place of an unknown table, tables only."""
    table = unknown[:-1]
    if table == ("method",):
        return list(_METHODS[data["method"].get("type", "supervised")].model_fields)
    if table:
        return list(_TABLES[table[0]].model_fields)
    tables = [*_TABLES, "method", "metadata"]
    return tables if isinstance(data[unknown[0]], dict) else [k for k in JobFile.model_fields if k not in tables]


_EXPECTATIONS: Mapping[str, str] = {
    "string_type": "must be a text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
}
_PATTERNS: Mapping[str, str] = {
    "name": "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    "suffix": "must be letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    "model": "must be a model name without spaces",
}


def _expectation(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "string_pattern_mismatch":
        return _PATTERNS[str(details["loc"][-1])]
    if expectation := _EXPECTATIONS.get(details["type"]):
        return expectation.format(**{name: _plain(value) for name, value in context.items()})
    return details["msg"]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(value: Any, width: int = 60) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= width else f"{text[:width]}…"


def _missing_files(source: TomlSource) -> list[_Problem]:
    """What the file system and the method say about [data]; of values of a wrong type, pydantic tells."""
    data, method = source.data.get("data"), source.data.get("method")
    data = data if isinstance(data, dict) else {}
    problems = [
        _Problem(source.line("data", key), f"{source.place('data', key)}: data.{key}: {_absence(path)}")
        for key in Data.model_fields
        if isinstance(data.get(key), str) and not os.path.exists(path := source.path.parent / data[key])
    ]
    if isinstance(method, dict) and method.get("type") == "reinforcement" and "validation_file" not in data:
        place = source.place("method", "type")
        sentence = f'{place}: method.type "reinforcement" needs a validation file; set data.validation_file'
        problems.append(_Problem(source.line("method", "type"), sentence))
    return problems


def _absence(path: Path) -> str:
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        names = []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"there is no file {path}" + (f"; did you mean {near[0]}?" if near else "")

"""Build the spec of a generation from a command line or a job file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import GenerationSettings, NoOutput
from orchestrator.generation.functions.sources import read_functions
from orchestrator.generation.spec import Outputs, Spec
from orchestrator.jobfile.generate import Generate
from orchestrator.jobfile.loading import load_job_to_generate

_JOB_FILE = ".toml"


@dataclass(frozen=True)
class Request:
    """The user's request; `settings` override those of a job file."""

    source: str
    """A job file with `[generate]`, or anything that `read_functions` takes."""
    output: Path | None
    settings: Mapping[str, Any]
    offline: bool = False
    batch: bool = False
    append: bool = False
    replace: bool = False


def spec_for(request: Request) -> Spec:
    """The spec, with its functions read. Raises GenerationSettings, NoOutput, what `read_functions` raises, and for
    a job file what `load_job_file` raises."""
    if request.source.endswith(_JOB_FILE):
        table, outputs, endpoint = _of_job_file(request)
    else:
        if request.output is None:
            raise NoOutput
        table, outputs, endpoint = {"tools": request.source}, Outputs(request.output.absolute()), ""
    settings = _settings({**table, **request.settings})
    settings = settings.model_copy(update={"against": [str(Path(each).absolute()) for each in settings.against]})
    found = read_functions(settings.tools)
    outputs = _with_companions(outputs, settings)
    return Spec(
        settings,
        found.functions,
        _appending(outputs, request),
        settings.tools,
        "" if request.offline else settings.endpoint or endpoint or "openai",
        request.batch,
    )


def _settings(values: Mapping[str, Any]) -> Generate:
    try:
        return Generate(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "the options"
        raise GenerationSettings(option=name, found=repr(first["input"]), problem=first["msg"]) from None


def _of_job_file(request: Request) -> tuple[dict[str, Any], Outputs, str]:
    job = load_job_to_generate(Path(request.source))
    folder = job.source.absolute().parent
    assert job.generate is not None
    table = job.generate.model_dump(exclude_unset=True)
    tools = folder / table["tools"]
    table["tools"] = str(tools) if tools.exists() else table["tools"]
    table["against"] = [str(folder / each) for each in table.get("against", [])]
    if job.evaluation and job.evaluation.rejection_tools and "rejection_tool" not in table:
        table["rejection_tool"] = job.evaluation.rejection_tools[0]
    outputs = Outputs(
        request.output.absolute() if request.output else folder / job.data.training_file,
        folder / job.data.validation_file if job.data.validation_file and table.get("validation") else None,
        folder / job.evaluation.file if job.evaluation and table.get("evaluation") else None,
    )
    if job.evaluation and not table.get("evaluation") and (folder / job.evaluation.file).is_file():
        table["against"].append(str(folder / job.evaluation.file))
    return table, outputs, job.endpoint


def _with_companions(outputs: Outputs, settings: Generate) -> Outputs:
    """The default validation and evaluation files, beside the training file."""
    validation = outputs.validation or (_named(outputs.training, "validation") if settings.validation else None)
    evaluation = outputs.evaluation or (_named(outputs.training, "evaluation") if settings.evaluation else None)
    return replace(outputs, validation=validation, evaluation=evaluation)


def _named(training: Path, part: str) -> Path:
    """`evaluation.jsonl` beside `train.jsonl`, `lamps-evaluation.jsonl` beside `lamps.jsonl`."""
    stem = training.name.removesuffix(".jsonl")
    return training.with_name(f"{stem.replace('train', part) if 'train' in stem else f'{stem}-{part}'}.jsonl")


def _appending(outputs: Outputs, request: Request) -> Outputs:
    if request.append and outputs.training.is_file():
        file = inspect_file(outputs.training)
        lines = _count_lines(outputs.training)
        return replace(outputs, append_bytes=file.size, append_sha256=file.sha256, append_lines=lines)
    return replace(outputs, replace=request.replace)


def _count_lines(path: Path) -> int:
    """The lines of a file; the last one may lack its line end."""
    lines, last = 0, b"\n"
    with path.open("rb") as source:
        while block := source.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")

"""A first job file for somebody's own data: looking at the file, and choosing what fits it."""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from shlex import quote

from orchestrator.config import STATE_DIR, EndpointConfig, Workspace, find_workspace
from orchestrator.dataset.basemodels import Method, Purpose, usual_model
from orchestrator.dataset.checking.filesets import (
    CheckedSource,
    CheckOptions,
    check_files,
    purpose_in_name,
)
from orchestrator.dataset.checking.limits import limits_of
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.checking.rows import GoodRows
from orchestrator.dataset.files import inspect_file, new_files
from orchestrator.dataset.findings import converted_name
from orchestrator.dataset.pricing import training_cost
from orchestrator.dataset.split import FILE_NAMES, Split, split_file
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.azure.fitting import training_type_for
from orchestrator.endpoints.interface import Capabilities
from orchestrator.errors import (
    DataToConvert,
    MethodNotTrained,
    NotADataFile,
    NoUsualModel,
    OutputExists,
    OutputUnwritable,
    SplitLeavesNothing,
)
from orchestrator.jobfile import load_job_file
from orchestrator.jobfile.loading import require_valid
from orchestrator.jobfile.outside import OutsideFile, files_outside
from orchestrator.jobfile.writing import SHOWN_LORA, NewJob, job_text
from orchestrator.runs.jobs import ID_EXAMPLE, marked_suffix
from orchestrator.tomlsource import KeyPath, TomlSource


@dataclass(frozen=True)
class InitOptions:
    """What the user chooses; None leaves it to the data and the endpoint."""

    endpoint: str | None = None
    model: str | None = None
    name: str | None = None
    force: bool = False
    """Replace files that are there already."""


@dataclass(frozen=True)
class Started:
    """A job file that was written, and what was found in its data."""

    job_file: Path
    job: NewJob
    checked: CheckedSource
    split: Split | None
    """The files that the data was divided into; None where it was used as it is."""
    beside: Mapping[Purpose, Path]
    """Files beside the data, by what their names say."""
    outside: tuple[OutsideFile, ...]
    """Files that `submit` asks about, as they are not in the project."""
    ignored_in: Path | None
    """The .gitignore where the state directory was added."""


def init(data: Path, job_file: Path, options: InitOptions) -> Started:
    """Look at a data file, choose the settings of a first job, and write its job file; nothing is sent.

    The data is divided where it is without errors and large enough, and no validation file is beside it. Raises
    OutputExists, OutputUnwritable, DataToConvert, NoGoodExample, MethodNotTrained, NoUsualModel, UnknownEndpoint,
    InvalidJobFile (of an option), NotADataFile, and the errors of unreadable data files.
    """
    if data.suffix == ".toml":
        raise NotADataFile(path=data)
    checked = _look_at(data, options.model)
    if job_file.exists() and not options.force:
        raise OutputExists(path=job_file)
    workspace = find_workspace(job_file.parent)
    config = _endpoint(workspace, data, checked.report.method, options.endpoint)
    draft = _draft(checked, job_file, config, options)
    _require_valid(draft, job_file, options)
    beside = dict(_beside(data))
    split = None if beside else _split(checked, job_file, draft.name, options.force)
    job = _with_files(draft, data, job_file, beside, split)
    with new_files([job_file], replace=options.force) as [stream]:
        stream.write(job_text(job, job_file.name).encode())
    outside = tuple(files_outside(load_job_file(job_file), workspace.root))
    return Started(job_file, job, checked, split, beside, outside, _ignored(workspace))


# --- What the data is --------------------------------------------------------------------------------------------


_NOT_JSONL = ("FT104", "FT111")
_OTHER_FORMAT = "FT214"


def _look_at(data: Path, model: str | None) -> CheckedSource:
    if data.exists():
        inspect_file(data)
    [checked] = check_files([data], CheckOptions(model=model, purpose="training"))
    report = checked.report
    is_foreign = any(code in report.counts for code in _NOT_JSONL)
    if is_foreign or 2 * report.counts.get(_OTHER_FORMAT, 0) > report.examples:
        codes = _NOT_JSONL if is_foreign else (_OTHER_FORMAT,)
        finding = next(each for each in report.findings if each.code in codes)
        raise DataToConvert(path=data, finding=finding.reason, fix=_with_next(finding.fix, data))
    if not len(report.survey):
        next(iter(GoodRows(data, report.method)))  # names the first line and its problem
    return checked


def _with_next(fix: str, data: Path) -> str:
    """The fix, with the command that goes on from its result where ftorch makes one."""
    if "ftorch data convert" not in fix:
        return fix
    return f"{fix}. Then: ftorch init {quote(str(converted_name(data)))}"


def _beside(data: Path) -> Iterator[tuple[Purpose, Path]]:
    """Validation and evaluation files that are called as this training file is."""
    if purpose_in_name(data) != "training":
        return
    found: dict[Purpose, list[Path]] = {}
    for path in sorted(data.parent.glob(f"*{data.suffix}")):
        purpose = purpose_in_name(path)
        if purpose in ("validation", "evaluation") and _subject(path, purpose) == _subject(data, "training"):
            found.setdefault(purpose, []).append(path)
    yield from ((purpose, paths[0]) for purpose, paths in found.items() if len(paths) == 1)


def _subject(path: Path, purpose: Purpose) -> str:
    """What is left of a file's name without the word for its purpose."""
    words = re.split(r"[^a-z0-9]+", path.stem.lower())
    return " ".join(word for word in words if purpose_in_name(Path(word)) != purpose)


# --- What fits it ------------------------------------------------------------------------------------------------


def _endpoint(workspace: Workspace, data: Path, method: Method, wanted: str | None) -> EndpointConfig:
    config = workspace.endpoint(wanted or ("openai" if method == "reinforcement" else "local"))
    if method not in limits_of(config.type).methods:
        raise MethodNotTrained(path=data, method=method, endpoint=config.name)
    return config


def _draft(checked: CheckedSource, job_file: Path, config: EndpointConfig, options: InitOptions) -> NewJob:
    report = checked.report
    name = options.name or _name(checked.source.path, job_file)
    if options.model is None and config.type not in ("local", "openai", "azure"):
        raise NoUsualModel(endpoint=config.name)
    model, capabilities = options.model or usual_model(report.method), capabilities_of(config)
    return NewJob(
        name=name,
        endpoint=config.name,
        model=model,
        suffix=_suffix(name, config),
        method=report.method,
        training_file="",
        validation_file=None,
        evaluation_file=None,
        max_cost_usd=_limit(report, model, config),
        rejection_tools=tuple(_rejection_tools(report)),
        reference=_reference(checked) if report.method == "reinforcement" else None,
        absolute_rate=not capabilities.learning_rate_multiplier,
        lora=_lora_keys(capabilities),
    )


def _lora_keys(capabilities: Capabilities) -> tuple[str, ...]:
    """The keys of `[lora]` to show in the file. On this machine they depend on the model."""
    return tuple(key for key in SHOWN_LORA if key in capabilities.lora) if capabilities.charges else ()


_GENERIC = ("data", "dataset", "datasets", "examples", "finetune", "job", "jobs", "files", "split", "tmp")


def _name(data: Path, job_file: Path) -> str:
    """From the job file, the data file or a folder: the first whose name says more than "train" or "data"."""
    folders = (data.absolute().parent.name, job_file.absolute().parent.name)
    for text in (job_file.stem, data.stem, *folders):
        ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        found = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_text).strip("-._")[:_LONGEST_NAME].rstrip("-._")
        if found and found.lower() not in _GENERIC and purpose_in_name(Path(f"{found}.jsonl")) is None:
            return found
    return "first-job"


_LONGEST_NAME = 64


def _suffix(name: str, config: EndpointConfig) -> str:
    """The name, as far as the endpoint takes it in a suffix."""
    capabilities = capabilities_of(config)
    if capabilities.metadata:
        return name[: capabilities.longest_suffix].rstrip("-._")
    return marked_suffix(name, ID_EXAMPLE, capabilities).removesuffix(ID_EXAMPLE).rstrip("-") or name


def _limit(report: CheckReport, model: str, config: EndpointConfig) -> int | None:
    """Half as much again as the estimate, in whole dollars; None where it costs nothing or the price is unknown."""
    tier = training_type_for(model, None) if config.type == "azure" else None
    method, prices = report.method, config.prices
    cost = training_cost(
        config.type, model, report.tokens, "auto", report.examples, method=method, tier=tier, prices=prices
    )
    return ceil(1.5 * cost.usd) if cost.usd else None


_REJECTS = re.compile(r"reject|refuse|decline|unsupported|not_supported", re.IGNORECASE)


def _rejection_tools(report: CheckReport) -> Iterator[str]:
    for function in report.survey.tools.functions.values():
        if _REJECTS.search(function.name) and not any(each.required for each in function.parameters):
            yield function.name


_CHAT_KEYS = ("messages", "tools", "functions", "parallel_tool_calls", "tool_choice", "response_format")
_REFERENCES = ("answer", "reference", "reference_answer", "expected", "target", "solution", "label")


def _reference(checked: CheckedSource) -> str | None:
    """The key of the first row that is most likely its right answer."""
    _, row = next(iter(GoodRows(checked.source.path, checked.report.method)))
    texts = [key for key, value in row.items() if key not in _CHAT_KEYS and isinstance(value, str)]
    return next((key for key in _REFERENCES if key in texts), texts[0] if len(texts) == 1 else None)


def _require_valid(draft: NewJob, job_file: Path, options: InitOptions) -> None:
    given: dict[KeyPath, str | None] = {("name",): options.name, ("model",): options.model}
    named = {key: f"--{key[0]} {value}" for key, value in given.items() if value is not None}
    document = tomllib.loads(job_text(draft, job_file.name))
    document["data"]["training_file"] = "still to be chosen"
    if draft.method == "reinforcement":
        document["data"]["validation_file"] = "still to be chosen"
    require_valid(TomlSource(job_file, document, {}, named))


# --- Its files ---------------------------------------------------------------------------------------------------


_ENOUGH, _MANY = 40, 100
"""Examples from which a tenth, or a fifth of fewer, is enough to measure with."""


def _split(checked: CheckedSource, job_file: Path, name: str, force: bool) -> Split | None:
    report, data = checked.report, checked.source.path
    must = report.method == "reinforcement"
    if len(report.survey) < report.examples or (report.examples < _ENOUGH and not must):
        return None
    share = 0.1 if report.examples >= _MANY else 0.2
    folder = job_file.parent / name
    if (folder / FILE_NAMES["training"]).exists() and (folder / FILE_NAMES["training"]).samefile(data):
        folder = job_file.parent / f"{name}-split"
    evaluation = share if report.method == "supervised" else 0.0
    try:
        return split_file(
            data,
            folder,
            validation=share,
            evaluation=evaluation,
            seed=0,
            replace=force,
            method=report.method,
        )
    except SplitLeavesNothing:
        if must:
            raise
        return None


def _with_files(
    draft: NewJob, data: Path, job_file: Path, beside: Mapping[Purpose, Path], split: Split | None
) -> NewJob:
    files = {"training": data, **beside, **(split.targets if split else {})}
    named = {purpose: _relative(path, job_file) for purpose, path in files.items()}
    return replace(
        draft,
        training_file=named["training"],
        validation_file=named.get("validation"),
        evaluation_file=named.get("evaluation"),
    )


def _relative(path: Path, job_file: Path) -> str:
    """As a job file names it, with slashes on every system."""
    try:
        text = Path(os.path.relpath(path.absolute(), job_file.absolute().parent)).as_posix()
        text.encode()
    except UnicodeEncodeError:
        problem = "the name of the data file is not UTF-8, and a job file is; rename the data file"
        raise OutputUnwritable(path=job_file, problem=problem) from None
    except ValueError:  # on another drive
        return path.absolute().as_posix()
    return text


def _ignored(workspace: Workspace) -> Path | None:
    """A .gitignore that can't be written is no reason to fail: the job file is there."""
    try:
        return ignore_state(workspace.root) if workspace.home == workspace.root / STATE_DIR else None
    except OSError:
        return None


# --- The project's .gitignore -------------------------------------------------------------------------------------


_LINE = f"{STATE_DIR}/"
_SAME = {f"{before}{STATE_DIR}{after}" for before in ("", "/", "**/") for after in ("", "/")}


def ignore_state(root: Path) -> Path | None:
    """Add the state directory to the project's .gitignore, in a Git checkout or where there is such a file.

    The file where the line was added; None where it is there already, or nothing is to be done. Raises OSError.
    """
    path = root / ".gitignore"
    content = path.read_bytes() if path.is_file() else b""
    if not path.is_file() and not _is_in_checkout(root):
        return None
    if {line.strip() for line in content.decode("utf-8", "replace").splitlines()} & _SAME:
        return None
    end = b"\r\n" if b"\r\n" in content else b"\n"
    begin = end if content and not content.endswith(b"\n") else b""
    with path.open("ab") as file:
        file.write(begin + _LINE.encode() + end)
    return path


def _is_in_checkout(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in (root, *root.parents))

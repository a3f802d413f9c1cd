"""`evaluate --from-log`: cases and further training examples from a log of real requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.evaluation.logs import KnownFiles

Command = Callable[..., None]


@dataclass(frozen=True)
class Log:
    """A log to be read, and what is to be made of it."""

    path: Path
    cases: Path | None
    training: Path | None
    case_share: float | None


def log_options(command: Command) -> Command:
    """Add what reads a log, given to the command as `log`; None where nobody asks."""

    @click.option(
        "--from-log", "log_path", metavar="LOG", type=_file(), help="Make cases of logged requests first."
    )
    @click.option("--out-cases", metavar="FILE", type=_file(), help="With --from-log: write the cases here.")
    @click.option("--out-training", metavar="FILE", type=_file(), help="With --from-log: and training examples.")
    @click.option("--case-share", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="[default: 0.3]")
    @wraps(command)
    def with_log(
        *args: Any,
        log_path: Path | None,
        out_cases: Path | None,
        out_training: Path | None,
        case_share: float | None,
        **others: Any,
    ) -> None:
        if log_path is None and (out_cases, out_training, case_share) != (None, None, None):
            raise click.UsageError("these options go with --from-log LOG")
        if log_path is not None and others.get("file") is not None:
            raise click.UsageError("--file and --from-log exclude each other: both say which cases to ask")
        log = None
        if log_path is not None:
            log = _log(log_path, out_cases, out_training, case_share)
        command(*args, log=log, **others)

    return with_log


def take_log(log: Log, targets: Sequence[str], endpoint: str | None, *, as_json: bool) -> Path | None:
    """Write what the log gives, and say what became of it; returns the file of cases, None where none was written.

    Where models are to be asked afterwards, `targets` name them; their data files are left alone and compared with.
    """
    from orchestrator.evaluation.logs import Outputs, convert_log
    from orchestrator.evaluation.logs.conversion import CASE_SHARE

    known = _known(targets, endpoint) if targets else {}
    outputs = Outputs(log.cases, log.training)
    done = convert_log(log.path, outputs, known=known, case_share=log.case_share or CASE_SHARE)
    if as_json and not targets:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.fromlog import log_object

        print_json(log_object(done))
    else:
        from orchestrator.reports.console import stderr
        from orchestrator.reports.fromlog import print_log

        print_log(done, stderr())
    return log.cases if done.count("evaluation") else None


def _known(targets: Sequence[str], endpoint: str | None) -> KnownFiles:
    from orchestrator.evaluation.logs.known import known_files
    from orchestrator.evaluation.subjects import find_subject
    from orchestrator.runs.ledger import open_ledger

    start = Path(targets[0]).parent if targets[0].endswith(".toml") else None
    with open_ledger(start) as ledger:
        return known_files(find_subject(ledger, targets, endpoint))


def _file() -> click.Path:
    return click.Path(path_type=Path)


def _log(path: Path, cases: Path | None, training: Path | None, case_share: float | None) -> Log:
    """Where neither output is named, both stand beside the log."""
    if cases is None and training is None:
        cases, training = (path.with_name(f"{path.stem}.{part}.jsonl") for part in ("cases", "training"))
    return Log(path, cases, training, case_share)

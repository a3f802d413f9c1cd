"""The options of `evaluate` that belong together, each group as one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.evaluation.logs import KnownFiles
    from orchestrator.evaluation.ownership import Terms


Command = Callable[..., None]
_USUAL_LIFE = 365
_PAGES, _PLOTS = (".html", ".htm"), (".svg", ".png")


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "NAME,…"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        return names or self.fail("give at least one name", param, ctx)


class Variants(Names):
    """Names of variants with commas between them."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from orchestrator.evaluation.asking import VARIANTS

        names = super().convert(value, param, ctx)
        for name in names:
            if name not in VARIANTS:
                self.fail(f'"{name}" is none of {", ".join(VARIANTS)}', param, ctx)
        return names


class _Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 with commas between them, in their order."""

    name = "N,…"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = [part.strip() for part in value.split(",") if part.strip()]
        # Python reads 1_000 and digits of other scripts too, which nobody means here.
        if not parts or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 10**9 for part in parts):
            self.fail(f'"{value}" is no list of whole numbers from 1, such as 100,1000,10000', param, ctx)
        return tuple(sorted({int(part) for part in parts}))


class _PricedAs(click.ParamType[tuple[str, str | None]]):
    """An endpoint type, and a tier behind a colon."""

    name = "TYPE[:TIER]"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str | None]:
        kind, _, tier = value.partition(":")
        if kind not in ("openai", "azure", "compatible"):
            self.fail(f'"{kind}" is none of openai, azure, compatible', param, ctx)
        return kind, tier or None


class _Usd(click.ParamType[float]):
    """An amount from 0."""

    name = "USD"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            usd = float(value)
        except ValueError:
            usd = math.nan
        return usd if 0 <= usd < math.inf else self.fail(f'"{value}" is no amount from 0', param, ctx)


@dataclass(frozen=True)
class Output:
    """Where the results go beside the terminal, or instead of its tables."""

    as_json: bool = False
    as_csv: bool = False
    html: Path | None = None
    plot: Path | None = None


def output_options(command: Command) -> Command:
    """Add what says where results go, given to the command as `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print one object.")
    @click.option("--csv", "as_csv", is_flag=True, help="Print a line for each model, variant and group of cases.")
    @click.option("--html", type=click.Path(path_type=Path), help="Write a page with everything, to keep or send.")
    @click.option("--plot", type=click.Path(path_type=Path), help="Draw the cost of ownership: FILE.svg or .png.")
    @wraps(command)
    def with_output(
        *args: Any, as_json: bool, as_csv: bool, html: Path | None, plot: Path | None, **others: Any
    ) -> None:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv exclude each other")
        _check_ending("--html", html, _PAGES)
        _check_ending("--plot", plot, _PLOTS)
        if plot and others.get("terms") is None:
            raise click.UsageError("--plot draws the cost of ownership: add --requests-per-day 100,1000,10000")
        command(*args, output=Output(as_json, as_csv, html, plot), **others)

    return with_output


def ownership_options(command: Command) -> Command:
    """Add what the cost of ownership is reckoned by, given to the command as `terms`; None where nobody asks."""

    @click.option("--requests-per-day", type=_Counts(), help="What owning the tuned model costs at so many.")
    @click.option("--life-days", type=click.IntRange(1, 3650), help="Spread training over these. [default: 365]")
    @click.option("--price-as", type=_PricedAs(), help="By the prices of openai, azure or azure:GlobalStandard.")
    @click.option("--training-cost", type=_Usd(), help="What training was billed.")
    @wraps(command)
    def with_terms(
        *args: Any,
        requests_per_day: tuple[int, ...] | None,
        life_days: int | None,
        price_as: tuple[str, str | None] | None,
        training_cost: float | None,
        **others: Any,
    ) -> None:
        if requests_per_day is None and (life_days, price_as, training_cost) != (None, None, None):
            raise click.UsageError("these are terms of --requests-per-day: give it too, such as 100,1000,10000")
        terms = None
        if requests_per_day is not None:
            terms = _terms(requests_per_day, life_days or _USUAL_LIFE, price_as, training_cost)
        command(*args, terms=terms, **others)

    return with_terms


def _terms(
    requests: tuple[int, ...], life_days: int, price_as: tuple[str, str | None] | None, training_usd: float | None
) -> Terms:
    from orchestrator.evaluation.ownership import Terms

    endpoint_type, tier = price_as or (None, None)
    return Terms(requests, life_days, endpoint_type, tier, training_usd)


def _check_ending(option: str, path: Path | None, endings: tuple[str, ...]) -> None:
    """What a slip of the keys names instead, such as a data file, must not be replaced by a report."""
    if path is not None and path.suffix.lower() not in endings:
        raise click.UsageError(f'{option} needs a name that ends in {" or ".join(endings)}, not "{path}"')


# --- `evaluate --from-log`: cases and further training examples from a log of real requests -------------------


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
        from orchestrator.cli.status import print_json
        from orchestrator.reports.datasets import log_object

        print_json(log_object(done))
    else:
        from orchestrator.reports.datasets import print_log
        from orchestrator.reports.text import stderr

        print_log(done, stderr())
    return log.cases if done.count("evaluation") else None


def _known(targets: Sequence[str], endpoint: str | None) -> KnownFiles:
    from orchestrator.evaluation.logs.conversion import known_files
    from orchestrator.evaluation.subjects import find_subject
    from orchestrator.ledger import open_ledger

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

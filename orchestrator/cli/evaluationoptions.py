"""Groups of options of `evaluate`, each passed as one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.definitions import PRESETS, parse_variant

if TYPE_CHECKING:
    from orchestrator.dataset.variants import Variant
    from orchestrator.evaluation.logs import KnownFiles
    from orchestrator.evaluation.ownership import Terms


Command = Callable[..., None]
_USUAL_LIFE = 365
_PAGES, _PLOTS, XML = (".html", ".htm"), (".svg", ".png"), (".xml",)


# Option types are plain functions: `click.ParamType[...]` needs Click 8.4.


def parse_names(text: str) -> tuple[str, ...]:
    """Distinct names separated by commas. Raises click.BadParameter without any."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("give at least one name")
    return names


def variants_options(command: Command) -> Command:
    """Add `--drop` and `--variants`, passed to the command as `variants`; None if neither is given."""

    @click.option(
        "--drop",
        "dropped",
        type=parse_variant,
        multiple=True,
        metavar="WHAT,…",
        help="Ask without descriptions, parameters or tools (repeatable, to compare them; full drops nothing).",
    )
    @click.option(
        "--variants",
        "presets",
        type=_parse_presets,
        metavar="NAME,…",
        help="The same as --drop, by presets: full, no-descriptions, no-parameters, no-tools.",
    )
    @wraps(command)
    def with_variants(
        *args: Any, dropped: tuple[Variant, ...], presets: tuple[str, ...] | None, **others: Any
    ) -> None:
        if dropped and presets:
            raise click.UsageError("--drop and --variants mean the same: give one of them")
        command(*args, variants=tuple(dict.fromkeys(dropped)) or presets, **others)

    return with_variants


def _parse_presets(text: str) -> tuple[str, ...]:
    """Names of presets separated by commas. Raises click.BadParameter for another name."""
    names = parse_names(text)
    for name in names:
        if name not in PRESETS:
            raise click.BadParameter(f'"{name}" is not one of {", ".join(PRESETS)}')
    return names


def parse_counts(text: str) -> tuple[int, ...]:
    """Whole numbers from 1 separated by commas, in order."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # Python also reads 1_000 and digits of other scripts, which are mistakes here.
    if not parts or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 10**9 for part in parts):
        raise click.BadParameter(f'"{text}" is not a list of whole numbers from 1, such as 100,1000,10000')
    return tuple(sorted({int(part) for part in parts}))


def _parse_price_as(text: str) -> tuple[str, str | None]:
    """An endpoint type, and a tier after a colon."""
    kind, _, tier = text.partition(":")
    from orchestrator.endpointtables import DEFAULTS

    known = [each for each in DEFAULTS if each != "local"]
    if kind not in known:
        raise click.BadParameter(f'"{kind}" is not one of {", ".join(known)}')
    return kind, tier or None


def _parse_usd(text: str) -> float:
    """An amount in USD, from 0."""
    try:
        usd = float(text)
    except ValueError:
        usd = math.nan
    if not 0 <= usd < math.inf:
        raise click.BadParameter(f'"{text}" is not an amount from 0')
    return usd


@dataclass(frozen=True)
class Output:
    """Where the results go in addition to, or instead of, the terminal's tables."""

    as_json: bool = False
    as_csv: bool = False
    html: Path | None = None
    cost_plot: Path | None = None
    details: bool = False
    show_wrong: int = 0
    """Number of wrong answers to list for each tuned model."""
    junit: Path | None = None


def output_options(command: Command) -> Command:
    """Add the output options, passed to the command as `output`."""

    @click.option("--details", is_flag=True, help="Print every table: slices, tools, tokens, cost, first errors.")
    @click.option(
        "--show-wrong", type=click.IntRange(1), metavar="N", help="List N wrong answers of each tuned model."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the results as a JSON object.")
    @click.option(
        "--csv", "as_csv", is_flag=True, help="Print CSV: a line for each model, variant and group of cases."
    )
    @click.option("--html", type=click.Path(path_type=Path), help="Write all results to an HTML page.")
    @click.option(
        "--junit",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Write JUnit XML for CI: a test case for each answer, and one for the gate.",
    )
    @click.option(
        "--cost-plot",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Plot the cost of ownership to FILE.svg or FILE.png.",
    )
    @click.option("--plot", "older_cost_plot", hidden=True, type=click.Path(path_type=Path))
    @wraps(command)
    def with_output(
        *args: Any,
        details: bool,
        show_wrong: int | None,
        as_json: bool,
        as_csv: bool,
        html: Path | None,
        junit: Path | None,
        cost_plot: Path | None,
        older_cost_plot: Path | None,
        **others: Any,
    ) -> None:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv can't be combined")
        if show_wrong and as_csv:
            raise click.UsageError("--show-wrong and --csv can't be combined; --json has the wrong answers too")
        check_ending("--html", html, _PAGES)
        check_ending("--junit", junit, XML)
        plot = cost_plot or older_cost_plot
        check_ending("--cost-plot", plot, _PLOTS)
        if plot and others.get("terms") is None:
            raise click.UsageError("--cost-plot needs --requests-per-day, such as 100,1000,10000")
        command(*args, output=Output(as_json, as_csv, html, plot, details, show_wrong or 0, junit), **others)

    return with_output


def ownership_options(command: Command) -> Command:
    """Add the options for the cost of ownership, passed to the command as `terms`; None if none is given."""

    @click.option(
        "--requests-per-day",
        type=parse_counts,
        metavar="N,…",
        help="Show the monthly cost at these request volumes.",
    )
    @click.option(
        "--life-days",
        type=click.IntRange(1, 3650),
        metavar="DAYS",
        help="Spread the training cost over this many days.  [default: 365]",
    )
    @click.option(
        "--price-as",
        type=_parse_price_as,
        metavar="TYPE[:TIER]",
        help="Use the prices of openai, azure or azure:GlobalStandard.",
    )
    @click.option("--training-cost", type=_parse_usd, metavar="USD", help="Use this training cost, as billed.")
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
            raise click.UsageError(
                "--life-days, --price-as and --training-cost need --requests-per-day, such as 100,1000,10000"
            )
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


def check_ending(option: str, path: Path | None, endings: tuple[str, ...]) -> None:
    """Refuse other endings, so that a report can't replace a data file after a typing mistake."""
    if path is not None and path.suffix.lower() not in endings:
        raise click.UsageError(f'{option} needs a name that ends in {" or ".join(endings)}, not "{path}"')


# --- `evaluate --from-log`: cases and further training examples from a log of real requests -------------------


@dataclass(frozen=True)
class Log:
    """A log to read, and the files to make from it."""

    path: Path
    cases: Path | None
    training: Path | None
    case_share: float | None


def log_options(command: Command) -> Command:
    """Add the options that read a log, passed to the command as `log`; None if none is given."""

    @click.option(
        "--from-log",
        "log_path",
        metavar="LOG",
        type=_file(),
        help="First make cases from the requests in this log.",
    )
    @click.option(
        "--out-cases", metavar="FILE", type=_file(), help="With --from-log: write the cases to this file."
    )
    @click.option(
        "--out-training",
        metavar="FILE",
        type=_file(),
        help="With --from-log: write training examples to this file.",
    )
    @click.option(
        "--case-share",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="With --from-log: make this share of the requests cases.  [default: 0.3]",
    )
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
            raise click.UsageError("--out-cases, --out-training and --case-share need --from-log LOG")
        if log_path is not None and others.get("file") is not None:
            raise click.UsageError("--file and --from-log can't be combined: each names the cases to ask")
        log = None
        if log_path is not None:
            log = _log(log_path, out_cases, out_training, case_share)
        command(*args, log=log, **others)

    return with_log


def take_log(log: Log, targets: Sequence[str], endpoint: str | None, *, as_json: bool) -> Path | None:
    """Write the files made from the log, and print a summary; returns the file of cases, None if none was written.

    `targets` name the models to ask afterwards; their data files are kept, and compared with the log.
    """
    from orchestrator.evaluation.logs import Outputs, convert_log
    from orchestrator.evaluation.logs.conversion import CASE_SHARE

    known = _known(targets, endpoint) if targets else {}
    outputs = Outputs(log.cases, log.training)
    done = convert_log(log.path, outputs, known=known, case_share=log.case_share or CASE_SHARE)
    if as_json and not targets:
        from orchestrator.cli.output import print_json
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
    """Without named outputs, both files go beside the log."""
    if cases is None and training is None:
        cases, training = (path.with_name(f"{path.stem}.{part}.jsonl") for part in ("cases", "training"))
    return Log(path, cases, training, case_share)

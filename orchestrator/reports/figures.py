"""The metrics of an evaluation for programs: `--json`, `--csv` and data frames.

Shares are between 0 and 1, times in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.evaluation.metrics import METRICS, Distribution, Metrics
from orchestrator.evaluation.ownership import Ownership
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.scoring.verdicts import Level
from orchestrator.evaluation.wronganswers import WrongAnswers
from orchestrator.reports.comparison import comparison_object, share_object
from orchestrator.reports.ownership import ownership_cells, ownership_object
from orchestrator.reports.table import Cell, Column, Number, Row, Table
from orchestrator.reports.text import iso
from orchestrator.reports.verdict import verdict_lines
from orchestrator.reports.wronganswers import wrong_answers_objects


def results_object(
    results: Results, ownership: Ownership | None = None, wrong: Sequence[WrongAnswers] | None = None
) -> dict[str, Any]:
    """The object that `evaluate --json` prints."""
    found = results.evaluation
    return {
        "evaluation": found.id,
        "name": found.name,
        "run": found.run_id,
        "endpoint": found.endpoint,
        "rehearsal": found.is_rehearsal,
        "file": found.file_path,
        "file_sha256": found.file_sha256,
        "cases": results.cases,
        "samples": found.settings["samples"],
        "created_at": iso(found.created_at),
        "finished_at": iso(found.finished_at),
        "models": [series_object(series) for series in results.series],
        "why_unanswered": results.why_unanswered or None,
        "against_base": [comparison_object(each) for each in results.comparisons],
        "verdict": verdict_lines(results),
        **({} if wrong is None else {"wrong_answers": wrong_answers_objects(wrong)}),
        **({"cost_of_ownership": ownership_object(ownership)} if ownership else {}),
    }


def results_csv(results: Results, ownership: Ownership | None = None) -> str:
    """The lines of `results_table`."""
    return results_table(results, ownership).to_csv()


def results_table(results: Results, ownership: Ownership | None = None) -> Table:
    """A row for each model, variant and group: all cases, each slice, each expected tool."""
    rows = [each for series in results.series for each in series_rows(series, ownership)]
    columns = [Column(key=key) for key in (rows[0] if rows else ())]
    return Table(columns, [Row([_csv_cell(data) for data in each.values()]) for each in rows])


def series_object(series: Series) -> dict[str, Any]:
    """All metrics of one model in one variant."""
    return {
        "model": series.model,
        "label": series.label,
        "variant": series.variant,
        **figures_object(series.all),
        "usd_per_1000_requests": series.usd_per_thousand,
        "slices": {name: figures_object(found) for name, found in series.slices.items()},
        "tools": {name: figures_object(found) for name, found in series.tools.items()},
    }


def figures_object(found: Metrics) -> dict[str, Any]:
    """All metrics of one group of answers."""
    return {
        "answers": found.answers,
        "api_errors": found.api_errors,
        **{name: share_object(measure.of(found)) for name, measure in METRICS.items()},
        "accuracy_by_level": {level: share_object(found.accuracy[level]) for level in Level},
        "call_accuracy_by_level": {level: share_object(found.call_accuracy[level]) for level in Level},
        "arguments": asdict(found.arguments),
        "hallucinated_tools": share_object(found.hallucinated_tools),
        "hallucinated_arguments": share_object(found.hallucinated_arguments),
        "decisions": dict(found.decisions),
        "mistakes": dict(found.mistakes),
        "confusion": [
            {"expected": expected, "called": called, "count": number}
            for (expected, called), number in found.confusion.items()
        ],
        "prompt_tokens": _distribution(found.prompt_tokens),
        "completion_tokens": _distribution(found.completion_tokens),
        "cached_tokens": _distribution(found.cached_tokens),
        "seconds": _distribution(found.seconds),
    }


def _distribution(found: Distribution | None) -> dict[str, Any] | None:
    return asdict(found) if found else None


def series_rows(series: Series, ownership: Ownership | None) -> Iterator[dict[str, Any]]:
    """A row for all cases, each slice and each expected tool of one model in one variant."""
    groups = [
        ("all", "", series.all),
        *(("slice", name, found) for name, found in series.slices.items()),
        *(("tool", name, found) for name, found in series.tools.items()),
    ]
    for group, name, found in groups:
        who = {
            "model": series.model,
            "label": series.label,
            "variant": series.variant,
            "group": group,
            "name": name,
        }
        price = {"usd_per_1000_requests": series.usd_per_thousand if group == "all" else None}
        owning = ownership_cells(ownership, series) if ownership else {}
        yield {**who, **_flat(found), **price, **(owning if group == "all" else dict.fromkeys(owning))}


def _csv_cell(data: str | float | None) -> Cell:
    return Cell(data) if isinstance(data, str) else Number("", value=data)


def _flat(found: Metrics) -> dict[str, Any]:
    row: dict[str, Any] = {"answers": found.answers, "api_errors": found.api_errors}
    for name, measure in METRICS.items():
        share = share_object(measure.of(found))
        row |= {name: share["count"], f"{name}_of": share["of"]}
        row |= {f"{name}_low": share["low"], f"{name}_high": share["high"]}
    row["argument_f1"] = found.arguments.f1
    spreads = {"prompt_tokens": found.prompt_tokens, "completion_tokens": found.completion_tokens}
    for of, spread in (*spreads.items(), ("seconds", found.seconds)):
        row |= {f"{of}_mean": spread.mean if spread else None, f"{of}_p95": spread.p95 if spread else None}
    return row

"""An evaluation for programs: one object, or the rows of a table. Shares are between 0 and 1, times in seconds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from orchestrator.evaluation.leaderboard import Leaderboard, ModelComparison, Side
from orchestrator.evaluation.metrics import METRICS, Distribution, Metrics, Proportion
from orchestrator.evaluation.ownership import Ownership
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.evaluation.scoring.verdicts import Level
from orchestrator.reports.ownership import ownership_cells, ownership_object
from orchestrator.reports.text import iso


def results_object(results: Results, ownership: Ownership | None = None) -> dict[str, Any]:
    """What `evaluate --json` prints."""
    found = results.evaluation
    return {
        "evaluation": found.id,
        "name": found.name,
        "run": found.run_id,
        "endpoint": found.endpoint,
        "rehearsal": found.endpoint_type == "local",
        "file": found.file_path,
        "file_sha256": found.file_sha256,
        "cases": results.cases,
        "samples": found.settings["samples"],
        "created_at": iso(found.created_at),
        "finished_at": iso(found.finished_at),
        "models": [_series_object(series) for series in results.series],
        "against_base": [comparison_object(each) for each in results.comparisons],
        **({"cost_of_ownership": ownership_object(ownership)} if ownership else {}),
    }


def results_csv(results: Results, ownership: Ownership | None = None) -> str:
    """One line for each model, variant and group: all cases, each slice, each expected tool."""
    rows = [row for series in results.series for row in _rows(series, ownership)]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def comparison_object(each: MetricComparison) -> dict[str, Any]:
    """One comparison; `before` is the base, or the first of two models."""
    found = each.comparison
    return {
        "model": each.model,
        "label": each.label,
        "variant": each.variant,
        "measure": each.measure,
        "before": share_object(found.first),
        "after": share_object(found.second),
        "difference": asdict(found.difference) if found.difference else None,
        "better": found.better,
        "worse": found.worse,
        "p_value": found.p_value,
        "p_value_adjusted": each.p_value,
        "models_compared": each.of,
        "is_established": each.is_established,
        "broken": list(found.broken),
        "fixed": list(found.fixed),
    }


def share_object(found: Proportion) -> dict[str, Any]:
    """A share with its 95 % interval; None where nothing was counted."""
    interval = found.interval
    return {
        "count": found.successes,
        "of": found.count,
        "clusters": found.clusters,
        "share": interval.value if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def _series_object(series: Series) -> dict[str, Any]:
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
    """All figures of one group of answers."""
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


def _rows(series: Series, ownership: Ownership | None) -> Iterator[dict[str, Any]]:
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


def model_comparison_object(comparison: ModelComparison) -> dict[str, Any]:
    """What `compare --json` prints."""
    return {
        "first": _side(comparison.first),
        "second": _side(comparison.second),
        "file_sha256": comparison.first.evaluation.file_sha256,
        "second_against_first": [comparison_object(each) for each in comparison.metrics],
        "broken": [asdict(changed) for changed in comparison.broken],
        "fixed": [asdict(changed) for changed in comparison.fixed],
        "confusion": [
            {"expected": expected, "called": called, "first": first, "second": second}
            for (expected, called), (first, second) in comparison.confusion.items()
        ],
    }


def leaderboard_object(board: Leaderboard) -> dict[str, Any]:
    """One file of `leaderboard --json`."""
    return {
        "file": board.file_path,
        "file_sha256": board.file_sha256,
        "cases": board.cases,
        "models": [
            {
                **_series_object(place.series),
                "evaluation": place.evaluation.id,
                "name": place.evaluation.name,
                "endpoint": place.evaluation.endpoint,
                "rehearsal": place.evaluation.endpoint_type == "local",
                "evaluated_at": iso(place.evaluation.created_at),
                "p_value_against_first": place.p_value,
            }
            for place in board.places
        ],
        "rejection_tools": list(board.conditions.rejection_tools),
        "scored_otherwise": [
            {
                "model": other.model,
                "variants": list(other.variants),
                "evaluation": other.evaluation.id,
                "rejection_tools": list(other.conditions.rejection_tools),
                "command": other.command,
            }
            for other in board.scored_otherwise
        ],
    }


def _side(side: Side) -> dict[str, Any]:
    model, variant = side.key
    return {"model": model, "variant": variant, "evaluation": side.evaluation.id}

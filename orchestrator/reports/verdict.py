"""What an evaluation found, in two lines at most."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from orchestrator.evaluation.metrics import METRICS, Proportion
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.evaluation.statistics import fewest_changes
from orchestrator.jobfile import ScoreName
from orchestrator.reports.text import percent, plural, printable, shown_path

_USUAL: ScoreName = "call_accuracy"
_NEXT: ScoreName = "accuracy"
"""Where no case expects a call."""
_NAMED = 3
"""Models that one line has room for."""


def verdict_lines(results: Results) -> list[str]:
    """Which model is better by the headline metric, whether that is established, and what else is."""
    if not results.series:
        return []
    name = headline(results)
    compared = [each for each in results.comparisons if each.measure == name]
    if not compared:
        return _without_base(results, name)
    return _of_one(compared[0], results) if len(compared) == 1 else _of_several(compared, name)


def headline(results: Results) -> ScoreName:
    """The metric of the job file, or call accuracy; accuracy where no case counts for that."""
    wanted = results.evaluation.settings.get("metric", _USUAL)
    wanted = wanted if wanted in METRICS else _USUAL
    counted = any(METRICS[wanted].of(series.all).count for series in results.series)
    return wanted if counted else _NEXT


def _of_one(each: MetricComparison, results: Results) -> list[str]:
    same = (other for other in results.comparisons if (other.model, other.variant) == (each.model, each.variant))
    others = [other for other in same if other is not each and other.is_established]
    return [f"{found_line(each)}.", _others(others, each)]


def found_line(each: MetricComparison, base: str = "base") -> str:
    """`tuned is better: call accuracy 78 %, base 59 % (+19, 95 % CI +4 to +37)`."""
    found, title = each.comparison, METRICS[each.measure].title
    label, first, second = printable(each.label), percent(found.first.value), percent(found.second.value)
    if not each.has_changes:
        return f"No difference: {title} {first} with both, every case came out the same"
    if not each.is_established:
        return f"Not established: {title} {label} {second}, {base} {first} ({_change(each)})"
    word = "better" if each.is_better else "worse"
    return f"{label[:1].upper()}{label[1:]} is {word}: {title} {second}, {base} {first} ({_change(each)})"


def _change(each: MetricComparison) -> str:
    interval = each.comparison.difference
    assert interval is not None  # nothing is compared without pairs
    value, low, high = (f"{points * 100:+.0f}" for points in (interval.value, interval.low, interval.high))
    return f"{value}, 95 % CI {low} to {high}"


def _others(others: Sequence[MetricComparison], first: MetricComparison) -> str:
    parts = [
        f"{word} {', '.join(map(_short, those))}"
        for word, is_better in (("better", True), ("worse", False))
        if (those := [each for each in others if each.is_better is is_better])
    ]
    if parts:
        return f"{'Also established' if first.is_established else 'Established'}: {'; '.join(parts)}."
    if first.is_established or not first.has_changes:
        return "No other difference is established."
    changed = first.comparison.better + first.comparison.worse
    few = 0 < changed < fewest_changes()
    advice = f"Only {plural(changed, 'case')} changed, too few to tell: ask more cases." if few else ""
    return f"Nor is any other difference. {advice}".strip()


def _short(each: MetricComparison) -> str:
    interval = each.comparison.difference
    assert interval is not None  # see above
    return f"{METRICS[each.measure].title} ({interval.value * 100:+.0f})"


# --- Several models or variants -----------------------------------------------------------------------------------


def _of_several(compared: Sequence[MetricComparison], name: ScoreName) -> list[str]:
    title, number = METRICS[name].title, len(compared)
    parts = [
        f"{word} than the base: {_named(those, compared)}"
        for word, is_better in (("better", True), ("worse", False))
        if (those := [each for each in compared if each.is_established and each.is_better is is_better])
    ]
    said = "; ".join(parts) if parts else "no difference from the base is established"
    best = _best(compared, is_low=METRICS[name].better_low)
    return [f"By {title}, of {number}: {said}.", _leader(best, compared, is_low=METRICS[name].better_low)]


def _named(those: Sequence[MetricComparison], among: Sequence[MetricComparison]) -> str:
    names = ", ".join(_who(each, among) for each in those[:_NAMED])
    return f"{names} and {len(those) - _NAMED} more" if len(those) > _NAMED else names


def _who(each: MetricComparison, among: Sequence[MetricComparison]) -> str:
    labels, variants = {other.label for other in among}, {other.variant for other in among}
    parts = [*([each.label] if len(labels) > 1 else []), *([each.variant] if len(variants) > 1 else [])]
    return printable(" ".join(parts) or each.label)


def _best(compared: Sequence[MetricComparison], *, is_low: bool) -> MetricComparison:
    sign = 1 if is_low else -1
    return min(compared, key=lambda each: sign * (each.comparison.second.value or 0.0))


def _leader(best: MetricComparison, among: Sequence[MetricComparison], *, is_low: bool) -> str:
    found = best.comparison
    word = "Lowest" if is_low else "Highest"
    return (
        f"{word}: {_who(best, among)} {percent(found.second.value)}, "
        f"base {percent(found.first.value)} ({_change(best)})."
    )


# --- No base ------------------------------------------------------------------------------------------------------


def _without_base(results: Results, name: ScoreName) -> list[str]:
    metric = METRICS[name]
    sign = 1 if metric.better_low else -1
    best = min(results.series, key=lambda each: sign * (metric.of(each.all).value or 0.0))
    who = f"{_label(best, results)}: " if len(results.series) > 1 else ""
    share = _share(metric.of(best.all))
    if all(series.is_base for series in results.series):
        why = "Only the base was asked, so there is nothing to compare."
    elif any(series.is_base for series in results.series):
        why = "Base and tuned answered no case in common, so nothing is compared."
    else:
        why = f"The base was not asked, so nothing is compared. To ask it: {_with_base(results)}"
    lead = f"{'Lowest' if metric.better_low else 'Highest'} {metric.title}: {who}" if who else f"{metric.title}: "
    return [f"{lead[:1].upper()}{lead[1:]}{share}.", why]


def _with_base(results: Results) -> str:
    """The command that asks the base too; its options alone where no run is evaluated."""
    found = results.evaluation
    options = "--models base,tuned"
    if found.run_id is None:
        return options
    file = "" if found.job_file else f"--file {quote(shown_path(found.file_path))} "
    return printable(f"ftorch evaluate {found.run_id} {file}{options}")


def _label(series: Series, results: Results) -> str:
    several = len(results.evaluation.settings["variants"]) > 1
    return printable(f"{series.label} {series.variant}" if several else series.label)


def _share(found: Proportion) -> str:
    if found.interval is None:
        return "no case counts for it"
    low, high = found.interval.low * 100, found.interval.high * 100
    return f"{percent(found.value)} of {plural(found.count, 'answer')} (95 % CI {low:.0f} to {high:.0f})"

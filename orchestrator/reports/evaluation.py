"""What `evaluate` prints: the plan before it asks, and the tables afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console

from orchestrator.evaluation.comparison import p_shown
from orchestrator.evaluation.metrics import METRICS, Distribution, Metrics, Proportion
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.pricing import ASSUMED_ANSWER
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.evaluation.scoring.verdicts import Decision, Level
from orchestrator.evaluation.statistics import fewest_changes
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Table, facts, heading_row, row
from orchestrator.reports.text import count, money, plural, print_wrapped, printable
from orchestrator.store.evaluations import Evaluation

REHEARSAL = (
    "local: the tiny trainer stands in for the model you name. This is a rehearsal of the pipeline; "
    "its numbers say nothing about other models."
)
_BY_TOOL = "By expected tool: answers right"
_TOOLS_SHOWN = 30
_COLUMNS_SHOWN = 6
_SIDE_BY_SIDE = 3
_MISTAKES_SHOWN = 6


def print_evaluation_plan(plan: Plan, console: Console) -> None:
    """Whom, what and how often is asked, how much of it is answered already, and what the rest may cost."""
    console.print(f"Evaluation: {printable(plan.subject.name)} on {plan.config.name}", style="bold")
    console.print(facts(_facts(plan)))
    for note in plan.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def print_results(results: Results, console: Console) -> None:
    """All figures of an evaluation, with their intervals, and each model against the base."""
    _print_head(results, console)
    for table in (accuracy_table(results), *result_tables(results)):
        if table.rows:
            console.print()
            console.print(table.title, style="bold")
            console.print(table)
    if results.comparisons:
        console.print()
        labels = {each.label for each in results.comparisons}
        who = f"{printable(labels.pop())} against base" if len(labels) == 1 else "Against the base"
        print_comparisons(f"{who}, case by case", "base", results.comparisons, console)


def accuracy_table(results: Results) -> Table:
    """A row for each model in a variant: how often it is right, by each measure."""
    measures = [measure for name, measure in METRICS.items() if name != "schema_validity"]
    rows = [
        row(*_who(results, series), *(share_cell(measure.of(series.all)) for measure in measures))
        for series in results.series
    ]
    columns = _columns(results, *(measure.title for measure in measures))
    return Table(columns, rows, "How often right, with 95 % intervals")


def result_tables(results: Results, *, is_wide: bool = False) -> Iterator[Table]:
    """The further tables; `is_wide` where there is room for every tool."""
    yield _decisions(results)
    yield _calls(results)
    yield _tokens(results)
    yield _slices(results)
    yield _by_row(results, _worst_first(results)) if is_wide else _tools(results)
    yield _mistakes(results)


# --- before ------------------------------------------------------------------------------------------------


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    for candidate in plan.candidates:
        is_named = candidate.label != candidate.model
        yield printable(candidate.label) if is_named else "model", printable(candidate.model)
    yield "cases", printable(f"{plan.cases.path}: {_contents(plan)}")
    yield "questions", _questions(plan)
    if plan.price is not None:
        yield "cost", _price(plan)


def _contents(plan: Plan) -> str:
    slices = ", ".join(f"{name} {number}" for name, number in plan.cases.slices.items())
    return f"{plural(plan.cases.cases, 'case')}{f' ({slices})' if slices else ''}"


def _questions(plan: Plan) -> str:
    parts = [f"{count(plan.cases.cases)} × {plural(len(plan.candidates), 'model')}"]
    if len(plan.grid.variants) > 1:
        parts.append(f"{len(plan.grid.variants)} variants ({', '.join(plan.grid.variants)})")
    elif plan.grid.variants[0] != "full":
        parts.append(f"variant {plan.grid.variants[0]}")
    if plan.grid.samples > 1:
        parts.append(plural(plan.grid.samples, "sample"))
    return f"{' × '.join(parts)} = {count(plan.questions)}; {count(plan.missing)} to be asked{_batched(plan)}"


def _batched(plan: Plan) -> str:
    """How they are asked, and what is under way already."""
    how = " in a batch" if plan.in_batches and plan.missing else ""
    waiting = sum(plan.under_way.values())
    return f"{how}, {count(waiting)} under way in {', '.join(sorted(plan.under_way))}" if waiting else how


def _price(plan: Plan) -> str:
    price = plan.price
    assert price is not None
    tokens = f"{count(price.prompt_tokens)} prompt tokens by estimate, answers taken as {ASSUMED_ANSWER} tokens"
    how = "by the prices of the Batch API, " if plan.in_batches else ""
    return f"{'unknown' if price.usd is None else f'about {money(price.usd)}'}: {how}{tokens}"


# --- after -------------------------------------------------------------------------------------------------


def _print_head(results: Results, console: Console) -> None:
    found = results.evaluation
    samples = found.settings["samples"]
    times = f", each asked {samples} times" if samples > 1 else ""
    head = f"Evaluation {found.id} of {found.name} on {found.endpoint}: {plural(results.cases, 'case')}{times}"
    console.print(printable(f"{head}, {found.file_path}"), style="bold", soft_wrap=True)
    print_rehearsal(found, console)
    labels = {series.model: series.label for series in results.series if series.label != series.model}
    width = max(map(len, labels.values()), default=0)
    for model, label in labels.items():
        console.print(printable(f"  {label:{width}}  {model}"), soft_wrap=True)
    if errors := sum(series.all.api_errors for series in results.series):
        text = f"{plural(errors, 'question')} got no answer and are in no figure; the same command asks them again."
        console.print(text, style="yellow", soft_wrap=True)


def print_rehearsal(evaluation: Evaluation, console: Console) -> None:
    """For the endpoint we ship: that its numbers are a rehearsal's."""
    if evaluation.endpoint_type == "local":
        print_wrapped(REHEARSAL, console, indent="", hanging="")


def _decisions(results: Results) -> Table:
    rows = []
    for series in results.series:
        counts = [*(series.all.decisions[decision] for decision in Decision), series.all.api_errors]
        rows.append(row(*_who(results, series), *(Number(str(each), value=each) for each in counts)))
    columns = _columns(results, *(decision.replace("_", " ") for decision in Decision), "no answer")
    return Table(columns, rows, "What the models decided to do")


def _calls(results: Results) -> Table:
    rows = []
    for series in results.series:
        found = series.all
        shares = [_plain_cell(found.call_accuracy[level]) for level in Level]
        made = map(_plain_cell, (found.hallucinated_tools, found.hallucinated_arguments, found.schema_validity))
        f1 = Number("–" if found.arguments.f1 is None else f"{found.arguments.f1:.2f}", value=found.arguments.f1)
        rows.append(row(*_who(results, series), *shares, f1, *made))
    levels = (f"right, {level}" for level in Level)
    columns = _columns(results, *levels, "F1", "unknown tool", "unknown argument", "keeps to schema")
    return Table(columns, rows, "How the calls are made")


def _tokens(results: Results) -> Table:
    rows = []
    for series in results.series:
        found = series.all
        is_free = results.evaluation.endpoint_type == "local"
        cost = "no charge" if is_free else money(series.usd_per_thousand)
        usd = Number(cost, value=0.0 if is_free else series.usd_per_thousand, unit="USD")
        rows.append(row(*_who(results, series), *_tokens_of(found), *_seconds(found.seconds), usd))
    names = ("prompt: mean", "p95", "answer: mean", "p95", "seconds: median", "p95", "1,000 requests")
    return Table(_columns(results, *names), rows, "Tokens and time")


def _tokens_of(found: Metrics) -> Iterator[Number]:
    for each in (found.prompt_tokens, found.completion_tokens):
        for value in (each.mean, each.p95) if each else (None, None):
            yield Number("–" if value is None else f"{value:,.0f}", value=value, unit="tokens")


def _seconds(found: Distribution | None) -> Iterator[Number]:
    for value in (found.median, found.p95) if found else (None, None):
        yield Number("–" if value is None else f"{value:.3f}", value=value, unit="s")


def _slices(results: Results) -> Table:
    names = dict.fromkeys(name for series in results.series for name in series.slices)
    rows = [
        row(*_who(results, series), *(_of_group(series.slices.get(name)) for name in names))
        for series in (results.series if names else ())
    ]
    return Table(_columns(results, *map(printable, names)), rows, "By slice: answers right")


def _of_group(found: Metrics | None) -> Number:
    return share_cell(found.accuracy[Level.TYPED]) if found else Number("–")


def _tools(results: Results) -> Table:
    """The tools that fare worst first: a row each, or with many models a column each."""
    is_narrow = len(results.series) <= _SIDE_BY_SIDE
    return (_by_row if is_narrow else _by_column)(results, _worst_first(results))


def _worst_first(results: Results) -> list[str]:
    """The tools by the shares of the last model; with many models, of all."""
    judges = results.series[-1:] if len(results.series) <= _SIDE_BY_SIDE else results.series
    return sorted(results.series[-1].tools, key=lambda name: sum(_value(each.tools.get(name)) for each in judges))


def _by_row(results: Results, names: Sequence[str]) -> Table:
    heads = (printable(" ".join(_who(results, series))) for series in results.series)
    columns = [Column("", "tool", Fit.FOLD), *(Column(head, fit=Fit.LINE, is_number=True) for head in heads)]
    rows = [
        row(printable(name), *(_of_tool(series, name) for series in results.series))
        for name in names[:_TOOLS_SHOWN]
    ]
    return Table(columns, rows, _BY_TOOL, _left_out(len(names) - _TOOLS_SHOWN))


def _by_column(results: Results, names: Sequence[str]) -> Table:
    shown = names[:_COLUMNS_SHOWN]
    rows = [
        row(*_who(results, series), *(_of_tool(series, name) for name in shown))
        for series in (results.series if names else ())
    ]
    columns = _columns(results, *map(printable, shown))
    return Table(columns, rows, _BY_TOOL, _left_out(len(names) - _COLUMNS_SHOWN))


def _of_tool(series: Series, name: str) -> Number:
    found = series.tools.get(name)
    return _plain_cell(found.accuracy[Level.TYPED]) if found else Number("–")


def _left_out(left: int) -> list[str]:
    return [f"… and {left} tools more, which fare no worse (--json has them)"] if left > 0 else []


def _value(found: Metrics | None) -> float:
    value = found.accuracy[Level.TYPED].value if found else None
    return 1.0 if value is None else value


def _mistakes(results: Results) -> Table:
    rows = []
    for series in results.series:
        found = list(series.all.mistakes.items())[:_MISTAKES_SHOWN]
        text = ", ".join(f"{mistake.replace('_', ' ')} {number}" for mistake, number in found)
        rows.append(row(*_who(results, series), text or "nothing"))
    names = ("model", "variant") if _has_variants(results) else ("model",)
    columns = [Column(key=key) for key in (*names, "mistakes")]
    return Table(columns, rows, "What was wrong first", has_headings=False)


# --- cells -------------------------------------------------------------------------------------------------


def share(found: Proportion) -> str:
    """`22 of 27, 81 % (63-92)`: the interval in per cent too."""
    if found.interval is None:
        return "–"
    low, high = found.interval.low * 100, found.interval.high * 100
    return f"{found.successes} of {found.count}, {found.interval.value:.0%} ({low:.0f}-{high:.0f})"


def share_cell(found: Proportion, *, has_interval: bool = True) -> Number:
    """As `share` says it, or only as `22 of 27`; the share, 0..1, for programs."""
    plain = f"{found.successes} of {found.count}" if found.count else "–"
    value = found.interval.value if found.interval else None
    return Number(share(found) if has_interval else plain, value=value)


def _plain_cell(found: Proportion) -> Number:
    return share_cell(found, has_interval=False)


def _has_variants(results: Results) -> bool:
    return len(results.evaluation.settings["variants"]) > 1


def _who(results: Results, series: Series) -> list[str]:
    return [printable(series.label), *([series.variant] if _has_variants(results) else [])]


def _columns(results: Results, *numbers: str) -> list[Column]:
    """Those that say who, then columns of numbers under these headings."""
    who = [Column("", "model", Fit.LINE), *([Column("variant", fit=Fit.LINE)] if _has_variants(results) else [])]
    return [*who, *(Column(heading, fit=Fit.FOLD, is_number=True) for heading in numbers)]


# --- One model against another, measure by measure, and what that proves --------------------------------------


def print_comparisons(title: str, first: str, comparisons: Sequence[MetricComparison], console: Console) -> None:
    """What was compared and how, the table, and what to know of it."""
    console.print(printable(title), style="bold", soft_wrap=True)
    print_wrapped(method(comparisons), console, indent="", hanging="")
    console.print(comparisons_table(first, comparisons))
    if sentence := too_few(comparisons):
        print_wrapped(sentence, console, indent="", hanging="")


def method(comparisons: Sequence[MetricComparison]) -> str:
    """How the numbers of these comparisons are made."""
    several = max((each.of for each in comparisons), default=1)
    holm = f"; p after Holm, for {several} comparisons" if several > 1 else ""
    return f"exact McNemar test, paired bootstrap 95 % interval in points{holm}"


def too_few(comparisons: Sequence[MetricComparison]) -> str:
    """Why some of these comparisons could not come to anything; "" where all could."""
    fewest = fewest_changes()
    if not any(0 < _changed(each) < fewest and not each.is_established for each in comparisons):
        return ""
    return f"Where fewer than {fewest} answers changed, no test can establish a difference: ask more cases."


def comparisons_table(first: str, comparisons: Sequence[MetricComparison]) -> Table:
    """A row for each measure; of several models or variants a row each, under the name of the measure.

    `first` heads the column of the model that the others are held against.
    """
    several = len({(each.label, each.variant) for each in comparisons}) > 1
    columns = [
        Column("", "model" if several else "measure", Fit.FOLD, least_width=12),  # may break: no figure is cut off
        *(Column(heading, fit=Fit.LINE) for heading in (first, "then", "difference", "p")),
        Column("", "verdict", Fit.LINE),
    ]
    rows = []
    for measure, found in groupby(comparisons, key=lambda each: each.measure):
        title = METRICS[measure].title
        rows += [heading_row(title)] if several else []
        rows += [
            row(f"  {_compared(each, comparisons)}" if several else title, *_comparison_cells(each))
            for each in found
        ]
    return Table(columns, rows)


def p_shown_short(p_value: float) -> str:
    """A p-value where there is little room: `0.013`, `<0.0001`."""
    return p_shown(p_value).replace("below ", "<")


def verdict(each: MetricComparison) -> Cell:
    """Better, worse, or that nothing is known."""
    found = each.comparison
    if _changed(each) == 0:
        return Cell("no difference")
    if not each.is_established:
        return Cell("not established", Meaning.WARNING)
    is_good = (found.better > found.worse) != METRICS[each.measure].better_low
    return Cell("better", Meaning.GOOD) if is_good else Cell("worse", Meaning.BAD)


def _compared(each: MetricComparison, among: Sequence[MetricComparison]) -> str:
    """The label and the variant, as far as they tell these comparisons apart."""
    labels, variants = {each.label for each in among}, {each.variant for each in among}
    parts = [*([each.label] if len(labels) > 1 else []), *([each.variant] if len(variants) > 1 else [])]
    return printable(" ".join(parts))


def _comparison_cells(each: MetricComparison) -> list[Cell]:
    found, interval = each.comparison, each.comparison.difference
    points = "" if interval is None else _points(interval.value, interval.low, interval.high)
    return [
        *(_of_side(side) for side in (found.first, found.second)),
        Number(points, value=interval.value if interval else None),
        Number(p_shown_short(each.p_value), value=each.p_value),
        verdict(each),
    ]


def _of_side(side: Proportion) -> Number:
    value = side.interval.value if side.interval else None
    return Number(f"{side.successes} of {side.count}", value=value)


def _points(value: float, low: float, high: float) -> str:
    return f"{value * 100:+.0f} ({low * 100:+.0f} to {high * 100:+.0f})"


def _changed(each: MetricComparison) -> int:
    return each.comparison.better + each.comparison.worse

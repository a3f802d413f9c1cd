"""What `evaluate` prints: the plan before it asks, and the tables afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.evaluation.comparison import p_shown
from orchestrator.evaluation.metrics import METRICS, Distribution, Metrics, Proportion
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.pricing import ASSUMED_ANSWER
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.evaluation.scoring.verdicts import Decision, Level
from orchestrator.evaluation.statistics import fewest_changes
from orchestrator.reports.text import count, money, plural, print_wrapped, printable
from orchestrator.store.evaluations import Evaluation

REHEARSAL = (
    "local: the tiny trainer stands in for the model you name. This is a rehearsal of the pipeline; "
    "its numbers say nothing about other models."
)
_TOOLS_SHOWN = 30
_COLUMNS_SHOWN = 6
_SIDE_BY_SIDE = 3
_MISTAKES_SHOWN = 6


def print_evaluation_plan(plan: Plan, console: Console) -> None:
    """Whom, what and how often is asked, how much of it is answered already, and what the rest may cost."""
    console.print(f"Evaluation: {printable(plan.subject.name)} on {plan.config.name}", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for candidate in plan.candidates:
        named = candidate.label != candidate.model
        table.add_row(printable(candidate.label) if named else "model", printable(candidate.model))
    table.add_row("cases", printable(f"{plan.cases.path}: {_contents(plan)}"))
    table.add_row("questions", _questions(plan))
    if plan.price is not None:
        table.add_row("cost", _price(plan))
    console.print(table)
    for note in plan.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def print_results(results: Results, console: Console) -> None:
    """All figures of an evaluation, with their intervals, and each model against the base."""
    _print_head(results, console)
    for title, table in (("How often right, with 95 % intervals", _accuracy(results)), *result_tables(results)):
        if table.row_count:
            console.print()
            console.print(title, style="bold")
            console.print(table)
    if results.contrasts:
        console.print()
        labels = {contrast.label for contrast in results.contrasts}
        who = f"{printable(labels.pop())} against base" if len(labels) == 1 else "Against the base"
        print_comparisons(f"{who}, case by case", "base", results.contrasts, console)


def result_tables(results: Results, *, is_wide: bool = False) -> Iterator[tuple[str, Table]]:
    """The further tables with their titles; `is_wide` where there is room for every tool."""
    yield "What the models decided to do", _decisions(results)
    yield "How the calls are made", _calls(results)
    yield "Tokens and time", _tokens(results)
    yield "By slice: answers right", _slices(results)
    yield "By expected tool: answers right", _by_row(results, _worst_first(results)) if is_wide else _tools(results)
    yield "What was wrong first", _mistakes(results)


# --- before ------------------------------------------------------------------------------------------------


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


def _accuracy(results: Results) -> Table:
    table = _table(results, *(measure.title for name, measure in METRICS.items() if name != "schema_validity"))
    for series in results.series:
        measures = (measure for name, measure in METRICS.items() if name != "schema_validity")
        table.add_row(*_who(results, series), *(share(measure.of(series.all)) for measure in measures))
    return table


def _decisions(results: Results) -> Table:
    table = _table(results, *(decision.replace("_", " ") for decision in Decision), "no answer")
    for series in results.series:
        counts = [str(series.all.decisions[decision]) for decision in Decision]
        table.add_row(*_who(results, series), *counts, str(series.all.api_errors))
    return table


def _calls(results: Results) -> Table:
    levels = (f"right, {level}" for level in Level)
    table = _table(results, *levels, "F1", "unknown tool", "unknown argument", "keeps to schema")
    for series in results.series:
        found = series.all
        shares = [found.call_accuracy[level] for level in Level]
        made = (found.hallucinated_tools, found.hallucinated_arguments, found.schema_validity)
        f1 = "–" if found.arguments.f1 is None else f"{found.arguments.f1:.2f}"
        table.add_row(*_who(results, series), *map(plain_share, shares), f1, *map(plain_share, made))
    return table


def _tokens(results: Results) -> Table:
    columns = ("prompt: mean", "p95", "answer: mean", "p95", "seconds: median", "p95", "1,000 requests")
    table = _table(results, *columns)
    for series in results.series:
        found = series.all
        cost = "no charge" if results.evaluation.endpoint_type == "local" else money(series.usd_per_thousand)
        table.add_row(*_who(results, series), *_tokens_of(found), *_seconds(found.seconds), cost)
    return table


def _tokens_of(found: Metrics) -> list[str]:
    both = (found.prompt_tokens, found.completion_tokens)
    return [cell for each in both for cell in ([f"{each.mean:,.0f}", f"{each.p95:,.0f}"] if each else ["–", "–"])]


def _seconds(found: Distribution | None) -> list[str]:
    return [f"{found.median:.3f}", f"{found.p95:.3f}"] if found else ["–", "–"]


def _slices(results: Results) -> Table:
    names = dict.fromkeys(name for series in results.series for name in series.slices)
    table = _table(results, *map(printable, names))
    if names:
        for series in results.series:
            cells = (_of_group(series.slices.get(name)) for name in names)
            table.add_row(*_who(results, series), *cells)
    return table


def _of_group(found: Metrics | None) -> str:
    return share(found.accuracy[Level.TYPED]) if found else "–"


def _tools(results: Results) -> Table:
    """The tools that fare worst first: a row each, or with many models a column each."""
    is_narrow = len(results.series) <= _SIDE_BY_SIDE
    return (_by_row if is_narrow else _by_column)(results, _worst_first(results))


def _worst_first(results: Results) -> list[str]:
    """The tools by the shares of the last model; with many models, of all."""
    judges = results.series[-1:] if len(results.series) <= _SIDE_BY_SIDE else results.series
    return sorted(results.series[-1].tools, key=lambda name: sum(_value(each.tools.get(name)) for each in judges))


def _by_row(results: Results, names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for series in results.series:
        table.add_column(printable(" ".join(_who(results, series))), justify="right", no_wrap=True)
    for name in names[:_TOOLS_SHOWN]:
        table.add_row(printable(name), *(_of_tool(series, name) for series in results.series))
    return _with_rest(table, len(names) - _TOOLS_SHOWN)


def _by_column(results: Results, names: Sequence[str]) -> Table:
    table = _table(results, *map(printable, names[:_COLUMNS_SHOWN]))
    for series in results.series if names else ():
        cells = (_of_tool(series, name) for name in names[:_COLUMNS_SHOWN])
        table.add_row(*_who(results, series), *cells)
    return _with_rest(table, len(names) - _COLUMNS_SHOWN)


def _of_tool(series: Series, name: str) -> str:
    found = series.tools.get(name)
    return plain_share(found.accuracy[Level.TYPED]) if found else "–"


def _with_rest(table: Table, left: int) -> Table:
    if left > 0:
        table.caption = f"… and {left} tools more, which fare no worse (--json has them)"
        table.caption_justify = "left"
    return table


def _value(found: Metrics | None) -> float:
    value = found.accuracy[Level.TYPED].value if found else None
    return 1.0 if value is None else value


def _mistakes(results: Results) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for series in results.series:
        found = list(series.all.mistakes.items())[:_MISTAKES_SHOWN]
        text = ", ".join(f"{mistake.replace('_', ' ')} {number}" for mistake, number in found)
        table.add_row(*_who(results, series), text or "nothing")
    return table


# --- cells -------------------------------------------------------------------------------------------------


def share(found: Proportion) -> str:
    """`22 of 27, 81 % (63-92)`: the interval in per cent too."""
    if found.interval is None:
        return "–"
    low, high = found.interval.low * 100, found.interval.high * 100
    return f"{found.successes} of {found.count}, {found.interval.value:.0%} ({low:.0f}-{high:.0f})"


def plain_share(found: Proportion) -> str:
    """`22 of 27`."""
    return f"{found.successes} of {found.count}" if found.count else "–"


def _who(results: Results, series: Series) -> list[str]:
    several = len(results.evaluation.settings["variants"]) > 1
    return [printable(series.label), *([series.variant] if several else [])]


def _table(results: Results, *columns: str) -> Table:
    several = len(results.evaluation.settings["variants"]) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", *(["variant"] if several else [])):
        table.add_column(heading, no_wrap=True)
    for heading in columns:
        table.add_column(heading, justify="right", overflow="fold")
    return table


# --- One model against another, measure by measure, and what that proves --------------------------------------


def print_comparisons(title: str, first: str, contrasts: Sequence[MetricComparison], console: Console) -> None:
    """What was compared and how, the table, and what to know of it."""
    console.print(printable(title), style="bold", soft_wrap=True)
    print_wrapped(method(contrasts), console, indent="", hanging="")
    console.print(comparisons_table(first, contrasts))
    if sentence := too_few(contrasts):
        print_wrapped(sentence, console, indent="", hanging="")


def method(contrasts: Sequence[MetricComparison]) -> str:
    """How the numbers of these comparisons are made."""
    several = max((contrast.of for contrast in contrasts), default=1)
    holm = f"; p after Holm, for {several} comparisons" if several > 1 else ""
    return f"exact McNemar test, paired bootstrap 95 % interval in points{holm}"


def too_few(contrasts: Sequence[MetricComparison]) -> str:
    """Why some of these comparisons could not come to anything; "" where all could."""
    fewest = fewest_changes()
    if not any(0 < _changed(contrast) < fewest and not contrast.is_established for contrast in contrasts):
        return ""
    return f"Where fewer than {fewest} answers changed, no test can establish a difference: ask more cases."


def comparisons_table(first: str, contrasts: Sequence[MetricComparison]) -> Table:
    """A row for each measure; of several models or variants a row each, under the name of the measure.

    `first` heads the column of the model that the others are held against.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", min_width=12)  # alone it may break, so no figure is cut off
    for heading in (first, "then", "difference", "p", ""):
        table.add_column(heading, no_wrap=True)
    several = len({(contrast.label, contrast.variant) for contrast in contrasts}) > 1
    for measure, found in groupby(contrasts, key=lambda contrast: contrast.measure):
        if several:
            table.add_row(Text(METRICS[measure].title, style="bold"))
        for contrast in found:
            table.add_row(
                f"  {_compared(contrast, contrasts)}" if several else METRICS[measure].title, *_cells(contrast)
            )
    return table


def p_cell(p_value: float) -> str:
    """A p-value where there is little room: `0.013`, `<0.0001`."""
    return p_shown(p_value).replace("below ", "<")


def meaning(contrast: MetricComparison) -> Text:
    """Better, worse, or that nothing is known."""
    found = contrast.comparison
    if _changed(contrast) == 0:
        return Text("no difference")
    if not contrast.is_established:
        return Text("not established", style="yellow")
    is_good = (found.better > found.worse) != METRICS[contrast.measure].better_low
    return Text("better", style="green") if is_good else Text("worse", style="bold red")


def _compared(contrast: MetricComparison, among: Sequence[MetricComparison]) -> str:
    """The label and the variant, as far as they tell these comparisons apart."""
    labels, variants = {each.label for each in among}, {each.variant for each in among}
    parts = [*([contrast.label] if len(labels) > 1 else []), *([contrast.variant] if len(variants) > 1 else [])]
    return printable(" ".join(parts))


def _cells(contrast: MetricComparison) -> list[str | Text]:
    found = contrast.comparison
    shares = [f"{side.successes} of {side.count}" for side in (found.first, found.second)]
    interval = found.difference
    points = "" if interval is None else _points(interval.value, interval.low, interval.high)
    return [*shares, points, p_cell(contrast.p_value), meaning(contrast)]


def _points(value: float, low: float, high: float) -> str:
    return f"{value * 100:+.0f} ({low * 100:+.0f} to {high * 100:+.0f})"


def _changed(contrast: MetricComparison) -> int:
    return contrast.comparison.better + contrast.comparison.worse

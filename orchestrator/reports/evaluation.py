"""The results that `evaluate` prints: the verdict first, the details on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from orchestrator.evaluation.metrics import METRICS, Distribution, Metrics, Proportion
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.evaluation.scoring.verdicts import Decision, Level
from orchestrator.jobfile.tables import BASE
from orchestrator.reports.comparison import comparisons_table, print_comparisons, share_cell, too_few
from orchestrator.reports.confusion import confusion_table
from orchestrator.reports.table import Column, Fit, Number, Table, row
from orchestrator.reports.text import money, plural, print_wrapped, printable, shown_path
from orchestrator.reports.verdict import headline, verdict_lines
from orchestrator.store.evaluations import Evaluation

REHEARSAL = "Rehearsal: a tiny local model answered; this says nothing about other models."
LEVELS = "exact: same JSON; typed: same by schema; lenient: ignores case and punctuation"
F1 = "F1: harmonic mean of argument precision and recall; 1.00 is best"
_BY_TOOL = "By expected tool: right answers"
_TOOLS_SHOWN = 30
_COLUMNS_SHOWN = 6
_SIDE_BY_SIDE = 3
_MISTAKES_SHOWN = 6


def print_results(results: Results, console: Console, *, details: bool = False, more: str = "--details") -> None:
    """Print the verdict and its table; with `details`, every other table too.

    `more` is the option or key that shows the details.
    """
    _print_verdict(results, console)
    table = supporting_table(results)
    console.print()
    console.print(table)
    if sentence := too_few(_supporting(results)):
        print_wrapped(sentence, console, indent="", hanging="")
    console.print()
    _print_subject(results, console)
    if details:
        _print_details(results, console)
    else:
        line = f"Slices, tools, tokens, cost: {more}. Wrong answers: --show-wrong 5"
        console.print(printable(line), style="dim", soft_wrap=True)


def supporting_table(results: Results) -> Table:
    """The table behind the verdict: each metric against the base; only the headline metric if there are several
    models or variants; without a base, the metrics of each model."""
    found = _supporting(results)
    if not found:
        return accuracy_table(results)
    return comparisons_table(BASE, found, is_short=True)


def _supporting(results: Results) -> list[MetricComparison]:
    several = len({(each.model, each.variant) for each in results.comparisons}) > 1
    name = headline(results)
    return [each for each in results.comparisons if not several or each.measure == name]


def _print_details(results: Results, console: Console) -> None:
    for table in (accuracy_table(results), *result_tables(results), confusion_table(results)):
        if table.rows:
            console.print()
            console.print(table.title, style="bold")
            console.print(table)
    if results.comparisons:
        console.print()
        labels = {each.label for each in results.comparisons}
        who = f"{printable(labels.pop())} against base" if len(labels) == 1 else "Against the base"
        print_comparisons(f"{who}, case by case", BASE, results.comparisons, console)


def print_rehearsal(evaluation: Evaluation, console: Console) -> None:
    """Say so where a stand-in on the endpoint `local` answered."""
    if evaluation.is_rehearsal:
        print_wrapped(REHEARSAL, console, indent="", hanging="")


def accuracy_table(results: Results) -> Table:
    """A row for each model in a variant: its value of each metric."""
    measures = [each for name, each in METRICS.items() if each.in_tables and name != "schema_validity"]
    rows = [
        row(*_who(results, series), *(share_cell(measure.of(series.all)) for measure in measures))
        for series in results.series
    ]
    columns = _columns(results, *(measure.title for measure in measures))
    return Table(columns, rows, "Metrics, with 95 % CI")


def result_tables(results: Results, *, is_wide: bool = False) -> Iterator[Table]:
    """The further tables; with `is_wide` there is room for every tool."""
    yield _decisions(results)
    yield _calls(results)
    yield _tokens(results)
    yield _slices(results)
    yield _by_row(results, _worst_first(results)) if is_wide else _tools(results)
    yield _mistakes(results)


# --- The tables of the results --------------------------------------------------------------------------------


def _print_verdict(results: Results, console: Console) -> None:
    """The verdict, and warnings about it."""
    for line in verdict_lines(results):
        print_wrapped(line, console, indent="", hanging="  ", style="bold")
    print_rehearsal(results.evaluation, console)
    if errors := sum(series.all.api_errors for series in results.series):
        text = f"{plural(errors, 'question')} got no answer and are in no metric; the same command asks them again."
        first = f" The first: {printable(results.why_unanswered)}" if results.why_unanswered else ""
        print_wrapped(f"{text}{first}", console, indent="", hanging="", style="yellow")


def _print_subject(results: Results, console: Console) -> None:
    """Print which models were asked which cases."""
    found = results.evaluation
    labels = {series.model: series.label for series in results.series if series.label != series.model}
    width = max(map(len, labels.values()), default=0)
    for model, label in labels.items():
        console.print(printable(f"{label:{width}}  {model}"), soft_wrap=True)
    samples = found.settings["samples"]
    times = f", each asked {samples} times" if samples > 1 else ""
    where = f"{plural(results.cases, 'case')} of {shown_path(found.file_path)}{times}"
    console.print(printable(f"{where} (evaluation {found.id} on {found.endpoint})"), soft_wrap=True)


_DECISIONS = {
    Decision.RIGHT_TOOL: "right tool",
    Decision.WRONG_TOOL: "wrong tool",
    Decision.DID_NOT_ACT: "missed calls",
    Decision.ACTED_NEEDLESSLY: "unnecessary calls",
    Decision.RIGHTLY_DID_NOT_ACT: "right, no call",
}


def _decisions(results: Results) -> Table:
    rows = []
    for series in results.series:
        counts = [*(series.all.decisions[decision] for decision in Decision), series.all.api_errors]
        rows.append(row(*_who(results, series), *(Number(str(each), value=each) for each in counts)))
    columns = _columns(results, *(_DECISIONS[decision] for decision in Decision), "no answer")
    return Table(columns, rows, "Decisions")


def _calls(results: Results) -> Table:
    rows = []
    for series in results.series:
        found = series.all
        shares = [_plain_cell(found.call_accuracy[level]) for level in Level]
        made = map(_plain_cell, (found.hallucinated_tools, found.hallucinated_arguments, found.schema_validity))
        f1 = Number("–" if found.arguments.f1 is None else f"{found.arguments.f1:.2f}", value=found.arguments.f1)
        rows.append(row(*_who(results, series), *shares, f1, *made))
    levels = (f"right, {level}" for level in Level)
    columns = _columns(results, *levels, "F1", "unknown tool", "unknown argument", "schema valid")
    return Table(columns, rows, "Tool calls", [LEVELS, F1])


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
    return Table(_columns(results, *map(printable, names)), rows, "By slice: right answers")


def _of_group(found: Metrics | None) -> Number:
    return share_cell(found.accuracy[Level.TYPED]) if found else Number("–")


def _tools(results: Results) -> Table:
    """The worst tools first: a row for each, or with many models a column for each."""
    is_narrow = len(results.series) <= _SIDE_BY_SIDE
    return (_by_row if is_narrow else _by_column)(results, _worst_first(results))


def _worst_first(results: Results) -> list[str]:
    """The tools ordered by the last model's share of right answers; with many models, by all."""
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
    return [f"… and {left} more tools, none worse (--json has them)"] if left > 0 else []


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
    columns = [Column(key=key, fit=Fit.BELOW if key == "model" else Fit.WORDS) for key in (*names, "mistakes")]
    return Table(columns, rows, "First error in each wrong answer", has_headings=False)


def _plain_cell(found: Proportion) -> Number:
    return share_cell(found, has_interval=False)


def _has_variants(results: Results) -> bool:
    return len(results.evaluation.settings["variants"]) > 1


def _who(results: Results, series: Series) -> list[str]:
    return [printable(series.label), *([series.variant] if _has_variants(results) else [])]


def _columns(results: Results, *numbers: str) -> list[Column]:
    """Columns for model and variant, then columns of numbers under these headings."""
    who = [Column("", "model", Fit.BELOW), *([Column("variant", fit=Fit.LINE)] if _has_variants(results) else [])]
    return [*who, *(Column(heading, fit=Fit.FOLD, is_number=True) for heading in numbers)]

"""What `evaluate` prints: the plan before it asks, and the results afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from orchestrator.evaluation.metrics import METRICS, Distribution, Metrics, Proportion
from orchestrator.evaluation.ownership import Ownership
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.pricing import ASSUMED_ANSWER
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.scoring.verdicts import Decision, Level
from orchestrator.reports.comparison import comparison_object, print_comparisons, share_cell, share_object
from orchestrator.reports.ownership import ownership_cells, ownership_object
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table, facts, row
from orchestrator.reports.text import count, iso, money, plural, print_wrapped, printable
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


def print_rehearsal(evaluation: Evaluation, console: Console) -> None:
    """For the endpoint we ship: that its numbers are a rehearsal's."""
    if evaluation.endpoint_type == "local":
        print_wrapped(REHEARSAL, console, indent="", hanging="")


def accuracy_table(results: Results) -> Table:
    """A row for each model in a variant: how often it is right, by each measure."""
    measures = [measure for name, measure in METRICS.items() if name != "schema_validity"]
    rows = [
        row(*_who(results, series), *(share_cell(measure.of(series.all)) for measure in measures))
        for series in results.series
    ]
    columns = _columns(results, *(measure.title for measure in measures))
    return Table(columns, rows, "Metrics, with 95 % CI")


def result_tables(results: Results, *, is_wide: bool = False) -> Iterator[Table]:
    """The further tables; `is_wide` where there is room for every tool."""
    yield _decisions(results)
    yield _calls(results)
    yield _tokens(results)
    yield _slices(results)
    yield _by_row(results, _worst_first(results)) if is_wide else _tools(results)
    yield _mistakes(results)


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
        "models": [series_object(series) for series in results.series],
        "why_unanswered": results.why_unanswered or None,
        "against_base": [comparison_object(each) for each in results.comparisons],
        **({"cost_of_ownership": ownership_object(ownership)} if ownership else {}),
    }


def results_csv(results: Results, ownership: Ownership | None = None) -> str:
    """One line for each model, variant and group: all cases, each slice, each expected tool."""
    rows = [each for series in results.series for each in series_rows(series, ownership)]
    columns = [Column(key=key) for key in (rows[0] if rows else ())]
    return Table(columns, [Row([_csv_cell(data) for data in each.values()]) for each in rows]).to_csv()


# --- The plan -------------------------------------------------------------------------------------------------


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


# --- The tables of the results --------------------------------------------------------------------------------


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
        first = f" The first: {printable(results.why_unanswered)}" if results.why_unanswered else ""
        print_wrapped(f"{text}{first}", console, indent="", hanging="", style="yellow")


_DECISIONS = {
    Decision.RIGHT_TOOL: "right tool",
    Decision.WRONG_TOOL: "wrong tool",
    Decision.DID_NOT_ACT: "missed calls",
    Decision.ACTED_NEEDLESSLY: "unnecessary calls",
    Decision.RIGHTLY_DID_NOT_ACT: "rightly no call",
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
    return Table(columns, rows, "First error in each wrong answer", has_headings=False)


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


# --- The same for programs. Shares are between 0 and 1, times in seconds --------------------------------------


def series_object(series: Series) -> dict[str, Any]:
    """One model in one variant: all its figures."""
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

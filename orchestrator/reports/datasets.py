"""What the `data` commands print about files: how two differ, how one was divided or shortened, what one holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from orchestrator.dataset.checking.checks import LEAST_TRAINING_EXAMPLES
from orchestrator.dataset.diff import ChangedAnswer, ChangedFunction, Difference, Excerpt, Side
from orchestrator.dataset.profile.fingerprints import listed
from orchestrator.dataset.shorten import Shortened
from orchestrator.dataset.split import PARTS, Split
from orchestrator.dataset.stats import ArgumentCoverage, Distribution, FunctionCoverage, Statistics
from orchestrator.dataset.variants import WITHOUT_TOOLS
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import count, plural, print_wrapped, printable

if TYPE_CHECKING:  # it loads pydantic
    from orchestrator.evaluation.logs import LogConversion

# --- `data diff`: what was added, removed, or is answered differently -----------------------------------------


_SHOWN = 5
_LONGEST_TEXT = 300


def print_diff(found: Difference, console: Console, *, show_all: bool = False) -> None:
    """The files, the changes with the first five examples of each, and a closing sentence."""
    console.print(_sides(found))
    limit = None if show_all else _SHOWN
    _print_changed(found, console, limit)
    _print_examples("removed", "-", "red", found.removed, found.removed_examples[:limit], console)
    _print_examples("added", "+", "green", found.added, found.added_examples[:limit], console)
    _print_functions(found, console)
    console.print()
    console.print(_sentence(found), style="bold", soft_wrap=True)


def diff_object(found: Difference) -> dict[str, Any]:
    """The difference for programs."""
    fields = asdict(found)
    for side in ("before", "after"):
        fields[side]["path"] = str(fields[side]["path"])
    return {"different": not found.is_empty, **fields}


def _sides(found: Difference) -> Table:
    rows = [
        row(sign, printable(f"{side.path}{_left_out(side)}"), count_cell(side.examples), count_cell(side.tokens))
        for sign, side in (("-", found.before), ("+", found.after))
    ]
    changes = (found.after.examples - found.before.examples, found.after.tokens - found.before.tokens)
    rows.append(row("", "difference", *(Number(f"{change:+,}", value=change) for change in changes)))
    return Table([Column(key="side", fit=Fit.LINE), *number_columns("FILE", "EXAMPLES", "TOKENS")], rows)


def _left_out(side: Side) -> str:
    return f" ({plural(side.left_out, 'line')} with errors left out)" if side.left_out else ""


def _print_changed(found: Difference, console: Console, limit: int | None) -> None:
    shown = found.changed_answers[:limit]
    _print_heading("answered differently", found.changed, len(shown), console)
    for change in shown:
        _print_change(change, console)


def _print_change(change: ChangedAnswer, console: Console) -> None:
    before, after = change.before, change.after
    place = f"line {before.line}" if before.line == after.line else f"lines {before.line} and {after.line}"
    _print_line(f"  {place}: {before.prompt}", "", console)
    _print_line(f"    - {before.answer}", "red", console)
    _print_line(f"    + {after.answer}", "green", console)


def _print_examples(
    verb: str, sign: str, style: str, total: int, shown: Sequence[Excerpt], console: Console
) -> None:
    _print_heading(verb, total, len(shown), console)
    for each in shown:
        _print_line(f"  {sign} line {each.line}: {each.prompt}", style, console)
        _print_line(f"      → {each.answer}", style, console)


def _print_heading(verb: str, total: int, shown: int, console: Console) -> None:
    if total:
        first = f", the first {count(shown)}" if shown < total else ""
        console.print()
        console.print(f"{plural(total, 'example')} {verb}{first}", style="bold")


def _print_line(text: str, style: str, console: Console) -> None:
    line = printable(text)
    if len(line) > _LONGEST_TEXT:
        line = f"{line[:_LONGEST_TEXT]}…"
    console.print(Text(line, style=style), soft_wrap=True)


def _print_functions(found: Difference, console: Console) -> None:
    lines = [_changed_function(change) for change in found.functions_changed]
    for verb, names in (("removed", found.functions_removed), ("added", found.functions_added)):
        lines.extend(f"{name}: {verb}" for name in names)
    if lines:
        console.print()
        console.print("Functions", style="bold")
    for line in lines:
        console.print(printable(f"  {line}"), soft_wrap=True)


def _changed_function(change: ChangedFunction) -> str:
    if change.line is None:
        return f"{change.name}: one of several definitions removed"
    return f"{change.name}: defined differently at {change.place}, on line {change.line}"


def _sentence(found: Difference) -> str:
    order = ", in another order" if found.reordered else ""
    if found.is_empty:
        return f"No difference: the same {plural(found.same, 'example')}{order}"
    tools = f"; {count(found.tools_changed)} of those in both declare other tools" if found.tools_changed else ""
    return (
        f"{count(found.added)} added, {count(found.removed)} removed, {count(found.changed)} answered differently, "
        f"{count(found.same)} the same{order}{tools}"
    )


# --- `evaluate --from-log`: the files written from logged requests, and what was left out and why -------------


_WORDS = {"evaluation": "case", "training": "training example"}
_SHOWN_LINES = 8


def print_log(done: LogConversion, console: Console) -> None:
    """The files, then what was left out, the first lines with their reasons, then what to look at."""
    console.print(printable(f"Read {done.source}: {plural(done.requests, 'request')}"), soft_wrap=True)
    for purpose, (path, kinds) in done.written.items():
        said = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items(), reverse=True))
        wrote = f"Wrote {path}: {plural(done.count(purpose), _WORDS[purpose])}{f' ({said})' if said else ''}"
        console.print(printable(wrote), soft_wrap=True)
    for bad in done.left_out[:_SHOWN_LINES]:
        text = f"Left out: {done.source}:{bad.line}: {_with_advice(bad.problem, bad.advice)}"
        console.print(printable(text), style="yellow", soft_wrap=True)
    if more := done.left_out_count - len(done.left_out[:_SHOWN_LINES]):
        console.print(f"Left out: {count(more)} more; --json without a job file names them", style="yellow")
    for warning in _log_warnings(done):
        console.print(printable(f"Warning: {warning}"), style="yellow", soft_wrap=True)


def log_object(done: LogConversion) -> dict[str, Any]:
    """The same for programs, with the first 1,000 lines that were left out."""
    return {
        "source": str(done.source),
        "requests": done.requests,
        "files": [
            {"purpose": purpose, "path": str(path), "examples": done.count(purpose), **kinds}
            for purpose, (path, kinds) in done.written.items()
        ],
        "left_out": done.left_out_count,
        "reasons": dict(Counter(row.problem for row in done.left_out).most_common()),
        "lines": [{"line": row.line, "problem": row.problem, "advice": row.advice} for row in done.left_out],
        "warnings": _log_warnings(done),
    }


def _with_advice(problem: str, advice: str) -> str:
    return f"{problem}. {advice}" if advice else problem


def _log_warnings(done: LogConversion) -> list[str]:
    """What a user should know before using the files."""
    found = [f"{done.source}: {finding.message}" for finding in done.warnings]
    if "training" in done.written and 0 < done.count("training") < LEAST_TRAINING_EXAMPLES:
        number = plural(done.count("training"), "training example")
        found.append(f"{number} are too few to train on alone; append them to your own")
    found += [
        f"no {_WORDS[purpose]} was left for {path}"
        for purpose, (path, _) in done.written.items()
        if not done.count(purpose)
    ]
    return found


# --- `data shorten`: what shorter tool definitions save -------------------------------------------------------


def print_shortened(done: Sequence[Shortened], console: Console) -> None:
    """Print one line for each file: its prompt tokens before and after, and the share saved."""
    variants = f"{done[0].variant_before} → {done[0].variant}"
    console.print(f"Prompt tokens of a request (an estimate), with definitions {variants}")
    rows = [
        row(
            printable(str(each.target)),
            count_cell(each.examples),
            f"{each.before.mean:,.1f} → {each.after.mean:,.1f}",
            f"{each.before.p95:,} → {each.after.p95:,}",
            Number(f"{each.saved:.1%}", value=each.saved),
        )
        for each in done
    ]
    console.print(Table(number_columns("WROTE", "EXAMPLES", "MEAN", "P95", "SAVED"), rows))
    if done[0].variant == "no-tools" != done[0].variant_before:
        print_wrapped(f"Note: {WITHOUT_TOOLS}.", console, indent="", hanging="", style="yellow")


def shortened_object(done: Shortened) -> dict[str, Any]:
    """One shortened file for programs; `saved` is a share from 0 to 1."""
    return {
        "source": str(done.source),
        "target": str(done.target),
        "examples": done.examples,
        "variant_before": done.variant_before,
        "variant": done.variant,
        "prompt_tokens_before": asdict(done.before),
        "prompt_tokens_after": asdict(done.after),
        "saved": round(done.saved, 4),
    }


# --- `data split`: how many examples of each answer went into which file --------------------------------------


_LEAST_TRAINING_EXAMPLES = 10


def print_split(split: Split, console: Console) -> None:
    """A line for each answer, and the files."""
    console.print(_split_table(split))
    if split.kept_together:
        kept = count(split.kept_together)
        note = f"{kept} examples have the same or nearly the same prompt as another and stay with it"
        console.print(note, style="dim", soft_wrap=True)
    for part, path in split.targets.items():
        console.print(printable(f"Wrote {path}: {plural(split.examples(part), f'{part} example')}"), soft_wrap=True)
    for warning in _split_warnings(split):
        console.print(printable(f"Warning: {warning}"), style="yellow", soft_wrap=True)


def split_object(split: Split) -> dict[str, Any]:
    """The split for programs."""
    return {
        "source": str(split.source),
        "files": [
            {"purpose": part, "path": str(path), "examples": split.examples(part)}
            for part, path in split.targets.items()
        ],
        "answers": {
            answer: {part: parts[part] for part in split.targets} for answer, parts in split.counts.items()
        },
        "kept_together": split.kept_together,
        "warnings": list(_split_warnings(split)),
    }


def _split_table(split: Split) -> Table:
    parts = [part for part in PARTS if part in split.targets]
    rows = [
        row(printable(answer), *(count_cell(counts[part]) for part in parts))
        for answer, counts in split.counts.items()
    ]
    footer = row("all", *(count_cell(split.examples(part)) for part in parts))
    return Table(number_columns("ANSWER", *(part.upper() for part in parts)), rows, footer=footer)


def _split_warnings(split: Split) -> list[str]:
    """What a user should know before relying on the parts."""
    found = []
    training = split.examples("training")
    if training < _LEAST_TRAINING_EXAMPLES:
        found.append(f"only {training} examples are left to train on; endpoints ask for {_LEAST_TRAINING_EXAMPLES}")
    for part in split.targets:
        missing = [answer for answer, counts in split.counts.items() if not counts[part]]
        if missing and split.examples(part):
            found.append(f"{part} has no example of {listed(missing)}: too few different prompts")
        elif not split.examples(part):
            found.append(f"{part} got no example: too few different prompts")
    return found


# --- `data stats`: tokens and lengths, and what the calls of a file show of each function ---------------------


_FUNCTIONS_SHOWN = 50
_LENGTHS_SHOWN = 5


def print_statistics(found: Statistics, console: Console, *, show_all: bool = False) -> None:
    """One file's figures; of more than 50 functions the most called ones, unless `show_all`."""
    console.print(_headline(found), style="bold", soft_wrap=True)
    if found.left_out:
        hint = f"Left out, with errors: {plural(found.left_out, 'line')}. See them: ftorch data check {found.path}"
        console.print(printable(hint), style="yellow", soft_wrap=True)
    console.print(_lengths(found), soft_wrap=True)
    console.print()
    console.print(numbers_table(found))
    console.print(_tokens(found), soft_wrap=True)
    if found.functions:
        console.print()
        console.print(coverage_table(found, show_all))


def statistics_object(found: Statistics) -> dict[str, Any]:
    """One file for programs; shares are between 0 and 1."""
    fields = asdict(found)
    fields["path"] = str(found.path)
    fields["lengths"] = {str(messages): examples for messages, examples in found.lengths.items()}
    return {**fields, "definition_share": round(found.definition_share, 4)}


def _headline(found: Statistics) -> str:
    called = found.examples - found.answered_in_text
    calls = f"{count(called)} with calls, {count(found.answered_in_text)} answered in text"
    return printable(f"{found.path}: {plural(found.examples, 'example')}, {calls}")


def _lengths(found: Statistics) -> str:
    usual = sorted(found.lengths.items(), key=lambda entry: -entry[1])
    parts = [f"{count(examples)} with {messages} messages" for messages, examples in usual[:_LENGTHS_SHOWN]]
    if rest := sum(examples for _, examples in usual[_LENGTHS_SHOWN:]):
        parts.append(f"{count(rest)} with other numbers")
    return f"Conversations: {', '.join(parts)}"


def numbers_table(found: Statistics) -> Table:
    """Messages and tokens of the examples: how they are spread."""
    rows = [
        _spread("messages", found.messages),
        _spread("prompt tokens", found.prompt_tokens),
        _spread("completion tokens", found.completion_tokens),
    ]
    return Table(number_columns("FOR EACH EXAMPLE", "MIN", "MEDIAN", "P95", "MAX", "IN ALL"), rows)


def _spread(name: str, values: Distribution) -> Row:
    numbers = (values.minimum, values.median, values.p95, values.maximum, values.total)
    return row(name, *map(count_cell, numbers))


def _tokens(found: Statistics) -> str:
    share = f"tool definitions take {found.definition_share:.0%} of the prompt tokens; " if found.functions else ""
    return f"Estimates: {share}one epoch trains on {count(found.tokens)} tokens"


def coverage_table(found: Statistics, show_all: bool) -> Table:
    """A row for each function and each of its arguments: calls, distinct values, and those of its enum."""
    functions = found.functions if show_all else found.functions[:_FUNCTIONS_SHOWN]
    rows: list[tuple[Cell | str, ...]] = []
    for function in functions:
        remark = _remark(function, found)
        rows.append((printable(function.name), count_cell(function.called), "", "", "", remark))
        rows += [_cells(argument) for argument in function.arguments]
    columns = number_columns("FUNCTION, ARGUMENTS", "CALLS", "GIVEN", "VALUES", "ENUM")
    if any(cells[-1] for cells in rows):
        columns.append(Column("REMARKS", fit=Fit.FOLD, takes_rest=True))
    left = len(found.functions) - len(functions)
    notes = [f"… and {count(left)} functions more, called less often (--all)"] if left else []
    return Table(columns, [row(*cells[: len(columns)]) for cells in rows], notes=notes)


def _remark(function: FunctionCoverage, found: Statistics) -> str:
    remarks = []
    if not function.called:
        remarks.append("never called")
    if not function.declared:
        remarks.append("never declared")
    elif function.declared < found.examples:
        remarks.append(f"declared by {count(function.declared)} examples")
    if function.definitions > 1:
        remarks.append(f"{count(function.definitions)} different definitions")
    return ", ".join(remarks)


def _cells(argument: ArgumentCoverage) -> tuple[str, ...]:
    values = f"{argument.distinct}+" if argument.more_distinct else str(argument.distinct)
    shown = f"{argument.choices - len(argument.unshown)} of {argument.choices}" if argument.choices else ""
    return (
        printable(f"  {argument.path}{'' if argument.required else '?'}"),
        "",
        f"{count(argument.given)} of {count(argument.of)}",
        values if argument.distinct else "",
        shown,
        printable(f"never {', '.join(argument.unshown)}") if argument.unshown else "",
    )


# --- Columns and cells of these tables ------------------------------------------------------------------------


def number_columns(first: str, *numbers: str) -> list[Column]:
    """A column of texts, then columns of numbers."""
    return [Column(first, fit=Fit.FOLD), *(Column(name, fit=Fit.LINE, is_number=True) for name in numbers)]


def count_cell(number: int) -> Cell:
    return Number(count(number), value=number)

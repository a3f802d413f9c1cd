"""What `data check` prints: findings kind by kind as other checkers print them, one summary line for each file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from orchestrator.dataset.rules import RULES, Rule, Severity
from orchestrator.reports.table import TERMINAL_STYLES, Cell, Column, Fit, Meaning, Table, row
from orchestrator.reports.text import count, printable, wrapped

if TYPE_CHECKING:
    from orchestrator.dataset.checking.examples import Explanation
    from orchestrator.dataset.checking.filesets import CheckedSource
    from orchestrator.dataset.checking.report import CheckReport
    from orchestrator.dataset.findings import Finding


NOT_TRIED = "FT905"
_SHOWN_OF_EACH_KIND = 5
_INDENT = "    "


def print_findings(files: Sequence[CheckedSource], console: Console, *, show_all: bool = False) -> None:
    """Every file's findings, errors first, then a summary line of each file."""
    for checked in files:
        for code in _codes(checked.report):
            _print_kind(checked, code, console, show_all)
    for checked in files:
        _print_summary(checked, console)
    if any(checked.source.purpose_is_guess and checked.report.examples for checked in files):
        console.print("assumed: no --purpose was given, and the name (train, valid, eval, test) does not say")


def findings_json(files: Sequence[CheckedSource]) -> Iterator[str]:
    """The lines of one JSON object, as `data check --json` prints it; docs/data.md explains each key.

    One finding a line, one at a time: there may be millions. In ASCII, so no control character reaches a terminal.
    """
    errors, warnings = totals(files)
    summary = {
        "ok": not errors,
        "errors": errors,
        "warnings": warnings,
        "files": [_file_object(checked) for checked in files],
    }
    yield f'{json.dumps(summary, indent=2).removesuffix("}").rstrip()},\n  "findings": ['
    found = ((checked, finding) for checked in files for finding in checked.report.findings)
    last = None
    for checked, finding in found:
        if last is not None:
            yield f"    {last},"
        last = json.dumps(_finding_object(checked, finding))
    if last is not None:
        yield f"    {last}"
    yield "  ]\n}"


def totals(files: Sequence[CheckedSource]) -> tuple[int, int]:
    """How many errors and how many warnings all files have."""
    return sum(file.report.total("error") for file in files), sum(file.report.total("warning") for file in files)


def tally(errors: int, warnings: int) -> str:
    """`2 errors, 1 warning`, or `clean`."""
    parts = [_plural(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    return ", ".join(parts) or "clean"


def _codes(report: CheckReport) -> list[str]:
    return sorted(report.counts, key=lambda code: (RULES[code].severity, code))


def _print_kind(checked: CheckedSource, code: str, console: Console, show_all: bool) -> None:
    found = [finding for finding in checked.report.findings if finding.code == code]
    shown = found if show_all else found[:_SHOWN_OF_EACH_KIND]
    for fix, alike in groupby(shown, key=lambda finding: finding.fix):
        for finding in alike:
            _print_finding(checked, finding, console)
        _print_indented(f"fix: {printable(fix)}", console, "green")
    left = checked.report.counts[code] - len(shown)
    if left:
        _print_indented(f"… and {left:,} more of {code} (--all)", console, "dim")
    console.print()


def _print_finding(checked: CheckedSource, finding: Finding, console: Console) -> None:
    place = _place(checked, finding)
    styles = ((place, "bold"), (f"{finding.code} {finding.severity}", TERMINAL_STYLES[_MEANINGS[finding.severity]]))
    _print_headed(styles, printable(finding.reason), console)
    pointer, excerpt = printable(finding.pointer), printable(finding.excerpt)
    room = console.width - len(_INDENT) if console.is_terminal else None
    together = f"at {pointer}   {excerpt}"
    if pointer and excerpt and (room is None or len(together) <= room):
        parts = [together]
    else:
        parts = [part for part in (f"at {pointer}" if pointer else "", excerpt) if part]
    for part in parts:
        fitting = part if room is None or len(part) <= room else f"{part[: room - 1]}…"
        console.print(Text(f"{_INDENT}{fitting}", style="dim"), soft_wrap=True)


def _print_headed(heads: Sequence[tuple[str, str]], text: str, console: Console) -> None:
    """`head: head: text`, each head in its style as far as it stands on the first line."""
    prefix = "".join(f"{head}: " for head, _ in heads)
    first, *others = wrapped(f"{prefix}{text}", console)
    line, position = Text(first), 0
    for head, style in heads:
        line.stylize(style, position, position + len(head))
        position += len(head) + 2
    for each in (line, *map(Text, others)):
        console.print(each, soft_wrap=True)


def _print_indented(text: str, console: Console, style: str) -> None:
    for line in wrapped(text, console, indent=_INDENT, hanging=""):
        console.print(Text(line, style=style), soft_wrap=True)


def _place(checked: CheckedSource, finding: Finding) -> str:
    path = printable(str(checked.source.path))
    return f"{path}:{finding.line}" if finding.line else path


def _print_summary(checked: CheckedSource, console: Console) -> None:
    source, report = checked.source, checked.report
    errors, warnings = report.total("error"), report.total("warning")
    style = "red" if errors else "yellow" if warnings else "green"
    heads = ((printable(str(source.path)), "bold"), (tally(errors, warnings), style))
    _print_headed(heads, _holding(checked), console)


def _holding(checked: CheckedSource) -> str:
    """What the file holds, in a few words."""
    source, report = checked.source, checked.report
    if not report.examples:
        return f"no {source.purpose} examples"
    examples = f"{source.purpose} {_plural_word(report.examples, 'example')}"
    parts = [f"{report.examples:,} {examples}{' (assumed)' if source.purpose_is_guess else ''}", report.method]
    if report.tokens is not None:
        parts.append(tokens_text(report))
    return ", ".join(parts)


def tokens_text(report: CheckReport) -> str:
    """`242,025 tokens`; `477,492 tokens of NAME` if that model's tokenizer counted them."""
    tokens = f"{count(report.tokens)} tokens"
    if report.tokenizer:
        return f"{tokens} of {printable(report.tokenizer)}"
    return f"about {tokens}" if NOT_TRIED in report.counts else tokens


def _plural(number: int, word: str) -> str:
    return f"{number:,} {_plural_word(number, word)}"


def _plural_word(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def _file_object(checked: CheckedSource) -> dict[str, Any]:
    source, report = checked.source, checked.report
    return {
        "file": str(source.path),
        "purpose": source.purpose,
        "method": report.method,
        "model": source.model,
        "examples": report.examples,
        "tokens": report.tokens,
        "tokenizer": report.tokenizer,
        "errors": report.total("error"),
        "warnings": report.total("warning"),
        "counts": dict(sorted(report.counts.items())),
    }


def _finding_object(checked: CheckedSource, finding: Finding) -> dict[str, Any]:
    return {
        "file": str(checked.source.path),
        "line": finding.line,
        "code": finding.code,
        "severity": finding.severity,
        "title": RULES[finding.code].title,
        "pointer": finding.pointer,
        "excerpt": finding.excerpt,
        "reason": finding.reason,
        "fix": finding.fix,
    }


# --- The kinds of findings: one explained, all listed, and how often each was found ---------------------------


_MEANINGS: Mapping[Severity, Meaning] = {"error": Meaning.ERROR, "warning": Meaning.WARNING}


def print_explanation(explained: Explanation, console: Console) -> None:
    """One kind of finding: the message, the fix, and a wrong and a right example."""
    kind = explained.kind
    heading = Text(f"{kind.code} {kind.title} ", style="bold")
    console.print(heading.append(f"({kind.severity})", style=TERMINAL_STYLES[_MEANINGS[kind.severity]]))
    for name, text in (("reason", explained.reason), ("fix", explained.fix)):
        console.print(f"\n{name}", style="bold")
        for line in wrapped(text, console, indent="  ", hanging=""):
            console.print(line, soft_wrap=True)
    where = f" at {explained.place}" if explained.place else ""
    for name, text in ((f"wrong{where}", kind.wrong), ("right", kind.right)):
        if text.strip():
            console.print(f"\n{name}", style="bold")
            for line in text.splitlines():
                console.print(f"  {printable(line)}", soft_wrap=True)


def tallies(counts: Mapping[str, int]) -> list[str]:
    """`FT331 calls without tools (12)` for each code found; one that this version does not know stands alone."""
    return [_tally(code, counts[code]) for code in sorted(counts)]


def _tally(code: str, number: int) -> str:
    words = [code, RULES[code].title] if code in RULES else [code]
    return " ".join([*words, f"({number:,})"] if number > 1 else words)


def kinds_table(kinds: Iterable[Rule]) -> Table:
    """One line for each kind."""
    columns = [Column("CODE", fit=Fit.LINE), Column("SEVERITY", fit=Fit.LINE), Column("TITLE")]
    rows = [row(kind.code, Cell(kind.severity, _MEANINGS[kind.severity]), kind.title) for kind in kinds]
    return Table(columns, rows)


def explanation_object(explained: Explanation) -> dict[str, Any]:
    """What `data explain --json` prints of a kind."""
    kind = explained.kind
    return {
        "code": kind.code,
        "severity": kind.severity,
        "title": kind.title,
        "reason": explained.reason,
        "fix": explained.fix,
        "wrong": kind.wrong,
        "right": kind.right,
    }

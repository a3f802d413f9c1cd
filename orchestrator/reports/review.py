"""What a review shows: one row at a time, counts of decisions, and sheets to hand to someone else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from orchestrator.dataset.findings import printable
from orchestrator.reports.table import TERMINAL_STYLES, Column, Meaning, Number, Table, row
from orchestrator.reports.text import plural

if TYPE_CHECKING:
    from orchestrator.dataset.findings import Finding
    from orchestrator.dataset.review import Counts, Decision, Review, RowPlace, Turn, WrittenCall, WrittenReview

_WIDEST = 100
_INDENT = "  "
INSTRUCTIONS = ("system", "developer")
"""Roles whose messages are often the same in every row."""
_LONGEST: Mapping[str, int] = {"system": 200, "developer": 200, "tool": 600, "function": 600}
_LONGEST_OTHER = 2_000
"""Characters of a message that are shown; the answer to learn is shown whole."""

_VERDICTS: Mapping[str, tuple[str, Meaning]] = {
    "accept": ("accepted", Meaning.GOOD),
    "edit": ("edited", Meaning.GOOD),
    "drop": ("dropped", Meaning.STOPPED),
    "flag": ("flagged", Meaning.WARNING),
}
KEYS = "[a]ccept [e]dit [d]rop [f]lag [b]ack [s]kip [u]ndo [?] [q]uit"
_HELP = (
    ("a", "accept", "keep the row as it is shown"),
    ("e", "edit", "change it in $VISUAL or $EDITOR; it is checked before it is saved"),
    ("d", "drop", "leave it out of the result"),
    ("f", "flag", "leave the decision to someone else; asks for a note"),
    ("b", "back", "show the row before this one"),
    ("s", "skip", "decide later"),
    ("u", "undo", "take back the decision on this row, and its edit"),
    ("q", "quit", "every decision is saved; run the command again to continue"),
)


def print_row(
    place: str,
    turns: Sequence[Turn],
    findings: Sequence[Finding],
    decision: Decision,
    console: Console,
) -> None:
    """One row: where it is, what was decided, its messages and calls, and what the check found."""
    width = min(console.width, _WIDEST)
    _print_head(place, decision, console, width)
    margin = min(max((len(turn.label) for turn in turns), default=0), 24) + 2
    for turn in turns:
        _print_turn(turn, console, margin, width)
    for finding in findings:
        console.print()
        print_finding(finding, console)


def print_finding(finding: Finding, console: Console) -> None:
    """`FT315 error: …`, where in the row, and the fix."""
    width = min(console.width, _WIDEST)
    meaning = Meaning.ERROR if finding.severity == "error" else Meaning.WARNING
    text = Text(f"{finding.code} {finding.severity}: ", style=TERMINAL_STYLES[meaning])
    place = f" (at {finding.pointer})" if finding.pointer else ""
    text.append(f"{printable(finding.reason)}{printable(place)}", style="default")
    _print(_wrapped(text, console, width), console)
    _print(_wrapped(Text(f"fix: {printable(finding.fix)}", style="green"), console, width), console)


def print_help(functions: Iterable[Mapping[str, Any]], console: Console) -> None:
    """What each key does, and what the row's called functions take."""
    width = min(console.width, _WIDEST)
    for key, name, text in _HELP:
        console.print(f"{_INDENT}{key}  {name:8}{text}", soft_wrap=True)
    for function in functions:
        console.print()
        said = function.get("description")
        head = Text(printable(str(function["name"])), style="cyan")
        head.append(f": {printable(said)}" if isinstance(said, str) else "", style="default")
        _print(_wrapped(head, console, width), console)
        for name, text in _parameters(function.get("parameters")):
            _print_beside(f"{_INDENT}{name}", [Text(text)], console, 16, width)


def _parameters(schema: Any) -> Iterator[tuple[str, str]]:
    """Each parameter, and in words what it takes."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    required = schema.get("required")
    for name, given in properties.items():
        told = given if isinstance(given, dict) else {}
        values = told.get("enum")
        parts = [
            _json(told["type"]).strip('"') if "type" in told else "",
            f"one of {', '.join(map(_json, values))}" if isinstance(values, list) else "",
            "required" if isinstance(required, list) and name in required else "",
        ]
        text = ", ".join(filter(None, parts))
        described = told.get("description")
        yield printable(name), printable(f"{text}. {described}" if isinstance(described, str) else text)


def _print_head(place: str, decision: Decision, console: Console, width: int) -> None:
    name, meaning = _VERDICTS[decision.verdict] if decision.verdict else ("", Meaning.NONE)
    if decision.draft:
        name = ", ".join(filter(None, (name, "edit not finished")))
    note = f": {printable(decision.note)}" if decision.note else ""
    text = Text(printable(place), style="bold")
    if name:
        text.append("   ").append(f"{name}{note}", style=TERMINAL_STYLES[meaning])
    console.print(Text("─" * width, style="dim"), soft_wrap=True)
    _print(_wrapped(text, console, width), console)


def _print_turn(turn: Turn, console: Console, margin: int, width: int) -> None:
    longest = None if turn.is_answer else _LONGEST.get(turn.label, _LONGEST_OTHER)
    lines = [Text(printable(line)) for line in _shortened(turn.text, longest).splitlines()]
    for call in turn.calls:
        lines.extend(_call_lines(call))
    style = "dim" if turn.label in INSTRUCTIONS else "bold" if turn.is_answer else ""
    _print_beside(printable(turn.label), lines or [Text("(nothing)", style="dim")], console, margin, width, style)


def _call_lines(call: WrittenCall) -> Iterator[Text]:
    yield Text(printable(call.name), style="cyan")
    if call.arguments is None:
        yield Text(f"{_INDENT}{printable(call.text)}", style="red")
        return
    for name, value in call.arguments.items():
        yield Text(f"{_INDENT}{printable(name)} = ").append(printable(_json(value)), style="cyan")
    if not call.arguments:
        yield Text(f"{_INDENT}(no arguments)", style="dim")


def _shortened(text: str, longest: int | None) -> str:
    if longest is None or len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text):,} characters; e shows all)"


def _print_beside(
    label: str, lines: Iterable[Text], console: Console, margin: int, width: int, style: str = ""
) -> None:
    """The lines in a column, the label on the left of the first."""
    left = Text(f"{label:<{margin}}", style=style)
    if len(label) >= margin:
        console.print(left, soft_wrap=True)
        left = Text(" " * margin)
    for line in lines:
        for piece in _wrapped(line, console, max(width - margin, 20)):
            console.print(Text.assemble(left, piece), soft_wrap=True)
            left = Text(" " * margin)


def _wrapped(text: Text, console: Console, width: int) -> Iterable[Text]:
    """Lines of at most this many cells; those after the first of an indented line keep its indent."""
    indent = len(text.plain) - len(text.plain.lstrip())
    pieces = list(text[indent:].wrap(console, width - indent)) if text.plain.strip() else [text[indent:]]
    for piece in pieces:
        piece.rstrip()
    return [Text(" " * indent).append_text(piece) for piece in pieces]


def _print(lines: Iterable[Text], console: Console) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- How far the review is ----------------------------------------------------------------------------------


def counts_text(counts: Counts) -> str:
    """`212 accepted, 9 edited, 14 dropped, 3 flagged, 62 to go`, without what is none."""
    named = {
        "accepted": counts.accepted,
        "edited": counts.edited,
        "dropped": counts.dropped,
        "flagged": counts.flagged,
    }
    return ", ".join(
        [*(f"{number:,} {name}" for name, number in named.items() if number), f"{counts.to_go:,} to go"]
    )


def written_text(written: WrittenReview) -> str:
    """`Wrote train.reviewed.jsonl: 286 examples, 3 of them flagged and 62 not reviewed`."""
    doubtful = {"flagged": written.flagged, "not reviewed": written.unreviewed}
    parts = [f"{number:,} of them {name}" for name, number in doubtful.items() if number]
    return f"Wrote {printable(str(written.path))}: {', '.join([plural(written.rows, 'example'), *parts])}"


def review_object(review: Review, rows: Iterable[RowPlace], written: WrittenReview | None) -> dict[str, Any]:
    """The object behind `ftorch data review --json`: figures of the whole file, and the decisions on `rows`."""
    counts = review.counts()
    return {
        "file": str(review.path),
        "review_file": str(review.record.path),
        "rows": counts.rows,
        "accepted": counts.accepted,
        "edited": counts.edited,
        "dropped": counts.dropped,
        "flagged": counts.flagged,
        "to_go": counts.to_go,
        "decisions_on_other_rows": review.others(),
        "output": str(written.path) if written else None,
        "written": written.rows if written else None,
        "decisions": [
            {
                "line": each.line,
                "sha256": each.sha256,
                "decision": decision.verdict,
                "note": decision.note or None,
                "row": decision.row,
            }
            for each in rows
            if (decision := review.decision(each)).verdict
        ],
    }


# --- Sheets: for those who review without ftorch --------------------------------------------------------------


def sheet_csv(review: Review, rows: Iterable[RowPlace]) -> str:
    """A sheet to fill in and give back to `--apply`: decisions there are, and an empty cell for each other row."""
    from orchestrator.dataset.review import SHEET_COLUMNS, answer_of, request_of

    lines = []
    for each in rows:
        shown, decision = review.current(each), review.decision(each)
        line = Number(str(each.line), value=each.line)
        lines.append(
            row(line, each.sha256, request_of(shown), answer_of(shown), decision.verdict or "", decision.note)
        )
    return Table([Column(name) for name in SHEET_COLUMNS], lines).to_csv()


def sheet_markdown(review: Review, rows: Sequence[RowPlace]) -> Iterator[str]:
    """A sheet to read and print, line by line."""
    from orchestrator.dataset.review import answer_of, request_of

    yield f"# Review of {_markdown(review.path.name)}\n"
    yield f"{plural(len(rows), 'example')}. Write accept, drop or flag beside each.\n"
    yield "| line | request | answer | decision |\n|---:|---|---|---|"
    for each in rows:
        shown, decision = review.current(each), review.decision(each)
        said = " ".join(filter(None, (decision.verdict or "", decision.note)))
        cells = map(_markdown, (request_of(shown), answer_of(shown), said))
        yield f"| {each.line} | {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    """The text in a cell of a table: nothing of it is taken for Markdown or HTML."""
    lines = (escape(printable(line), quote=False) for line in text.splitlines())
    return "<br>".join("".join(f"\\{each}" if each in "\\`*_[]|#~" else each for each in line) for line in lines)

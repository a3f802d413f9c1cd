"""`data review`: a person decides on the rows of a training file, one at a time or in a sheet."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.dataset.review import Review, RowPlace, Selection, WrittenReview


_FILE = click.Path(path_type=Path)
_SHEET = click.Path(path_type=Path, allow_dash=True)


def _compiled(_ctx: click.Context, _param: click.Parameter, given: str | None) -> re.Pattern[str] | None:
    try:
        return None if given is None else re.compile(given, re.IGNORECASE)
    except re.error as error:
        raise click.BadParameter(f"{error}; put a \\ before characters such as ( and *") from None


@click.command()
@click.argument("file", metavar="FILE", type=_FILE)
@click.option(
    "-o", "--output", metavar="OUT", type=_FILE, help="Write all rows except the dropped ones to this file."
)
@click.option("--accepted-only", is_flag=True, help="Write only rows that were accepted or edited.")
@click.option(
    "--only", metavar="PATTERN", callback=_compiled, help="Review only rows whose request or answer matches."
)
@click.option("--flagged", is_flag=True, help="Review the flagged rows again.")
@click.option("--sample", metavar="N", type=click.IntRange(1), help="Review N rows, the same ones each time.")
@click.option(
    "--from",
    "first_line",
    metavar="LINE",
    type=click.IntRange(1),
    help="Start at this line, and show reviewed rows too.",
)
@click.option(
    "--sheet", metavar="SHEET", type=_SHEET, help="Write a sheet to fill in: .csv, .md, or - to print it."
)
@click.option("--apply", "applied", metavar="SHEET", type=_FILE, help="Read decisions from a filled-in CSV sheet.")
@click.option("--force", is_flag=True, help="Replace OUT or SHEET if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print counts and decisions as JSON, and ask nothing.")
def review(
    file: Path,
    output: Path | None,
    accepted_only: bool,
    only: re.Pattern[str] | None,
    flagged: bool,
    sample: int | None,
    first_line: int | None,
    sheet: Path | None,
    applied: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Accept, edit, drop or flag the rows of a file.

    Rows are shown one at a time. Each decision is saved at once beside FILE (in train.review.jsonl for
    train.jsonl); run the command again to continue where you stopped. FILE is never changed. A row keeps its
    decision when it moves to another line, and equal rows share one.

    PATTERN is a regular expression, such as the name of a function; case is ignored.

    \b
    ftorch data review train.jsonl                   decide with one key per row
    ftorch data review train.jsonl -o good.jsonl     and write the result
    ftorch data review train.jsonl --only land_drone --sample 20
    ftorch data review train.jsonl --sheet s.csv     write a sheet for a colleague
    ftorch data review train.jsonl --apply s.csv     read the sheet that came back
    """
    if sheet and (applied or output or as_json):
        raise click.UsageError("--sheet can't be combined with --apply, -o or --json")
    if accepted_only and not output:
        raise click.UsageError("--accepted-only needs -o OUT")
    from orchestrator.dataset.review import Selection, require_free

    opened = _opened(file)
    selection = Selection(only, flagged, sample, first_line)
    if output:
        require_free(opened, output, replace=force)
    if applied:
        _apply(opened, applied)
    rows = opened.selected(selection)
    if sheet:
        write_sheet(opened, _to_decide(opened, rows, selection), sheet, force)
        return
    if not (applied or as_json):
        _ask(opened, rows, selection, has_output=output is not None)
    written = _write(opened, output, accepted_only, force, is_asked=not (applied or as_json))
    _print_result(opened, rows, written, as_json)


def _opened(file: Path) -> Review:
    from orchestrator.dataset.review import open_review

    opened = open_review(file)
    for problem in opened.problems[:5]:
        _note(f"{problem}; the other decisions are used")
    if len(opened.problems) > 5:
        _note(f"… and {len(opened.problems) - 5:,} more")
    if others := opened.others():
        _note(f"{others:,} saved decisions are about rows that are not in {file}")
    return opened


def _note(text: str) -> None:
    from orchestrator.reports.text import printable

    click.echo(f"Note: {printable(text)}", err=True)


def _to_decide(opened: Review, rows: list[RowPlace], selection: Selection) -> list[RowPlace]:
    """The selected rows to show: all if the user asked for decided ones, else the undecided ones."""
    if selection.revisits:
        return rows
    return [row for row in rows if opened.decision(row).verdict is None]


def _ask(opened: Review, rows: list[RowPlace], selection: Selection, *, has_output: bool) -> None:
    """Show the rows and read decisions. Raises NobodyReviews without answers, and Stopped at Ctrl-C."""
    from orchestrator.cli.data.reviewing import Reviewer, keys_of_user
    from orchestrator.errors import NobodyReviews, Stopped
    from orchestrator.reports.review import counts_text
    from orchestrator.reports.text import plural, stderr

    waiting = _to_decide(opened, rows, selection)
    if not waiting:
        return
    keys = keys_of_user()
    if not keys.are_there():
        if has_output:
            return
        raise NobodyReviews(path=opened.path, rows=plural(len(waiting), "row"))
    try:
        Reviewer(opened, rows, keys, stderr()).walk(revisits=selection.revisits)
    except KeyboardInterrupt:
        click.echo(f"\n{counts_text(opened.counts())}", err=True)
        raise Stopped("stopped; every decision is kept") from None


def _write(
    opened: Review, output: Path | None, accepted_only: bool, force: bool, *, is_asked: bool
) -> WrittenReview | None:
    """Write the result if requested. At a terminal, an unfinished one needs a yes."""
    from orchestrator.dataset.review import reviewed_file, write_reviewed

    counts = opened.counts()
    asks = is_asked and sys.stdin.isatty()
    if output is None:
        target = reviewed_file(opened.path)
        if not asks or counts.to_go or counts.dropped == counts.rows or target.exists():
            return None
        rest = counts.rows - counts.dropped
        return write_reviewed(opened, target) if _confirmed(f"Write {target}, with {rest:,} rows?", True) else None
    if asks and counts.to_go:
        what = "without" if accepted_only else "with"
        question = f"{counts.to_go:,} rows are not reviewed. Write {output} {what} them?"
        if not _confirmed(question, False):
            return None
    return write_reviewed(opened, output, accepted_only=accepted_only, replace=force)


def _confirmed(question: str, default: bool) -> bool:
    from orchestrator.errors import Stopped
    from orchestrator.reports.text import printable

    try:
        return click.confirm(printable(question), default=default, err=True)
    except click.Abort:
        raise Stopped("stopped; every decision is kept") from None


def _print_result(opened: Review, rows: list[RowPlace], written: WrittenReview | None, as_json: bool) -> None:
    from orchestrator.reports.review import counts_text, review_object, written_text

    if as_json:
        from orchestrator.cli.output import print_json

        print_json(review_object(opened, rows, written))
        return
    click.echo(counts_text(opened.counts()))
    if written:
        click.echo(written_text(written))


def _apply(opened: Review, sheet: Path) -> None:
    from orchestrator.dataset.review import apply_sheet
    from orchestrator.reports.text import plural

    count, missing = apply_sheet(opened, sheet)
    click.echo(f"Read {plural(count, 'decision')} from {click.format_filename(sheet)}", err=True)
    if missing:
        lines = ", ".join(each.line for each in missing[:5]) + (", …" if len(missing) > 5 else "")
        _note(f"{opened.path} no longer holds {plural(len(missing), 'row')} of the sheet (lines {lines})")


def write_sheet(opened: Review, rows: Sequence[RowPlace], sheet: Path, force: bool) -> None:
    """Write a sheet for decisions on these rows, "-" to print it. Raises OutputExists unless `force`, and
    OutputUnwritable."""
    from orchestrator.dataset.files import BYTE_ORDER_MARK, new_files
    from orchestrator.reports.review import sheet_csv, sheet_markdown
    from orchestrator.reports.text import plural

    if str(sheet) == "-":
        for line in sheet_markdown(opened, rows):
            click.echo(line)
        return
    if sheet.suffix.lower() not in (".csv", ".md"):
        raise click.UsageError("--sheet takes a name that ends with .csv or .md, or - to print it")
    with new_files([sheet], replace=force) as [stream]:
        if sheet.suffix.lower() == ".csv":
            stream.write(BYTE_ORDER_MARK + sheet_csv(opened, rows).encode())  # so that Excel reads UTF-8
        else:
            stream.writelines(f"{line}\n".encode() for line in sheet_markdown(opened, rows))
    click.echo(f"Wrote {click.format_filename(sheet)}: {plural(len(rows), 'row')}", err=True)

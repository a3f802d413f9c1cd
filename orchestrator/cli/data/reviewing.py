"""The loop of `data review`: show a row, read a key, record the decision."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

import click
from rich.console import Console

from orchestrator.dataset.review import (
    Decision,
    Edited,
    NotAnExample,
    Review,
    RowPlace,
    Verdict,
    commented,
    declared_functions,
    document_of,
    read_document,
    turns_of,
    without_comments,
)
from orchestrator.reports.review import INSTRUCTIONS, KEYS, print_finding, print_help, print_row
from orchestrator.reports.text import printable

_NAMES = ("accept", "edit", "drop", "flag", "back", "skip", "undo", "quit")
_ACTIONS: Mapping[str, str] = {
    **{name[0]: name for name in _NAMES},
    **{name: name for name in _NAMES},
    "?": "help",
    "h": "help",
    "\x1b[D": "back",
    "\x1b[A": "back",
    "\x1b[C": "skip",
    "\x1b[B": "skip",
}


class Step(Enum):
    """The step after an answer."""

    NEXT = auto()
    BACK = auto()
    SHOW = auto()
    """Show the same row again."""
    ASK = auto()
    """Read another answer for the shown row."""
    QUIT = auto()


class Keys(Protocol):
    """The source of answers."""

    def are_there(self) -> bool:
        """Whether there is any answer to read."""

    def read(self) -> str | None:
        """The next key, or the first word of a line; None at the end. Raises KeyboardInterrupt."""

    def note(self) -> str | None:
        """A note on the row: a line of text, or the rest of the line. None if the user cancels it."""


def keys_of_user() -> Keys:
    """Single keys from a terminal, lines from anything else."""
    return _TerminalKeys() if sys.stdin.isatty() else _PipedKeys()


class _TerminalKeys:
    def are_there(self) -> bool:
        return True

    def read(self) -> str | None:
        click.echo(f"{KEYS} ", nl=False, err=True)
        try:
            typed: str = click.getchar()
        except EOFError:
            click.echo(err=True)
            return None
        key: str = typed if typed.startswith("\x1b") else typed[:1].lower()
        click.echo(_ACTIONS.get(key, ""), err=True)
        return key

    def note(self) -> str | None:
        try:
            said: str = click.prompt("Note (Enter for none)", default="", show_default=False, err=True)
        except click.Abort:
            click.echo(err=True)
            return None
        return said.strip()


class _PipedKeys:
    """One answer per line: a key or its word; after flag, a note."""

    def __init__(self) -> None:
        self._lines = _lines_of_input()
        self._first = next(self._lines, None)  # only one: the sender may wait for each row before the next line
        self._rest = ""

    def are_there(self) -> bool:
        return self._first is not None

    def read(self) -> str | None:
        """Raises UsageError for an unknown word: later lines might be meant for other rows."""
        found, self._first = self._first or next(self._lines, None), None
        if found is None:
            return None
        number, line = found
        word, _, self._rest = line.partition(" ")
        if word.lower() not in _ACTIONS:
            problem = f'line {number} of the input, "{printable(word)}", is not one of {", ".join(_NAMES)}'
            raise click.UsageError(f"{problem}; the decisions before it are kept")
        click.echo(f"> {printable(line)}", err=True)
        return word.lower()

    def note(self) -> str | None:
        return self._rest.strip()


def _lines_of_input() -> Iterator[tuple[int, str]]:
    try:
        yield from ((number, line.strip()) for number, line in enumerate(sys.stdin, 1) if line.strip())
    except UnicodeError:
        raise click.UsageError("the input is not valid UTF-8; the decisions before it are kept") from None


class Reviewer:
    """Shows rows of a review and records the decisions."""

    def __init__(self, review: Review, rows: Sequence[RowPlace], keys: Keys, console: Console) -> None:
        self._review = review
        self._rows = rows
        self._keys = keys
        self._console = console
        self._system: list[str] | None = None
        """The instructions of the last shown row."""
        self._answers: Mapping[str, Callable[[RowPlace], Step]] = {
            "accept": lambda row: self._judge(row, Verdict.ACCEPT),
            "drop": lambda row: self._judge(row, Verdict.DROP),
            "flag": self._flag,
            "edit": self._edit,
            "undo": self._undo,
            "help": self._help,
            "back": lambda _row: Step.BACK,
            "skip": lambda _row: Step.NEXT,
            "quit": lambda _row: Step.QUIT,
        }

    def walk(self, *, revisits: bool) -> None:
        """Go through the rows, decided ones only if `revisits`; `back` reaches every row."""
        index = self._following(-1, revisits)
        while index < len(self._rows):
            step = self._decide(index)
            if step is Step.QUIT:
                return
            if step is Step.BACK:
                index = max(index - 1, 0)
            elif step is Step.NEXT:
                index = self._following(index, revisits)

    def _following(self, index: int, revisits: bool) -> int:
        later = range(index + 1, len(self._rows))
        open_rows = (each for each in later if revisits or self._review.decision(self._rows[each]).verdict is None)
        return next(open_rows, len(self._rows))

    def _decide(self, index: int) -> Step:
        """Show a row, and read answers until one moves on or changes it."""
        row = self._rows[index]
        self._show(row, f"{index + 1:,} of {len(self._rows):,}   {self._review.path}:{row.line}")
        while (answer := self._keys.read()) is not None:
            action = _ACTIONS.get(answer)
            if action is None:
                click.echo("Press one of the keys in brackets; ? explains them.", err=True)
                continue
            step = self._answers[action](row)
            if step is not Step.ASK:
                return step
        return Step.QUIT

    def _show(self, row: RowPlace, place: str) -> None:
        review = self._review
        self._console.print()
        turns = turns_of(review.current(row))
        system = [turn.text for turn in turns if turn.label in INSTRUCTIONS]
        if system and system == self._system:
            turns = tuple(
                replace(turn, text="(the same)") if turn.label in INSTRUCTIONS else turn for turn in turns
            )
        self._system = system
        print_row(place, turns, review.findings(row), review.decision(row), self._console)
        self._console.print()

    def _judge(self, row: RowPlace, verdict: Verdict, note: str = "") -> Step:
        self._review.decide([self._review.decision(row).judged(verdict, note)])
        return Step.NEXT

    def _flag(self, row: RowPlace) -> Step:
        note = self._keys.note()
        return Step.ASK if note is None else self._judge(row, Verdict.FLAG, note)

    def _undo(self, row: RowPlace) -> Step:
        decision = self._review.decision(row)
        without_draft = replace(decision, draft="")
        self._review.decide([without_draft if decision.draft else Decision(row.sha256, row.line, None)])
        return Step.SHOW

    def _help(self, row: RowPlace) -> Step:
        shown = self._review.current(row)
        called = {call.name for turn in turns_of(shown) for call in turn.calls}
        print_help((each for name, each in declared_functions(shown).items() if name in called), self._console)
        self._console.print()
        return Step.ASK

    def _edit(self, row: RowPlace) -> Step:
        review, decision = self._review, self._review.decision(row)
        shown = review.current(row)
        offered = decision.draft or commented(_explained(review.path, row), document_of(shown))
        try:
            text = edited_text(offered)
            made = read_document(text, shown, review.method, review.purpose)
        except NotAnExample as error:
            return self._refused(decision, text, [error.problem])
        except click.ClickException as error:
            click.echo(
                f"Error: {printable(error.message)}. Name a working editor in $VISUAL or $EDITOR.\n", err=True
            )
            return Step.ASK
        if made is None:
            if decision.draft:
                review.decide([replace(decision, draft="")])
            click.echo("Nothing was changed.\n", err=True)
            return Step.ASK
        if made.errors:
            return self._refused(decision, text, [f"{each.code}: {each.message}" for each in made.errors], made)
        review.edit(row, made)
        for finding in made.findings:
            print_finding(finding, self._console)
        click.echo("The edited row is kept.", err=True)
        return Step.NEXT

    def _refused(self, decision: Decision, text: str, problems: list[str], made: Edited | None = None) -> Step:
        """Keep the text as a draft with its problem on top, and print a message."""
        self._review.decide([replace(decision, draft=commented(problems, without_comments(text)))])
        if made is None:
            click.echo(f"Error: {printable(problems[0])}", err=True)
        for finding in made.errors if made else ():
            print_finding(finding, self._console)
        click.echo("The row is not changed. Your text is kept: e opens it again, u throws it away.\n", err=True)
        return Step.ASK


def _explained(path: Path, row: RowPlace) -> list[str]:
    return [
        f"{path}, line {row.line}. Save to keep your changes; leave the text as it is to keep the row.",
        "Arguments are shown as objects, and tool definitions are left out; both are restored when you save.",
    ]


def edited_text(offered: str) -> str:
    """The text after the user edited it. Raises click.ClickException without an editor, or if it failed.

    Text that an editor saved before it failed stays in a file named by the message.
    """
    with _file_of(offered) as path:
        try:
            with _without_interrupts():
                click.edit(filename=str(path))
            return path.read_bytes().decode("utf-8-sig")
        except ValueError as error:  # quotes that are not closed, or text that is not UTF-8
            problem = f"the editor can't be used: {error}"
        except click.ClickException as error:
            problem = error.message
        if path.read_bytes() != offered.encode():
            kept = path.rename(path.with_suffix(".kept.jsonc"))
            problem = f"{problem} (the saved text is in {kept})"
        raise click.ClickException(problem)


@contextmanager
def _file_of(text: str) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix="ftorch-review-", suffix=".jsonc")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        yield Path(name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Leave Ctrl-C to the open editor. A handler, unlike an ignored signal, is not inherited by the editor."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

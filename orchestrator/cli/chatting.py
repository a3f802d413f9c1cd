"""Talking at a terminal: reading requests, asking before calls are executed, and what Ctrl-C ends."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

import click
from rich.console import Console

from orchestrator.chat.api import Chat, Unattended
from orchestrator.chat.conversation import Ask, Conversation, Outcome, Reply
from orchestrator.chat.line import open_line
from orchestrator.cli.following import INTERRUPTED
from orchestrator.errors import FtorchError
from orchestrator.reports.chat import (
    answer_text,
    doubts,
    print_call,
    print_outcome,
    print_spent,
    visible,
)
from orchestrator.reports.console import stderr
from orchestrator.reports.formats import printable
from orchestrator.tools.calls import ReadyCall


def answer_once(chat: Chat, request: str, yes_to: Collection[str], *, with_traceback: bool) -> Reply:
    """Put one request, showing the calls on stderr. Leaves with 130 after Ctrl-C."""
    host = Terminal(set(yes_to), stderr(), is_conversation=False, with_traceback=with_traceback)
    with open_line(chat.partner, chat.home) as line:
        try:
            return _said(Conversation(chat.terms, _with_sign(line.ask), host, line.wait), request)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(INTERRUPTED)


def converse(chat: Chat, yes_to: Collection[str], *, with_traceback: bool) -> None:
    """Talk until Ctrl-D. Trouble is shown, and the conversation goes on with the next request."""
    console = stderr()
    host = Terminal(set(yes_to), console, is_conversation=True, with_traceback=with_traceback)
    console.print("Ctrl-D ends the chat, Ctrl-C what is under way.", style="dim")
    replies: list[Reply] = []
    with open_line(chat.partner, chat.home) as line:
        conversation = Conversation(chat.terms, _with_sign(line.ask), host, line.wait)
        for request in _requests():
            try:
                reply = _said(conversation, request)
            except KeyboardInterrupt:
                console.print("\nstopped", style="yellow")
            except FtorchError as error:
                console.print(f"Error: {printable(str(error))}", style="red", soft_wrap=True)
            else:
                replies.append(reply)
                _show(reply, console)
    print_spent(replies, console)


class Terminal:
    """The host at a terminal: shows each call, and asks before it is executed."""

    def __init__(self, yes_to: set[str], console: Console, *, is_conversation: bool, with_traceback: bool) -> None:
        self._yes_to = yes_to
        self._console = console
        # Who can't see the question must not be taken at their word.
        self._can_ask = sys.stdin.isatty() and sys.stderr.isatty()
        self._is_conversation = is_conversation
        self._with_traceback = with_traceback

    def said(self, text: str) -> None:
        self._console.print(f"  {visible(text)}", soft_wrap=True)

    def allows(self, calls: list[ReadyCall]) -> Iterator[bool]:
        if not self._can_ask:
            Unattended(frozenset(self._yes_to)).allows(calls)
        return (self._allows(call) for call in calls)

    def saw(self, outcome: Outcome) -> None:
        print_outcome(outcome, self._console, with_traceback=self._with_traceback)

    def stops_functions(self) -> bool:
        return self._is_conversation

    def _allows(self, call: ReadyCall) -> bool:
        print_call(call, self._console)
        name = call.tool.name
        if name in self._yes_to:
            return True
        question = f"  Execute it? (y: yes, a: always {name}, n: no)"
        choice = click.Choice(["y", "a", "n"])
        _forget_what_was_typed()
        try:
            said = click.prompt(question, type=choice, show_choices=False, default="n", err=True)
        except click.Abort:
            click.echo(err=True)
            if not self._is_conversation:
                raise KeyboardInterrupt from None
            return False
        if said == "a":
            self._yes_to.add(name)
        return bool(said != "n")


def _forget_what_was_typed() -> None:
    """A line that was typed before a call was shown must not answer for it."""
    import termios

    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _with_sign(ask: Ask) -> Ask:
    """Asks with a sign of life on the terminal: the first answer may take seconds."""

    def shown(request: Mapping[str, Any]) -> Mapping[str, Any]:
        console = stderr()
        if not console.is_terminal:
            return ask(request)
        with console.status("waiting for the model", spinner="dots"):
            return ask(request)

    return shown


def _said(conversation: Conversation, request: str) -> Reply:
    with redirect_stdout(sys.stderr):  # what a function prints is no answer
        return conversation.say(request)


def _requests() -> Iterator[str]:
    """What the user types, line by line, until Ctrl-D."""
    import readline  # noqa: F401 - gives `input` its line editing and history

    while True:
        try:
            request = _typed()
        except UnicodeDecodeError:
            click.echo("(that was not valid UTF-8)", err=True)
            continue
        except EOFError:
            click.echo(err=True)
            return
        except KeyboardInterrupt:
            click.echo("\n(Ctrl-D ends the chat)", err=True)
            continue
        if request.strip():
            yield request


def _typed() -> str:
    if sys.stdout.isatty():
        return input("> ")
    click.echo("> ", nl=False, err=True)
    return input()


def _show(reply: Reply, console: Console) -> None:
    if text := answer_text(reply):
        click.echo(text)
    for doubt in doubts(reply):
        console.print(f"Note: {doubt}", style="yellow", soft_wrap=True)

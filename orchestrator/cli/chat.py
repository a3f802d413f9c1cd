"""`chat`: talk to a model that calls functions, in a conversation or with one request."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

import click
from rich.console import Console

from orchestrator.api.chat import Chat, Unattended
from orchestrator.chat.connection import open_connection
from orchestrator.chat.conversation import Ask, Conversation, Outcome, Reply
from orchestrator.cli.completion import complete_run
from orchestrator.cli.evaluationoptions import parse_names
from orchestrator.cli.modeloptions import ModelOptions, model_options
from orchestrator.cli.output import INTERRUPTED
from orchestrator.errors import FtorchError
from orchestrator.reports.chat import answer_text, doubts, print_call, print_outcome, print_spent, visible
from orchestrator.reports.text import printable, stderr
from orchestrator.tools.calls import ReadyCall


@click.command()
@click.argument("target", metavar="MODEL|RUN|JOBFILE", shell_complete=complete_run)
@model_options
@click.option("--yes-to", type=parse_names, metavar="NAME,…", help="Execute these functions without asking.")
@click.option("--ask", "request_text", metavar="TEXT", help="Send one request instead of starting a chat.")
@click.option(
    "--rejection-tool",
    "rejections",
    multiple=True,
    metavar="TOOL",
    help="Count a call of this tool as a rejection (repeatable).",
)
@click.option(
    "--max-rounds",
    default=5,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Stop a request after this many rounds of calls.",
)
@click.option("--traceback", is_flag=True, help="Show the traceback of a function that raises.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer to one request as a JSON object.")
def chat(
    target: str,
    asked: ModelOptions,
    yes_to: tuple[str, ...] | None,
    request_text: str | None,
    rejections: tuple[str, ...],
    max_rounds: int,
    traceback: bool,
    as_json: bool,
) -> None:
    """Chat with a model and see its function calls.

    With Python functions in --tools, each call is checked, shown, and executed after you agree. With only the
    definitions of the training file or of FILE.json, calls are shown and not executed; you can type a result.

    On a terminal this is a conversation. With --ask, or with text piped in, it is one request, and only the answer
    goes to stdout.
    """
    request = _one_request(request_text)
    if request is None and as_json:
        raise click.UsageError("--json is for one request: use it with --ask")
    from orchestrator.api.chat import prepare
    from orchestrator.reports.chat import print_partner

    options = asked.chat_options(rejection_tools=frozenset(rejections) or None, rounds=max_rounds)
    allowed = yes_to or ()
    prepared = prepare(target, asked.load_tools(), options, asked.endpoint, allowed)
    print_partner(prepared, stderr())
    if request is None:
        converse(prepared, allowed, with_traceback=traceback)
    else:
        reply = answer_once(prepared, request, allowed, with_traceback=traceback)
        _show(prepared, request, reply, as_json=as_json)


def _one_request(given: str | None) -> str | None:
    """The request from --ask or standard input; None on a terminal."""
    if given is None and sys.stdin.isatty():
        return None
    try:
        request = sys.stdin.read().rstrip("\r\n") if given is None else given
        request.encode()
    except UnicodeError:
        raise click.UsageError("the request is not valid UTF-8") from None
    if not request.strip():
        raise click.UsageError("the request is empty; give it with --ask, or pipe it in")
    return request


def _show(chat: Chat, request: str, reply: Reply, *, as_json: bool) -> None:
    """Print the answer. Exits with status 1 if there is none."""
    from orchestrator.reports.chat import answer_text, doubts, print_spent
    from orchestrator.reports.text import stderr

    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.chat import reply_object

        print_json(reply_object(chat, request, reply))
    elif text := answer_text(reply):
        click.echo(text)
    for doubt in doubts(reply):
        click.echo(f"Note: {doubt}", err=True)
    print_spent([reply], stderr())
    if not reply.text and reply.rejection is None and not reply.calls:
        click.get_current_context().exit(1)


# --- At a terminal: reading requests, asking before calls are executed, and Ctrl-C ----------------------------


def answer_once(chat: Chat, request: str, yes_to: Collection[str], *, with_traceback: bool) -> Reply:
    """Send one request, showing calls on stderr. Exits with status 130 after Ctrl-C."""
    host = Terminal(set(yes_to), stderr(), is_conversation=False, with_traceback=with_traceback)
    with open_connection(chat.target, chat.home) as line:
        try:
            return _said(Conversation(chat.terms, _with_sign(line.ask), host, line.wait), request)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(INTERRUPTED)


def converse(chat: Chat, yes_to: Collection[str], *, with_traceback: bool) -> None:
    """Chat until Ctrl-D. An error is shown, and the chat continues with the next request."""
    console = stderr()
    host = Terminal(set(yes_to), console, is_conversation=True, with_traceback=with_traceback)
    console.print("Ctrl-C stops the current request, Ctrl-D ends the chat.", style="dim")
    replies: list[Reply] = []
    with open_connection(chat.target, chat.home) as line:
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
                _show_reply(reply, console)
    print_spent(replies, console)


class Terminal:
    """The host at a terminal: shows each call, and asks before it is executed."""

    def __init__(self, yes_to: set[str], console: Console, *, is_conversation: bool, with_traceback: bool) -> None:
        self._yes_to = yes_to
        self._console = console
        # Without a terminal to ask at, the answer is not yes.
        self._can_ask = sys.stdin.isatty() and sys.stderr.isatty()
        self._is_conversation = is_conversation
        self._with_traceback = with_traceback

    def said(self, text: str) -> None:
        self._console.print(f"  {visible(text)}", soft_wrap=True)

    def allows(self, calls: list[ReadyCall]) -> Iterator[bool]:
        if not self._can_ask:
            Unattended(frozenset(self._yes_to)).allows(calls)
        return (self._allows(call) for call in calls)

    def result_of(self, call: ReadyCall) -> str | None:
        if not self._is_conversation or not self._can_ask:
            return None
        print_call(call, self._console)
        _forget_what_was_typed()
        try:
            return click.prompt("  Result (Enter: none)", default="", show_default=False, err=True) or None
        except click.Abort:
            click.echo(err=True)
            return None

    def saw(self, outcome: Outcome) -> None:
        print_outcome(outcome, self._console, with_traceback=self._with_traceback)

    def stops_functions(self) -> bool:
        return self._is_conversation

    def _allows(self, call: ReadyCall) -> bool:
        print_call(call, self._console)
        name = call.tool.name
        if name in self._yes_to:
            return True
        question = f"  Execute it? (y: yes, a: always for {name}, n: no)"
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
    """Discard input typed before a call was shown, so that it can't answer the question about it."""
    import termios

    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _with_sign(ask: Ask) -> Ask:
    """Ask with a spinner on the terminal, since the first answer may take seconds."""

    def shown(request: Mapping[str, Any]) -> Mapping[str, Any]:
        console = stderr()
        if not console.is_terminal:
            return ask(request)
        with console.status("waiting for the model", spinner="dots"):
            return ask(request)

    return shown


def _said(conversation: Conversation, request: str) -> Reply:
    with redirect_stdout(sys.stderr):  # output of a function is not the answer
        return conversation.say(request)


def _requests() -> Iterator[str]:
    """The user's input, line by line, until Ctrl-D."""
    import readline  # noqa: F401 - gives `input` line editing and history

    while True:
        try:
            request = _typed()
        except UnicodeDecodeError:
            click.echo("(not valid UTF-8)", err=True)
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
        if _ended_before_the_prompt():
            raise EOFError
        return input("> ")
    click.echo("> ", nl=False, err=True)
    return input()


def _ended_before_the_prompt() -> bool:
    """Whether Ctrl-D was typed while no request was being read. The line editor would read it as another key.

    The terminal then reports input of zero characters; reading removes it.
    """
    import array
    import fcntl
    import os
    import select
    import termios

    terminal = sys.stdin.fileno()
    if not select.select([terminal], [], [], 0)[0]:
        return False
    characters = array.array("i", [0])
    fcntl.ioctl(terminal, termios.FIONREAD, characters)
    return characters[0] == 0 and os.read(terminal, 1) == b""


def _show_reply(reply: Reply, console: Console) -> None:
    """Calls without a result were already shown when their results were asked for."""
    if not reply.calls and (text := answer_text(reply)):
        click.echo(text)
    for doubt in doubts(reply):
        console.print(f"Note: {doubt}", style="yellow", soft_wrap=True)

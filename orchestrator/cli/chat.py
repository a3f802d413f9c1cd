"""`chat`: a model and the Python functions that it calls, in a conversation or for one request."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from orchestrator.api.chat import Chat, Unattended
from orchestrator.chat.conversation import Ask, Conversation, Outcome, Reply, open_connection
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.evaluationoptions import parse_names
from orchestrator.cli.output import INTERRUPTED
from orchestrator.errors import FtorchError
from orchestrator.reports.chat import answer_text, doubts, print_call, print_outcome, print_spent, visible
from orchestrator.reports.text import printable, stderr
from orchestrator.tools.calls import ReadyCall

if TYPE_CHECKING:
    from orchestrator.dataset.variants import Variant


VARIANTS = ("full", "no-descriptions", "no-parameters", "no-tools")


@click.command()
@click.argument("target", metavar="MODEL|RUN|JOBFILE", shell_complete=complete_run)
@click.option("--tools", multiple=True, metavar="SOURCE", help="FILE.py or package.module, either with :function.")
@click.option("--yes-to", type=parse_names, metavar="NAME,…", help="Execute these functions without asking.")
@click.option("--ask", "request_text", metavar="TEXT", help="One request; without it, what is piped in.")
@click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="Where a model is that ftorch did not train.",
)
@click.option("--variant", type=click.Choice(VARIANTS), help="How tools are defined.  [default: as in training]")
@click.option("--system", metavar="TEXT", help='The system message; "" for none.  [default: as in training]')
@click.option("--rejection-tool", "rejections", multiple=True, metavar="TOOL", help="Its call rejects a request.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="Of the answers.  [default: the endpoint's]")
@click.option("--max-rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="Rounds of calls.")
@click.option("--traceback", is_flag=True, help="Show the traceback of a function that raises.")
@click.option("--json", "as_json", is_flag=True, help="Print one object, for one request.")
def chat(
    target: str,
    tools: tuple[str, ...],
    yes_to: tuple[str, ...] | None,
    request_text: str | None,
    endpoint: str | None,
    variant: Variant | None,
    system: str | None,
    rejections: tuple[str, ...],
    temperature: float | None,
    max_rounds: int,
    traceback: bool,
    as_json: bool,
) -> None:
    """Talk to a model that calls Python functions. You see each call before it is executed.

    At a terminal it is a conversation; with --ask, or text piped in, one request, with the answer alone on stdout.
    Calls that break the function's schema are never executed, and others only after a yes, or with --yes-to.
    """
    request = _one_request(request_text)
    if request is None and as_json:
        raise click.UsageError("--json is for one request: give it with --ask")
    from orchestrator.api.chat import prepare
    from orchestrator.chat.terms import ChatOptions
    from orchestrator.reports.chat import print_partner
    from orchestrator.reports.text import stderr
    from orchestrator.tools.sources import load_tools

    options = ChatOptions(variant, system, frozenset(rejections) or None, temperature, max_rounds)
    with redirect_stdout(sys.stderr):  # what the file prints is no answer
        found = load_tools(tools)
    allowed = yes_to or ()
    prepared = prepare(target, found, options, endpoint, allowed)
    print_partner(prepared, stderr())
    if request is None:
        converse(prepared, allowed, with_traceback=traceback)
    else:
        reply = answer_once(prepared, request, allowed, with_traceback=traceback)
        _show(prepared, request, reply, as_json=as_json)


def _one_request(given: str | None) -> str | None:
    """The request that is given or piped in; None where a person sits there."""
    if given is None and sys.stdin.isatty():
        return None
    try:
        request = sys.stdin.read().rstrip("\r\n") if given is None else given
        request.encode()
    except UnicodeError:
        raise click.UsageError("the request is not valid UTF-8") from None
    if not request.strip():
        raise click.UsageError("the request is empty: give it with --ask, or pipe it in")
    return request


def _show(chat: Chat, request: str, reply: Reply, *, as_json: bool) -> None:
    """Print the answer. Leaves with 1 where there is none."""
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
    if not reply.text and reply.rejection is None:
        click.get_current_context().exit(1)


# --- Talking at a terminal: reading requests, asking before calls are executed, and what Ctrl-C ends ----------


def answer_once(chat: Chat, request: str, yes_to: Collection[str], *, with_traceback: bool) -> Reply:
    """Put one request, showing the calls on stderr. Leaves with 130 after Ctrl-C."""
    host = Terminal(set(yes_to), stderr(), is_conversation=False, with_traceback=with_traceback)
    with open_connection(chat.target, chat.home) as line:
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
        if _ended_before_the_prompt():
            raise EOFError
        return input("> ")
    click.echo("> ", nl=False, err=True)
    return input()


def _ended_before_the_prompt() -> bool:
    """Whether Ctrl-D was typed while no request was being read. The line editor would take it for another key.

    The terminal then says that there is something to read, of no characters; reading it takes it away.
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
    if text := answer_text(reply):
        click.echo(text)
    for doubt in doubts(reply):
        console.print(f"Note: {doubt}", style="yellow", soft_wrap=True)

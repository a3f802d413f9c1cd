"""`chat`: a model and the Python functions that it calls, in a conversation or for one request."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.evaluationoptions import Names

if TYPE_CHECKING:
    from orchestrator.chat.api import Chat
    from orchestrator.chat.conversation import Reply
    from orchestrator.dataset.variants import Variant

VARIANTS = ("full", "no-descriptions", "no-parameters", "no-tools")


@click.command()
@click.argument("target", metavar="MODEL|RUN|JOBFILE", shell_complete=complete_run)
@click.option("--tools", multiple=True, metavar="SOURCE", help="FILE.py or package.module, either with :function.")
@click.option("--yes-to", type=Names(), help="Execute these functions without asking.")
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
    """Talk to a model that calls Python functions, and see each call before it is executed.

    At a terminal it is a conversation; with --ask, or text piped in, one request, with the answer alone on stdout.
    Calls that break the function's schema are never executed, and others only after a yes, or with --yes-to.
    """
    request = _one_request(request_text)
    if request is None and as_json:
        raise click.UsageError("--json is for one request: give it with --ask")
    from orchestrator.chat.api import prepare
    from orchestrator.chat.terms import Wishes
    from orchestrator.cli.chatting import answer_once, converse
    from orchestrator.reports.chat import print_partner
    from orchestrator.reports.console import stderr
    from orchestrator.tools.sources import load_tools

    wishes = Wishes(variant, system, frozenset(rejections) or None, temperature, max_rounds)
    with redirect_stdout(sys.stderr):  # what the file prints is no answer
        found = load_tools(tools)
    allowed = yes_to or ()
    prepared = prepare(target, found, wishes, endpoint, allowed)
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
    from orchestrator.reports.console import stderr

    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.chatobjects import reply_object

        print_json(reply_object(chat, request, reply))
    elif text := answer_text(reply):
        click.echo(text)
    for doubt in doubts(reply):
        click.echo(f"Note: {doubt}", err=True)
    print_spent([reply], stderr())
    if not reply.text and reply.rejection is None:
        click.get_current_context().exit(1)

"""`ask`: prompts to a base and a tuned model, with their calls side by side."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.modeloptions import ModelOptions, model_options

if TYPE_CHECKING:
    from orchestrator.chat.asking import Plan, Row
    from orchestrator.chat.prompts import Prompts


@click.command()
@click.argument("target", metavar="MODEL|RUN|JOBFILE", shell_complete=complete_run)
@click.argument("prompts", metavar="PROMPTS")
@model_options
@click.option("--base/--no-base", default=None, help="Ask the base model too.  [default: if ftorch knows it]")
@click.option("--yes", is_flag=True, help="Do not ask before requests that cost money.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as a JSON object.")
def ask(target: str, prompts: str, asked: ModelOptions, base: bool | None, yes: bool, as_json: bool) -> None:
    """Show what the base and the tuned model call for your prompts.

    \b
    ftorch ask drone "take off to 50 meters"
    ftorch ask jobs/drone.toml prompts.txt     before training: the base model alone
    cat prompts.txt | ftorch ask drone -

    PROMPTS is a text file with one prompt per line, a JSONL file, - for standard input, or one prompt in quotes. A
    JSONL line has a "prompt" or "messages"; the last user message is then the prompt. Calls are checked against
    their definitions and not executed. Nothing is recorded or scored: see ftorch evaluate for that.
    """
    from orchestrator.api.ask import ask_prompts, plan_prompts
    from orchestrator.cli.terminal import terminal
    from orchestrator.reports.ask import print_ask_plan
    from orchestrator.reports.text import stderr

    temperature = 0.0 if asked.temperature is None else asked.temperature
    options = asked.chat_options(temperature=temperature)
    found, tools = _prompts(prompts), asked.load_tools()
    plan = plan_prompts(target, found, tools, options, endpoint=asked.endpoint, base=base)
    print_ask_plan(plan, stderr())
    with terminal(yes=yes) as host:
        rows = ask_prompts(plan, host)
        if any(shown.error for row in rows for shown in row.answers):
            host.failed()
        _show(plan, rows, as_json=as_json)


def _prompts(given: str) -> Prompts:
    from orchestrator.chat.prompts import given_prompts, prompts_in

    return prompts_in(sys.stdin.buffer.read(), "-") if given == "-" else given_prompts(given)


def _show(plan: Plan, rows: list[Row], *, as_json: bool) -> None:
    from orchestrator.cli.output import print_json
    from orchestrator.reports.ask import ask_object, print_rows, tokens_line
    from orchestrator.reports.text import stdout

    if as_json:
        print_json(ask_object(plan, rows))
    else:
        click.echo(err=True)
        print_rows(rows, plan.labels, stdout())
    click.echo(tokens_line(rows), err=True)

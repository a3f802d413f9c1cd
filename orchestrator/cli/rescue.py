"""`rescue`: keep what an endpoint has before it ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.output import print_json

if TYPE_CHECKING:
    from orchestrator.api.rescue import Rescued
    from orchestrator.cli.terminal import Terminal
    from orchestrator.ledger import Ledger
    from orchestrator.rescue.baseline import Baseline


def _parse_usd(text: str) -> float:
    """An amount in USD, from 0."""
    try:
        usd = float(text)
    except ValueError:
        usd = math.nan
    if not 0 <= usd < math.inf:
        raise click.BadParameter(f'"{text}" is not an amount from 0')
    return usd


@click.command()
@click.argument("endpoint", shell_complete=complete_endpoint)
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Keep everything in this folder: a new one, or one to continue.",
)
@click.option(
    "--evals",
    "exports",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Also make evaluation files from evals exported to this file or folder (repeatable).",
)
@click.option(
    "--evaluation",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Ask the models these cases.  [default: those that their records name]",
)
@click.option("--budget", metavar="USD", type=_parse_usd, help="Ask for at most this amount.")
@click.option("--no-answers", is_flag=True, help="Ask the models nothing.")
@click.option("--yes", is_flag=True, help="Ask the models without asking you first.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was and wasn't kept as a JSON object.")
def rescue(
    endpoint: str,
    folder: Path,
    exports: tuple[Path, ...],
    file: Path | None,
    budget: float | None,
    no_answers: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Keep what an endpoint has of your models before it ends.

    \b
    ftorch rescue openai -o rescued
    ftorch rescue openai -o rescued --evaluation cases.jsonl --budget 20

    Downloads jobs, events, checkpoints, data and result files, and OpenAI's evals; lists every tuned model with its
    shutdown date; records the jobs as runs. Then it asks the models that still answer the cases of an evaluation
    file, through the Batch API where there is one: a successor is measured against these answers. Nothing is asked
    before you agree to its cost.

    The same command continues after an interruption, and asks for what is new. What could not be had is listed with
    the reason.
    """
    from orchestrator.api.rescue import rescue as keep
    from orchestrator.cli.terminal import terminal
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.rescue import index_page, print_rescued, rescued_object
    from orchestrator.reports.text import stdout

    if no_answers and (file is not None or budget is not None):
        raise click.UsageError("--no-answers can't be combined with --evaluation and --budget")
    with open_ledger(create=True) as ledger, terminal(yes=yes) as host:
        config = ledger.workspace.endpoint(endpoint)
        rescued = keep(ledger, config, folder, host, exports=exports, evaluation=file, describe=index_page)
        if not as_json:
            print_rescued(rescued, stdout())
        baseline, evaluations = (None, []) if no_answers else _answers(ledger, rescued, host, file, budget)
        if as_json:
            print_json(rescued_object(rescued, baseline, evaluations))


def _answers(
    ledger: Ledger, rescued: Rescued, host: Terminal, file: Path | None, budget: float | None
) -> tuple[Baseline | None, list[str]]:
    """Record the models' answers; the plan, and the ids of the evaluations."""
    from orchestrator.api.rescue import plan_answers, record_answers
    from orchestrator.reports.rescue import print_baseline
    from orchestrator.reports.text import stderr

    with host.going_on():
        baseline = plan_answers(ledger, rescued, file, budget)
        print_baseline(baseline, stderr())
        results = record_answers(ledger, baseline, host)
        for each in results:
            host.show_results(each)
        return baseline, [each.evaluation.id for each in results]
    return None, []

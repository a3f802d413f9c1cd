"""`compare` and `leaderboard`: evaluated models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.definitions import parse_subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.evaluation.leaderboard import Leaderboard
    from orchestrator.jobfile import ScoreName

SCORES = (
    *("accuracy", "call_accuracy", "tool_accuracy", "rejection_recall", "over_rejection"),
    *("schema_validity", "missed_calls", "unnecessary_calls", "argument_f1"),
)
"""The same as `jobfile.ScoreName`, which would load pydantic."""


@click.command()
@click.argument("first", type=parse_subject, metavar="MODEL[@DROP]")
@click.argument("second", type=parse_subject, metavar="MODEL[@DROP]")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="Compare on this file.  [default: the newest that both models were asked]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as a JSON object.")
def compare(first: str, second: str, file: Path | None, as_json: bool) -> None:
    """Compare two models case by case, from recorded answers.

    Shows the cases that the second model broke and fixed, and the tools it mixed up. Nothing is asked; ftorch
    evaluate asks models. A run's id or name means its model.

    To choose the tool definitions, add the dropped parts after an @: drone@descriptions,parameters or
    drone@no-parameters. Without @, a tuned model is compared as it was trained, any other with the fullest
    definitions that it was asked with.
    """
    from orchestrator.evaluation.versus import compare_models
    from orchestrator.ledger import open_ledger

    with open_ledger() as ledger:
        comparison = compare_models(ledger, first, second, file)
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.versus import model_comparison_object

        print_json(model_comparison_object(comparison))
    else:
        from orchestrator.reports.text import stdout
        from orchestrator.reports.versus import print_model_comparison

        print_model_comparison(comparison, stdout())


@click.command()
@click.argument("name", required=False)
@click.option(
    "--metric",
    type=click.Choice(SCORES),
    metavar="METRIC",
    default="call_accuracy",
    show_default=True,
    help=f"Rank by this metric: {', '.join(SCORES)}.",
)
@click.option("--remove", metavar="MODEL", help="Take a model off the leaderboard; its answers stay recorded.")
@click.option("--restore", metavar="MODEL", help="Put a removed model back.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print the rankings as JSON.")
def leaderboard(
    name: str | None, metric: ScoreName, remove: str | None, restore: str | None, yes: bool, as_json: bool
) -> None:
    """Rank the models that were asked the same cases.

    NAME shows only the models of that job or run. Models with equal values share a rank; the one with fewer prompt
    tokens comes first. A changed file counts as another file, since its results can't be compared.
    """
    if remove or restore:
        _change(remove, restore, yes)
        return
    from orchestrator.evaluation.leaderboard import leaderboards
    from orchestrator.ledger import open_ledger

    with open_ledger() as ledger:
        boards = leaderboards(ledger, name, metric)
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.leaderboard import leaderboard_object

        print_json([leaderboard_object(board) for board in boards])
        return
    _print(boards, metric)
    if name is not None and not boards:
        click.echo(f'No model of "{name}" was evaluated. All models: ftorch leaderboard', err=True)
    elif not boards:
        click.echo("No evaluations yet. To run one: ftorch evaluate JOBFILE", err=True)


def _print(boards: Sequence[Leaderboard], metric: ScoreName) -> None:
    from orchestrator.reports.leaderboard import print_leaderboard
    from orchestrator.reports.text import stdout

    console = stdout()
    for number, board in enumerate(boards):
        if number:
            console.print()
        print_leaderboard(board, metric, console)


def _change(remove: str | None, restore: str | None, yes: bool) -> None:
    from orchestrator.api import leaderboard as api
    from orchestrator.cli.terminal import terminal
    from orchestrator.ledger import open_ledger

    if remove and restore:
        raise click.UsageError("--remove and --restore can't be combined")
    with terminal(yes=yes) as host, open_ledger() as ledger:
        if remove:
            api.remove(ledger, remove, host)
        elif restore:
            api.restore(ledger, restore, host)

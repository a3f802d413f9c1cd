"""`cost`: what everything cost, and how much of the caps is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.times import parse_since

if TYPE_CHECKING:
    from orchestrator.bookkeeping.costs import Grouping

_GROUPS = ("month", "endpoint", "model", "tag", "user", "run", "kind")
"""The same as `bookkeeping.costs.By`, which would load the database."""
_ONE_SCREEN = 20


@click.command()
@click.option(
    "--by",
    "group",
    default="month",
    metavar="GROUP",
    show_default=True,
    help="Group by month, endpoint, model, tag, tag:KEY, user, run or kind.",
)
@click.option("--since", type=parse_since, metavar="WHEN", help="Only what was spent since 12h, 7d or 2026-11-01.")
@click.option("--all", "show_all", is_flag=True, help="Show every group, not only one screen of them.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as a JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line for each group.")
def cost(group: str, since: float | None, show_all: bool, as_json: bool, as_csv: bool) -> None:
    """Show what training, evaluation, generation and hosting cost.

    \b
    ftorch cost                       by month, and how much of the caps is used
    ftorch cost --by tag:team         by the values of the tag team
    ftorch cost --by run --since 30d  the most expensive runs first

    Training is the recorded cost, or else the estimate. Calls and hosting are recorded tokens and hours at the
    prices of the price table. Archived and deleted runs count. Months and caps follow UTC.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv can't be combined")
    grouping = _parse_group(group)
    from orchestrator.api import costs as api
    from orchestrator.cli.output import print_json
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.costs import costs_csv, costs_object, print_costs
    from orchestrator.reports.text import stdout

    with open_ledger() as ledger:
        found = api.costs(ledger, grouping, since=since)
        if as_csv:
            click.echo(costs_csv(found), nl=False)
        elif as_json:
            print_json(costs_object(found, api.caps(ledger)))
        elif not found.groups and since is None:
            click.echo("Nothing has cost anything yet. To train a model: ftorch submit JOBFILE", err=True)
        else:
            print_costs(found, api.caps(ledger, since=since), stdout(), limit=None if show_all else _ONE_SCREEN)


def _parse_group(text: str) -> Grouping:
    """Raises click.BadParameter for anything but a group, or `tag:` and a key."""
    name, colon, key = text.partition(":")
    if name not in _GROUPS or (colon and (name != "tag" or not key.strip())):
        from orchestrator.spelling import did_you_mean

        meant = "" if name in _GROUPS else did_you_mean(name, _GROUPS, "Did you mean {}? ")
        known = "month, endpoint, model, tag, tag:KEY, user, run or kind"
        raise click.BadParameter(f'"{text}" is no group. {meant}Give {known}.', param_hint="--by")
    from orchestrator.bookkeeping.costs import By, Grouping

    return Grouping(By(name), key.strip() or None)

"""`runs export`: runs as a file for spreadsheets and data frames, or in an experiment tracker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.listingoptions import Filters, filter_options, state_option

if TYPE_CHECKING:
    from orchestrator.export.destination import Destination
    from orchestrator.export.files import Form
    from orchestrator.ledger import Ledger

_KEYS = click.argument("keys", nargs=-1, metavar="[RUN|SWEEP]...", shell_complete=complete_run)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print what was sent as a JSON object.")
_AGAIN = click.option(
    "--again", is_flag=True, help="Compare all runs with the tracker, also those that it should have already."
)
_TARGET = click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write into this new file."
)
_STEPS = click.option("--metrics", "has_steps", is_flag=True, help="Write a row for each measured step.")
_FORCE = click.option("--force", is_flag=True, help="Replace FILE if it exists.")


@click.group(cls=OrderedGroup)
def export() -> None:
    """Write runs to a file, or send them to a tracker.

    Without RUN or SWEEP, all runs are exported except archived ones, or those that options choose. [track] in
    ftorch.toml sends them live.
    """


@export.command("csv")
@_KEYS
@_TARGET
@_STEPS
@_FORCE
@state_option
@filter_options
def export_csv(keys: tuple[str, ...], target: Path | None, has_steps: bool, force: bool, filters: Filters) -> None:
    """Write a row for each run as CSV, into a file or on stdout.

    The columns are ids, state, models, files and their hashes, hyperparameters as asked and as used, costs, last
    losses, the last evaluation and tags. No text in it is run as a formula by a spreadsheet.
    """
    _write("csv", keys, filters, target, has_steps=has_steps, force=force)


@export.command("jsonl")
@_KEYS
@_TARGET
@_STEPS
@_FORCE
@state_option
@filter_options
def export_jsonl(
    keys: tuple[str, ...], target: Path | None, has_steps: bool, force: bool, filters: Filters
) -> None:
    """Write a JSON object for each run, one per line."""
    _write("jsonl", keys, filters, target, has_steps=has_steps, force=force)


@export.command("parquet")
@_KEYS
@_TARGET
@_STEPS
@_FORCE
@state_option
@filter_options
def export_parquet(
    keys: tuple[str, ...], target: Path | None, has_steps: bool, force: bool, filters: Filters
) -> None:
    """Write a row for each run into a Parquet file. Needs the extra parquet."""
    if target is None:
        raise click.UsageError("give the file to write: -o runs.parquet")
    _write("parquet", keys, filters, target, has_steps=has_steps, force=force)


@export.command("mlflow")
@click.argument("uri", required=False, metavar="[URI]")
@_KEYS
@click.option("--experiment", metavar="NAME", help="The experiment in MLflow.  [default: ftorch]")
@_AGAIN
@click.option("--allow-http", is_flag=True, help="Send to another machine without encryption.")
@_JSON
@state_option
@filter_options
def export_mlflow(
    uri: str | None,
    keys: tuple[str, ...],
    experiment: str | None,
    again: bool,
    allow_http: bool,
    as_json: bool,
    filters: Filters,
) -> None:
    """Send runs to an MLflow tracking server.

    \b
    ftorch runs export mlflow http://127.0.0.1:5000
    ftorch runs export mlflow http://127.0.0.1:5000 drone

    URI is the server's address, by default that of [track.mlflow] in ftorch.toml. Runs that it has already are
    skipped, and what changed since is added: sending twice, or after a crash, leaves no duplicates. A sweep is the
    parent of its runs.

    To sign in, set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    from orchestrator.api import tracking
    from orchestrator.ledger import open_ledger

    with open_ledger(create=True) as ledger:
        destination = tracking.mlflow(ledger, uri, experiment, allow_http=allow_http)
        _send(ledger, destination, keys, filters, again=again, as_json=as_json)


@export.command("trackio")
@click.argument("project")
@_KEYS
@_AGAIN
@_JSON
@state_option
@filter_options
def export_trackio(project: str, keys: tuple[str, ...], again: bool, as_json: bool, filters: Filters) -> None:
    """Send runs to a project of Trackio on this machine. Needs the extra track.

    Runs that it has already are skipped, and what changed since is added. To see them: trackio show
    """
    from orchestrator.api import tracking
    from orchestrator.ledger import open_ledger

    with open_ledger(create=True) as ledger:
        _send(ledger, tracking.trackio(ledger, project), keys, filters, again=again, as_json=as_json)


def _write(form: Form, keys: tuple[str, ...], filters: Filters, target: Path | None, **options: Any) -> None:
    from orchestrator.api import tracking
    from orchestrator.ledger import open_ledger

    _require_one_choice(keys, filters)
    with open_ledger() as ledger:
        found = tracking.selected(ledger, keys, filters.listing())
        count = tracking.write(ledger, found, form, target or sys.stdout.buffer, **options)
    if target is not None:
        rows = f"{count:,} row{'s' if count != 1 else ''}"
        click.echo(f"Wrote {target}: {rows}", err=True)


def _send(
    ledger: Ledger,
    destination: Destination,
    keys: tuple[str, ...],
    filters: Filters,
    *,
    again: bool,
    as_json: bool,
) -> None:
    from orchestrator.api import tracking
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import terminal
    from orchestrator.reports.export import outcome_object, said

    _require_one_choice(keys, filters)
    with terminal() as host:
        run_ids = tracking.selected(ledger, keys, filters.listing())
        found = tracking.export(ledger, destination, run_ids, host, again=again or bool(keys))
        if as_json:
            print_json(outcome_object(found))
        else:
            click.echo(said(found))


def _require_one_choice(keys: tuple[str, ...], filters: Filters) -> None:
    if keys and filters.is_any:
        raise click.UsageError("name runs and sweeps, or choose them by options, but not both")

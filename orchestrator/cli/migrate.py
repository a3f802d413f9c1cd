"""`migrate`: train successors of a tuned model, and show which of them are as good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.evaluationoptions import XML, check_ending, parse_counts
from orchestrator.cli.settings import set_option

if TYPE_CHECKING:
    from orchestrator.api.migration import MigrationOptions
    from orchestrator.cli.terminal import Terminal
    from orchestrator.jobfile import ScoreName
    from orchestrator.ledger import Ledger
    from orchestrator.migration.results import Migration

METRICS = ("accuracy", "call_accuracy", "tool_accuracy", "rejection_recall")
"""The same as `migration.plan.JUDGED_BY`, which would load pydantic."""


@click.command()
@click.argument("job_file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "to",
    multiple=True,
    required=True,
    metavar="ENDPOINT[:MODEL]",
    shell_complete=complete_endpoint,
    help="Train a successor there, on the job file's model or this one (repeatable).",
)
@click.option(
    "--baseline",
    metavar="MODEL|EVALUATION",
    help="Judge against these recorded answers.  [default: the newest of a tuned model to the same cases]",
)
@click.option(
    "--file", type=click.Path(path_type=Path), help="Judge on the cases of this file instead of the job file's."
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    metavar="METRIC",
    help=f"Judge by this metric: {', '.join(METRICS)}.  [default: the job file's, else call_accuracy]",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    metavar="POINTS",
    default=5,
    show_default=True,
    help="How many points worse a successor may be.",
)
@set_option
@click.option(
    "--max-cost-usd",
    type=click.FloatRange(0, min_open=True),
    metavar="USD",
    help="Spend at most this on all successors together.  [default: limits.max_cost_usd of the job file]",
)
@click.option(
    "--requests-per-day", type=parse_counts, metavar="N,…", help="Show the monthly cost at these request volumes."
)
@click.option(
    "--life-days",
    type=click.IntRange(1, 3650),
    metavar="DAYS",
    default=365,
    show_default=True,
    help="Spread the training cost over this many days.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the page to FILE.html, .md, .json or .csv.",
)
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write JUnit XML for CI: a test case for each successor.",
)
@click.option("--force", is_flag=True, help="Replace an existing .md, .csv or .json file.")
@click.option("--json", "as_json", is_flag=True, help="Print the results, or with --dry-run the plan, as JSON.")
@click.option("--dry-run", is_flag=True, help="Check everything and print the plan; record and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before anything that may cost money.")
@click.option(
    "--allow-outside", is_flag=True, help="Use files outside the job file's folder and project without asking."
)
def migrate(
    job_file: Path,
    to: tuple[str, ...],
    baseline: str | None,
    file: Path | None,
    metric: ScoreName | None,
    margin: float,
    settings: tuple[str, ...],
    max_cost_usd: float | None,
    requests_per_day: tuple[int, ...] | None,
    life_days: int,
    output: Path | None,
    junit: Path | None,
    force: bool,
    as_json: bool,
    dry_run: bool,
    yes: bool,
    allow_outside: bool,
) -> None:
    """Train a tuned model's successors, and compare them with it.

    \b
    ftorch migrate jobs/drone.toml --to nebius:meta-llama/Llama-3.1-8B-Instruct
    ftorch migrate jobs/drone.toml --to azure --to local -o successors.html

    One job file is checked and converted for each endpoint, trained there within one budget, and asked the cases
    that the baseline answered: its answers are recorded by ftorch evaluate or ftorch rescue. A successor passes if
    it is not worse by more than --margin points: the lower end of the difference's 95 % CI must be above that.

    What is recorded is neither trained nor asked again: after Ctrl-C or a crash the same command continues.

    Exits with status 0 if at least one successor passes, with 3 if none does, and with 4 if one waits for you,
    such as for the budget.
    """
    from orchestrator.api.migration import MigrationOptions, migrate as carry_out
    from orchestrator.cli.terminal import terminal
    from orchestrator.jobfile import overrides_of
    from orchestrator.ledger import open_ledger

    check_ending("--junit", junit, XML)
    if output is not None:
        from orchestrator.reports.documents.files import require_writable

        require_writable(output, force=force)
    options = MigrationOptions(
        to,
        baseline,
        file,
        metric,
        margin / 100,
        max_cost_usd,
        overrides_of(settings),
        requests_per_day or (),
        life_days,
        allow_outside,
    )
    with terminal(yes=yes) as host, open_ledger(job_file.parent, create=not dry_run) as ledger:
        if dry_run:
            _rehearse(ledger, job_file, host, options, as_json=as_json)
        else:
            found = carry_out(ledger, job_file, host, options)
            _show(found, as_json=as_json)
            _write(found, ledger.workspace.root, output, junit)
            host.failed(found.exit_code)


def _rehearse(ledger: Ledger, job_file: Path, host: Terminal, options: MigrationOptions, *, as_json: bool) -> None:
    from orchestrator.api.migration import plan_migration

    plan = plan_migration(ledger, job_file, host, options)
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.migrationplan import migration_plan_object

        print_json(migration_plan_object(plan))
    else:
        host.show_migration_plan(plan)


def _show(found: Migration, *, as_json: bool) -> None:
    from orchestrator.reports.migration import migration_object, print_migration

    if as_json:
        from orchestrator.cli.output import print_json

        print_json(migration_object(found))
    else:
        from orchestrator.reports.text import stdout

        print_migration(found, stdout())


def _write(found: Migration, root: Path, output: Path | None, junit: Path | None) -> None:
    if output is not None:
        from orchestrator.reports.documents.files import write_document
        from orchestrator.reports.documents.migration import migration_document
        from orchestrator.reports.documents.places import without_places

        write_document(without_places(migration_document(found), root), output)
        click.echo(f"wrote {output}", err=True)
    if junit is not None:
        from orchestrator.reports.junit import write_junit
        from orchestrator.reports.migrationjunit import migration_suites

        write_junit(migration_suites(found), junit, name="ftorch migrate")
        click.echo(f"wrote {junit}", err=True)

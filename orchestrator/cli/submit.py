"""`submit` and `resume`: the two commands that drive runs to their end."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.api import resume as resuming, submit as submitting
from orchestrator.api.submit import Until
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import Terminal, terminal
from orchestrator.jobfile import load_job_file
from orchestrator.ledger import open_ledger


@click.command()
@click.argument("job_file", type=click.Path(path_type=Path))
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Use this endpoint instead.")
@click.option("--detach", is_flag=True, help="Create the job, then leave; ftorch resume follows it.")
@click.option("--dry-run", is_flag=True, help="Check the data and print the plan; record and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
@click.option("--again", is_flag=True, help="Train once more what was trained before; of a sweep, by other runs.")
@click.option("--allow-outside", is_flag=True, help="Use files outside the job file's folder and project unasked.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON.")
def submit(
    job_file: Path,
    endpoint: str | None,
    detach: bool,
    dry_run: bool,
    yes: bool,
    again: bool,
    allow_outside: bool,
    as_json: bool,
) -> None:
    """Check the data, show the plan, train, print the model id. Of a sweep it is that of the best trial.

    The same submission is found again and followed. The same content (data, model, method, hyperparameters, seed)
    under another name or endpoint name is named, and trained and paid for once more only after a yes at a terminal,
    or with --again; --yes is not enough. Where training is free (local) nothing is asked.

    Files outside the job file's folder and its project are used only after a yes at a terminal, or with
    --allow-outside; --yes is not enough.

    Ctrl-C stops following, never the job. The cost is estimated from a dated table of prices; `prices` of an
    endpoint in ftorch.toml names one of your own.

    Exits with 0 where a model id was printed, or with --detach where the job exists; with 4 where the run waits for
    you: for the budget, for your consent, or because nobody knows whether its job exists.
    """
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run; ftorch show RUN --json shows a submitted run")
    is_sweep = load_job_file(job_file).sweep is not None
    with terminal(yes=yes) as host:
        if dry_run:
            (_rehearse_sweep if is_sweep else _rehearse)(job_file, host, endpoint, as_json)
        else:
            until = Until.STARTED if detach else Until.ENDED
            submitting.submit(
                job_file, host, endpoint=endpoint, until=until, again=again, allow_outside=allow_outside
            )


def _rehearse(job_file: Path, host: Terminal, endpoint: str | None, as_json: bool) -> None:
    plan, preview, outlook = submitting.plan_run(job_file, host, endpoint)
    if as_json:
        from orchestrator.reports.plans import plan_object

        print_json(plan_object(plan, preview, outlook))
    else:
        host.show_plan(plan, preview, outlook)


def _rehearse_sweep(job_file: Path, host: Terminal, endpoint: str | None, as_json: bool) -> None:
    plan, changes = submitting.plan_sweep(job_file, host, endpoint)
    if as_json:
        from orchestrator.reports.sweeps import sweep_plan_object

        print_json(sweep_plan_object(plan, changes))
    else:
        host.show_sweep_plan(plan, changes)


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--now", is_flag=True, help="Look again at once at what waits; the settling window stays as it is.")
@click.option("--again", is_flag=True, help="Ask once more for the job of a RUN that is unknown.")
@click.option("--same-account", is_flag=True, help="Runs on hold belong to the account of the key that is set now.")
def resume(run: str | None, now: bool, again: bool, same_account: bool) -> None:
    """Carry on everything that is not over, after any crash. With a RUN id or a name only that."""
    if again and run is None:
        raise click.UsageError("--again needs the id of a run; ftorch status shows which are unknown")
    with terminal() as host, open_ledger() as ledger:
        resuming.resume(ledger, host, run, now=now, again=again, same_account=same_account)

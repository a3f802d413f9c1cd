"""`submit` and `resume`: drive runs to their end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from orchestrator.api import resume as resuming, submit as submitting
from orchestrator.api.submit import Until
from orchestrator.bookkeeping.labels import tags_from
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.output import print_json
from orchestrator.cli.settings import set_option
from orchestrator.cli.terminal import Terminal, terminal
from orchestrator.jobfile import Override, leaks_allowed, load_job_file, overrides_of
from orchestrator.ledger import open_ledger


@click.command()
@click.argument("job_file", type=click.Path(path_type=Path))
@click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="Train on this endpoint instead of the job file's.",
)
@click.option("--model", metavar="MODEL", help="Train this model instead of the job file's.")
@set_option
@click.option("--tag", "tagged", multiple=True, metavar="KEY=VALUE", help="Tag its runs (repeatable).")
@click.option("--detach", is_flag=True, help="Create the job and return; ftorch resume follows it.")
@click.option("--dry-run", is_flag=True, help="Check the data and print the plan; record and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before anything that may cost money.")
@click.option(
    "--again", is_flag=True, help="Train the same content again; for a sweep, also what other runs trained."
)
@click.option(
    "--allow-outside", is_flag=True, help="Use files outside the job file's folder and project without asking."
)
@click.option(
    "--allow-leak", is_flag=True, help="Train even if examples are in the validation or evaluation file too."
)
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as a JSON object.")
def submit(
    job_file: Path,
    endpoint: str | None,
    model: str | None,
    settings: tuple[str, ...],
    tagged: tuple[str, ...],
    detach: bool,
    dry_run: bool,
    yes: bool,
    again: bool,
    allow_outside: bool,
    allow_leak: bool,
    as_json: bool,
) -> None:
    """Train a model from a job file and print the model id.

    ftorch checks the data, shows the plan and its cost, creates the job and follows it. For a sweep, the model id
    is that of the best trial. Ctrl-C stops following, not the job, though one on local pauses until ftorch runs
    again; ftorch resume continues.

    Submitting the same job file again finds the same run and follows it. If the same content (data, model, method,
    hyperparameters, seed) was trained under another name, it is trained and paid for again only if you agree at a
    terminal, or with --again; --yes is not enough. Training on local is free, so nothing is asked.

    --set KEY=VALUE replaces a setting of the job file for this run and is recorded with it. KEY is the job file's,
    with dots: method.n_epochs. VALUE is TOML, or text without quotes; paths are relative to the job file.

    --tag KEY=VALUE tags the run, or every trial of the sweep, as ftorch runs tag does.

    Files outside the job file's folder and project are used only if you agree at a terminal, or with
    --allow-outside; --yes is not enough.

    The cost is estimated from a dated table of prices; to use your own table, set `prices` for the endpoint in
    ftorch.toml.

    Exits with status 0 if a model id was printed, or with --detach if the job exists; with status 4 if the run
    waits for you: for the budget, for your consent, or because it is unknown whether its job exists.
    """
    if as_json and not dry_run:
        raise click.UsageError("--json needs --dry-run; to see a submitted run: ftorch show RUN --json")
    overrides, tags = overrides_of(settings, model), tags_from(tagged)
    job = load_job_file(job_file, overrides)
    if allow_leak:
        overrides = (*overrides, *leaks_allowed(has_evaluation=job.evaluation is not None))
    with terminal(yes=yes) as host:
        if dry_run:
            (_rehearse_sweep if job.sweep is not None else _rehearse)(job_file, host, endpoint, overrides, as_json)
        else:
            submitting.submit(
                job_file,
                host,
                endpoint=endpoint,
                until=Until.STARTED if detach else Until.ENDED,
                again=again,
                allow_outside=allow_outside,
                overrides=overrides,
                tags=tags,
            )


def _rehearse(
    job_file: Path, host: Terminal, endpoint: str | None, overrides: Sequence[Override], as_json: bool
) -> None:
    plan, preview, outlook = submitting.plan_run(job_file, host, endpoint, overrides)
    if as_json:
        from orchestrator.reports.plans import plan_object

        print_json(plan_object(plan, preview, outlook))
    else:
        host.show_plan(plan, preview, outlook)


def _rehearse_sweep(
    job_file: Path, host: Terminal, endpoint: str | None, overrides: Sequence[Override], as_json: bool
) -> None:
    plan, changes = submitting.plan_sweep(job_file, host, endpoint, overrides)
    if as_json:
        from orchestrator.reports.sweeps import sweep_plan_object

        print_json(sweep_plan_object(plan, changes))
    else:
        host.show_sweep_plan(plan, changes)


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--now", is_flag=True, help="Check everything that waits now; settling windows do not change.")
@click.option("--again", is_flag=True, help="Send the create request of a RUN whose job is unknown again.")
@click.option(
    "--same-account", is_flag=True, help="Confirm that what is on hold belongs to the account of the current key."
)
@click.option("--worker", is_flag=True, help="Stay, and take up whatever becomes due, until it is stopped.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="With --worker: serve /metrics, /healthz and /readyz on this port; 0 takes any free one.",
)
@click.option(
    "--metrics-host",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="With --worker: serve them on this address.",
)
@click.option("--log-json", is_flag=True, help="With --worker: log one JSON object per line.")
def resume(
    run: str | None,
    now: bool,
    again: bool,
    same_account: bool,
    worker: bool,
    metrics_port: int | None,
    metrics_host: str,
    log_json: bool,
) -> None:
    """Continue everything that is unfinished, after any crash.

    With a run's id or a name, only that is continued. Paused jobs stay paused: see ftorch unpause.

    With --worker it does not end: it logs on stderr, takes up what other processes submit, and shares the work with
    any number of other workers on the same database. SIGTERM and Ctrl-C end it after the current step; the exit
    status is then 0 or 130.
    """
    if again and run is None:
        raise click.UsageError("--again needs the id of a run; to see which are unknown: ftorch status")
    if worker:
        if run is not None or now or same_account:
            raise click.UsageError(
                "--worker takes everything that is unfinished; leave out RUN, --now and --same-account"
            )
        from orchestrator.cli.worker import stay

        stay(metrics_host, metrics_port, log_json=log_json)
        return
    if metrics_port is not None or log_json:
        raise click.UsageError("--metrics-port and --log-json need --worker")
    with terminal() as host, open_ledger() as ledger:
        resuming.resume(ledger, host, run, now=now, again=again, same_account=same_account)

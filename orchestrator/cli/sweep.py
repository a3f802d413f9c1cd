"""`sweep list`, `show`, `best`, `extend` and `stop`: what became of a sweep, and more or less of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint, complete_sweep
from orchestrator.cli.leaving import Leaving
from orchestrator.cli.status import print_json
from orchestrator.cli.terminal import confirm_cost, follow, print_endings

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger
    from orchestrator.store.runs import Run
    from orchestrator.sweeps.overview import Overview
    from orchestrator.sweeps.plan import SweepPlan
    from orchestrator.sweeps.submission import Changes, SubmittedSweep
    from orchestrator.sweeps.supervisor import SweepSupervisor


_name = click.argument("name", shell_complete=complete_sweep)
_endpoint = click.option(
    "--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="The sweep of that name on this endpoint."
)


@click.group()
def sweep() -> None:
    """Sweeps: many runs from one job file, and which was best. ftorch submit begins one."""


@sweep.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_sweeps(as_json: bool) -> None:
    """Every sweep, newest first, and where its trials are."""
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.sweeptables import sweep_object, sweeps_table

    with open_ledger() as ledger:
        standings = ledger.sweeps()
    if as_json:
        print_json([sweep_object(standing) for standing in standings])
    elif standings:
        from orchestrator.reports.text import stdout

        console = stdout()
        console.print(sweeps_table(standings, time.time(), console.width))
    else:
        click.echo("No sweeps yet. Begin with: ftorch submit jobs/drone-sweep.toml", err=True)


@sweep.command()
@_name
@_endpoint
@click.option("--all", "show_all", is_flag=True, help="Every point and trial, not only one screen of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def show(name: str, endpoint: str | None, show_all: bool, as_json: bool) -> None:
    """The ranking of a sweep, what each hyperparameter did, what was stopped, and what to try next."""
    from orchestrator.ledger import open_ledger
    from orchestrator.sweeps.overview import overview

    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if as_json:
            from orchestrator.reports.sweepdetails import overview_object

            print_json(overview_object(found))
            return
        from orchestrator.reports.sweepdetails import print_overview
        from orchestrator.reports.text import stdout

        config = ledger.workspace.endpoints.get(found.sweep.endpoint)
        print_overview(found, config, stdout(), show_all=show_all)


@sweep.command()
@_name
@_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def best(name: str, endpoint: str | None, as_json: bool) -> None:
    """The model id of the best trial, or of its better checkpoint, alone on stdout.

    While trials are under way it is the best so far.
    """
    from orchestrator.ledger import open_ledger
    from orchestrator.sweeps.overview import overview

    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
    model = _best_model(found)
    if as_json:
        from orchestrator.reports.sweepdetails import best_object

        assert found.ranking.best is not None
        print_json(best_object(found.ranking.best))
    else:
        from orchestrator.reports.text import printable

        click.echo(printable(model))


def _best_model(found: Overview) -> str:
    """Raises NoBestTrial, which says what to do instead."""
    from orchestrator.errors import NoBestTrial
    from orchestrator.reports.sweepdetails import standing

    trial = found.ranking.best
    if trial is not None and trial.score is not None and trial.score.model:
        return trial.score.model
    advice = f"To see why: ftorch sweep show {found.sweep.name}" if found.is_over else "To go on: ftorch resume"
    if found.is_over and not found.is_ranked:
        advice = f"It is not evaluated yet: ftorch resume {found.sweep.name}"
    raise NoBestTrial(name=found.sweep.name, standing=standing(found), advice=advice)


@sweep.command()
@_name
@_endpoint
@click.option("--trials", type=click.IntRange(min=1), required=True, help="How many combinations there are to be.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
def extend(name: str, endpoint: str | None, trials: int, yes: bool) -> None:
    """Draw more combinations of a random or tpe sweep, and follow them to their end.

    The drawing goes on where it ended. The job file stays as it is: write the new number into it as well.
    """
    from orchestrator.api import sweeps
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.progress import announced

    with open_ledger() as ledger:
        with announced() as announce:
            planned = sweeps.extended(ledger, name, trials, endpoint=endpoint, announce=announce)
        click.echo(
            f"Write trials = {trials} into {planned.job.source} too, for when it is submitted again", err=True
        )
        submit_plan(ledger, planned, yes=yes)


@sweep.command()
@_name
@_endpoint
@click.option("--yes", is_flag=True, help="Do not ask.")
def stop(name: str, endpoint: str | None, yes: bool) -> None:
    """Cancel all trials of a sweep that are not over, on the endpoint too, and begin no more.

    What they have trained so far is lost there and may be charged. Trials that are over stay, and so does their
    ranking. Submitting the job file again takes the sweep up again.
    """
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.sweepdetails import standing
    from orchestrator.sweeps.overview import overview

    with open_ledger() as ledger:
        found = overview(ledger, name, endpoint)
        if found.is_over:
            click.echo(f"Nothing to stop: sweep {name} is over ({standing(found)})", err=True)
            return
        if not yes and sys.stdin.isatty():
            click.confirm(f"Stop sweep {name} ({standing(found)})?", abort=True, err=True)
        _stop(ledger, name, found.sweep.endpoint)


def _stop(ledger: Ledger, name: str, endpoint: str) -> None:
    from orchestrator.api import sweeps
    from orchestrator.reports.live import Lines
    from orchestrator.reports.sweepdetails import standing
    from orchestrator.reports.text import stderr

    found = sweeps.stop(ledger, name, endpoint=endpoint, listener=Lines(stderr()))
    click.echo(f"sweep {found.sweep.name}: {standing(found)}", err=True)


# --------------------------------------------------------------------------------------------------------------
# Submitting a sweep and driving it to its end: what `submit`, `resume` and `sweep extend` have in common.


def submit_sweep(
    job_file: Path, endpoint: str | None, *, detach: bool, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """`ftorch submit` of a job file with `[sweep]`."""
    from orchestrator.api import sweeps
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.progress import announced

    with announced() as announce:
        planned = sweeps.plan(job_file, endpoint=endpoint, announce=announce)
    with open_ledger(job_file.parent, create=not dry_run) as ledger:
        if dry_run:
            _show(planned, sweeps.changes(planned, ledger), as_json=as_json)
        else:
            submit_plan(ledger, planned, yes=yes, detach=detach)


def submit_plan(ledger: Ledger, plan: SweepPlan, *, yes: bool, detach: bool = False) -> None:
    """Show the plan, ask where it may cost something, record the trials, and drive them to their ends."""
    from orchestrator.api import sweeps
    from orchestrator.sweeps.supervisor import supervisor_of

    changes = sweeps.changes(plan, ledger)
    _show(plan, changes)
    if changes.begins:
        confirm_cost(plan.may_cost, yes)
    submitted = sweeps.record(plan, ledger)
    _say_submitted(submitted)
    supervisor = supervisor_of(ledger, submitted.sweep)
    if detach:
        sweeps.start(ledger, supervisor)
        click.echo(f"sweep {plan.job.name} has begun; ftorch resume {plan.job.name} follows it", err=True)
    else:
        drive_sweeps(ledger, [supervisor])


def drive_sweeps(ledger: Ledger, supervisors: Sequence[SweepSupervisor], others: Sequence[Run] = ()) -> None:
    """Drive the trials of these sweeps, and other runs; then tell what they came to.

    Leaves with 1 where a sweep ends without any result, or another run failed.
    """
    from orchestrator.store import runs as store

    ids = [run_id for each in supervisors for run_id in each.run_ids]
    with ledger.database.read() as connection:
        trials = store.by_ids(connection, ids)
    ended = follow(ledger, [*others, *trials], supervisors=supervisors)
    have_results = tell_sweeps(ledger, [each.sweep_id for each in supervisors], others=ended[: len(others)])
    if not have_results:
        click.get_current_context().exit(1)


def tell_sweeps(ledger: Ledger, sweep_ids: Sequence[str], others: Sequence[Run] = ()) -> bool:
    """Evaluate the sweeps that are to be, and tell how each ended; returns whether each has a result, or may have.

    Leaves with 3 where the best trial of one does not meet its gate.
    """
    from orchestrator.cli.autoevaluation import evaluate_sweeps, leave_by_best
    from orchestrator.sweeps.overview import overview_by_id

    found, leaving = [overview_by_id(ledger, sweep_id) for sweep_id in sweep_ids], Leaving()
    for each in found:
        _want(ledger, each)
    # What ranks a sweep comes before its ending, and what only adds to it comes behind.
    results = evaluate_sweeps(ledger, [each.sweep.id for each in found if each.settings.by_evaluation], leaving)
    endings = {each.sweep.id: overview_by_id(ledger, each.sweep.id) for each in found}
    have_results = [_print_ending(each) for each in endings.values()]
    with leaving.later():
        print_endings(others)
    later = [each.sweep.id for each in found if not each.settings.by_evaluation]
    results |= evaluate_sweeps(ledger, later, leaving)
    for sweep_id, (plan, result) in results.items():
        if model := _model_of_best(endings[sweep_id]):
            with leaving.later():
                leave_by_best(plan, result, model)
    leaving.leave()
    return all(have_results)


def _want(ledger: Ledger, found: Overview) -> None:
    """What a crash right behind the submission may have left unsaid."""
    if found.job.evaluation is not None:
        from orchestrator.sweeps.evaluation import want

        want(ledger, found.sweep)


def _model_of_best(found: Overview) -> str | None:
    best = found.ranking.best
    return best.score.model if best is not None and best.score is not None else None


def _show(plan: SweepPlan, changes: Changes, *, as_json: bool = False) -> None:
    if as_json:
        from orchestrator.cli.status import print_json
        from orchestrator.reports.sweeps import sweep_plan_object

        print_json(sweep_plan_object(plan, changes))
    else:
        from orchestrator.reports.sweeps import print_sweep_plan
        from orchestrator.reports.text import stderr

        print_sweep_plan(plan, stderr(), changes)


def _say_submitted(submitted: SubmittedSweep) -> None:
    changes = submitted.changes
    counted = [
        (len(changes.new) + len(changes.renewed), "submitted"),
        (changes.drawn, "to be drawn"),
        (len(changes.found), "found again, not paid again"),
    ]
    parts = ", ".join(f"{number} {what}" for number, what in counted if number)
    click.echo(f"sweep {submitted.sweep.name}, trials: {parts}", err=True)


def _print_ending(found: Overview) -> bool:
    """The ranking on stderr, and the best model id, alone, on stdout; False where there never will be one."""
    from orchestrator.reports.sweepdetails import print_outcome
    from orchestrator.reports.text import printable, stderr
    from orchestrator.sweeps.results import TrialState

    print_outcome(found, stderr())
    waiting = [record for record in found.trials if record.result.state is TrialState.ACTIVE]
    for record in waiting[:1]:
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        reason = printable(record.run.reason)
        click.echo(f"trial {record.trial.number}{more} is {record.run.state}: {reason}", err=True)
    if model := _model_of_best(found):
        click.echo(printable(model))
        return True
    if not waiting:
        failed = next((each.result for each in found.trials if each.result.state is TrialState.FAILED), None)
        reason = f": {printable(failed.reason)}" if failed else ""
        click.echo(f"Error: sweep {found.sweep.name} has no result{reason}", err=True)
    return bool(waiting)

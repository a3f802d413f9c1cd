"""Submitting a sweep and driving it to its end: what `submit`, `resume` and `sweep extend` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.following import confirm_cost, follow, print_endings
from orchestrator.cli.leaving import Leaving

if TYPE_CHECKING:
    from orchestrator.runs.ledger import Ledger
    from orchestrator.store.runs import Run
    from orchestrator.sweeps.attending import SweepAttendant
    from orchestrator.sweeps.overview import Overview
    from orchestrator.sweeps.plan import SweepPlan
    from orchestrator.sweeps.submission import Changes, SubmittedSweep


def submit_sweep(
    job_file: Path, endpoint: str | None, *, detach: bool, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """`ftorch submit` of a job file with `[sweep]`."""
    from orchestrator.reports.checking import announced
    from orchestrator.runs.ledger import open_ledger
    from orchestrator.sweeps import api

    with announced() as announce:
        planned = api.plan(job_file, endpoint=endpoint, announce=announce)
    with open_ledger(job_file.parent, create=not dry_run) as ledger:
        if dry_run:
            _show(planned, api.changes(planned, ledger), as_json=as_json)
        else:
            submit_plan(ledger, planned, yes=yes, detach=detach)


def submit_plan(ledger: Ledger, plan: SweepPlan, *, yes: bool, detach: bool = False) -> None:
    """Show the plan, ask where it may cost something, record the trials, and drive them to their ends."""
    from orchestrator.sweeps import api
    from orchestrator.sweeps.attending import attendant_of

    changes = api.changes(plan, ledger)
    _show(plan, changes)
    if changes.begins:
        confirm_cost(plan.may_cost, yes)
    submitted = api.record(plan, ledger)
    _say_submitted(submitted)
    attendant = attendant_of(ledger, submitted.sweep)
    if detach:
        api.start(ledger, attendant)
        click.echo(f"sweep {plan.job.name} has begun; ftorch resume {plan.job.name} follows it", err=True)
    else:
        drive_sweeps(ledger, [attendant])


def drive_sweeps(ledger: Ledger, attendants: Sequence[SweepAttendant], others: Sequence[Run] = ()) -> None:
    """Drive the trials of these sweeps, and other runs; then tell what they came to.

    Leaves with 1 where a sweep ends without any result, or another run failed.
    """
    from orchestrator.store import runs as store

    ids = [run_id for each in attendants for run_id in each.run_ids]
    with ledger.database.read() as connection:
        trials = store.by_ids(connection, ids)
    ended = follow(ledger, [*others, *trials], attendants=attendants)
    have_results = tell_sweeps(ledger, [each.sweep_id for each in attendants], others=ended[: len(others)])
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
        if model := _best_model(endings[sweep_id]):
            with leaving.later():
                leave_by_best(plan, result, model)
    leaving.leave()
    return all(have_results)


def _want(ledger: Ledger, found: Overview) -> None:
    """What a crash right behind the submission may have left unsaid."""
    if found.job.evaluation is not None:
        from orchestrator.sweeps.evaluating import want

        want(ledger, found.sweep)


def _best_model(found: Overview) -> str | None:
    best = found.ranking.best
    return best.score.model if best is not None and best.score is not None else None


def _show(plan: SweepPlan, changes: Changes, *, as_json: bool = False) -> None:
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.sweepobjects import sweep_plan_object

        print_json(sweep_plan_object(plan, changes))
    else:
        from orchestrator.reports.console import stderr
        from orchestrator.reports.sweeps import print_sweep_plan

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
    from orchestrator.reports.console import stderr
    from orchestrator.reports.formats import printable
    from orchestrator.reports.sweepdetails import print_outcome
    from orchestrator.sweeps.results import TrialState

    print_outcome(found, stderr())
    waiting = [record for record in found.trials if record.result.state is TrialState.ACTIVE]
    for record in waiting[:1]:
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        reason = printable(record.run.reason)
        click.echo(f"trial {record.trial.number}{more} is {record.run.state}: {reason}", err=True)
    if model := _best_model(found):
        click.echo(printable(model))
        return True
    if not waiting:
        failed = next((each.result for each in found.trials if each.result.state is TrialState.FAILED), None)
        reason = f": {printable(failed.reason)}" if failed else ""
        click.echo(f"Error: sweep {found.sweep.name} has no result{reason}", err=True)
    return bool(waiting)

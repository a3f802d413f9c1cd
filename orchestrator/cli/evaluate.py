"""`evaluate`: how well models call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.batches import ask_by_batch
from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.evaluationoptions import (
    Log,
    Output,
    log_options,
    output_options,
    ownership_options,
    parse_names,
    parse_variants,
    take_log,
)
from orchestrator.cli.terminal import INTERRUPTED, confirm_cost, stop_at_signals

if TYPE_CHECKING:
    from orchestrator.evaluation.ownership import Ownership, Terms
    from orchestrator.evaluation.plan import Plan
    from orchestrator.evaluation.results import Results
    from orchestrator.evaluation.session import Asking
    from orchestrator.ledger import Ledger
    from orchestrator.store.evaluations import Evaluation

GATE_NOT_MET = 3


@click.command()
@click.argument("targets", nargs=-1, metavar="JOBFILE|RUN|MODEL...")
@click.option("--file", type=click.Path(path_type=Path), help="The evaluation file, instead of the job file's.")
@click.option(
    "--models", type=parse_names, metavar="NAME,…", help="base, tuned, checkpoints, or models' own names."
)
@click.option(
    "--variants", type=parse_variants, metavar="NAME,…", help="full, no-descriptions, no-parameters, no-tools."
)
@click.option("--samples", type=click.IntRange(1, 100), help="How often each question is asked.")
@click.option(
    "--rejection-tool", "rejection_tools", multiple=True, metavar="TOOL", help="Its call rejects a request."
)
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Where the models are.")
@click.option("--rescore", is_flag=True, help="Score the recorded answers by today's rules; ask nothing.")
@click.option("--allow-leak", is_flag=True, help="Ask although training holds some cases.")
@click.option("--batch", is_flag=True, help="Ask through the Batch API: cheaper, and answered within a day.")
@click.option("--twice", is_flag=True, help="Ask at once also what waits in a batch, and pay for both.")
@click.option("--keep", is_flag=True, help="Azure: leave the deployments that are made for it.")
@click.option("--dry-run", is_flag=True, help="Check the cases and print the plan; ask nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
@log_options
@ownership_options
@output_options
def evaluate(
    targets: tuple[str, ...],
    file: Path | None,
    models: tuple[str, ...] | None,
    variants: tuple[str, ...] | None,
    samples: int | None,
    rejection_tools: tuple[str, ...],
    endpoint: str | None,
    rescore: bool,
    allow_leak: bool,
    batch: bool,
    twice: bool,
    keep: bool,
    dry_run: bool,
    yes: bool,
    log: Log | None,
    terms: Terms | None,
    output: Output,
) -> None:
    """Ask models the cases of an evaluation file, and print base against tuned, with intervals.

    Every answer is kept: what was answered before is not asked again, and after Ctrl-C or a crash the same command
    goes on. With --requests-per-day it also says what owning the tuned model costs, and from how many requests on
    it is cheaper than the base. With --from-log it first makes cases, and further training examples, of logged
    requests; without a JOBFILE it ends there. With --batch it can be left: the endpoint answers when it has time,
    and the same command, or ftorch resume, records the answers. Leaves with 3 where the job file's gate is not met.
    """
    _require_sense(targets, log, batch, twice)
    if log is not None:
        file = take_log(log, targets, endpoint, as_json=output.as_json)
        if not targets or file is None:
            return
    from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.evaluation import print_evaluation_plan
    from orchestrator.reports.text import stderr

    options = EvaluationOptions(
        file, endpoint, models, variants, samples, rejection_tools or None, allow_leak, batch, twice, keep
    )
    with open_ledger(_place(targets), create=not dry_run) as ledger:
        plan = plan_evaluation(ledger, targets, options)
        _check_wishes(plan, terms, output)
        print_evaluation_plan(plan, stderr())
        if dry_run:
            return
        results = carry_out(ledger, plan, yes=yes, rescore=rescore)
        show_results(ledger, results, terms, output)
    leave_by_gate(plan, results)


def _require_sense(targets: tuple[str, ...], log: Log | None, batch: bool, twice: bool) -> None:
    if not targets and log is None:
        raise click.UsageError("name what to evaluate: a job file, a run or a model")
    if batch and twice:
        raise click.UsageError("--batch and --twice exclude each other: a batch waits for what is under way")


def carry_out(
    ledger: Ledger, plan: Plan, *, yes: bool, rescore: bool = False, wanted: Evaluation | None = None
) -> Results:
    """Ask what is missing, score everything, and count it; as the `wanted` evaluation where one was recorded.

    Leaves with 130 where the user stopped it.
    """
    from orchestrator.evaluation.locks import hold_locks, lock_names
    from orchestrator.evaluation.results import results_of
    from orchestrator.evaluation.session import require_nothing_under_way
    from orchestrator.evaluation.wanted import done_meanwhile

    if not rescore and not plan.in_batches:
        require_nothing_under_way(plan)
    confirm_cost(plan.price is not None and plan.missing > 0 and not rescore, yes, "Ask it?")
    asks = not rescore and not plan.in_batches  # batches may take a day: their questions are claimed one by one
    with hold_locks(ledger, lock_names(plan, asks=asks), say_waiting) as has_waited:
        done = done_meanwhile(ledger, wanted) if wanted else None
        return results_of(ledger, done or _ask_and_score(ledger, plan, wanted, rescore, has_waited))


def _ask_and_score(
    ledger: Ledger, plan: Plan, wanted: Evaluation | None, rescore: bool, has_waited: bool
) -> Evaluation:
    from orchestrator.evaluation.plan import recounted
    from orchestrator.evaluation.session import begin, finish

    plan = recounted(ledger, plan) if has_waited else plan
    evaluation = begin(ledger, plan, wanted)
    asked = None if rescore else _ask(ledger, plan)
    if asked is not None and not asked.is_complete:
        left = f"{asked.answered:,} of {plan.missing:,} are answered and kept; the same command goes on"
        click.echo(f"stopped: {left}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    return finish(ledger, plan, evaluation, asked.errors if asked else {})


def say_waiting(said: str) -> None:
    from orchestrator.reports.text import printable

    click.echo(printable(said), err=True)


def show_results(
    ledger: Ledger,
    results: Results,
    terms: Terms | None = None,
    output: Output | None = None,
    *,
    on_stderr: bool = False,
) -> None:
    """Print the results and, by `terms`, the cost of ownership: tables, JSON or CSV; write what `output` names."""
    from orchestrator.evaluation.ownership import ownership_of
    from orchestrator.reports.text import stderr, stdout

    output = output or Output()
    ownership = ownership_of(ledger, results, terms) if terms else None
    if output.as_json:
        from orchestrator.cli.status import print_json
        from orchestrator.reports.evaluation import results_object

        print_json(results_object(results, ownership))
    elif output.as_csv:
        from orchestrator.reports.evaluation import results_csv

        click.echo(results_csv(results, ownership), nl=False)
    else:
        from orchestrator.reports.evaluation import print_results
        from orchestrator.reports.ownership import print_ownership

        console = stderr() if on_stderr else stdout()
        print_results(results, console)
        if ownership:
            print_ownership(ownership, console)
    _write_files(ledger, results, ownership, output)


def leave_by_gate(plan: Plan, results: Results) -> None:
    """Leave with 3 where the job file's gate is not met."""
    from orchestrator.evaluation.gate import failures
    from orchestrator.reports.text import printable

    gate = plan.settings.gate
    if gate is None:
        return
    problems = failures(gate, results)
    for problem in problems:
        click.echo(f"Gate not met: {printable(problem)}", err=True)
    if problems:
        click.get_current_context().exit(GATE_NOT_MET)
    click.echo("Gate met.", err=True)


def _check_wishes(plan: Plan, terms: Terms | None, output: Output) -> None:
    """What can't be reckoned or drawn is said before anything is asked."""
    if terms:
        from orchestrator.evaluation.ownership import require_prices

        require_prices(plan, terms)
    if output.plot:
        from orchestrator.reports.ownershipplot import require_matplotlib

        require_matplotlib()


def _write_files(ledger: Ledger, results: Results, ownership: Ownership | None, output: Output) -> None:
    if output.html:
        from orchestrator.evaluation.leaderboard import changes_against_base
        from orchestrator.reports.html import write_page

        write_page(results, ownership, changes_against_base(ledger, results), output.html)
        click.echo(f"wrote {output.html}", err=True)
    if output.plot and ownership:
        from orchestrator.reports.ownershipplot import save_plot

        save_plot(ownership, output.plot)
        click.echo(f"wrote {output.plot}", err=True)


def _place(targets: tuple[str, ...]) -> Path | None:
    """A job file brings its project along."""
    return Path(targets[0]).parent if targets[0].endswith(".toml") else None


def _ask(ledger: Ledger, plan: Plan) -> Asking:
    if plan.in_batches:
        return ask_by_batch(ledger, plan, say_waiting)
    import asyncio

    from orchestrator.reports.deployments import DeploymentLines
    from orchestrator.reports.progress import asking_progress
    from orchestrator.reports.text import stderr

    console = stderr()
    with asking_progress(plan.missing, console) as listener:

        async def ask() -> Asking:
            from orchestrator.evaluation.session import ask_plan

            steps = DeploymentLines(console)
            return await ask_plan(ledger, plan, listener=listener, deployments=steps, stop=stop_at_signals())

        return asyncio.run(ask())

"""`evaluate`: how well models call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.api.evaluation import carry_out, judge
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
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import terminal
from orchestrator.evaluation.ownership import Ownership, Terms, ownership_of, require_prices
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.text import stdout

if TYPE_CHECKING:
    from orchestrator.evaluation.results import Results


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
@click.option("--allow-outside", is_flag=True, help="Use a file outside the job file's folder and project unasked.")
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
    allow_outside: bool,
    log: Log | None,
    terms: Terms | None,
    output: Output,
) -> None:
    """Ask models the cases of a file: base against tuned. Every metric has its 95 % CI.

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
    options = EvaluationOptions(
        file, endpoint, models, variants, samples, rejection_tools or None, allow_leak, batch, twice, keep
    )
    with terminal(yes=yes) as host, open_ledger(_place(targets), create=not dry_run) as ledger:
        plan = plan_evaluation(ledger, targets, options)
        _check_output(plan, terms, output)
        host.show_evaluation_plan(plan)
        if dry_run:
            return
        results = carry_out(ledger, plan, host, rescore=rescore, allow_outside=allow_outside)
        _show_results(ledger, results, terms, output)
        judge(plan, results, host)


def _require_sense(targets: tuple[str, ...], log: Log | None, batch: bool, twice: bool) -> None:
    if not targets and log is None:
        raise click.UsageError("name what to evaluate: a job file, a run or a model")
    if batch and twice:
        raise click.UsageError("--batch and --twice exclude each other: a batch waits for what is under way")


def _check_output(plan: Plan, terms: Terms | None, output: Output) -> None:
    """What can't be priced or drawn is said before anything is asked."""
    if terms:
        require_prices(plan, terms)
    if output.plot:
        from orchestrator.reports.ownershipplot import require_matplotlib

        require_matplotlib()


def _show_results(ledger: Ledger, results: Results, terms: Terms | None, output: Output) -> None:
    """Print the results and, by `terms`, the cost of ownership: tables, JSON or CSV; write what `output` names."""
    ownership = ownership_of(ledger, results, terms) if terms else None
    if output.as_json:
        from orchestrator.reports.evaluation import results_object

        print_json(results_object(results, ownership))
    elif output.as_csv:
        from orchestrator.reports.evaluation import results_csv

        click.echo(results_csv(results, ownership), nl=False)
    else:
        from orchestrator.reports.evaluation import print_results
        from orchestrator.reports.ownership import print_ownership

        print_results(results, stdout())
        if ownership:
            print_ownership(ownership, stdout())
    _write_files(ledger, results, ownership, output)


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

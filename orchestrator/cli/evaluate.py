"""`evaluate`: measure how well models call tools."""

from __future__ import annotations

from functools import partial
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
    take_log,
    variants_options,
)
from orchestrator.cli.groups import SectionedCommand
from orchestrator.cli.output import print_json
from orchestrator.cli.settings import set_option
from orchestrator.cli.terminal import terminal
from orchestrator.evaluation.ownership import Ownership, Terms, ownership_of, require_prices
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.evaluation.wronganswers import wrong_answers
from orchestrator.jobfile import overrides_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.evaluation import print_results
from orchestrator.reports.figures import results_csv, results_object
from orchestrator.reports.ownership import print_ownership
from orchestrator.reports.text import stdout
from orchestrator.reports.wronganswers import print_wrong_answers

if TYPE_CHECKING:
    from orchestrator.evaluation.results import Results


_SECTIONS = {
    "What to ask": (
        *("--file", "--models", "--drop", "--variants", "--samples", "--endpoint", "--set", "--allow-leak"),
    ),
    "How to ask and score": ("--batch", "--twice", "--rescore", "--rejection-tool", "--keep", "--dry-run"),
    "Logs": ("--from-log", "--out-cases", "--out-training", "--case-share"),
    "Cost of ownership": ("--requests-per-day", "--life-days", "--price-as", "--training-cost"),
    "Output": ("--details", "--show-wrong", "--json", "--csv", "--html", "--junit", "--cost-plot"),
    "Consent": ("--yes", "--allow-outside"),
}


@click.command(cls=SectionedCommand, sections=_SECTIONS)
@click.argument("targets", nargs=-1, metavar="JOBFILE|RUN|MODEL...")
@click.option(
    "--file", type=click.Path(path_type=Path), help="Ask the cases of this file instead of the job file's."
)
@click.option(
    "--models",
    type=parse_names,
    metavar="NAME,…",
    help="Ask only these: base, tuned, checkpoints, or model ids.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Ask each question N times.  [default: from the job file, else 1]",
)
@click.option(
    "--rejection-tool",
    "rejection_tools",
    multiple=True,
    metavar="TOOL",
    help="Count a call of this tool as a refusal (repeatable).",
)
@click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="The models' endpoint.",
)
@set_option
@click.option("--rescore", is_flag=True, help="Score the recorded answers again by the current rules; ask nothing.")
@click.option("--allow-leak", is_flag=True, help="Ask even if some cases are in the training file too.")
@click.option("--batch", is_flag=True, help="Ask through the Batch API: cheaper, answered within a day.")
@click.option("--twice", is_flag=True, help="Ask questions now that already wait in a batch, and pay for both.")
@click.option("--keep", is_flag=True, help="Azure: keep the deployments that this evaluation creates.")
@click.option("--dry-run", is_flag=True, help="Check the cases and print the plan; ask nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before anything that may cost money.")
@click.option(
    "--allow-outside",
    is_flag=True,
    help="Use a file outside the job file's folder and project without asking.",
)
@log_options
@ownership_options
@output_options
@variants_options
def evaluate(
    targets: tuple[str, ...],
    file: Path | None,
    models: tuple[str, ...] | None,
    variants: tuple[str, ...] | None,
    samples: int | None,
    rejection_tools: tuple[str, ...],
    endpoint: str | None,
    settings: tuple[str, ...],
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
    """Measure how well models call tools, base against tuned.

    Asks the models the cases of a file, scores each answer, and shows every metric with its 95 % CI: accuracy, call
    accuracy, tool accuracy, argument F1, correct refusals, false refusals, missed calls, unnecessary calls and
    schema-valid.

    Every answer is recorded, so nothing is asked or paid for twice: after Ctrl-C or a crash the same command
    continues. With --batch you can leave: the same command, or ftorch resume, records the answers later.

    --from-log first makes cases and training examples from a log of requests. Without a JOBFILE, RUN or MODEL,
    nothing is asked then.

    Exits with status 3 if the job file's gate is not met.
    """
    _require_sense(targets, log, batch, twice)
    if log is not None:
        file = take_log(log, targets, endpoint, as_json=output.as_json)
        if not targets or file is None:
            return
    options = EvaluationOptions(
        file,
        endpoint,
        models,
        variants,
        samples,
        rejection_tools or None,
        allow_leak,
        batch,
        twice,
        keep,
        overrides_of(settings),
    )
    with terminal(yes=yes) as host, open_ledger(_place(targets), create=not dry_run) as ledger:
        plan = plan_evaluation(ledger, targets, options)
        _check_output(plan, terms, output)
        host.show_evaluation_plan(plan)
        if dry_run:
            return
        results = carry_out(ledger, plan, host, rescore=rescore, allow_outside=allow_outside)
        _show_results(ledger, plan, results, terms, output)
        judge(plan, results, host)


def _require_sense(targets: tuple[str, ...], log: Log | None, batch: bool, twice: bool) -> None:
    if not targets and log is None:
        raise click.UsageError("name what to evaluate: a job file, a run or a model")
    if batch and twice:
        raise click.UsageError(
            "--batch and --twice can't be combined: a batch leaves out questions that already wait for an answer"
        )


def _check_output(plan: Plan, terms: Terms | None, output: Output) -> None:
    """Check that the cost can be priced and plotted before anything is asked."""
    if terms:
        require_prices(plan, terms)
    if output.cost_plot:
        from orchestrator.reports.documents.files import PICTURES, format_of

        format_of(output.cost_plot, PICTURES)


def _show_results(ledger: Ledger, plan: Plan, results: Results, terms: Terms | None, output: Output) -> None:
    """Print the results and, with `terms`, the cost of ownership as tables, JSON or CSV; write the output files."""
    ownership = ownership_of(ledger, results, terms) if terms else None
    wrong = wrong_answers(ledger, plan, results, output.show_wrong) if output.show_wrong else None
    if output.as_json:
        print_json(results_object(results, ownership, wrong))
    elif output.as_csv:
        click.echo(results_csv(results, ownership), nl=False)
    else:
        print_results(results, stdout(), details=output.details)
        if ownership:
            print_ownership(ownership, stdout())
        if wrong is not None:
            print_wrong_answers(wrong, stdout())
    _write_files(ledger, results, ownership, output)
    if output.junit:
        _write_junit(ledger, plan, results, output.junit)


def _write_files(ledger: Ledger, results: Results, ownership: Ownership | None, output: Output) -> None:
    if output.html:
        from orchestrator.evaluation.versus import answers_of
        from orchestrator.reports.documents.evaluation import evaluation_document
        from orchestrator.reports.documents.files import write_document
        from orchestrator.reports.documents.places import without_places

        document = evaluation_document(results, answers_of(ledger, results), ownership)
        write_document(without_places(document, ledger.workspace.root), output.html)
        click.echo(f"wrote {output.html}", err=True)
    if output.cost_plot and ownership:
        from orchestrator.reports.charts.ownership import ownership_chart
        from orchestrator.reports.documents.files import write_chart

        write_chart(ownership_chart(ownership), output.cost_plot)
        click.echo(f"wrote {output.cost_plot}", err=True)


def _write_junit(ledger: Ledger, plan: Plan, results: Results, path: Path) -> None:
    from orchestrator.evaluation.scores import read_scored
    from orchestrator.reports.junit import IN_FULL, evaluation_suites, write_junit

    wrong = wrong_answers(ledger, plan, results, IN_FULL)
    scored = partial(read_scored, ledger, results.evaluation.id)
    root, gate = ledger.workspace.root, plan.settings.gate
    write_junit(evaluation_suites(results, scored, wrong, root, gate=gate), path)
    click.echo(f"wrote {path}", err=True)


def _place(targets: tuple[str, ...]) -> Path | None:
    """A job file determines its project."""
    return Path(targets[0]).parent if targets[0].endswith(".toml") else None

"""`evaluate`, `compare` and `leaderboard`: how well models call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.following import INTERRUPTED, confirm_cost, stop_at_signals

if TYPE_CHECKING:
    from orchestrator.evaluation.plan import Plan
    from orchestrator.evaluation.results import Results
    from orchestrator.evaluation.session import Asking
    from orchestrator.jobfile import ScoreName
    from orchestrator.runs.ledger import Ledger
    from orchestrator.store.evaluations import Evaluation

GATE_NOT_MET = 3
SCORES = (
    *("accuracy", "call_accuracy", "tool_accuracy", "rejection_recall", "over_rejection"),
    *("schema_validity", "argument_f1"),
)
"""The same as `jobfile.ScoreName`, which would load pydantic."""


class _Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "NAME,…"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        return names or self.fail("give at least one name", param, ctx)


class _Variants(_Names):
    """Names of variants with commas between them."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from orchestrator.evaluation.questions import VARIANTS

        names = super().convert(value, param, ctx)
        for name in names:
            if name not in VARIANTS:
                self.fail(f'"{name}" is none of {", ".join(VARIANTS)}', param, ctx)
        return names


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="JOBFILE|RUN|MODEL...")
@click.option("--file", type=click.Path(path_type=Path), help="The evaluation file, instead of the job file's.")
@click.option("--models", type=_Names(), help="base, tuned, checkpoints, or models' own names.")
@click.option("--variants", type=_Variants(), help="full, no-descriptions, no-parameters, no-tools.")
@click.option("--samples", type=click.IntRange(1, 100), help="How often each question is asked.")
@click.option(
    "--rejection-tool", "rejection_tools", multiple=True, metavar="TOOL", help="Its call rejects a request."
)
@click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Where the models are.")
@click.option("--rescore", is_flag=True, help="Score the recorded answers by today's rules; ask nothing.")
@click.option("--allow-leak", is_flag=True, help="Ask although training holds some cases.")
@click.option("--dry-run", is_flag=True, help="Check the cases and print the plan; ask nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before what may cost money.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one line for each model, variant and group of cases.")
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
    dry_run: bool,
    yes: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Ask models the cases of an evaluation file, and print base against tuned, with intervals.

    Every answer is kept: what was answered before is not asked again, and after Ctrl-C or a crash the same command
    goes on. Leaves with 3 where the job file's gate is not met.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    from orchestrator.evaluation.plan import Wishes, plan_evaluation
    from orchestrator.reports.console import stderr
    from orchestrator.reports.evaluation import print_evaluation_plan
    from orchestrator.runs.ledger import open_ledger

    wishes = Wishes(file, endpoint, models, variants, samples, rejection_tools or None, allow_leak)
    with open_ledger(_place(targets), create=not dry_run) as ledger:
        plan = plan_evaluation(ledger, targets, wishes)
        print_evaluation_plan(plan, stderr())
        if dry_run:
            return
        results = carry_out(ledger, plan, yes=yes, rescore=rescore)
    show_results(results, as_json=as_json, as_csv=as_csv)
    leave_by_gate(plan, results)


def carry_out(
    ledger: Ledger, plan: Plan, *, yes: bool, rescore: bool = False, wanted: Evaluation | None = None
) -> Results:
    """Ask what is missing, score everything, and count it; as the `wanted` evaluation where one was recorded.

    Leaves with 130 where the user stopped it.
    """
    from orchestrator.evaluation.results import results_of
    from orchestrator.evaluation.session import begin, finish

    confirm_cost(plan.price is not None and plan.missing > 0 and not rescore, yes, "Ask it?")
    evaluation = begin(ledger, plan, wanted)
    asked = None if rescore else _ask(ledger, plan)
    if asked is not None and not asked.is_complete:
        left = f"{asked.answered:,} of {plan.missing:,} are answered and kept; the same command goes on"
        click.echo(f"stopped: {left}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    done = finish(ledger, plan, evaluation, asked.errors if asked else {})
    return results_of(ledger, done)


def show_results(results: Results, *, as_json: bool = False, as_csv: bool = False, on_stderr: bool = False) -> None:
    """Print the results as tables, JSON or CSV."""
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.evaluationobjects import results_object

        print_json(results_object(results))
    elif as_csv:
        from orchestrator.reports.evaluationobjects import results_csv

        click.echo(results_csv(results), nl=False)
    else:
        from orchestrator.reports.console import stderr, stdout
        from orchestrator.reports.evaluation import print_results

        print_results(results, stderr() if on_stderr else stdout())


def leave_by_gate(plan: Plan, results: Results) -> None:
    """Leave with 3 where the job file's gate is not met."""
    from orchestrator.evaluation.gate import failures
    from orchestrator.reports.formats import printable

    gate = plan.settings.gate
    if gate is None:
        return
    problems = failures(gate, results)
    for problem in problems:
        click.echo(f"Gate not met: {printable(problem)}", err=True)
    if problems:
        click.get_current_context().exit(GATE_NOT_MET)
    click.echo("Gate met.", err=True)


def _place(targets: tuple[str, ...]) -> Path | None:
    """A job file brings its project along."""
    return Path(targets[0]).parent if targets[0].endswith(".toml") else None


def _ask(ledger: Ledger, plan: Plan) -> Asking:
    import asyncio

    from orchestrator.reports.askingprogress import asking_progress
    from orchestrator.reports.console import stderr

    with asking_progress(plan.missing, stderr()) as listener:

        async def ask() -> Asking:
            from orchestrator.evaluation.session import ask_missing

            return await ask_missing(ledger, plan, listener=listener, stop=stop_at_signals())

        return asyncio.run(ask())


@click.command()
@click.argument("first", metavar="MODEL[@VARIANT]")
@click.argument("second", metavar="MODEL[@VARIANT]")
@click.option("--file", type=click.Path(path_type=Path), help="On this file, not the newest that both were asked.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def compare(first: str, second: str, file: Path | None, as_json: bool) -> None:
    """The second model against the first, by recorded answers: cases broken and fixed, tools mixed up, p-values.

    A RUN id or name stands for its model. Nothing is asked: ftorch evaluate does that.
    """
    from orchestrator.evaluation.contest import find_contest
    from orchestrator.runs.ledger import open_ledger

    with open_ledger() as ledger:
        contest = find_contest(ledger, first, second, file)
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.evaluationobjects import contest_object

        print_json(contest_object(contest))
    else:
        from orchestrator.reports.console import stdout
        from orchestrator.reports.contest import print_contest

        print_contest(contest, stdout())


@click.command()
@click.argument("name", required=False)
@click.option(
    "--metric", type=click.Choice(SCORES), default="call_accuracy", show_default=True, help="Rank by this."
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def leaderboard(name: str | None, metric: ScoreName, as_json: bool) -> None:
    """All models that were asked the same file, the best first; NAME is a job's.

    Files are told apart by their bytes, so that only what can be compared stands together.
    """
    from orchestrator.evaluation.leaderboard import leaderboards
    from orchestrator.runs.ledger import open_ledger

    with open_ledger() as ledger:
        boards = leaderboards(ledger, name, metric)
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.evaluationobjects import leaderboard_object

        print_json([leaderboard_object(board) for board in boards])
    elif boards:
        from orchestrator.reports.console import stdout
        from orchestrator.reports.leaderboard import print_leaderboard

        for board in boards:
            print_leaderboard(board, metric, stdout())
    else:
        click.echo("No evaluations yet. Begin with: ftorch evaluate jobs/drone.toml", err=True)

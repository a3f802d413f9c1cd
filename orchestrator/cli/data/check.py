"""`data check`: problems of training files, with their places and fixes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.completion import complete_base, complete_endpoint
from orchestrator.cli.output import noted_model
from orchestrator.cli.settings import set_option

if TYPE_CHECKING:
    from orchestrator.dataset.basemodels import Method, Purpose
    from orchestrator.dataset.checking.rendering import Base
    from orchestrator.dataset.rules import Rule
    from orchestrator.jobfile import JobFile, Override


of_method = click.option(
    "--method",
    type=click.Choice(["supervised", "dpo", "reinforcement"]),
    help="Set the training method of the rows.  [default: read from the rows]",
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--for",
    "endpoint",
    metavar="ENDPOINT",
    shell_complete=complete_endpoint,
    help="Also report what this endpoint refuses: its name, or its type, such as openai.",
)
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=complete_base,
    help="Count tokens as this base model does, and check its limit per example. Examples are also rendered for an "
    "open-weights model: a name of [models], a folder, or a Hugging Face id.",
)
@click.option(
    "--purpose",
    type=click.Choice(["training", "validation", "evaluation"]),
    help="Set what the files are for.  [default: read from names: train, valid, eval, test]",
)
@of_method
@set_option
@click.option(
    "--allow-leak", is_flag=True, help="Accept evaluation or validation examples that are in training too."
)
@click.option("--all", "show_all", is_flag=True, help="Print every finding, not only the first five of each kind.")
@click.option("--strict", is_flag=True, help="Exit with status 1 for warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print every finding in a JSON object.")
@click.pass_context
def check(
    ctx: click.Context,
    files: tuple[Path, ...],
    endpoint: str | None,
    model: str | None,
    purpose: Purpose | None,
    method: Method | None,
    settings: tuple[str, ...],
    allow_leak: bool,
    show_all: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Check training files before they cost money.

    A FILE is JSONL, or a job file (.toml) whose data files are checked for its method and model. Several files are
    also compared with each other. For an open-weights model every example is rendered as in training.

    Exits with status 0 if there is no error, 1 if there is one, and 2 if the command itself is wrong.
    """
    from orchestrator.dataset.checking.filesets import CheckOptions, check_files
    from orchestrator.reports.findings import findings_json, print_findings, totals
    from orchestrator.reports.progress import announced

    base = _base_named(ctx, model)
    name = base.name if base else model
    overrides = _overrides(settings)
    options = CheckOptions(endpoint, name, purpose, method, allow_leak, overrides, base, _base_of_job)
    with announced() as announce:
        checked = check_files(files, options, keep_all=show_all or as_json, announce=announce)
    if as_json:
        sys.stdout.writelines(f"{line}\n" for line in findings_json(checked))
    else:
        from orchestrator.reports.text import stdout

        print_findings(checked, stdout(), show_all=show_all)
    errors, warnings = totals(checked)
    if errors or (strict and warnings):
        ctx.exit(1)


def _base_named(ctx: click.Context, model: str | None) -> Base | None:
    """The open-weights model of this name; None for another one, with a hint on stderr if that may be a mistake."""
    if model is None:
        return None
    from orchestrator.config import find_workspace
    from orchestrator.endpoints.basefolders import advice_on, base_named
    from orchestrator.modelfolders import is_hub_id

    workspace = find_workspace()
    base = base_named(model, workspace)
    if base is None and is_hub_id(model):
        click.echo(
            f"Note: {model} is not tried, and tokens are an estimate. {advice_on(model, workspace)}", err=True
        )
    elif base is None:
        noted_model(ctx, ctx.command.params[0], model)
    return base


def _base_of_job(job: JobFile) -> Base | None:
    from orchestrator.endpoints.basefolders import base_of_job

    return base_of_job(job)


def _overrides(settings: tuple[str, ...]) -> Sequence[Override]:
    if not settings:
        return ()
    from orchestrator.jobfile import overrides_of

    return overrides_of(settings)


# --- `data diff`: changes between two training files ----------------------------------------------------------


_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("before", metavar="A", type=_FILE)
@click.argument("after", metavar="B", type=_FILE)
@click.option("--model", metavar="MODEL", callback=noted_model, help="Count tokens as this model does.")
@of_method
@click.option("--all", "show_all", is_flag=True, help="Print up to 1,000 examples of each change, not only five.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as a JSON object.")
@click.pass_context
def diff(
    ctx: click.Context,
    before: Path,
    after: Path,
    model: str | None,
    method: Method | None,
    show_all: bool,
    as_json: bool,
) -> None:
    """Show what changed between two training files.

    Compares the examples, answers, tool definitions and tokens of A and B. Examples are compared by their content:
    the way their JSON is written, their order and their call ids make no difference.

    Exits like diff: with status 0 if nothing differs, 1 if something does, and 2 if the command itself is wrong.
    """
    from orchestrator.dataset.diff import diff_files
    from orchestrator.reports.datasets import diff_object, print_diff

    found = diff_files(before, after, model, method)
    if as_json:
        from orchestrator.cli.output import print_json

        print_json(diff_object(found))
    else:
        from orchestrator.reports.text import stdout

        print_diff(found, stdout(), show_all=show_all)
    ctx.exit(0 if found.is_empty else 1)


# --- `data explain`: the meaning of a code of `data check` ----------------------------------------------------


def _complete_code(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from orchestrator.dataset.rules import RULES

    return [
        CompletionItem(kind.code, help=kind.title)
        for kind in RULES.values()
        if kind.code.startswith(incomplete.upper())
    ]


@click.command()
@click.argument("code", default="", shell_complete=_complete_code)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, or a list for several codes.")
def explain(code: str, as_json: bool) -> None:
    """Explain the code of a finding, and how to fix it.

    Shows its meaning and a wrong and a right example. The start of a code, such as FT3, lists all codes that begin
    with it; without CODE all are listed.
    """
    from orchestrator.dataset.checking.examples import explain as explained
    from orchestrator.reports.findings import explanation_object, kinds_table, print_explanation
    from orchestrator.reports.text import stdout

    kinds = _find(code.upper())
    alone = kinds[0].code == code.upper()
    if as_json:
        from orchestrator.cli.output import print_json

        objects = [explanation_object(explained(kind)) for kind in kinds]
        print_json(objects[0] if alone else objects)
    elif alone:
        print_explanation(explained(kinds[0]), stdout())
    else:
        stdout().print(kinds_table(kinds))


def _find(code: str) -> list[Rule]:
    """The kinds whose codes begin with these letters. Raises NoSuchKind if there are none."""
    from orchestrator.dataset.rules import RULES
    from orchestrator.errors import NoSuchKind
    from orchestrator.spelling import did_you_mean

    found = [RULES[each] for each in sorted(RULES) if each.startswith(code)]
    if found:
        return found
    advice = did_you_mean(code, RULES, otherwise="ftorch data explain lists them all.")
    raise NoSuchKind(code=code, advice=advice)


# --- `data stats`: training files in numbers ------------------------------------------------------------------


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--model", metavar="MODEL", callback=noted_model, help="Count tokens as this model does.")
@of_method
@click.option("--all", "show_all", is_flag=True, help="Print every function, not only the 50 most called.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file, in a list.")
def stats(files: tuple[Path, ...], model: str | None, method: Method | None, show_all: bool, as_json: bool) -> None:
    """Count messages, tokens and calls in training files.

    For each function: GIVEN shows how often an argument was given, out of the calls that could give it; a ? marks
    optional arguments. VALUES counts distinct values, and ENUM the enum values that appear in calls. Lines with
    errors are left out.
    """
    from orchestrator.dataset.stats import statistics_of
    from orchestrator.reports.datasets import print_statistics, statistics_object

    if as_json:
        from orchestrator.cli.output import print_json

        print_json([statistics_object(statistics_of(file, model, method)) for file in files])
        return
    from orchestrator.reports.text import stdout

    console = stdout()
    for index, file in enumerate(files):
        if index:
            console.print()
        print_statistics(statistics_of(file, model, method), console, show_all=show_all)

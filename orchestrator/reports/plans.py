"""The plan that `submit` shows before anything happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.dataset.addresses import ImportedFile
from orchestrator.jobfile import JobFile
from orchestrator.jobfile.problems import shown
from orchestrator.reports.endpoints import destination, destination_object
from orchestrator.reports.findings import tallies, tokens_text
from orchestrator.reports.table import facts
from orchestrator.reports.text import as_set, count, money, plural, printable
from orchestrator.runs.plan import CheckedFile, Plan

if TYPE_CHECKING:
    from orchestrator.endpoints.openweights import OpenWeights
    from orchestrator.evaluation.preview import Preview
    from orchestrator.runs.earlier import Earlier
    from orchestrator.runs.elsewhere import Elsewhere
    from orchestrator.runs.submission import Outlook


def print_plan(
    plan: Plan, console: Console, evaluation: Preview | None = None, outlook: Outlook | None = None
) -> None:
    """What will be trained, where, on which files, the cost and the evaluation that follows; and what the records
    say: the same content under another name, or a budget that holds it back."""
    console.print(f"Plan: {plan.job.name} on {plan.config.name}", style="bold")
    console.print(facts(plan_facts(plan, evaluation)))
    print_concerns(plan.files, plan.job.source, plan.notices, console)
    if evaluation is not None:
        print_preview_notes(evaluation, console)
    if outlook is not None:
        _print_outlook(outlook, console)


def plan_object(plan: Plan, evaluation: Preview | None = None, outlook: Outlook | None = None) -> dict[str, Any]:
    """What `submit --dry-run --json` prints."""
    return {
        "name": plan.job.name,
        "endpoint": plan.config.name,
        **destination_object(plan.config),
        "model": plan.job.model,
        "base_folder": str(plan.weights.folder) if plan.weights else None,
        "method": plan.job.method.type,
        "hyperparameters": plan.recipe.hyperparameters,
        "files": [
            *(checked_file_object(checked) for checked in plan.files),
            *(_import_object(imported) for imported in plan.imports),
        ],
        "epochs": plan.cost.epochs,
        "epochs_assumed": plan.cost.epochs_assumed,
        "estimated_cost_usd": plan.cost.usd,
        "max_cost_usd": plan.job.limits.max_cost_usd,
        "overrides": overrides_object(plan.job),
        "notices": list(plan.notices),
        "evaluation": preview_object(evaluation),
        "same_run": outlook.same.id if outlook and outlook.same else None,
        "trained_before": [earlier_object(each) for each in outlook.earlier] if outlook else [],
        "over_budget": outlook.held if outlook else None,
    }


_SHOWN_EARLIER = 3


def _print_outlook(outlook: Outlook, console: Console) -> None:
    if outlook.held:
        console.print(f"Warning: {printable(outlook.held)}", style="yellow", soft_wrap=True)
    print_earlier([("the same content was", each) for each in outlook.before], console)
    print_not_looked(outlook.not_looked, console)


# --- What a plan of a sweep says too --------------------------------------------------------------------------


def file_facts(checked: CheckedFile) -> str:
    """A data file's path and size."""
    report = checked.report
    size = f"{checked.file.size / 1e6:,.1f} MB" if checked.file.size >= 1e5 else f"{checked.file.size:,} bytes"
    path = printable(str(checked.file.path))
    return f"{path}: {count(report.examples)} examples, {tokens_text(report)}, {size}"


def data_facts(files: Iterable[CheckedFile], evaluation: Preview | None) -> Iterator[tuple[str, str]]:
    """What each data file is for, and its size; that of an evaluation which follows has a line that says more."""
    for checked in files:
        if evaluation is None or checked.role != "evaluation":
            yield checked.role, file_facts(checked)


def not_held(limit: float) -> str:
    """Warns that a limit has no effect where the cost is unknown."""
    return f"so max_cost_usd ({money(limit)}) can't hold it back"


def print_concerns(files: Sequence[CheckedFile], job_file: Path, notices: Iterable[str], console: Console) -> None:
    """Warnings of the checks, and notices about the endpoint."""
    for checked in files:
        if found := tallies(checked.report.counts):
            path = printable(str(checked.file.path))
            console.print(f"Warning: {path}: {', '.join(found)}", style="yellow")
    if any(checked.report.counts for checked in files):
        console.print(f"  see them: ftorch data check {printable(str(job_file))}")
    for notice in notices:
        console.print(f"Note: {printable(notice)}", style="yellow")


def print_earlier(found: Sequence[tuple[str, Earlier | Elsewhere]], console: Console) -> None:
    """Runs and jobs with the same content under other names, each with its relation to the plan."""
    for subject, each in found[:_SHOWN_EARLIER]:
        console.print(f"Warning: {subject} {printable(each.sentence)}", style="yellow", soft_wrap=True)
    if len(found) > _SHOWN_EARLIER:
        console.print(f"  and {len(found) - _SHOWN_EARLIER:,} more")


def print_not_looked(problem: str | None, console: Console) -> None:
    """Why the endpoint could not be asked for jobs that are in no record."""
    if problem:
        said = (
            f"Note: did not look for jobs with the same content that were recorded elsewhere: {printable(problem)}"
        )
        console.print(said, style="yellow", soft_wrap=True)


def earlier_object(earlier: Earlier) -> dict[str, Any]:
    """A run of the same content."""
    run = earlier.run
    return {
        "run": run.id,
        "name": run.name,
        "endpoint": run.endpoint,
        "state": run.state,
        "model": run.fine_tuned_model,
        "differs": list(earlier.differs),
    }


def evaluation_line(preview: Preview) -> str:
    """`evaluation.jsonl: 40 cases × 2 models = 80 questions; about $0.05`."""
    parts = [plural(preview.cases.cases, "case"), plural(preview.models, "model")]
    if len(preview.variants) > 1:
        parts.append(f"{len(preview.variants)} variants ({', '.join(preview.variants)})")
    if preview.settings.samples > 1:
        parts.append(plural(preview.settings.samples, "sample"))
    asked = f"{preview.cases.path}: {' × '.join(parts)} = {count(preview.questions)} questions"
    return printable(f"{asked}; {_evaluation_cost(preview)}")


def print_preview_notes(preview: Preview, console: Console) -> None:
    """Warnings about the evaluation file."""
    for note in preview.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def checked_file_object(checked: CheckedFile) -> dict[str, Any]:
    """A data file of a plan."""
    return {
        "role": checked.role,
        "path": str(checked.file.path),
        "sha256": checked.file.sha256,
        "bytes": checked.file.size,
        "examples": checked.report.examples,
        "tokens": checked.report.tokens,
        "tokenizer": checked.report.tokenizer,
        "variant": checked.variant,
        "warnings": [finding.message for finding in checked.report.warnings],
        "findings": dict(sorted(checked.report.counts.items())),
    }


def preview_object(preview: Preview | None) -> dict[str, Any] | None:
    """The same for programs."""
    if preview is None:
        return None
    price = preview.price
    return {
        "file": str(preview.cases.path),
        "sha256": preview.cases.sha256,
        "cases": preview.cases.cases,
        "models": preview.models,
        "variants": list(preview.variants),
        "samples": preview.settings.samples,
        "questions": preview.questions,
        "prompt_tokens": price.prompt_tokens if price else None,
        "estimated_cost_usd": price.usd if price else 0.0,
        "notes": list(preview.notes),
    }


# --- The lines of the table -----------------------------------------------------------------------------------


def plan_facts(plan: Plan, evaluation: Preview | None) -> Iterator[tuple[str, str]]:
    """The facts of a run before it is submitted: names and values."""
    numbers = ", ".join(f"{name} {as_set(given)}" for name, given in plan.recipe.hyperparameters.items())
    yield from destination(plan.config)
    yield "model", printable(plan.job.model)
    yield from weights_facts(plan.weights)
    yield "method", printable(f"{plan.job.method.type}: {numbers}")
    yield from data_facts(plan.files, evaluation)
    yield from ((imported.role, import_facts(imported)) for imported in plan.imports)
    yield "cost", _cost(plan)
    if line := _deployment(plan):
        yield "deployment", line
    if evaluation is not None:
        yield "evaluation", evaluation_line(evaluation)
    yield from override_facts(plan.job)


def weights_facts(weights: OpenWeights | None) -> Iterator[tuple[str, str]]:
    """Where an open-weights model is, and what trains it."""
    if weights is not None:
        yield "folder", printable(str(weights.folder))
        yield "trainer", "lora, on this machine; the device is reported when training starts"


def override_facts(job: JobFile) -> Iterator[tuple[str, str]]:
    """The settings of the job file that the command line replaces."""
    if job.overrides:
        yield "set here", ", ".join(f"{each.name} = {printable(shown(each.value))}" for each in job.overrides)


def overrides_object(job: JobFile) -> dict[str, Any]:
    """The same for programs."""
    return {each.name: each.value for each in job.overrides}


def import_facts(imported: ImportedFile) -> str:
    """A file's address, and who fetches it."""
    said = "fetched by the endpoint, never by ftorch; not checked, tokens not counted"
    names = imported.address.variables
    sent = f"; {', '.join(names)} filled in for that request" if names else ""
    return f"{printable(str(imported.address))}: {said}{sent}"


def _deployment(plan: Plan) -> str | None:
    """How the run's model is deployed automatically, if the job file says so and the endpoint has deployments."""
    wanted = plan.job.azure.deployment
    if plan.config.type != "azure" or wanted is None or not wanted.auto:
        return None
    from orchestrator.deployments.recording import usual_sku_of_run
    from orchestrator.endpoints.management import rules_of
    from orchestrator.reports.deployments import hosting_words

    sku = wanted.sku or usual_sku_of_run(plan.job.model, plan.recipe.training_type)
    words = hosting_words(plan.config, f"{plan.job.model}.ft-", sku)
    capacity = wanted.capacity or rules_of(plan.config).capacity
    return f"automatically when the run has succeeded, {sku}, capacity {capacity}: {words}"


def _cost(plan: Plan) -> str:
    cost, limit = plan.cost, plan.job.limits.max_cost_usd
    if not plan.may_cost:
        return "no charge"
    if cost.tokens_per_epoch is None:
        return f"unknown: {cost.note}"
    assumed = " (assumed for auto)" if cost.epochs_assumed else ""
    work = f"{count(cost.tokens_per_epoch)} tokens × {plural(cost.epochs, 'epoch')}{assumed}"
    amount = "unknown" if cost.usd is None else f"about {money(cost.usd)}"
    return f"{amount}: {work}; {cost.note}{_held(cost.usd, limit)}"


def _held(usd: float | None, limit: float | None) -> str:
    if limit is None:
        return ""
    return f"; at most {money(limit)} (max_cost_usd)" if usd is not None else f"; {not_held(limit)}"


def _evaluation_cost(preview: Preview) -> str:
    if preview.price is None:
        return "no charge"
    usd = preview.price.usd
    return "cost unknown" if usd is None else f"about {money(usd)}, not held by max_cost_usd"


def _import_object(imported: ImportedFile) -> dict[str, Any]:
    address = imported.address
    return {
        "role": imported.role,
        "address": str(address),
        "variables": address.variables,
        "fetched_by": "endpoint",
    }

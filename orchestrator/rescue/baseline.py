"""Which tuned models are asked which evaluation file, so that their answers are recorded before they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import inspect_file
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import FtorchError
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.ledger import Ledger
from orchestrator.rescue.casefiles import file_of, misfit
from orchestrator.store import evaluations
from orchestrator.store.runs import Run

NO_FILES: Mapping[str, Path] = {}


@dataclass(frozen=True)
class Skipped:
    """A model whose answers are not recorded, and the reason."""

    model: str
    reason: str


@dataclass(frozen=True)
class Baseline:
    """The evaluations to carry out: one for each file, with all of its models."""

    plans: tuple[Plan, ...]
    done: tuple[str, ...]
    """The models whose answers to their file are recorded already."""
    skipped: tuple[Skipped, ...]


def plan_baseline(
    ledger: Ledger,
    config: EndpointConfig,
    runs: Sequence[Run],
    file: Path | None,
    budget_usd: float | None,
    files: Mapping[str, Path] = NO_FILES,
) -> Baseline:
    """Plan to ask the models of these runs, in this order, the cases of `file`, or else each those of its file in
    `files`, by run, or the last file that its records name, for at most `budget_usd` in all.

    Raises what `inspect_file` raises for a `file` that can't be read.
    """
    if file is not None:
        inspect_file(file)
    if capabilities_of(config).needs_deployment:
        return Baseline((), (), tuple(_behind_deployment(run) for run in runs))
    asked: dict[Path, list[Run]] = {}
    done: list[str] = []
    skipped: list[Skipped] = []
    left = budget_usd
    for run in runs:
        model = run.fine_tuned_model or ""
        if capabilities_of(config).needs_dedicated and model not in config.dedicated:
            skipped.append(_without_dedicated(config, model))
            continue
        path = file or files.get(run.id) or file_of(ledger, run)
        if path is None:
            skipped.append(Skipped(model, "no evaluation file is known: name one with --evaluation FILE"))
            continue
        found = _planned(ledger, config, run, path)
        if isinstance(found, str):
            skipped.append(Skipped(model, found))
        elif not found.missing and not found.under_way and _is_scored(ledger, found, model):
            done.append(model)
        elif (reason := _over(found, left)) is not None:
            skipped.append(Skipped(model, reason))
        else:
            left = left - (found.price.usd or 0.0) if left is not None and found.price else left
            asked.setdefault(path, []).append(run)
    plans = [
        plan_evaluation(ledger, [run.id for run in some], _options(config, path)) for path, some in asked.items()
    ]
    return Baseline(tuple(plans), tuple(done), tuple(skipped))


def _behind_deployment(run: Run) -> Skipped:
    reason = f"it answers only through a deployment, paid by the hour: ftorch evaluate {run.id} --file FILE"
    return Skipped(run.fine_tuned_model or "", reason)


def _without_dedicated(config: EndpointConfig, model: str) -> Skipped:
    place = f"[endpoints.{config.name}] of {config.source}"
    reason = f"it answers only on a dedicated endpoint: start one there, and name it under dedicated in {place}"
    return Skipped(model, reason)


def _options(config: EndpointConfig, path: Path) -> EvaluationOptions:
    can = capabilities_of(config)
    return EvaluationOptions(file=path, models=("tuned",), in_batches=can.batch and can.charges)


def _planned(ledger: Ledger, config: EndpointConfig, run: Run, path: Path) -> Plan | str:
    """The plan for one model; why it can't be asked, if so."""
    try:
        plan = plan_evaluation(ledger, [run.id], _options(config, path))
    except FtorchError as error:
        return " ".join(str(error).split())
    return misfit(run, plan.cases) or replace(plan)


def _over(plan: Plan, left: float | None) -> str | None:
    if left is None or plan.price is None:
        return None
    if plan.price.usd is None:
        return "its price is unknown, so --budget can't be kept; leave --budget out, or add its price to the table"
    if plan.price.usd > left:
        return f"its answers would cost about ${plan.price.usd:,.2f}, and ${left:,.2f} of --budget is left"
    return None


def _is_scored(ledger: Ledger, plan: Plan, model: str) -> bool:
    with ledger.database.read() as connection:
        known = evaluations.asking(connection, plan.config.name, model)
    return any(each.file_sha256 == plan.cases.sha256 for each in known)


def models_in(plans: Sequence[Plan]) -> Iterator[str]:
    """The models that are asked."""
    for plan in plans:
        yield from (candidate.model for candidate in plan.candidates)

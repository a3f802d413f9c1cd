"""What a migration would do, before it does anything: its successors, their costs, and the budget they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.fitting import rate_misfits
from orchestrator.errors import FtorchError, MigrationOverBudget, SuccessorIsBaseline, SuccessorNeedsModel
from orchestrator.evaluation.noninferiority import fewest_cases
from orchestrator.evaluation.preview import Preview
from orchestrator.jobfile import Evaluation as Settings, JobFile, Override, ScoreName
from orchestrator.jobfile.tables import TUNED
from orchestrator.migration.baseline import Baseline
from orchestrator.migration.targets import Target
from orchestrator.runs.plan import Plan
from orchestrator.runs.submission import Outlook
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run

JUDGED_BY: tuple[ScoreName, ...] = ("accuracy", "call_accuracy", "tool_accuracy", "rejection_recall")
"""Shares of cases that a model gets right; higher is better."""
USUAL: ScoreName = "call_accuracy"


@dataclass(frozen=True)
class Successor:
    """A model that is to take the baseline's place."""

    target: Target
    job: JobFile
    """The job file with the successor's model."""
    plan: Plan | None = None
    """None if the job can't run there."""
    outlook: Outlook | None = None
    run: Run | None = None
    """The run that trains or trained it, if one is recorded."""
    preview: Preview | None = None
    """The questions that it will be asked, and their price."""
    unasked: int | None = None
    """How many of them have no recorded answer; None if it is not trained yet."""
    evaluated: Evaluation | None = None
    """The finished evaluation on the baseline's cases, if there is one."""
    problem: FtorchError | None = None
    """Why it is left out."""
    notes: tuple[str, ...] = ()
    """What is converted or left out on its endpoint, and other warnings."""

    @property
    def label(self) -> str:
        return self.target.label

    @property
    def is_possible(self) -> bool:
        return self.problem is None

    @property
    def is_new(self) -> bool:
        """Whether a run is to be recorded."""
        return self.is_possible and self.run is None

    @property
    def training_usd(self) -> float | None:
        """The cost of the training: paid, or estimated; None if unknown."""
        if self.plan is None or not self.plan.may_cost:
            return 0.0
        if self.run is not None and self.run.cost_usd is not None:
            return self.run.cost_usd
        return self.plan.cost.usd

    @property
    def answers_usd(self) -> float | None:
        """The estimated cost of all answers, recorded or not; None if unknown."""
        if self.preview is None or self.preview.price is None:
            return 0.0
        return self.preview.price.usd

    @property
    def usd(self) -> float:
        """The known part of both."""
        return (self.training_usd or 0.0) + (self.answers_usd or 0.0)

    @property
    def is_priced(self) -> bool:
        return self.training_usd is not None and self.answers_usd is not None

    @property
    def needs_hosting(self) -> bool:
        """Whether it is still to be asked, and answers only while it is deployed: that is charged by the hour."""
        if not self.is_possible or self.plan is None or self.unasked == 0:
            return False
        capabilities = capabilities_of(self.plan.config)
        return capabilities.needs_deployment or capabilities.needs_dedicated

    @property
    def may_cost(self) -> bool:
        """Whether anything is still to be paid."""
        if not self.is_possible or self.plan is None or not capabilities_of(self.plan.config).charges:
            return False
        return self.unasked != 0


@dataclass(frozen=True)
class MigrationPlan:
    """One job file, and its successors in the order typed."""

    job: JobFile
    """As written, with the settings of the command line."""
    baseline: Baseline
    successors: tuple[Successor, ...]
    metric: ScoreName
    margin: float
    """As a share: 0.05 is 5 points."""
    limit_usd: float | None
    """For training and answers of all successors together."""
    notes: tuple[str, ...] = ()
    """Warnings about the cases and the baseline."""

    @property
    def usd(self) -> float:
        """The known cost of the successors that are possible."""
        return sum(each.usd for each in self.successors if each.is_possible)

    @property
    def paid_usd(self) -> float:
        """The part of it that is paid: the training of recorded runs."""
        runs = [each.run for each in self.successors if each.is_possible and each.run]
        return sum(run.cost_usd or 0.0 for run in runs)

    @property
    def is_priced(self) -> bool:
        return all(each.is_priced for each in self.successors if each.is_possible)

    @property
    def may_cost(self) -> bool:
        """Whether the user should be asked first."""
        return any(each.may_cost for each in self.successors)

    def require_possible(self) -> None:
        """Raises the problem of the first successor if none is possible."""
        if not any(each.is_possible for each in self.successors):
            raise next(each.problem for each in self.successors if each.problem)


def metric_of(job: JobFile, given: ScoreName | None) -> ScoreName:
    """The metric to judge by: as given, else the job file's, else call accuracy."""
    named = given or (job.evaluation.metric if job.evaluation else USUAL)
    return named if named in JUDGED_BY else USUAL


def asked_like(job: JobFile, baseline: Baseline) -> JobFile:
    """The job with the evaluation that asks its tuned model what the baseline was asked."""
    table = job.evaluation or Settings(file=str(baseline.file))
    temperature = table.temperature if baseline.temperature is None else baseline.temperature
    settings = table.model_copy(
        update={
            "file": str(baseline.file.absolute()),
            "models": [TUNED],
            "variants": [baseline.variant],
            "samples": baseline.samples,
            "temperature": temperature,
            "rejection_tools": list(baseline.rejection_tools),
            "auto": True,
            "gate": None,
        }
    )
    return job.model_copy(update={"evaluation": settings})


# --- What is wrong with a successor ------------------------------------------------------------------------------


def require_model(target: Target, job: JobFile) -> None:
    """A fine-tuned model of one endpoint can't be trained further on another. Raises SuccessorNeedsModel."""
    if target.model is None and is_fine_tuned(job.model) and target.endpoint != job.endpoint:
        raise SuccessorNeedsModel(path=job.place("model"), model=job.model, endpoint=target.endpoint)


def require_another(found: Successor, baseline: Baseline) -> None:
    """Raises SuccessorIsBaseline if the successor's run trained the baseline."""
    run = found.run
    if run is not None and (run.endpoint, run.fine_tuned_model) == (baseline.evaluation.endpoint, baseline.model):
        raise SuccessorIsBaseline(target=found.target.written, run=run.id, model=baseline.model)


def within_budget(successors: Iterable[Successor], limit: float | None) -> Iterator[Successor]:
    """The successors, with a problem for each new one that the budget has no room for.

    Runs that are recorded come first, since they are paid; the others are taken in order. An unknown cost can't be
    held back.
    """
    found = list(successors)
    used = sum(each.usd for each in found if each.is_possible and not each.is_new)
    for each in found:
        if limit is not None and each.is_new and each.usd > 0 and used + each.usd > limit:
            yield replace(each, problem=MigrationOverBudget(target=each.label, **_amounts(used, each.usd, limit)))
            continue
        used += each.usd if each.is_new else 0.0
        yield each


def _amounts(used: float, added: float, limit: float) -> dict[str, str]:
    return {"used": f"${used:,.2f}", "added": f"${added:,.2f}", "limit": f"${limit:,.2f}"}


def left_to_the_endpoint(job: JobFile, config: EndpointConfig, target: Target) -> Iterator[Override]:
    """What sets a learning rate to "auto" that the endpoint can't take."""
    for misfit in rate_misfits(job, config):
        yield Override(misfit.key, "auto", f"--to {target.written}")


# --- Notes -------------------------------------------------------------------------------------------------------


def without_rate(job: JobFile, config: EndpointConfig) -> Iterator[str]:
    """A sentence on a learning rate that the endpoint can't take."""
    given = {**job.method.hyperparameters}
    for misfit in rate_misfits(job, config):
        name = misfit.key[-1]
        other = "absolute rates" if name == "learning_rate_multiplier" else "multipliers"
        yield f"{name} {given[name]:g}: not sent, {config.name} takes {other} only and chooses its own"


def left_out(plan: Plan) -> Iterator[str]:
    """What of the job file the endpoint is not sent, and what it does instead."""
    capabilities = capabilities_of(plan.config)
    left = [name for name, value in plan.recipe.hyperparameters.items() if value == "auto"]
    if left and not capabilities.accepts_auto:
        yield f'{", ".join(left)} "auto": not sent, {plan.config.name} chooses'
    if plan.job.metadata and not capabilities.metadata:
        yield f"metadata {', '.join(plan.job.metadata)}: not sent, {plan.config.name} takes none"


def too_few_cases(count: int, margin: float, judged: int) -> str | None:
    """A warning if so few cases can't show that an equal model is non-inferior; None if they can."""
    fewest = fewest_cases(margin, judged)
    if count >= fewest:
        return None
    together = f" for {judged} successors" if judged > 1 else ""
    return (
        f"{count:,} cases are too few to show that an equally good model is not worse by more than "
        f"{points(margin)}: that takes at least {fewest:,}{together}. Only a better model can be shown not to be "
        "worse. Add cases, or allow a wider --margin."
    )


def points(share: float) -> str:
    """`5 points` of 0.05."""
    number = f"{share * 100:.4g}"
    return f"{number} point" if number == "1" else f"{number} points"


def unknown_tools(expected: Iterable[str], trained: Iterable[str]) -> Sequence[str]:
    """The tools that cases name and that no training example declares or calls."""
    return sorted({*expected} - {*trained})

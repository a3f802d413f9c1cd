"""What submitting a sweep would do, before it does anything: every trial, and their total cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from orchestrator.config import EndpointConfig, Workspace
from orchestrator.dataset.checking.filesets import Announce
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.fitting import idle_axes
from orchestrator.errors import BudgetTooSmall, JobFileNotFitting
from orchestrator.jobfile import Axis, Choices, JobFile, Sweep, Value
from orchestrator.runs.plan import CheckedFile, Plan, facts_of, plan_job
from orchestrator.sweeps.overview import settings
from orchestrator.sweeps.points import contains, known_points
from orchestrator.sweeps.recipes import DataFacts, PlannedTrial, Recipes
from orchestrator.sweeps.study import require_optuna
from orchestrator.sweeps.trials import Parameters, Trial, numbered, trial_job

if TYPE_CHECKING:
    from orchestrator.evaluation.preview import Preview

_PRICED = ("model", "training_file", "validation_file", "n_epochs")
"""The parameters that decide which bytes are checked, how they are counted, and their cost."""


@dataclass(frozen=True)
class SweepPlan:
    """One sweep on one endpoint."""

    job: JobFile
    config: EndpointConfig
    trials: tuple[PlannedTrial, ...]
    """Those that are known now, by number."""
    drawn: int
    """How many more tpe will draw."""
    corners: tuple[PlannedTrial, ...]
    """The cheapest and the most expensive points that may be drawn; none if nothing is."""
    plans: tuple[Plan, ...]
    """One per combination of model and data files: what was checked."""
    recipes: Recipes
    evaluation: Preview | None = None
    """The automatic evaluation of the trials."""

    @property
    def settings(self) -> Sweep:
        """The job file's `[sweep]`."""
        return settings(self.job)

    @property
    def files(self) -> tuple[CheckedFile, ...]:
        """Each data file once."""
        found = {(checked.role, checked.file.path): checked for plan in self.plans for checked in plan.files}
        return tuple(found.values())

    @property
    def cost_usd(self) -> float | None:
        """The expected cost of all trials; with trials still to be drawn, the most. None: unknown."""
        costs = [planned.cost.usd for planned in self.trials]
        costs += [max((corner.cost.usd or 0.0 for corner in self.corners), default=0.0) * self.drawn]
        known = [cost for cost in costs if cost is not None]
        unknown = len(known) < len(costs) or any(corner.cost.usd is None for corner in self.corners)
        return None if unknown else sum(known)

    @property
    def may_cost(self) -> bool:
        """Whether the user should be asked first."""
        return capabilities_of(self.config).charges

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(notice for plan in self.plans for notice in plan.notices))

    def may_draw(self, parameters: Parameters) -> bool:
        """Whether a point that was drawn before could still be drawn."""
        axes = self.settings.space.axes
        return set(parameters) == set(axes) and all(contains(axes[name], parameters[name]) for name in axes)


def plan_sweep(
    job: JobFile, workspace: Workspace, endpoint: str | None = None, *, announce: Announce | None = None
) -> SweepPlan:
    """Check the data of every trial and price it, on the job file's endpoint or the one named.

    Raises what `plan_job` and `preview` raise, OptunaMissing, and BudgetTooSmall if no trial could start.
    """
    sweep, checked = settings(job), _Checked(job, workspace, endpoint, announce)
    _require_comparable(job, workspace.endpoint(endpoint or job.endpoint))
    require_optuna(sweep)
    examples = facts_of(checked.plan({}).training).examples if sweep.strategy == "recommended" else 0
    points = known_points(sweep, examples=examples, model=job.model)
    corners = list(_corners(sweep)) if sweep.strategy == "tpe" else []
    plans = checked.plans((*points, *corners))
    config = plans[0].config
    bases = {plan.job.model: plan.weights for plan in plans if plan.weights}
    recipes = Recipes(job, config, _facts(plans), bases)
    found = SweepPlan(
        job=job,
        config=config,
        trials=tuple(map(recipes.plan, numbered(_distinct(points, recipes), sweep.seeds))),
        drawn=(sweep.trials or 0) * sweep.seeds if sweep.strategy == "tpe" else 0,
        corners=tuple(recipes.plan(Trial(0, parameters)) for parameters in corners),
        plans=plans,
        recipes=recipes,
    )
    _require_budget(found)
    return replace(found, evaluation=_preview(found))


def _preview(plan: SweepPlan) -> Preview | None:
    if plan.job.evaluation is None:
        return None
    from orchestrator.evaluation.preview import preview

    training = dict.fromkeys(checked.file.path for checked in plan.files if checked.role == "training")
    return preview(plan.job, plan.config, training, tuned_models=len(plan.trials) + plan.drawn)


class _Checked:
    """The plans of a sweep's trials, one per difference in data or model."""

    def __init__(self, job: JobFile, workspace: Workspace, endpoint: str | None, announce: Announce | None) -> None:
        self._job = job
        self._plan = partial(plan_job, workspace=workspace, endpoint=endpoint, announce=announce)
        self._plans: dict[tuple[str | bool | None, ...], Plan] = {}

    def plans(self, points: Iterable[Parameters]) -> tuple[Plan, ...]:
        """The different ones among the plans of these points."""
        for parameters in points:
            self.plan(parameters)
        return tuple(self._plans.values())

    def plan(self, parameters: Parameters) -> Plan:
        job = trial_job(self._job, Trial(0, parameters))
        rates = (job.method.learning_rate == "auto", job.method.learning_rate_multiplier == "auto")
        key = (job.model, job.data.training_file, job.data.validation_file, job.lora is None, *rates)
        if key not in self._plans:
            self._plans[key] = self._plan(job)
            _require_checked(self._plans[key])
        _require_effect(self._plans[key], parameters)
        return self._plans[key]


def _require_checked(plan: Plan) -> None:
    """Trials are chosen, priced and compared by the contents of their files."""
    if plan.imports:
        address = plan.imports[0].address
        problem = f"a sweep needs data on this machine: download {address} and name the file"
        raise JobFileNotFitting(path=plan.job.source, endpoint=plan.config.name, problem=problem)


def _require_effect(plan: Plan, parameters: Parameters) -> None:
    """Trials that differ only in what the endpoint ignores would be the same."""
    if idle := idle_axes(parameters, plan.config):
        problem = f"it does not take {', '.join(idle)}, which would change nothing there; leave it out of [sweep]"
        raise JobFileNotFitting(path=plan.job.place("sweep"), endpoint=plan.config.name, problem=problem)


_NO_MULTIPLIERS = (
    'strategy "recommended" tries values of learning_rate_multiplier, and it takes only the rate itself; set '
    'strategy = "grid", and learning_rate in [sweep.space], such as [5e-5, 1e-4, 2e-4]'
)
_NO_LOSS = (
    'it reports no validation loss, so trials can\'t be compared or stopped by it; set metric = "evaluation" in '
    "[sweep] and leave out [sweep.stop]"
)


def _require_comparable(job: JobFile, config: EndpointConfig) -> None:
    """Check that the endpoint takes what the strategy varies, and measures what trials are compared by."""
    sweep, capabilities = settings(job), capabilities_of(config)
    if sweep.strategy == "recommended" and not capabilities.learning_rate_multiplier:
        raise JobFileNotFitting(path=job.place("sweep", "strategy"), endpoint=config.name, problem=_NO_MULTIPLIERS)
    if not capabilities.validation_loss and (sweep.stop is not None or not sweep.by_evaluation):
        key = "stop" if sweep.by_evaluation else "metric"
        raise JobFileNotFitting(path=job.place("sweep", key), endpoint=config.name, problem=_NO_LOSS)


def _corners(sweep: Sweep) -> Iterator[Parameters]:
    """The points of the space that differ in what decides a cost, at the ends of each axis."""
    axes = sweep.space.axes
    ends = {name: _ends(axes[name]) for name in _PRICED if name in axes}
    for values in product(*ends.values()):
        yield dict(zip(ends, values, strict=True))


def _ends(axis: Axis) -> tuple[Value, ...]:
    return axis.values if isinstance(axis, Choices) else (int(axis.low), int(axis.top))


def _facts(plans: Iterable[Plan]) -> dict[str, DataFacts]:
    """By the path in the job file."""
    found: dict[str, DataFacts] = {}
    for plan in plans:
        paths = (plan.job.data.training_file, plan.job.data.validation_file)
        for path, checked in zip(paths, plan.files, strict=False):
            facts, before = checked.facts, found.get(str(path))
            tokens = {**(before.tokens if before else {}), plan.job.model: facts.tokens}
            found[str(path)] = DataFacts(facts.sha256, facts.examples, tokens)
    return found


def _distinct(points: Iterable[Parameters], recipes: Recipes) -> list[Parameters]:
    """Each point once: parameters that repeat the rest of the job file make no other point."""
    found: dict[str, Parameters] = {}
    for parameters in points:
        found.setdefault(recipes.plan(Trial(0, parameters)).fingerprint, parameters)
    return list(found.values())


def _require_budget(plan: SweepPlan) -> None:
    limit = plan.job.limits.max_cost_usd
    costs = [planned.cost.usd for planned in (*plan.trials, *plan.corners)]
    known = [cost for cost in costs if cost is not None]
    if limit is not None and known and len(known) == len(costs) and min(known) > limit:
        raise BudgetTooSmall(path=plan.job.source, limit=_dollars(limit), cheapest=_dollars(min(known)))


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.2g}"

"""Where a model comes from and what was made of it: data, runs, checkpoints, deployments, evaluations, stages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from orchestrator.bookkeeping.models import find_run
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.errors import ModelNotRecorded
from orchestrator.ledger import Ledger
from orchestrator.runs.ancestry import Ancestor, ancestors, base_of, known_as, parent_of
from orchestrator.store import evaluations, lineage as store, promotions, records
from orchestrator.store.deployments import Deployment
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.promotions import Promotion
from orchestrator.store.runs import Run

if TYPE_CHECKING:
    from orchestrator.jobfile import ScoreName  # loads pydantic

MOST = 50
"""Runs that are named of each kind: continued from one run, or trained on the same data."""
_DEEPEST = 20
_MOST_EVALUATIONS = 5
"""Of a model; each value takes reading the scores of all cases."""


@dataclass(frozen=True)
class Evaluated:
    """A model's value in one evaluation, in one variant of the tool definitions."""

    evaluation: Evaluation
    variant: str
    metric: ScoreName
    value: float | None
    """From 0 to 1; None if no case counts for the metric."""


@dataclass(frozen=True)
class ModelNode:
    """A model or checkpoint, and what was made of it."""

    endpoint: str
    model: str
    step: int | None
    """The checkpoint's step; None for a run's final model."""
    stage: Promotion | None
    deployments: Sequence[Deployment]
    """Newest first, those that have ended too."""
    evaluations: Sequence[Evaluated] | None
    """By the newest evaluations that asked it; None where they were not looked up."""
    runs: Sequence[RunNode]
    """Those that were trained from it, newest first."""


@dataclass(frozen=True)
class RunNode:
    """A run, its model, and those of its checkpoints that something was made of."""

    run: Run
    models: Sequence[ModelNode]
    checkpoints: int
    """All of its checkpoints."""
    more_runs: bool = False
    """Whether more runs were trained from these models than are named."""


@dataclass(frozen=True)
class Lineage:
    """A run or a model between what it comes from and what was made of it."""

    base: str
    """The model that the oldest run was trained from; the model itself if no run made it."""
    base_note: str
    """What is known about it, in a few words; "" if it is a base model."""
    ancestors: Sequence[Ancestor]
    """Oldest first, each with its model from which the next run was trained."""
    run: RunNode | None
    """The run in question; None for a model that no recorded run made."""
    model: ModelNode | None
    """That model; None if there is a run."""
    asked: str | None
    """The id of the model or checkpoint that was asked about; None for a run."""
    same_data: Sequence[Run]
    """Other runs that were trained on the bytes of its training file, newest first."""
    more: bool = False
    """Whether more runs share the data, or were trained from the model, than are named."""


def lineage_of(ledger: Ledger, key: str, endpoint: str | None = None) -> Lineage:
    """The lineage of a model or checkpoint id, or of the newest run of a name, or of a run's id.

    A model that no recorded run made has a lineage if a recorded run was trained from it. Raises ModelNotRecorded,
    SeveralEndpointsOfModel and AmbiguousRun.
    """
    try:
        run, asked = find_run(ledger, key, endpoint)
    except ModelNotRecorded:
        return _of_unmade(ledger, key, endpoint)
    return lineage_of_run(ledger, run, asked)


def lineage_of_run(ledger: Ledger, run: Run, asked: str | None = None) -> Lineage:
    """The lineage of a run, or of its model or checkpoint `asked`."""
    with ledger.database.read() as connection:
        older = ancestors(connection, run)
        oldest = older[-1].run if older else run
        same = _on_same_data(connection, run)
        note = _note(connection, base_of(oldest), oldest)
        node = _run_node(connection, run, asked)
    found = Lineage(base_of(oldest), note, older[::-1], node, None, asked, same[:MOST], len(same) > MOST)
    return _with_evaluations(ledger, found, node)


def _of_unmade(ledger: Ledger, model: str, endpoint: str | None) -> Lineage:
    """Raises ModelNotRecorded if no run was trained from it either."""
    with ledger.database.read() as connection:
        found = store.trained_from(connection, [model], limit=MOST + 1)
        its = [run for run in found if endpoint in (None, run.endpoint)]
        if not its:
            raise ModelNotRecorded(key=model, where=f" on {endpoint}" if endpoint else "")
        children = [_run_node(connection, run) for run in its[:MOST] if parent_of(connection, run) is None]
        stage = promotions.stage_of(connection, its[0].endpoint, model)
        note = _TUNED_ELSEWHERE if is_fine_tuned(model) else ""
    node = ModelNode(its[0].endpoint, model, None, stage, (), None, children)
    return Lineage(model, note, (), None, node, model, (), more=len(found) > MOST)


_TUNED_ELSEWHERE = "tuned elsewhere: no run of it is recorded"


def _note(connection: Connection, base: str, oldest: Run) -> str:
    if any(each.id != oldest.id for each in store.makers(connection, base)):
        return "recorded only as the model of runs that are newer, or of another account"
    return _TUNED_ELSEWHERE if is_fine_tuned(base) else ""


def _on_same_data(connection: Connection, run: Run) -> list[Run]:
    if not run.training_sha256:  # of adopted jobs and of addresses nothing is known
        return []
    found = store.trained_on(connection, run.training_sha256, limit=MOST + 2)
    return [each for each in found if each.id != run.id]


# --- What was made of a run --------------------------------------------------------------------------------------


def _run_node(connection: Connection, run: Run, asked: str | None = None, depth: int = 0) -> RunNode:
    """The run with its model, and with the checkpoints that were continued, deployed, promoted or asked about."""
    saved = records.checkpoints_of(connection, run.id)
    steps: dict[str, int | None] = {run.fine_tuned_model: None} if run.fine_tuned_model else {}
    for each in saved:
        steps.setdefault(each.model, each.step)
    below, has_more = _continued(connection, run, steps, depth)
    stages = {each.model: each for each in promotions.standing(connection, endpoint=run.endpoint, models=steps)}
    deployed = _deployed(connection, run, steps)
    nodes = [
        ModelNode(run.endpoint, model, step, stages.get(model), deployed[model], None, below[model])
        for model, step in steps.items()
        if step is None or model in stages or deployed[model] or below[model] or model == asked
    ]
    return RunNode(run, nodes, len(saved), has_more)


def _continued(
    connection: Connection, run: Run, models: Collection[str], depth: int
) -> tuple[Mapping[str, list[RunNode]], bool]:
    """The runs that were trained from each of the run's models, and whether there are more than are named."""
    found: dict[str, list[RunNode]] = {model: [] for model in models}
    children = store.trained_from(connection, known_as(connection, run, models), limit=MOST + 1)
    for child in children[:MOST]:
        parent = parent_of(connection, child)
        if parent is not None and parent.run.id == run.id and depth < _DEEPEST:
            found[parent.model].append(_run_node(connection, child, depth=depth + 1))
    return found, len(children) > MOST


def _deployed(connection: Connection, run: Run, models: Collection[str]) -> Mapping[str, list[Deployment]]:
    found: dict[str, list[Deployment]] = {model: [] for model in models}
    for each in store.deployed(connection, run.endpoint, models):
        found[str(each.model)].append(each)
    return found


# --- How a model was judged --------------------------------------------------------------------------------------


def _with_evaluations(ledger: Ledger, lineage: Lineage, node: RunNode) -> Lineage:
    """The lineage with the values of the run's models and checkpoints, which may be of interest for that alone."""
    models = [replace(each, evaluations=evaluated(ledger, each.endpoint, each.model)) for each in node.models]
    return replace(lineage, run=replace(node, models=models))


def evaluated(ledger: Ledger, endpoint: str, model: str) -> list[Evaluated]:
    """The values of a model in the newest evaluations that asked it, by the metric of each, in each variant."""
    with ledger.database.read() as connection:
        found = evaluations.asking(connection, endpoint, model, limit=_MOST_EVALUATIONS)
    return [
        Evaluated(each, variant, metric, value)
        for each in found
        for variant, metric, value in _values(ledger, each, model)
    ]


def first_value(ledger: Ledger, evaluation: Evaluation, model: str, *, is_read: bool = True) -> Evaluated | None:
    """The model's value in the first variant of the evaluation; without the value if its scores are not read, and
    None if it has none."""
    if not is_read:
        metric: ScoreName = evaluation.settings.get("metric", "call_accuracy")
        return Evaluated(evaluation, evaluation.settings["variants"][0], metric, None)
    values = (Evaluated(evaluation, *each) for each in _values(ledger, evaluation, model))
    return next(values, None)


def _values(ledger: Ledger, evaluation: Evaluation, model: str) -> Iterator[tuple[str, ScoreName, float | None]]:
    from orchestrator.evaluation.metrics import value_of  # loads pydantic
    from orchestrator.evaluation.scores import scores_of

    metric: ScoreName = evaluation.settings.get("metric", "call_accuracy")
    for variant in evaluation.settings["variants"]:
        scores = scores_of(ledger, evaluation, (model, variant)).get((model, variant))
        if scores is not None:
            yield variant, metric, value_of(metric, scores.tally.all.figures())

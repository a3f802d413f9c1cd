"""Promoting a model to a stage, and finding the model that is in one."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import replace

from orchestrator.bookkeeping import stages
from orchestrator.bookkeeping.models import RecordedModel, find_model
from orchestrator.bookkeeping.stages import RETIRED, Promoted, Stage
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.errors import (
    JobFileTextUnreadable,
    ModelDeleted,
    ModelNotRecorded,
    ModelUnnamed,
    NoneInStage,
    NoReasonGiven,
    PromotionGated,
    RegisteredNameUnusable,
    SeveralEndpointsOfModel,
    SeveralInStage,
)
from orchestrator.identity import current_user
from orchestrator.ledger import Ledger
from orchestrator.store import promotions
from orchestrator.store.promotions import Promotion

_FORCED = "gate overridden: "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""As the name of a job."""


def promote(
    ledger: Ledger,
    key: str,
    stage: Stage,
    *,
    name: str | None = None,
    endpoint: str | None = None,
    reason: str = "",
    force: bool = False,
) -> Promoted:
    """Give the model, checkpoint, or model of the run `key` a stage; a name's former production model is retired.

    `name` replaces the name of its run or sweep. A model that no recorded run made needs it, and `endpoint`. If the
    job file of its run has a gate that is required for the stage, it must be met, unless `force` and a `reason`,
    which is recorded. Raises PromotionGated, NoReasonGiven, RegisteredNameUnusable, ModelUnnamed, ModelDeleted,
    UnknownEndpoint, and the errors of `find_model`.
    """
    if force and not reason:
        raise NoReasonGiven
    if name is not None and not _NAME.fullmatch(name):
        raise RegisteredNameUnusable(name=name)
    found = _find(ledger, key, stage, name, endpoint)
    wanted = Promotion(
        endpoint=found.endpoint if found else str(endpoint),
        model=found.model if found else key,
        name=name or (found.run.name if found else key),
        stage=stage,
        user=current_user(),
        reason=reason,
        at=time.time(),
    )
    if found and not _has_it(ledger, wanted):
        wanted = _through_gate(ledger, found, wanted, force=force)
    with ledger.database.write() as connection:
        done = stages.promote(connection, wanted)
    return replace(done, way_back=_way_back(ledger, done.replaced)) if done.replaced else done


def in_stage(ledger: Ledger, stage: Stage, *, name: str | None = None, endpoint: str | None = None) -> Promotion:
    """The model in production; of the candidates or the retired models, the one that became so last. Raises
    NoneInStage, and SeveralInStage if models of several names have the stage and no name is given."""
    with ledger.database.read() as connection:
        found = promotions.standing(connection, stage=stage, name=name, endpoint=endpoint)
    if not found:
        of = "".join([f" of {name}" if name else "", f" on {endpoint}" if endpoint else ""])
        raise NoneInStage(of=of, words=_words(stage), stage=stage)
    names = dict.fromkeys(each.name for each in found)
    if len(names) > 1:
        raise SeveralInStage(words=_words(stage), names=", ".join(sorted(names)))
    return found[0]


def _find(ledger: Ledger, key: str, stage: Stage, name: str | None, endpoint: str | None) -> RecordedModel | None:
    """None for a model that no recorded run made, if it is named and its endpoint is."""
    try:
        found = find_model(ledger, key, endpoint)
    except ModelNotRecorded:
        if is_fine_tuned(key) and not (name and endpoint):
            raise ModelUnnamed(model=key) from None
        if not (name and endpoint):
            raise
        ledger.workspace.endpoint(endpoint)
        return None
    if found.run.deleted_at is not None and stage != RETIRED:
        raise ModelDeleted(run=found.run.id, model=found.model, stage=stage)
    return found


def _has_it(ledger: Ledger, wanted: Promotion) -> bool:
    with ledger.database.read() as connection:
        return stages.is_same(promotions.stage_of(connection, wanted.endpoint, wanted.model), wanted)


def _through_gate(ledger: Ledger, found: RecordedModel, wanted: Promotion, *, force: bool) -> Promotion:
    """The promotion with the evaluation that met the gate, or with the word that the gate was overridden; unchanged
    without a gate. Raises PromotionGated, and JobFileTextUnreadable."""
    if wanted.stage == RETIRED:
        return wanted
    from orchestrator.bookkeeping.gates import judge  # loads what reads job files

    overridden = replace(wanted, reason=f"{_FORCED}{wanted.reason}")
    try:
        judgement = judge(ledger, found, wanted.stage)
    except JobFileTextUnreadable:
        if force:
            return overridden
        raise
    if judgement is None or not judgement.problems:
        return replace(wanted, evaluation_id=judgement.evaluation_id if judgement else None)
    if force:
        return overridden
    facts = {"problems": "; ".join(judgement.problems), "source": judgement.source, "advice": judgement.advice}
    raise PromotionGated(model=found.model, stage=wanted.stage, **facts)


def _way_back(ledger: Ledger, replaced: Promotion) -> str:
    """The command that puts the replaced model back into production."""
    options = ["--name", replaced.name, "--endpoint", replaced.endpoint]
    try:
        found = find_model(ledger, replaced.model)
        options = [] if found.run.name == replaced.name else options[:2]
    except SeveralEndpointsOfModel:
        options = options[2:]
    except ModelNotRecorded:
        pass
    return shlex.join(["ftorch", "models", "promote", replaced.model, replaced.stage, *options])


def _words(stage: Stage) -> str:
    return f"in {stage}" if stage == "production" else stage if stage == RETIRED else f"a {stage}"

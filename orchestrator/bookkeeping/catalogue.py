"""Tuned models as they are listed: each with its run's name, its stage, and its value in the last evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from orchestrator.bookkeeping.endings import endings
from orchestrator.bookkeeping.lineage import Evaluated, first_value
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations, listing as listings, promotions
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.listing import Listing
from orchestrator.store.records import Model

MOST_ANSWERS = 5_000
"""Of one model in one evaluation: the value takes reading all of their scores, at tens of thousands a second."""
_FEW = 500
"""Models whose stages are looked up by their ids; of more, all stages are read."""


@dataclass(frozen=True)
class CataloguedModel:
    """A model of a succeeded run."""

    model: Model
    name: str
    """Of its run, or of the sweep that its run belongs to."""
    stage: str | None = None
    """production, candidate or retired; None if it was never promoted."""
    evaluation: Evaluated | None = None
    """By the last evaluation that asked it, in its first variant. The value is None where it asked more than
    `MOST_ANSWERS` questions of the model, or none counts for the metric."""
    ends: date | None = None
    """The day (UTC) on which its endpoint ends it; None if none is known."""


def model_ids(ledger: Ledger, listing: Listing, *, limit: int | None) -> list[str]:
    """The ids of at most `limit` models of the listed runs (None: all), in the order of the listing."""
    with ledger.database.read() as connection:
        return [model.model for model, _ in listings.models(connection, listing, limit=limit)]


def catalogue(ledger: Ledger, listing: Listing, *, limit: int | None) -> list[CataloguedModel]:
    """Those models, with what is known of each."""
    with ledger.database.read() as connection:
        found = listings.models(connection, listing, limit=limit)
        ids = [model.model for model, _ in found] if len(found) <= _FEW else None
        standing = promotions.standing(connection, models=ids)
        done = evaluations.newest(connection) if found else []
    stages = {(each.endpoint, each.model): each.stage for each in standing}
    last = _last_by_model(done)
    ends = endings(ledger).of
    catalogued = [
        CataloguedModel(
            model, name, stages.get((model.endpoint, model.model)), ends=ends(model.endpoint, model.model)
        )
        for model, name in found
    ]
    return [replace(each, evaluation=_value(ledger, each.model, last)) for each in catalogued]


def _last_by_model(newest_first: Sequence[Evaluation]) -> Mapping[tuple[str, str], Evaluation]:
    """The last evaluation of each model that was asked, by endpoint and model."""
    found: dict[tuple[str, str], Evaluation] = {}
    for evaluation in newest_first:
        for entry in evaluation.settings["models"]:
            found.setdefault((evaluation.endpoint, entry["model"]), evaluation)
    return found


def _value(ledger: Ledger, model: Model, last: Mapping[tuple[str, str], Evaluation]) -> Evaluated | None:
    evaluation = last.get((model.endpoint, model.model))
    if evaluation is None:
        return None
    with ledger.database.read() as connection:
        answers = evaluations.count_scores(connection, evaluation.id, model.model)
    return first_value(ledger, evaluation, model.model, is_read=answers <= MOST_ANSWERS)

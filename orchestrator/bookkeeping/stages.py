"""The stages of models: candidate, production and retired. A name has at most one model in production."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from sqlalchemy import Connection

from orchestrator.store import promotions
from orchestrator.store.promotions import Promotion

Stage = Literal["candidate", "production", "retired"]
STAGES: tuple[Stage, ...] = get_args(Stage)
PRODUCTION, RETIRED = "production", "retired"


@dataclass(frozen=True)
class Promoted:
    """A model's change of stage."""

    promotion: Promotion
    is_new: bool
    """False if the model had this stage under this name already: then nothing was recorded."""
    before: Promotion | None = None
    """Its stage until then; None if it had none."""
    replaced: Promotion | None = None
    """The model that was in production under this name, and is retired now."""
    way_back: str | None = None
    """The command that puts the replaced model back into production."""

    @property
    def left(self) -> str | None:
        """The name that has no model in production any more, if the model was there under another name or left
        production."""
        before, now = self.before, self.promotion
        if before is None or not before.is_production or not self.is_new:
            return None
        return before.name if (before.name, before.stage) != (now.name, now.stage) else None


def promote(connection: Connection, promotion: Promotion) -> Promoted:
    """Record a model's stage, in a `write()` transaction, which excludes other writers: the model that was in
    production under the same name is retired in it, so two who promote at once leave one in production."""
    before = promotions.stage_of(connection, promotion.endpoint, promotion.model)
    if before and is_same(before, promotion):
        return Promoted(before, is_new=False, before=before)
    replaced = _production(connection, promotion) if promotion.is_production else None
    if replaced is not None:
        reason = f"replaced by {promotion.model}"
        retired = replace(replaced, stage=RETIRED, user=promotion.user, reason=reason, at=promotion.at)
        promotions.add(connection, replace(retired, evaluation_id=None))
    promotions.add(connection, promotion)
    return Promoted(promotion, is_new=True, before=before, replaced=replaced)


def is_same(current: Promotion | None, wanted: Promotion) -> bool:
    """Whether a model's present stage is already the one wanted, under the same name."""
    return current is not None and (current.name, current.stage) == (wanted.name, wanted.stage)


def _production(connection: Connection, promotion: Promotion) -> Promotion | None:
    """The other model that is in production under the same name."""
    found = promotions.standing(connection, stage=PRODUCTION, name=promotion.name)
    theirs = (promotion.endpoint, promotion.model)
    return next((each for each in found if (each.endpoint, each.model) != theirs), None)

"""The stage of a model: what a promotion changed, and how to go back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from orchestrator.bookkeeping.stages import Promoted
from orchestrator.reports.text import iso, moment, printable
from orchestrator.store.promotions import Promotion


def print_promoted(done: Promoted, console: Console) -> None:
    """The model's stage, the evaluation that met the gate, and the model that was retired for it."""
    for line in _lines(done):
        console.print(printable(line), soft_wrap=True, markup=False, highlight=False)


def promoted_object(done: Promoted) -> dict[str, Any]:
    """What `models promote --json` prints."""
    return {
        **promotion_object(done.promotion),
        "changed": done.is_new,
        "before": promotion_object(done.before) if done.before and done.is_new else None,
        "replaced": promotion_object(done.replaced) if done.replaced else None,
        "way_back": done.way_back,
    }


def promotion_object(promotion: Promotion) -> dict[str, Any]:
    """A model's stage for programs."""
    return {
        "model": promotion.model,
        "endpoint": promotion.endpoint,
        "name": promotion.name,
        "stage": promotion.stage,
        "user": promotion.user,
        "reason": promotion.reason,
        "evaluation": promotion.evaluation_id,
        "at": iso(promotion.at),
    }


def stage_line(promotion: Promotion) -> str:
    """`production as drone since 2026-11-02 10:00:00, by ann: approved`."""
    reason = f": {promotion.reason}" if promotion.reason else ""
    since = moment(promotion.at)
    return printable(f"{promotion.stage} as {promotion.name} since {since}, by {promotion.user}{reason}")


def _lines(done: Promoted) -> Iterator[str]:
    now, replaced = done.promotion, done.replaced
    if not done.is_new:
        since = f"since {moment(now.at)}, by {now.user}"
        yield f"{now.model} is already {_in(now.stage)} as {now.name}, {since}"
        return
    yield f"{now.model} is now {_in(now.stage)} as {now.name}"
    if now.evaluation_id:
        yield f"evaluation {now.evaluation_id} met the gate"
    if replaced:
        yield f"{replaced.model}, in production since {moment(replaced.at)}, is retired"
        yield "to go back:"
        yield f"  {done.way_back}"
    if done.left:
        yield f"{done.left} has no model in production any more"


def _in(stage: str) -> str:
    return {"production": "in production", "candidate": "a candidate"}.get(stage, stage)

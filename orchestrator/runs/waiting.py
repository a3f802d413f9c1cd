"""Waiting for a moment that an endpoint names, with that moment in the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.engine.machine import Wait
from orchestrator.engine.worker import Worker
from orchestrator.store.runs import Run

LONGEST_PAUSE_SECONDS = 3600.0
"""Between two requests without a time from the endpoint, and between two looks while it wants none."""
_HELD = ("on hold: ", "over budget: ")
_LONG_QUEUED_SECONDS = 86_400.0
_AGAIN = "; asking again at"


def wait_until(moment: float, reason: str, context: Worker[Any], changes: Mapping[str, Any] | None = None) -> Wait:
    """Wait for the moment from which the endpoint takes requests again, looking at least once an hour."""
    again = min(moment, context.now() + LONGEST_PAUSE_SECONDS)
    return Wait(again, asking_again(moment, reason, context), changes or {})


def asking_again(moment: float, reason: str, context: Worker[Any]) -> str:
    """The reason, with the local time of the next request: "…; asking again at 14:05:00"."""
    clock = datetime.fromtimestamp(moment).astimezone()
    shown = f"{clock:%H:%M:%S}" if moment - context.now() < LONGEST_PAUSE_SECONDS else f"{clock:%a %H:%M}"
    return f"{reason.split(_AGAIN)[0]}{_AGAIN} {shown}"


def is_held(run: Run) -> bool:
    """Whether the run waits for what the user changes: credit, a budget, a sign-in. `resume` asks at once."""
    return not run.is_over and run.reason.startswith(_HELD)


def stands_still(run: Run, now: float) -> bool:
    """Whether its job has been queued, or being validated, for so long without a change that it seldom begins."""
    return run.state == "queued" and now - run.updated_at > _LONG_QUEUED_SECONDS


def way_on(run: Run) -> str:
    """How a paused run goes on."""
    if run.endpoint_type == "compatible":
        return "let it go on at the host; ftorch resume looks again"
    return f"ftorch unpause {run.id} lets it go on"

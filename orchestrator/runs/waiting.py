"""Waiting until a time set by an endpoint, with that time in the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.engine.machine import Wait
from orchestrator.engine.worker import Worker
from orchestrator.store.runs import Run

LONGEST_PAUSE_SECONDS = 3600.0
"""Between two requests if the endpoint sets no time, and between two looks while it accepts none."""
HELD = ("on hold: ", "over budget: ")
"""How the reasons of runs begin that wait for something the user changes."""
_LONG_QUEUED_SECONDS = 86_400.0
_AGAIN = "; asking again at"


def wait_until(moment: float, reason: str, context: Worker[Any], changes: Mapping[str, Any] | None = None) -> Wait:
    """Wait until the endpoint accepts requests again, looking at least once an hour."""
    again = min(moment, context.now() + LONGEST_PAUSE_SECONDS)
    return Wait(again, asking_again(moment, reason, context), changes or {})


def asking_again(moment: float, reason: str, context: Worker[Any]) -> str:
    """The reason, with the local time of the next request: "…; asking again at 14:05:00"."""
    clock = datetime.fromtimestamp(moment).astimezone()
    shown = f"{clock:%H:%M:%S}" if moment - context.now() < LONGEST_PAUSE_SECONDS else f"{clock:%a %H:%M}"
    return f"{reason.split(_AGAIN)[0]}{_AGAIN} {shown}"


def is_held(run: Run) -> bool:
    """Whether the run waits for something the user changes: credit, a budget, a sign-in. `resume` tries at once."""
    return not run.is_over and run.reason.startswith(HELD)


def stands_still(run: Run, now: float) -> bool:
    """Whether its job has been queued or validating for so long that it will probably never start."""
    return run.state == "queued" and now - run.updated_at > _LONG_QUEUED_SECONDS


def way_on(run: Run) -> str:
    """How a paused run continues."""
    if run.endpoint_type not in ("local", "openai", "azure"):
        return "unpause it on the host; ftorch resume looks again"
    return f"to continue: ftorch unpause {run.id}"

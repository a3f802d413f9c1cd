"""Named places in the protocol at which a test kills the process: before and after everything that takes effect.

In normal use, passing one costs one variable look-up. With FTORCH_CRASH_AT="after-create:2" in the environment at
start, the process sends itself SIGKILL when it passes that place the second time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

_COMMITS = (
    "submission",
    "leases",
    "upload-claim",
    "upload-intent",
    "upload",
    "upload-failure",
    "parts-complete",
    "attempt-closed",
    "serving-intent",
    "wait",
    "events",
    "note",
    "action-done",
    *("uploading", "creating", "queued", "running", "paused", "collecting", "unknown"),
    *("succeeded", "failed", "cancelled"),
)
_REQUESTS = (
    "upload",
    "parts-open",
    "part",
    "parts-complete",
    "parts-cancel",
    "file-look",
    "price",
    "create",
    "job-look",
    "surplus-cancel",
    "poll",
    "collection",
    "serving-look",
    "serving",
    "serving-removal",
    "action",
)
POINTS = tuple(
    f"{edge}-{effect}"
    for effect in (*_REQUESTS, *(f"commit-{commit}" for commit in _COMMITS))
    for edge in ("before", "after")
)
"""Every place of a run: `before-create` and `after-create` enclose the request, `before-commit-creating` is inside
the transaction that writes the move to `creating`, and `after-commit-creating` is after it."""
_DEPLOYMENT_COMMITS = ("leases", "intent", "wait", "deployed", "undeploying", "undeployed", "failed")
_DEPLOYMENT_REQUESTS = ("look", "put", "probe", "delete")
DEPLOYMENT_POINTS = tuple(
    f"{edge}-{effect}"
    for effect in (
        *(f"deployment-{request}" for request in _DEPLOYMENT_REQUESTS),
        *(f"commit-deployment-{commit}" for commit in _DEPLOYMENT_COMMITS),
    )
    for edge in ("before", "after")
)
"""Every place of a deployment, in the same way."""
_GENERATION_COMMITS = ("leases", "intents", "answers", "wait", "writing", "done", "failed", "cancelled")
GENERATION_POINTS = tuple(
    f"{edge}-{effect}"
    for effect in ("generation-request", *(f"commit-generation-{commit}" for commit in _GENERATION_COMMITS))
    for edge in ("before", "after")
)
"""Every place of a generation."""

_BATCH_EFFECTS = (
    *("batch-create", "batch-look", "batch-poll", "batch-download", "batch-surplus-cancel"),
    *("commit-batches", "commit-batch-leases", "commit-batch-wait", "commit-batch-answers"),
    "commit-batch-attempt-closed",
    *(f"commit-batch-{state}" for state in ("creating", "waiting", "unknown", "collecting")),
    *(f"commit-batch-{state}" for state in ("done", "failed", "cancelled")),
)
BATCH_POINTS = tuple(f"{edge}-{effect}" for effect in _BATCH_EFFECTS for edge in ("before", "after"))
"""The same for batches of questions, whose protocol is that of runs."""

DELETION_POINTS = tuple(
    f"{edge}-{effect}"
    for effect in ("commit-forgotten", "remote-deletion", "commit-deletion")
    for edge in ("before", "after")
)
"""The same for the deletion of runs, on the endpoint and here."""


def crash_point(name: str, detail: str = "") -> None:
    """Pass the place of this name (with `-detail`, if there is one)."""
    if armed is not None:
        armed(f"{name}-{detail}" if detail else name)


def _armed_by_environment() -> Callable[[str], None] | None:
    wanted, _, count = os.environ.get("FTORCH_CRASH_AT", "").partition(":")
    if not wanted:
        return None
    if wanted not in (*POINTS, *DEPLOYMENT_POINTS, *BATCH_POINTS, *GENERATION_POINTS, *DELETION_POINTS):
        raise ValueError(f"FTORCH_CRASH_AT: there is no place {wanted}")
    left = int(count or 1)

    def passed(name: str) -> None:
        nonlocal left
        left -= name == wanted
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    return passed


armed = _armed_by_environment()
"""Called at every place; None in normal use."""

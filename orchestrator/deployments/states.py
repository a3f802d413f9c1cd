"""The states of a deployment, the one table of legal moves, and the one function that moves a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from orchestrator.errors import IllegalMove
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment, DeploymentMove


class State(StrEnum):
    WANTED = "wanted"
    """Recorded with its run; waits for the run to succeed."""
    DEPLOYING = "deploying"
    """The request may have left this machine; Azure provisions it, or it does not answer yet."""
    DEPLOYED = "deployed"
    """It answers."""
    UNDEPLOYING = "undeploying"
    """It is being removed from the account."""
    UNDEPLOYED = "undeployed"
    """Over: the account does not have it, or has it no more."""
    FAILED = "failed"
    """Over: Azure refused it, or could not provision it, and the account does not have it."""


class RequestedAction(StrEnum):
    """What a user wants of a deployment; kept with it until it is carried out."""

    REMOVE = "remove"


MOVES: Mapping[State, frozenset[State]] = {
    State.WANTED: frozenset({State.DEPLOYING, State.UNDEPLOYED}),
    State.DEPLOYING: frozenset({State.DEPLOYED, State.UNDEPLOYING, State.UNDEPLOYED, State.FAILED}),
    State.DEPLOYED: frozenset({State.UNDEPLOYING, State.UNDEPLOYED}),
    State.UNDEPLOYING: frozenset({State.UNDEPLOYED, State.FAILED}),
    State.UNDEPLOYED: frozenset(),
    State.FAILED: frozenset(),
}
"""Every legal move. A state without moves is final: who deploys the same again gets a new row."""

FINAL = frozenset(state for state, moves in MOVES.items() if not moves)


def move(
    connection: Connection,
    deployment: Deployment,
    to: State,
    reason: str,
    *,
    owner: str,
    now: float,
    changes: Mapping[str, Any] | None = None,
) -> Deployment:
    """Move `deployment` to a state, with a line of history, in the caller's transaction; returns it as it is now.

    A compare-and-swap: it writes only if the deployment is still as it was read and `owner` still holds its lease.
    Raises LostDeployment otherwise, and IllegalMove for a move that is not in MOVES. Nothing else writes
    `deployments.state`.
    """
    if to not in MOVES[State(deployment.state)]:
        raise IllegalMove(
            f"Deployment {deployment.name} can't go from {deployment.state} to {to}; this is a bug in ftorch, and "
            "nothing was written."
        )
    values = {"state": to.value, "reason": reason, "due_at": None, **(changes or {})}
    if to in FINAL:
        values |= {"finished_at": now, "requested_action": None}
    moved = store.swap(connection, deployment, owner, now, values)
    line = DeploymentMove(deployment.id, moved.version, deployment.state, to.value, reason, now, owner)
    store.add_move(connection, line)
    return moved

"""The states of a deployment, and the one table of legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.engine.machine import Machine
from orchestrator.store.deployments import DEPLOYMENTS


class State(StrEnum):
    WANTED = "wanted"
    """Recorded with its run; waits for the run to succeed."""
    DEPLOYING = "deploying"
    """The request may have been sent; Azure is provisioning it, or it does not answer yet."""
    DEPLOYED = "deployed"
    """It answers."""
    UNDEPLOYING = "undeploying"
    """It is being removed from the account."""
    UNDEPLOYED = "undeployed"
    """Finished: the account never had it, or no longer has it."""
    FAILED = "failed"
    """Finished: Azure refused it or could not provision it, and the account does not have it."""


class RequestedAction(StrEnum):
    """What a user requests of a deployment; kept with it until it is carried out."""

    REMOVE = "remove"


MOVES: Mapping[State, frozenset[State]] = {
    State.WANTED: frozenset({State.DEPLOYING, State.UNDEPLOYED}),
    State.DEPLOYING: frozenset({State.DEPLOYED, State.UNDEPLOYING, State.UNDEPLOYED, State.FAILED}),
    State.DEPLOYED: frozenset({State.UNDEPLOYING, State.UNDEPLOYED}),
    State.UNDEPLOYING: frozenset({State.UNDEPLOYED, State.FAILED}),
    State.UNDEPLOYED: frozenset(),
    State.FAILED: frozenset(),
}
"""Every legal move. A state without moves is final: deploying the same again makes a new row."""

MACHINE = Machine(DEPLOYMENTS, MOVES, points="deployment-")
FINAL = MACHINE.final
move = MACHINE.move

"""ftorch: from a training file to a fine-tuned, recorded model, exactly once.

The functions below are what a notebook imports:

    from orchestrator import submit
    run = submit("jobs/drone.toml")
    print(run.fine_tuned_model)

Each is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.chat.api import ask as ask
    from orchestrator.deployments.api import deploy as deploy, undeploy as undeploy
    from orchestrator.errors import FtorchError as FtorchError
    from orchestrator.evaluation.api import (
        cost_of_ownership as cost_of_ownership,
        evaluate as evaluate,
        submit as submit,
    )
    from orchestrator.runs.api import (
        cancel as cancel,
        check as check,
        models as models,
        pause as pause,
        plan as plan,
        status as status,
        unpause as unpause,
    )
    from orchestrator.store.records import Model as Model
    from orchestrator.store.runs import Run as Run
    from orchestrator.sweeps.api import resume as resume, sweep as sweep

_HOMES = {
    "FtorchError": "orchestrator.errors",
    "Model": "orchestrator.store.records",
    "Run": "orchestrator.store.runs",
    "ask": "orchestrator.chat.api",
    "cancel": "orchestrator.runs.api",
    "check": "orchestrator.runs.api",
    "cost_of_ownership": "orchestrator.evaluation.api",
    "deploy": "orchestrator.deployments.api",
    "evaluate": "orchestrator.evaluation.api",
    "models": "orchestrator.runs.api",
    "pause": "orchestrator.runs.api",
    "plan": "orchestrator.runs.api",
    "resume": "orchestrator.sweeps.api",
    "status": "orchestrator.runs.api",
    "submit": "orchestrator.evaluation.api",
    "sweep": "orchestrator.sweeps.api",
    "undeploy": "orchestrator.deployments.api",
    "unpause": "orchestrator.runs.api",
}
__all__ = [
    "FtorchError",
    "Model",
    "Run",
    "ask",
    "cancel",
    "check",
    "cost_of_ownership",
    "deploy",
    "evaluate",
    "models",
    "pause",
    "plan",
    "resume",
    "status",
    "submit",
    "sweep",
    "undeploy",
    "unpause",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

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
    from orchestrator.api.chat import ask as ask
    from orchestrator.api.deployments import deploy as deploy, undeploy as undeploy
    from orchestrator.api.evaluation import (
        cost_of_ownership as cost_of_ownership,
        evaluate as evaluate,
        submit as submit,
    )
    from orchestrator.api.runs import (
        cancel as cancel,
        check as check,
        models as models,
        pause as pause,
        plan as plan,
        status as status,
        unpause as unpause,
    )
    from orchestrator.api.sweeps import resume as resume, sweep as sweep
    from orchestrator.errors import FtorchError as FtorchError
    from orchestrator.store.records import Model as Model
    from orchestrator.store.runs import Run as Run

_HOMES = {
    "FtorchError": "orchestrator.errors",
    "Model": "orchestrator.store.records",
    "Run": "orchestrator.store.runs",
    "ask": "orchestrator.api.chat",
    "cancel": "orchestrator.api.runs",
    "check": "orchestrator.api.runs",
    "cost_of_ownership": "orchestrator.api.evaluation",
    "deploy": "orchestrator.api.deployments",
    "evaluate": "orchestrator.api.evaluation",
    "models": "orchestrator.api.runs",
    "pause": "orchestrator.api.runs",
    "plan": "orchestrator.api.runs",
    "resume": "orchestrator.api.sweeps",
    "status": "orchestrator.api.runs",
    "submit": "orchestrator.api.evaluation",
    "sweep": "orchestrator.api.sweeps",
    "undeploy": "orchestrator.api.deployments",
    "unpause": "orchestrator.api.runs",
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

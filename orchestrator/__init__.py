"""ftorch: from a training file to a fine-tuned, recorded model, exactly once.

The functions below are what a notebook imports:

    from ftorch import submit
    run = submit("jobs/drone.toml")
    print(run.fine_tuned_model)

Each is loaded on first use, so importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.errors import FtorchError as FtorchError
    from orchestrator.notebook import (
        Model as Model,
        Run as Run,
        ask as ask,
        cancel as cancel,
        check as check,
        cost as cost,
        cost_of_ownership as cost_of_ownership,
        deploy as deploy,
        evaluate as evaluate,
        export_model as export_model,
        generate as generate,
        in_stage as in_stage,
        lineage as lineage,
        migrate as migrate,
        models as models,
        pause as pause,
        plan as plan,
        preview as preview,
        promote as promote,
        resume as resume,
        status as status,
        submit as submit,
        sweep as sweep,
        undeploy as undeploy,
        unpause as unpause,
    )

__all__ = [
    "FtorchError",
    "Model",
    "Run",
    "ask",
    "cancel",
    "check",
    "cost",
    "cost_of_ownership",
    "deploy",
    "evaluate",
    "export_model",
    "generate",
    "in_stage",
    "lineage",
    "migrate",
    "models",
    "pause",
    "plan",
    "preview",
    "promote",
    "resume",
    "status",
    "submit",
    "sweep",
    "undeploy",
    "unpause",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "orchestrator.errors" if name == "FtorchError" else "orchestrator.notebook"
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__

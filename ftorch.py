"""`import ftorch`: the public names of the package `orchestrator`, each loaded when it is first used.

`ftorch.rescue` is a name here alone: `orchestrator.rescue` is a package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import orchestrator

if TYPE_CHECKING:
    from orchestrator import *  # noqa: F403
    from orchestrator.notebook import rescue as rescue

__all__ = [*orchestrator.__all__, "rescue"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ftorch' has no attribute {name!r}")
    return (
        getattr(import_module("orchestrator.notebook"), name) if name == "rescue" else getattr(orchestrator, name)
    )


def __dir__() -> list[str]:
    return sorted(__all__)

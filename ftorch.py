"""`import ftorch`: the public names of the package `orchestrator`, each loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orchestrator

if TYPE_CHECKING:
    from orchestrator import *  # noqa: F403

__all__ = [*orchestrator.__all__]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ftorch' has no attribute {name!r}")
    return getattr(orchestrator, name)


def __dir__() -> list[str]:
    return sorted(__all__)

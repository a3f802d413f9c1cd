"""The parameters of a trial as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.reports.formats import printable

_SHORT = {"n_epochs": "epochs", "batch_size": "batch", "learning_rate_multiplier": "rate"}
"""Names for places where there is no room for a key of the job file."""


def value(given: float | str) -> str:
    """`3`, `0.125`, `auto`."""
    return f"{given:.4g}" if isinstance(given, float) else printable(str(given))


def listed(parameters: Mapping[str, float | str]) -> str:
    """`n_epochs 3, learning_rate_multiplier 0.5`."""
    return ", ".join(f"{name} {value(given)}" for name, given in parameters.items())


def short(parameters: Mapping[str, float | str], repeat: int = 0) -> str:
    """`epochs 3, rate 0.5`, and `epochs 3, rate 0.5 #2` for the second training of the same."""
    said = ", ".join(f"{_SHORT.get(name, name)} {value(given)}" for name, given in parameters.items())
    return f"{said} #{repeat + 1}" if repeat else said


def heading(name: str, is_wide: bool) -> str:
    """The name of a parameter over a column of its values."""
    return name.replace("_multiplier", "_\nmultiplier") if is_wide else _SHORT.get(name, name)


def varied(points: Iterable[Mapping[str, float | str]]) -> list[str]:
    """Every parameter that these points give, in the order in which they give them."""
    return list(dict.fromkeys(name for point in points for name in point))

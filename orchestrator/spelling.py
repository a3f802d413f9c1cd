"""The known name that a misspelt one is nearest to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(
    name: str,
    known: Iterable[str],
    text: str = "Did you mean {}?",
    *,
    otherwise: str = "",
    cutoff: float = 0.6,
) -> str:
    """`text` with the nearest known name for `{}`; `otherwise` where none is near. See `nearest` for `cutoff`."""
    near = nearest(name, known, cutoff)
    return otherwise if near is None else text.replace("{}", near)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like `name`. Its likeness, 0..1 as difflib counts it, is `cutoff` at least."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)

"""The known name nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(
    name: str,
    known: Iterable[str],
    text: str = "Did you mean {}?",
    *,
    otherwise: str = "",
    cutoff: float = 0.6,
) -> str:
    """`text` with the nearest known name for `{}`; `otherwise` if none is near. See `nearest` for `cutoff`."""
    near = nearest(name, known, cutoff)
    return otherwise if near is None else text.replace("{}", near)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name most like `name`, if their similarity (0..1, by difflib) is at least `cutoff`."""
    from difflib import get_close_matches  # most names are right

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)

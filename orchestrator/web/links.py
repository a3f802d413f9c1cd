"""The addresses of the pages."""

from __future__ import annotations

from urllib.parse import quote, urlencode

_PLACES = {"run": "runs", "sweep": "sweeps", "evaluation": "evaluations", "model": "models"}


def link(ref: str) -> str | None:
    """The address of what a report refers to, such as `run:ID` or `data:RUN/training`; None if it has no page."""
    kind, _, key = ref.partition(":")
    if kind == "data":
        run_id, _, role = key.partition("/")
        return f"{run_link(run_id)}/data/{role}"
    return f"/{_PLACES[kind]}/{quote(key, safe='')}" if kind in _PLACES and key else None


def run_link(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"


def sweep_link(sweep_id: str) -> str:
    return f"/sweeps/{quote(sweep_id, safe='')}"


def query(**values: str | int | None) -> str:
    """`?a=1&b=2` with the values that are given; "" without any."""
    given = {key: value for key, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""

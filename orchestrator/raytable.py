"""The table `[endpoints.local.ray]`: the cluster that trains open-weights models."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.addresses import is_address
from orchestrator.tomlsource import TomlSource

Rule = tuple[Callable[[Any], bool], str]


def ray_problems(source: TomlSource, endpoint: str, table: Any) -> list[str]:
    """What is wrong with the table, each with its place."""
    path = f"endpoints.{endpoint}.ray"
    if not isinstance(table, dict):
        return [f"{source.place('endpoints', endpoint, 'ray')}: {path} must be a table: [{path}]"]
    missing = [
        f"{source.place('endpoints', endpoint, 'ray')}: {path}.{key} is missing; it {_RULES[key][1]}"
        for key in _NEEDED
        if key not in table
    ]
    return missing + [
        problem for key, value in table.items() if (problem := _problem(source, endpoint, key, value))
    ]


def _problem(source: TomlSource, endpoint: str, key: str, value: Any) -> str:
    at = ("endpoints", endpoint, "ray", key)
    if key not in _RULES:
        return source.unknown_key(at, _RULES)
    fits, sentence = _RULES[key]
    is_private = key in ("token_env", "runtime_env") or (key == "address" and "@" in str(value))
    shown = "" if is_private else f", not {value!r}"
    return "" if fits(value) else f"{source.place(*at)}: {'.'.join(at)} {sentence}{shown}"


def _is_count(value: Any, least: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= least


def _is_whole_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and value.isprintable()


def _is_json_table(value: Any) -> bool:
    try:
        return isinstance(value, dict) and bool(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):  # TOML's dates, and numbers that JSON doesn't have
        return False


_RULES: Mapping[str, Rule] = {
    "address": (is_address, 'must be the address of the Ray dashboard, such as "http://127.0.0.1:8265"'),
    "storage": (_is_whole_path, 'must be a folder that all machines share, from its root: "/mnt/team/ftorch"'),
    # Capitals only: many tokens are letters, digits and underscores, and would pass as a name.
    "token_env": (
        lambda value: isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", value) is not None,
        "must be the name of an environment variable, in capitals, never the token itself",
    ),
    "python": (_is_whole_path, 'must be the path of a Python on the workers, such as "/opt/lora/bin/python"'),
    "gpus": (lambda value: _is_count(value, 0), "must be a number of at least 0"),
    "cpus": (lambda value: _is_count(value, 0), "must be a number of at least 0"),
    "runtime_env": (_is_json_table, "must be a table of JSON values, which is passed on to Ray"),
}
_NEEDED = ("address", "storage")

"""The `[endpoints.NAME]` tables of a file: their keys, the allowed values, and the defaults."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.addresses import SECRET_NAME, VARIABLE, is_address
from orchestrator.errors import InvalidConfig
from orchestrator.modelfolders import expanded
from orchestrator.modeltables import TABLE as MODELS
from orchestrator.notifytables import TABLE as NOTIFY
from orchestrator.raytable import ray_problems
from orchestrator.tomlsource import TomlSource
from orchestrator.tracktables import TABLE as TRACK

EndpointType = Literal["local", "openai", "compatible", "azure", "nebius", "fireworks", "together"]
Table = Mapping[str, Any]
BUILT_IN: Mapping[str, EndpointType] = {"local": "local", "openai": "openai"}
"""The endpoints that need no table, with their types."""
DEFAULTS: Mapping[EndpointType, Mapping[str, Any]] = {
    # An answer of an open-weights model may take minutes on a CPU, and this process can't lose its own answer.
    "local": {"max_active": 2, "poll_seconds": 0.2, "settling_seconds": 2.0, "timeout_seconds": 600.0},
    "openai": {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
    "compatible": {},
    "azure": {"api_key_env": "AZURE_OPENAI_API_KEY"},
    "nebius": {
        "base_url": "https://api.tokenfactory.nebius.com/v1",
        "api_key_env": "NEBIUS_API_KEY",
        "hyperparameters": "top-level",
        "result": "served-checkpoint",
    },
    "fireworks": {"base_url": "https://api.fireworks.ai", "api_key_env": "FIREWORKS_API_KEY"},
    "together": {"base_url": "https://api.together.xyz/v1", "api_key_env": "TOGETHER_API_KEY"},
}
"""What a type sets if the table doesn't."""
_MAX_NAME = 64


def read_tables(source: TomlSource, known: Mapping[str, Table]) -> dict[str, Table]:
    """The tables of one file by endpoint name; those of the `known` endpoints may leave out their type.
    Raises InvalidConfig with all its problems."""
    known_keys = ("endpoints", MODELS, TRACK, NOTIFY)
    problems = [source.unknown_key((key,), known_keys) for key in source.data if key not in known_keys]
    tables = source.data.get("endpoints", {})
    if not isinstance(tables, dict):
        raise InvalidConfig(source.path, [f"{source.place('endpoints')}: endpoints must be a table"])
    for name, table in tables.items():
        problems += _endpoint_problems(source, name, table, known.get(name, {}).get("type"))
    if problems:
        raise InvalidConfig(source.path, problems)
    return {name: _located(table, source.path.parent) for name, table in tables.items()}


def _located(table: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Paths are relative to the file that names them. A Python's path stays a link: where it leads knows no
    packages."""
    if "import_variables" in table:
        table = {**table, "import_variables": tuple(table["import_variables"])}
    paths = {key: folder / expanded(table[key]) for key in ("prices", "python") if key in table}
    return {**table, **paths}


def _endpoint_problems(source: TomlSource, name: str, table: Any, known_type: str | None) -> list[str]:
    if not isinstance(table, dict):
        return [f"{source.place('endpoints', name)}: endpoints.{name} must be a table: [endpoints.{name}]"]
    problems = []
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        problems.append(f"{source.place('endpoints', name)}: an endpoint's name has 1 to {_MAX_NAME} characters")
    if "type" not in table and known_type is None:
        problems.append(
            f"{source.place('endpoints', name)}: endpoints.{name}.type is missing; {RULES['type'].sentence}"
        )
    kind = table.get("type", known_type)
    for key, value in table.items():
        place, path = source.place("endpoints", name, key), f"endpoints.{name}.{key}"
        if key not in RULES:
            problems.append(source.unknown_key(("endpoints", name, key), RULES))
        elif key == "ray" and kind == "local":
            problems += ray_problems(source, name, value)
        elif not RULES[key].fits(value):
            problems.append(f"{place}: {path} {RULES[key].sentence}{_finding(key, value)}")
        elif key == "account" and kind not in ("azure", "fireworks"):
            problems.append(f'{place}: {path} is for endpoints of type "azure" or "fireworks" only')
        elif key in _AZURE_KEYS and kind != "azure":
            problems.append(f'{place}: {path} is for endpoints of type "azure" only')
        elif key in LOCAL_KEYS and kind != "local":
            problems.append(f'{place}: {path} is for endpoints of type "local" only')
        elif key in _NEBIUS_KEYS and kind != "nebius":
            problems.append(f'{place}: {path} is for endpoints of type "nebius" only')
        elif key == "dedicated" and kind not in _DEDICATED:
            listed = ", ".join(f'"{each}"' for each in _DEDICATED[:-1])
            problems.append(f'{place}: {path} is for endpoints of type {listed} or "{_DEDICATED[-1]}" only')
        elif key == "result" and value not in _RESULTS.get(str(kind), ()):
            problems.append(f"{place}: {path} {_result_sentence(str(kind))}")
        elif key == "hyperparameters" and kind not in ("compatible", "azure"):
            problems.append(f'{place}: {path} is for endpoints of type "compatible" or "azure" only')
        elif key in _HOST_KEYS and kind in BUILT_IN.values():
            problems.append(f'{place}: {path} is for endpoints of other types than "local" and "openai" only')
    if table.get("auth") == "entra" and "api_key_env" in table:
        place = source.place("endpoints", name, "api_key_env")
        problems.append(f'{place}: with auth = "entra" no key is used; remove one of the two')
    return problems


def _finding(key: str, value: Any) -> str:
    """A key pasted where its variable's name belongs, or a password in an address, must not reach a screen or a
    log."""
    if key in _ADDRESS_KEYS and "@" in str(value):
        return ", without a user name and password"
    if key in _ADDRESS_KEYS and "?" in str(value):
        return ', without a secret in its query; write query = { NAME = "${VARIABLE}" }'
    return "" if key in _SECRET_PLACES or len(str(value)) > _LONGEST_SHOWN else f", not {value!r}"


@dataclass(frozen=True)
class _Rule:
    fits: Callable[[Any], bool]
    sentence: str
    reaches: bool = True
    """Whether the key names a host, a variable, an account or a program, or turns off a protection: a project's
    file needs the user's permission for it. A new key does by default."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_uuid(value: Any) -> bool:
    try:
        return bool(str(uuid.UUID(value)) == value.lower())
    except (ValueError, TypeError, AttributeError):
        return False


def _fits(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


_SECRET_PLACES = ("api_key_env", "import_variables", "headers", "query", "body")
_LONGEST_SHOWN = 30
"""The longest wrong value that is shown: a pasted key is longer than any right value."""
_OWN_FIELDS = (
    *("model", "training_file", "validation_file", "seed", "suffix", "metadata", "method", "hyperparameters"),
    "trainingType",
)
"""The fields of a create request that the job file sets."""


def _are_headers(value: Any) -> bool:
    """Names and values as defined by RFC 9110, in ASCII."""
    if not isinstance(value, dict):
        return False
    return all(
        re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)
        and isinstance(text, str)
        and re.fullmatch(r"[ -~]+", text)
        and (VARIABLE.search(text) or not SECRET_NAME.search(name))
        for name, text in value.items()
    )


def _is_query(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str) and (VARIABLE.search(text) or not SECRET_NAME.search(name))
        for name, text in value.items()
    )


def _is_body(value: Any) -> bool:
    if not isinstance(value, dict) or any(name in _OWN_FIELDS for name in value):
        return False
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):  # TOML's dates, and numbers that JSON doesn't have
        return False
    return True


def _are_names(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) and text for text in value.values())


def _are_variables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_fits(_VARIABLE), value))


_AZURE_KEYS = (
    *("api", "auth", "scope", "subscription_id", "resource_group", "arm_url"),
    *("import_variables", "import_private"),
)
LOCAL_KEYS = ("python", "serving", "vllm_url", "constrained", "launcher", "ray")
"""How open-weights models are trained and served on this machine."""
_ADDRESS_KEYS = ("base_url", "arm_url", "vllm_url")
# Capitals only: many providers' keys are letters, digits and underscores, and would pass as a name.
_VARIABLE = r"[A-Z_][A-Z0-9_]*"
_NEBIUS_KEYS = ("serving_models",)
_DEDICATED = ("together", "nebius", "compatible")
"""The types whose users may start endpoints for single models; other types have deployments, or need none."""
_RESULTS: Mapping[str, tuple[str, str]] = {
    "compatible": ("model", "last-checkpoint"),
    "azure": ("model", "last-checkpoint"),
    "nebius": ("served-checkpoint", "last-checkpoint"),
}
"""What the model of a job can be, by the type of endpoint; the other types have no choice."""


def _result_sentence(kind: str) -> str:
    if kind not in _RESULTS:
        return 'is for endpoints of type "compatible", "azure" or "nebius" only'
    return "must be " + " or ".join(f'"{each}"' for each in _RESULTS[kind])


_HOST_KEYS = ("suffix_max", "headers", "query", "body")
_VARIABLE_SENTENCE = "must be the name of an environment variable, in capitals, never the key itself"
RULES: Mapping[str, _Rule] = {
    "type": _Rule(lambda value: value in list(DEFAULTS), f"must be one of {', '.join(DEFAULTS)}"),
    "base_url": _Rule(is_address, 'must be an address such as "https://host/v1"'),
    "allow_http": _Rule(lambda value: isinstance(value, bool), "must be true or false"),
    "api_key_env": _Rule(_fits(_VARIABLE), _VARIABLE_SENTENCE),
    "import_variables": _Rule(
        _are_variables,
        'must be a list of names of environment variables, such as ["SAS_TOKEN"], never their values',
    ),
    "import_private": _Rule(lambda value: isinstance(value, bool), "must be true or false"),
    "max_active": _Rule(
        lambda value: type(value) is int and value >= 1, "must be a whole number of at least 1", reaches=False
    ),
    "poll_seconds": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0", reaches=False),
    "settling_seconds": _Rule(
        lambda value: _is_number(value) and value >= 0, "must be a number of at least 0", reaches=False
    ),
    "max_cost_usd_per_month": _Rule(
        lambda value: _is_number(value) and value > 0, "must be a number above 0", reaches=False
    ),
    "timeout_seconds": _Rule(
        lambda value: _is_number(value) and value > 0, "must be a number above 0", reaches=False
    ),
    "hyperparameters": _Rule(
        lambda value: value in ["method", "top-level"], 'must be "method" or "top-level"', reaches=False
    ),
    "result": _Rule(
        lambda value: any(value in each for each in _RESULTS.values()),
        'must be "model", "last-checkpoint" or "served-checkpoint"',
        reaches=False,
    ),
    "dedicated": _Rule(
        _are_names,
        "must be a table of the names of your dedicated endpoints by model, such as "
        '{ "team/Qwen3-8B-ft-drone" = "team/drone" }',
        reaches=False,
    ),
    "serving_models": _Rule(
        _are_names,
        'must be a table of names of base models, such as { "vendor/as-trained" = "vendor/as-served" }',
        reaches=False,
    ),
    "suffix_max": _Rule(
        lambda value: type(value) is int and 8 <= value <= 64,
        "must be a whole number from 8, a run's id, to 64",
        reaches=False,
    ),
    "headers": _Rule(
        _are_headers, 'must be a table of strings, with secrets as variables, such as { X-Token = "${TEAM_TOKEN}" }'
    ),
    "query": _Rule(
        _is_query, 'must be a table of strings, with secrets as variables, such as { code = "${TEAM_CODE}" }'
    ),
    "body": _Rule(
        _is_body,
        f"must be a table of JSON values, without the fields the job file sets ({', '.join(_OWN_FIELDS)})",
    ),
    "prices": _Rule(
        lambda value: isinstance(value, str) and value.endswith(".toml"),
        'must be the path of a TOML file, such as "prices.toml" next to this one',
        reaches=False,
    ),
    "api": _Rule(
        _fits(r"v1|\d{4}-\d\d-\d\d(-preview)?"),
        'must be "v1" or the date of an api-version, such as "2024-10-21"',
        reaches=False,
    ),
    "auth": _Rule(lambda value: value in ["key", "entra"], 'must be "key" or "entra"'),
    "scope": _Rule(
        _fits(r"(https|api)://[A-Za-z0-9./_-]+/\.default"),
        'must be the scope of a token, such as "https://ai.azure.com/.default"',
    ),
    # The rules for names are those of Azure's page "Naming rules and restrictions for Azure resources".
    "subscription_id": _Rule(_is_uuid, 'must be a UUID, such as "00000000-0000-0000-0000-000000000000"'),
    "resource_group": _Rule(_fits(r"[\w().-]{0,89}[\w()-]"), "must be the name of a resource group"),
    "arm_url": _Rule(is_address, 'must be an address such as "https://management.azure.com"'),
    "account": _Rule(
        _fits(r"[A-Za-z0-9][A-Za-z0-9-]{1,63}"),
        "must be the name of the Azure OpenAI resource, or the id of the account on Fireworks",
    ),
    "python": _Rule(
        lambda value: isinstance(value, str) and "/" in value and value.isprintable(),
        'must be the path of a Python program, such as ".venv-lora/bin/python"',
    ),
    "serving": _Rule(
        lambda value: value in ["transformers", "vllm"], 'must be "transformers" or "vllm"', reaches=False
    ),
    "vllm_url": _Rule(is_address, 'must be an address such as "http://127.0.0.1:8000"'),
    "constrained": _Rule(lambda value: isinstance(value, bool), "must be true or false", reaches=False),
    "launcher": _Rule(lambda value: value in ["process", "ray"], 'must be "process" or "ray"'),
    "ray": _Rule(lambda value: isinstance(value, dict), "must be a table"),
}

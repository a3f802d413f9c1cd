"""Endpoints: the address of each, which secrets it gets, and whether it can be used. Loads no SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from orchestrator.config import MODELS_REACH, NOTIFY_REACH, TRACK_REACH, EndpointConfig, Workspace
from orchestrator.endpoints import capabilities_of
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, row
from orchestrator.reports.text import printable


def print_endpoints(configs: Sequence[EndpointConfig], console: Console) -> None:
    """A row for each endpoint; below, why some can't be used, and what to do."""
    console.print(endpoints_table(configs))
    unusable = [(config.name, problem) for config in configs if (problem := config.problem)]
    if unusable:
        console.print()
    for name, problem in unusable:
        console.print(f"{name}: {printable(problem)}", soft_wrap=True)


def endpoints_table(configs: Iterable[EndpointConfig]) -> Table:
    """One line for each endpoint."""
    columns = [
        *(Column(name, fit=Fit.LINE) for name in ("NAME", "TYPE", "KEY FROM", "AT ONCE", "USABLE")),
        Column("ADDRESS", fit=Fit.FOLD, takes_rest=True),
    ]
    return Table(columns, [_endpoint_row(config) for config in configs])


def _endpoint_row(config: EndpointConfig) -> Row:
    return row(
        config.name,
        f"{config.type} {config.api}" if config.type == "azure" else config.type,
        key_source(config),
        Number(str(config.max_active), value=config.max_active),
        Cell("yes", Meaning.GOOD) if config.problem is None else Cell("no", Meaning.WARNING),
        printable(config.base_url or ("in this process" if config.type == "local" else "–")),
    )


def reach_table(workspace: Workspace) -> Table:
    """What a project's file names: the addresses and programs of endpoints, the variables whose values go there
    (keys, and those in data addresses), the folders of models, trackers, and the ways of notifications."""
    columns = [Column("NAME", fit=Fit.LINE), Column("VALUES FROM", fit=Fit.LINE)]
    columns += [Column("ADDRESS", fit=Fit.FOLD, takes_rest=True)]
    endpoints = [name for name in workspace.reach if name not in (MODELS_REACH, TRACK_REACH, NOTIFY_REACH)]
    rows = [_reach_row(workspace.endpoints[name]) for name in endpoints]
    models = workspace.reach.get(MODELS_REACH, {})
    rows += [row(f"model {printable(name)}", "–", printable(folder)) for name, folder in models.items()]
    for table, found in (("track", TRACK_REACH), ("notify", NOTIFY_REACH)):
        named = workspace.reach.get(found, {})
        rows += [row(f"{table}.{printable(key)}", "–", printable(_text(value))) for key, value in named.items()]
    return Table(columns, rows)


def _reach_row(config: EndpointConfig) -> Row:
    python = str(config.python) if config.python else None
    cluster = [str(config.ray[key]) for key in ("address", "storage", "python") if key in config.ray]
    addresses = [*filter(None, [config.base_url, config.arm_url, config.vllm_url, python]), *cluster]
    sent = ", ".join((key_source(config), *config.import_variables))
    return row(config.name, sent, printable(", ".join(addresses) or "–"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def destination(config: EndpointConfig) -> Iterable[tuple[str, str]]:
    """The lines of a plan that say where the data goes and with which key, and where the endpoint reports the job;
    none if everything stays in this process."""
    if config.base_url:
        yield "host", printable(f"{config.base_url}, key from {key_source(config)}")
    if config.wandb is None:
        return
    project = printable(config.wandb.project)
    if capabilities_of(config).wandb:
        yield "W&B", f"project {project}, reported by {config.name}"
    else:
        yield "W&B", f"{config.name} reports no jobs there: [track.wandb] has no effect"


def key_source(config: EndpointConfig) -> str:
    """Where an endpoint's key and other secrets come from: the names of variables, or a sign-in."""
    return ", ".join([*(["Entra ID"] if config.auth == "entra" else []), *config.variables]) or "–"


def destination_object(config: EndpointConfig) -> dict[str, Any]:
    """The same for programs: the name of the key's variable, never the key."""
    return {"base_url": config.base_url, "auth": config.auth, "api_key_env": config.api_key_env}


def endpoint_object(config: EndpointConfig) -> dict[str, Any]:
    """One element of `endpoints --json`."""
    return {
        "name": config.name,
        "type": config.type,
        "base_url": config.base_url,
        "api": config.api if config.type == "azure" else None,
        "auth": config.auth if config.type == "azure" else None,
        "api_key_env": config.api_key_env,
        "max_active": config.max_active,
        "usable": config.problem is None,
        "problem": config.problem,
        "source": config.source,
    }

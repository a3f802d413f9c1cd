"""The `[track]` tables of a file: which experiment trackers get the runs, live.

`[track.mlflow]` and `[track.trackio]` are sent by ftorch; `[track.wandb]` is passed to the endpoint with the job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.addresses import is_address, is_safe_way
from orchestrator.errors import InvalidConfig
from orchestrator.tomlsource import TomlSource

TABLE = "track"
EXPERIMENT = "ftorch"
"""MLflow's experiment if none is given."""
_LONGEST_NAME = 200


@dataclass(frozen=True)
class MlflowTracker:
    """`[track.mlflow]`: an MLflow tracking server."""

    uri: str
    experiment: str = EXPERIMENT
    allow_http: bool = False
    """Allow an unencrypted `uri` even if it is on another machine."""


@dataclass(frozen=True)
class TrackioTracker:
    """`[track.trackio]`: a project in Trackio's own storage on this machine."""

    project: str


@dataclass(frozen=True)
class WandbIntegration:
    """`[track.wandb]`: the project to which the endpoint itself reports a job, under the account's own key."""

    project: str
    entity: str | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """As in the `integrations` of a create request, in OpenAI's API description 2.3.0."""
        given = {"project": self.project, "entity": self.entity, "name": self.name, "tags": list(self.tags) or None}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Tracking:
    """The trackers in use."""

    mlflow: MlflowTracker | None = None
    trackio: TrackioTracker | None = None
    wandb: WandbIntegration | None = None
    to_allow: Mapping[str, Any] = field(default_factory=dict)
    """What the project's file says of hosts and accounts that the user has not allowed yet: not in use."""


_KINDS: Mapping[str, Callable[..., Any]] = {
    "mlflow": MlflowTracker,
    "trackio": TrackioTracker,
    "wandb": WandbIntegration,
}
_REACHING = ("uri", "allow_http", "project", "entity")
"""The keys that name a host or an account, or turn off a protection."""


def read_tracking(source: TomlSource) -> dict[str, Any]:
    """The trackers of one file by kind. Raises InvalidConfig with all its problems."""
    tables = source.data.get(TABLE, {})
    if not isinstance(tables, dict):
        raise InvalidConfig(source.path, [f"{source.place(TABLE)}: {TABLE} must be a table: [{TABLE}.mlflow]"])
    problems = [problem for kind, table in tables.items() for problem in _problems(source, kind, table)]
    if problems:
        raise InvalidConfig(source.path, problems)
    return {kind: _KINDS[kind](**_values(table)) for kind, table in tables.items()}


def tracking_reach(own: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """What the trackers of a project's file name that those of the user's own file do not: hosts and accounts.
    Trackio stays on this machine."""
    return {
        f"{kind}.{key}": value
        for kind, tracker in own.items()
        if kind != "trackio" and tracker != below.get(kind)
        for key in _REACHING
        if (value := getattr(tracker, key, None))
    }


def _values(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


@dataclass(frozen=True)
class _Rule:
    fits: Callable[[Any], bool]
    sentence: str


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 50 and all(map(_is_name, value))


_NAME = _Rule(_is_name, f"must be a name of 1 to {_LONGEST_NAME} characters")
_RULES: Mapping[str, Mapping[str, _Rule]] = {
    "mlflow": {
        "uri": _Rule(is_address, 'must be an address such as "http://127.0.0.1:5000", without a password'),
        "experiment": _NAME,
        "allow_http": _Rule(lambda value: isinstance(value, bool), "must be true or false"),
    },
    "trackio": {"project": _NAME},
    "wandb": {
        "project": _NAME,
        "entity": _NAME,
        "name": _NAME,
        "tags": _Rule(_are_names, 'must be a list of at most 50 names, such as ["drone", "lora"]'),
    },
}
_REQUIRED: Mapping[str, str] = {"mlflow": "uri", "trackio": "project", "wandb": "project"}


def _problems(source: TomlSource, kind: str, table: Any) -> list[str]:
    if kind not in _RULES:
        return [source.unknown_key((TABLE, kind), _RULES)]
    if not isinstance(table, dict):
        return [f"{source.place(TABLE, kind)}: {TABLE}.{kind} must be a table: [{TABLE}.{kind}]"]
    rules, found = _RULES[kind], []
    for key, value in table.items():
        if key not in rules:
            found.append(source.unknown_key((TABLE, kind, key), rules))
        elif not rules[key].fits(value):
            found.append(f"{source.place(TABLE, kind, key)}: {TABLE}.{kind}.{key} {rules[key].sentence}")
    required = _REQUIRED[kind]
    if required not in table:
        sentence = rules[required].sentence
        found.append(f"{source.place(TABLE, kind)}: {TABLE}.{kind}.{required} is missing; it {sentence}")
    uri = table.get("uri")
    if not found and uri and not table.get("allow_http") and not is_safe_way(uri):
        place = source.place(TABLE, kind, "uri")
        found.append(
            f"{place}: the runs would travel to {uri} unencrypted; give an https:// address, or set "
            f"allow_http = true in [{TABLE}.{kind}]"
        )
    return found

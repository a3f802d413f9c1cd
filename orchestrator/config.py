"""Where things lie and which endpoints there are. Secrets are known by the NAME of their environment variable only.

Endpoints come from `[endpoints.NAME]` tables in the project's `ftorch.toml` and in the user's own (the project
wins); `local` and `openai` are always there.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from orchestrator.errors import EndpointNotUsable, InvalidConfig, UnknownEndpoint
from orchestrator.tomlsource import TomlSource, read_toml

PROJECT_FILE = "ftorch.toml"
STATE_DIR = ".ftorch"
_ROOT_MARKERS = (PROJECT_FILE, STATE_DIR, ".git")
_MAX_NAME = 64

EndpointType = Literal["local", "openai", "compatible", "azure"]


@dataclass(frozen=True)
class EndpointConfig:
    """One `[endpoints.NAME]` table. Times are in seconds."""

    name: str
    type: EndpointType
    base_url: str | None = None
    api_key_env: str | None = None
    max_active: int = 3
    poll_seconds: float = 5.0
    settling_seconds: float = 120.0
    timeout_seconds: float = 60.0
    max_cost_usd_per_month: float | None = None
    allow_http: bool = False
    """Go to `base_url` without encryption even where it leads off this machine."""
    prices: Path | None = None
    """The user's own table of prices, whose rows come before the shipped ones."""
    source: str = field(default="built in", compare=False)

    @property
    def problem(self) -> str | None:
        """Why this endpoint can't be used now, with the next step; None when it can."""
        if self.type == "azure":
            return "this version of ftorch can't drive azure endpoints yet"
        if self.type == "compatible" and not self.base_url:
            return f'it has no base_url; set one in {self.source}, such as base_url = "https://host/v1"'
        if self.base_url and not self.allow_http and not _is_safe_way(self.base_url):
            return (
                f"on the way to {self.base_url} anybody can read the key and the data; "
                f"give an https:// address, or set allow_http = true in {self.source}"
            )
        if self.api_key_env and not os.environ.get(self.api_key_env):
            return f"the environment variable {self.api_key_env} is not set; export {self.api_key_env}=… first"
        return None

    def require_usable(self) -> None:
        """Raises EndpointNotUsable where `problem` is not None."""
        if self.problem:
            raise EndpointNotUsable(name=self.name, problem=self.problem)


_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "local": {"max_active": 2, "poll_seconds": 0.2, "settling_seconds": 2.0},
    "openai": {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
    "compatible": {},
    "azure": {"max_active": 1},
}
_BUILT_IN: Mapping[str, EndpointType] = {"local": "local", "openai": "openai"}


@dataclass(frozen=True)
class _Rule:
    fits: Callable[[Any], bool]
    sentence: str


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_address(value: Any) -> bool:
    """Without a user name and password: those would be secrets in a file, and shown."""
    try:
        address = urlsplit(value)
        return address.scheme in ("http", "https") and bool(address.hostname) and "@" not in address.netloc
    except (ValueError, TypeError, AttributeError):
        return False


def _is_safe_way(base_url: str) -> bool:
    """Whether requests to the address are encrypted, or never leave this machine."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    if address.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_variable_name(value: Any) -> bool:
    """Capitals only: many providers' keys are letters, digits and underscores, and would else pass as a name."""
    return isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", value) is not None


_VARIABLE_SENTENCE = "must be the name of an environment variable, in capitals, never the key itself"
_RULES: Mapping[str, _Rule] = {
    "type": _Rule(lambda value: value in list(_DEFAULTS), f"must be one of {', '.join(_DEFAULTS)}"),
    "base_url": _Rule(_is_address, 'must be an address such as "https://host/v1"'),
    "allow_http": _Rule(lambda value: isinstance(value, bool), "must be true or false"),
    "api_key_env": _Rule(_is_variable_name, _VARIABLE_SENTENCE),
    "max_active": _Rule(lambda value: type(value) is int and value >= 1, "must be a whole number of at least 1"),
    "poll_seconds": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0"),
    "settling_seconds": _Rule(lambda value: _is_number(value) and value >= 0, "must be a number of at least 0"),
    "max_cost_usd_per_month": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0"),
    "timeout_seconds": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0"),
    "prices": _Rule(
        lambda value: isinstance(value, str) and value.endswith(".toml"),
        'must be the path of a TOML file, such as "prices.toml" beside this one',
    ),
}


@dataclass(frozen=True)
class Workspace:
    """A project as this process sees it."""

    root: Path
    """The project's root: where relative paths of runs are shown from."""
    home: Path
    """The state directory: the database and the local endpoint's store."""
    database_url: str
    endpoints: Mapping[str, EndpointConfig]

    def endpoint(self, name: str) -> EndpointConfig:
        """The endpoint of that name. Raises UnknownEndpoint."""
        if name not in self.endpoints:
            raise UnknownEndpoint(name=name, known=", ".join(sorted(self.endpoints)))
        return self.endpoints[name]


def find_workspace(start: Path | None = None) -> Workspace:
    """The workspace of a job file or a directory (default: the current one).

    The root is the nearest directory upwards that has an ftorch.toml, .ftorch or .git, else the current directory.
    State lies in $FTORCH_HOME, else in .ftorch under the root; the database is $FTORCH_DATABASE_URL, else
    ftorch.db in the state directory. Raises InvalidConfig, TomlSyntaxError and TomlUnreadable.
    """
    root = _find_root(start or Path.cwd())
    home = Path(os.environ.get("FTORCH_HOME") or root / STATE_DIR).expanduser().absolute()
    url = os.environ.get("FTORCH_DATABASE_URL") or f"sqlite:///{quote(str(home / 'ftorch.db'))}"
    return Workspace(root, home, url, _load_endpoints(root))


def user_config_path() -> Path:
    """The user's own ftorch.toml: $XDG_CONFIG_HOME/ftorch/, by default ~/.config/ftorch/."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "ftorch" / PROJECT_FILE


def _find_root(start: Path) -> Path:
    start = start.resolve()
    for directory in (start, *start.parents):
        if any((directory / marker).exists() for marker in _ROOT_MARKERS):
            return directory
    return Path.cwd()


def _load_endpoints(root: Path) -> dict[str, EndpointConfig]:
    endpoints = {name: _with_defaults(name, {"type": kind}, "built in") for name, kind in _BUILT_IN.items()}
    for path in (user_config_path(), root / PROJECT_FILE):
        try:
            source = read_toml(path)
        except FileNotFoundError:
            continue
        endpoints.update(_read_endpoints(source))
    return endpoints


def _read_endpoints(source: TomlSource) -> dict[str, EndpointConfig]:
    problems = [source.unknown_key((key,), ["endpoints"]) for key in source.data if key != "endpoints"]
    tables = source.data.get("endpoints", {})
    if not isinstance(tables, dict):
        raise InvalidConfig(source.path, [f"{source.place('endpoints')}: endpoints must be a table"])
    for name, table in tables.items():
        problems += _endpoint_problems(source, name, table)
    if problems:
        raise InvalidConfig(source.path, problems)
    folder = source.path.parent
    return {name: _with_defaults(name, _located(table, folder), str(source.path)) for name, table in tables.items()}


def _located(table: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Paths are meant from the file they stand in."""
    return {**table, "prices": folder / Path(table["prices"]).expanduser()} if "prices" in table else table


def _endpoint_problems(source: TomlSource, name: str, table: Any) -> list[str]:
    if not isinstance(table, dict):
        return [f"{source.place('endpoints', name)}: endpoints.{name} must be a table: [endpoints.{name}]"]
    problems = []
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        problems.append(f"{source.place('endpoints', name)}: an endpoint's name has 1 to {_MAX_NAME} characters")
    if "type" not in table and name not in _BUILT_IN:
        problems.append(
            f"{source.place('endpoints', name)}: endpoints.{name}.type is missing; {_RULES['type'].sentence}"
        )
    for key, value in table.items():
        if key not in _RULES:
            problems.append(source.unknown_key(("endpoints", name, key), _RULES))
        elif not _RULES[key].fits(value):
            place = source.place("endpoints", name, key)
            problems.append(f"{place}: endpoints.{name}.{key} {_RULES[key].sentence}{_finding(key, value)}")
    return problems


def _finding(key: str, value: Any) -> str:
    """A key that was pasted where its variable's name belongs, or a password in an address, must not reach a screen
    or a log."""
    if key == "base_url" and "@" in str(value):
        return ", without a user name and password"
    return "" if key == "api_key_env" else f", not {value!r}"


def _with_defaults(name: str, table: Mapping[str, Any], source: str) -> EndpointConfig:
    kind: EndpointType = table.get("type") or _BUILT_IN[name]
    config = EndpointConfig(name, kind, source=source)
    return replace(config, **{**_DEFAULTS[kind], **{key: value for key, value in table.items() if key != "type"}})

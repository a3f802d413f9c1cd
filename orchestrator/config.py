"""Where things lie and which endpoints there are. Secrets are known by the NAME of their environment variable only.

Endpoints come from `[endpoints.NAME]` tables in the project's `ftorch.toml` and in the user's own (the project
wins); `local` and `openai` are always there.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from orchestrator.errors import EndpointNotUsable, InvalidConfig, UnknownEndpoint
from orchestrator.tomlsource import TomlSource, read_toml

__all__ = [
    "PROJECT_FILE",
    "STATE_DIR",
    "EndpointConfig",
    "EndpointType",
    "Workspace",
    "find_workspace",
    "user_config_path",
]


# --- One endpoint ------------------------------------------------------------------------------------------------


EndpointType = Literal["local", "openai", "compatible", "azure"]
Auth = Literal["key", "entra"]


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
    hyperparameters: Literal["method", "top-level"] = "method"
    """Where the host reads them in a create request: in `method`, or at the top as in the API before 2024-12."""
    suffix_max: int | None = None
    """The most characters that the host takes in a suffix; None for what its type is known to take."""
    source: str = field(default="built in", compare=False)
    api: str = "v1"
    """Azure: the dialect, "v1" or the date of an api-version."""
    auth: Auth = "key"
    """Azure: a key, or a token of Entra ID."""
    subscription_id: str | None = None
    resource_group: str | None = None
    account: str | None = None
    """Azure: with the two above, the resource as its management knows it."""
    arm_url: str | None = None
    """Azure: where deployments are managed; None for the public cloud."""

    @property
    def problem(self) -> str | None:
        """Why this endpoint can't be used now, with the next step; None when it can."""
        if self.type in _EXAMPLES and not self.base_url:
            return f'it has no base_url; set one in {self.source}, such as base_url = "{_EXAMPLES[self.type]}"'
        for address in (self.base_url, self.arm_url):
            if address and not self.allow_http and not _is_safe_way(address):
                return (
                    f"on the way to {address} anybody can read the key and the data; "
                    f"give an https:// address, or set allow_http = true in {self.source}"
                )
        if self.type == "azure" and (found := self._azure_problem()):
            return found
        if self.api_key_env and not os.environ.get(self.api_key_env):
            state = "empty" if self.api_key_env in os.environ else "not set"
            return f"the environment variable {self.api_key_env} is {state}; export {self.api_key_env}=… first"
        return None

    def _azure_problem(self) -> str | None:
        if "/api/projects" in urlsplit(self.base_url or "").path:
            return (
                f"{self.base_url} is the address of a project; give its resource's in {self.source}, "
                "which is the same without /api/projects/…"
            )
        if urlsplit(self.base_url or "").query:
            return (
                f"its base_url in {self.source} has a query (?…); leave that away, and name the API's version with "
                'api = "v1" or its date'
            )
        if self.auth == "entra" and not _is_installed("azure.identity"):
            return "signing in with Entra ID needs azure-identity; run: pip install 'ftorch[azure]'"
        return None

    def require_usable(self) -> None:
        """Raises EndpointNotUsable where `problem` is not None."""
        if self.problem:
            raise EndpointNotUsable(name=self.name, problem=self.problem)


_EXAMPLES: Mapping[str, str] = {"compatible": "https://host/v1", "azure": "https://RESOURCE.openai.azure.com"}
"""Addresses of the types that have none by themselves."""
DEFAULTS: Mapping[EndpointType, Mapping[str, Any]] = {
    "local": {"max_active": 2, "poll_seconds": 0.2, "settling_seconds": 2.0},
    "openai": {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
    "compatible": {},
    "azure": {"api_key_env": "AZURE_OPENAI_API_KEY"},
}
"""What a type sets where the table says nothing."""


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


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


# --- Reading [endpoints.NAME] ------------------------------------------------------------------------------------


_MAX_NAME = 64
_BUILT_IN: Mapping[str, EndpointType] = {"local": "local", "openai": "openai"}


def built_in_endpoints() -> dict[str, EndpointConfig]:
    """The endpoints that need no table, by name."""
    return {name: _with_defaults(name, {"type": kind}, "built in") for name, kind in _BUILT_IN.items()}


def read_endpoints(source: TomlSource) -> dict[str, EndpointConfig]:
    """The endpoints of one file, by name. Raises InvalidConfig with all its problems."""
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
    kind = table.get("type", _BUILT_IN.get(name))
    for key, value in table.items():
        place, path = source.place("endpoints", name, key), f"endpoints.{name}.{key}"
        if key not in _RULES:
            problems.append(source.unknown_key(("endpoints", name, key), _RULES))
        elif not _RULES[key].fits(value):
            problems.append(f"{place}: {path} {_RULES[key].sentence}{_finding(key, value)}")
        elif key in _AZURE_KEYS and kind != "azure":
            problems.append(f'{place}: {path} is for endpoints of type "azure" only')
        elif key in _DIALECT_KEYS and kind not in ("compatible", "azure"):
            problems.append(f'{place}: {path} is for endpoints of type "compatible" or "azure" only')
    if table.get("auth") == "entra" and "api_key_env" in table:
        place = source.place("endpoints", name, "api_key_env")
        problems.append(f'{place}: with auth = "entra" no key is used; take out either of them')
    return problems


def _finding(key: str, value: Any) -> str:
    """A key that was pasted where its variable's name belongs, or a password in an address, must not reach a screen
    or a log."""
    if key in ("base_url", "arm_url") and "@" in str(value):
        return ", without a user name and password"
    return "" if key == "api_key_env" else f", not {value!r}"


def _with_defaults(name: str, table: Mapping[str, Any], source: str) -> EndpointConfig:
    kind: EndpointType = table.get("type") or _BUILT_IN[name]
    given = {key: value for key, value in table.items() if key != "type"}
    if given.get("auth") == "entra":
        given["api_key_env"] = None
    return replace(EndpointConfig(name, kind, source=source), **{**DEFAULTS[kind], **given})


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


def _is_uuid(value: Any) -> bool:
    try:
        return bool(str(uuid.UUID(value)) == value.lower())
    except (ValueError, TypeError, AttributeError):
        return False


def _fits(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


_AZURE_KEYS = ("api", "auth", "subscription_id", "resource_group", "account", "arm_url")
_DIALECT_KEYS = ("hyperparameters", "suffix_max")
_VARIABLE_SENTENCE = "must be the name of an environment variable, in capitals, never the key itself"
_RULES: Mapping[str, _Rule] = {
    "type": _Rule(lambda value: value in list(DEFAULTS), f"must be one of {', '.join(DEFAULTS)}"),
    "base_url": _Rule(_is_address, 'must be an address such as "https://host/v1"'),
    "allow_http": _Rule(lambda value: isinstance(value, bool), "must be true or false"),
    # Capitals only: many providers' keys are letters, digits and underscores, and would else pass as a name.
    "api_key_env": _Rule(_fits(r"[A-Z_][A-Z0-9_]*"), _VARIABLE_SENTENCE),
    "max_active": _Rule(lambda value: type(value) is int and value >= 1, "must be a whole number of at least 1"),
    "poll_seconds": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0"),
    "settling_seconds": _Rule(lambda value: _is_number(value) and value >= 0, "must be a number of at least 0"),
    "max_cost_usd_per_month": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0"),
    "timeout_seconds": _Rule(lambda value: _is_number(value) and value > 0, "must be a number above 0"),
    "hyperparameters": _Rule(lambda value: value in ["method", "top-level"], 'must be "method" or "top-level"'),
    "suffix_max": _Rule(
        lambda value: type(value) is int and 8 <= value <= 64, "must be a whole number from 8, a run's id, to 64"
    ),
    "prices": _Rule(
        lambda value: isinstance(value, str) and value.endswith(".toml"),
        'must be the path of a TOML file, such as "prices.toml" beside this one',
    ),
    "api": _Rule(
        _fits(r"v1|\d{4}-\d\d-\d\d(-preview)?"), 'must be "v1" or the date of an api-version, such as "2024-10-21"'
    ),
    "auth": _Rule(lambda value: value in ["key", "entra"], 'must be "key" or "entra"'),
    # The names' rules are those of Azure's page "Naming rules and restrictions for Azure resources".
    "subscription_id": _Rule(_is_uuid, 'must be a UUID, such as "00000000-0000-0000-0000-000000000000"'),
    "resource_group": _Rule(_fits(r"[\w().-]{0,89}[\w()-]"), "must be the name of a resource group"),
    "arm_url": _Rule(_is_address, 'must be an address such as "https://management.azure.com"'),
    "account": _Rule(_fits(r"[A-Za-z0-9][A-Za-z0-9-]{1,63}"), "must be the name of the Azure OpenAI resource"),
}


# --- The workspace -----------------------------------------------------------------------------------------------


PROJECT_FILE = "ftorch.toml"
STATE_DIR = ".ftorch"
_ROOT_MARKERS = (PROJECT_FILE, STATE_DIR, ".git")


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
    endpoints = built_in_endpoints()
    for path in (user_config_path(), root / PROJECT_FILE):
        try:
            source = read_toml(path)
        except FileNotFoundError:
            continue
        endpoints.update(read_endpoints(source))
    return endpoints

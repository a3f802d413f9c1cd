"""Paths of a project, and its endpoints. A secret is known only by the NAME of its environment variable.

Endpoints come from `[endpoints.NAME]` tables in the user's own `ftorch.toml` and in the project's, whose keys win;
`local` and `openai` always exist. `[models]` (open-weights models), `[track]` (experiment trackers) and `[notify]`
(who is notified of what) are read in the same way. What a project's file says about hosts, variables, programs and
folders elsewhere counts only once the user has allowed it (trust.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from orchestrator import trust
from orchestrator.addresses import VARIABLE, is_safe_way
from orchestrator.endpointtables import (
    BUILT_IN,
    DEFAULTS,
    RULES,
    EndpointType,
    Table,
    read_tables,
)
from orchestrator.errors import EndpointNotUsable, InvalidConfig, UnknownEndpoint
from orchestrator.installation import extra_command
from orchestrator.modeltables import NamedModel, read_models
from orchestrator.notifytables import NotifyTarget, read_targets
from orchestrator.spelling import did_you_mean
from orchestrator.tomlsource import TomlSource, read_toml
from orchestrator.tracktables import Tracking, WandbIntegration, read_tracking, tracking_reach

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


Auth = Literal["key", "entra"]
BUILT_IN_SOURCE = "built in"
"""The source of an endpoint without a table."""


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
    """Allow an unencrypted `base_url` even if it is on another machine."""
    prices: Path | None = None
    """The user's own price table; its rows come before those shipped with ftorch."""
    hyperparameters: Literal["method", "top-level"] = "method"
    """Where the host expects them in a create request: in `method`, or at the top level as in the API before
    2024-12."""
    result: Literal["model", "last-checkpoint", "served-checkpoint"] = "model"
    """The model of a succeeded job: the one it names or, on hosts that name none, its last checkpoint, or the model
    that the host makes of that checkpoint on request."""
    serving_models: Mapping[str, str] = field(default_factory=dict)
    """Nebius: by the name of a base model in jobs, its name where a checkpoint is served."""
    suffix_max: int | None = None
    """The most characters that the host accepts in a suffix; None for the limit of its type."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request. In these tables `${NAME}` in a value is an environment variable's value."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Sent with every request for a fine-tuning job."""
    dedicated: Mapping[str, str] = field(default_factory=dict)
    """By model, the name of the dedicated endpoint that the user started for it on the host."""
    source: str = field(default=BUILT_IN_SOURCE, compare=False)
    to_allow: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The keys of the project's table that name a host, a variable or an account and that the user has not allowed
    yet."""
    api: str = "v1"
    """Azure: the dialect, "v1" or the date of an api-version."""
    auth: Auth = "key"
    """Azure: a key, or a token of Entra ID."""
    scope: str | None = None
    """Azure: the scope of these tokens; None for the one of the kind of address."""
    subscription_id: str | None = None
    resource_group: str | None = None
    account: str | None = None
    """Azure: with the two above, identifies the resource to Azure's management API. Fireworks: the account of a key
    that opens several."""
    arm_url: str | None = None
    """Azure: where deployments are managed; None for the public cloud."""
    import_variables: tuple[str, ...] = ()
    """Azure: the environment variables that may be filled into the address of a data file."""
    import_private: bool = False
    """Azure: addresses of data files may be http:// and may lead into private networks."""
    models: Mapping[str, NamedModel] = field(default_factory=dict, compare=False)
    """Local: the open-weights models of `[models]`, by name."""
    wandb: WandbIntegration | None = field(default=None, compare=False)
    """The project of `[track.wandb]`, to which an endpoint with that integration reports its jobs."""
    python: Path | None = None
    """Local: the Python that trains and serves open-weights models; None for the one that runs ftorch."""
    serving: Literal["transformers", "vllm"] = "transformers"
    """Local: what answers with open-weights models."""
    vllm_url: str | None = None
    """Local: the vLLM server to use; None starts one."""
    constrained: bool = True
    """Local: whether tool calls are decoded under the schemas of the tools."""
    launcher: Literal["process", "ray"] = "process"
    """Local: what starts the training of open-weights models."""
    ray: Mapping[str, Any] = field(default_factory=dict)
    """Local: the cluster of the launcher "ray", as its table says."""

    @property
    def problem(self) -> str | None:
        """Why this endpoint can't be used now, with the next step; None if it can."""
        return self.setup_problem or self.missing_key

    @property
    def setup_problem(self) -> str | None:
        """What is wrong with its table, with the next step; None where only keys may be missing. A plan and its
        price need no key."""
        if self.to_allow:
            named = ", ".join(f"{key} = {json.dumps(value)}" for key, value in self.to_allow.items())
            return f"{self.source} says {named}; check that file, then allow it with: ftorch endpoints trust"
        if self.type in _EXAMPLES and not self.base_url:
            return f'it has no base_url; set one in {self.source}, such as base_url = "{_EXAMPLES[self.type]}"'
        for address in (self.base_url, self.arm_url, self.vllm_url, self.ray.get("address")):
            if address and not self.allow_http and not is_safe_way(address):
                is_ours = address in (self.base_url, self.arm_url)
                sent = "the key and the data" if is_ours else "the requests"
                return (
                    f"{sent} would travel to {address} unencrypted; "
                    f"give an https:// address, or set allow_http = true in {self._place}"
                )
        if found := self._path_problem():
            return found
        if self.type == "azure" and (found := self._azure_problem()):
            return found
        return self._local_problem()

    @property
    def missing_key(self) -> str | None:
        """The first environment variable without a value whose value goes to the host, with the next step."""
        for name in self.variables:
            if not os.environ.get(name):
                state = "empty" if name in os.environ else "not set"
                return f"the environment variable {name} is {state}; export {name}=… first"
        return None

    @property
    def variables(self) -> list[str]:
        """The environment variables whose values go to the host: the key's first."""
        told = json.dumps([self.headers, self.query, self.body])
        token = self.ray.get("token_env") if self.launcher == "ray" else None
        return list(dict.fromkeys([*filter(None, [self.api_key_env, token]), *VARIABLE.findall(told)]))

    def _path_problem(self) -> str | None:
        path = urlsplit(self.base_url or "").path.rstrip("/")
        if "//" in path:
            return f"its base_url {self.base_url} has // in its path; write a single / in {self.source}"
        if route := _ROUTE.search(path):
            whole = (self.base_url or "").partition(route[0])[0]
            return f"its base_url includes a route of the API ({route[0]}); in {self.source} write {whole}"
        return None

    def _azure_problem(self) -> str | None:
        if found := self._project_problem():
            return found
        if urlsplit(self.base_url or "").query:
            return (
                f"its base_url in {self.source} has a query (?…); remove it, and name the API's version with "
                'api = "v1" or its date'
            )
        if self.auth == "entra" and not _is_installed("azure.identity"):
            return f"signing in with Entra ID needs azure-identity; run: {extra_command('azure')}"
        return None

    def _project_problem(self) -> str | None:
        """What is wrong with the address of a Foundry project; None if it is right, or no such address."""
        path = urlsplit(self.base_url or "").path
        if "/api/projects" not in path:
            return None
        if not _PROJECT.fullmatch(path):
            return (
                f"{self.base_url} is no address of a project; write "
                f"https://RESOURCE.services.ai.azure.com/api/projects/PROJECT in {self.source}"
            )
        if self.api != "v1":
            return (
                f'{self.base_url} is the address of a project, which has only api = "v1"; set that in '
                f"{self.source}, or give the resource's address, https://RESOURCE.openai.azure.com"
            )
        return None

    def _local_problem(self) -> str | None:
        if self.vllm_url and self.serving != "vllm":
            return f'vllm_url has no effect without serving = "vllm"; set both in {self._place}, or neither'
        if self.launcher == "ray" and not self.ray:
            return f'launcher = "ray" needs the table [endpoints.{self.name}.ray] with address and storage'
        if self.launcher == "ray" and not Path(self.ray["storage"]).is_dir():
            storage = self.ray["storage"]
            return f"its storage {storage} is no folder on this machine; mount it, or correct {self._place}"
        if self.python is None or (self.python.is_file() and os.access(self.python, os.X_OK)):
            return None
        inner = self.python / "bin" / "python"
        advice = f'; write python = "{inner}"' if inner.is_file() else ""
        finding = "is no program" if self.python.exists() else "does not exist"
        return f"its python {self.python} {finding}{advice or f'; correct it in {self._place}'}"

    @property
    def _place(self) -> str:
        """Where its table is, or would be."""
        return f"[endpoints.{self.name}] of {PROJECT_FILE}" if self.source == BUILT_IN_SOURCE else self.source

    def require_usable(self) -> None:
        """Raises EndpointNotUsable where `problem` is not None."""
        _require_none(self.name, self.problem)

    def require_set_up(self) -> None:
        """Raises EndpointNotUsable where `setup_problem` is not None."""
        _require_none(self.name, self.setup_problem)


def _require_none(name: str, problem: str | None) -> None:
    if problem:
        raise EndpointNotUsable(name=name, problem=problem)


_PROJECT = re.compile(r"/api/projects/[^/]+(/openai(/v1)?)?/?")
_ROUTE = re.compile(r"/(fine_tuning(/.*)?|chat/completions|files)$")
_EXAMPLES: Mapping[str, str] = {"compatible": "https://host/v1", "azure": "https://RESOURCE.openai.azure.com"}
"""Addresses of the types that have a default."""


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


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
    models: Mapping[str, NamedModel] = field(default_factory=dict)
    """The open-weights models of `[models]`, by name."""
    reach: trust.Reach = field(default_factory=dict)
    """What the project's file names that needs the user's permission, allowed or not."""
    tracking: Tracking = field(default_factory=Tracking)
    """The trackers of `[track]`."""
    notify: Sequence[NotifyTarget] = ()
    """The targets of `[notify]`."""

    @property
    def project_file(self) -> Path:
        return self.root / PROJECT_FILE

    def endpoint(self, name: str) -> EndpointConfig:
        """The endpoint of that name. Raises UnknownEndpoint."""
        if name not in self.endpoints:
            meant = did_you_mean(name, self.endpoints, ' Did you mean "{}"?')
            raise UnknownEndpoint(name=name, known=", ".join(sorted(self.endpoints)), meant=meant)
        return self.endpoints[name]


def find_workspace(start: Path | None = None) -> Workspace:
    """The workspace of a job file or a directory (default: the current one).

    The root is the nearest directory upwards that has an ftorch.toml, .ftorch or .git, else the current directory.
    State is in $FTORCH_HOME, else in .ftorch under the root; the database is $FTORCH_DATABASE_URL, else
    ftorch.db in the state directory. Raises InvalidConfig, TomlSyntaxError and TomlUnreadable.
    """
    root = _find_root(start or Path.cwd())
    home = Path(os.environ.get("FTORCH_HOME") or root / STATE_DIR).expanduser().absolute()
    url = os.environ.get("FTORCH_DATABASE_URL") or f"sqlite:///{quote(str(home / 'ftorch.db'))}"
    found = _load(root)
    tracking = Tracking(**found.trackers, to_allow=found.trackers_to_allow)
    endpoints = _completed(found.endpoints, found.models, tracking.wandb)
    notify = tuple(found.targets.values())
    return Workspace(root, home, url, endpoints, found.models, found.reach, tracking, notify)


def user_config_path() -> Path:
    """The user's own ftorch.toml: $XDG_CONFIG_HOME/ftorch/, by default ~/.config/ftorch/."""
    return trust.user_folder() / PROJECT_FILE


def _find_root(start: Path) -> Path:
    start = start.resolve()
    for directory in (start, *start.parents):
        if any((directory / marker).exists() for marker in _ROOT_MARKERS):
            return directory
    return Path.cwd()


# --- Endpoints, of the user and of the project ------------------------------------------------------------------


def built_in_endpoints() -> dict[str, EndpointConfig]:
    """The endpoints that need no table, by name."""
    return {name: _with_defaults(name, table, BUILT_IN_SOURCE) for name, table in _built_in_tables().items()}


@dataclass(frozen=True)
class _Loaded:
    """What the files say: the user's own, or both together."""

    tables: Mapping[str, Table]
    """Of the endpoints, without the defaults of their types."""
    endpoints: Mapping[str, EndpointConfig]
    models: Mapping[str, NamedModel]
    trackers: Mapping[str, Any]
    targets: Mapping[str, NotifyTarget]
    trackers_to_allow: Mapping[str, Any] = field(default_factory=dict)
    reach: trust.Reach = field(default_factory=dict)
    """What the project's file names that needs the user's permission."""


def _load(root: Path) -> _Loaded:
    user, project = _read_if_there(user_config_path()), _read_if_there(root / PROJECT_FILE)
    own = _of_user(user, root) if user else _Loaded(_built_in_tables(), built_in_endpoints(), {}, {}, {})
    return _with_project(project, root, own) if project else own


def _of_user(source: TomlSource, root: Path) -> _Loaded:
    known = _built_in_tables()
    read = {name: _laid_over(table, known.get(name, {})) for name, table in read_tables(source, known).items()}
    configs = {name: _with_defaults(name, table, str(source.path)) for name, table in read.items()}
    return _Loaded(
        {**known, **read},
        {**built_in_endpoints(), **configs},
        read_models(source),
        read_tracking(source),
        read_targets(source, root, is_personal=True),
    )


def _with_project(source: TomlSource, root: Path, user: _Loaded) -> _Loaded:
    """The project's tables over the user's. Without permission its trackers and targets are not in use, and take
    the place of none."""
    read, models = dict(read_tables(source, user.tables)), read_models(source)
    trackers, targets = read_tracking(source), read_targets(source, root, is_personal=False)
    tracked = tracking_reach(trackers, user.trackers)
    notified = {key: value for each in targets.values() for key, value in each.reach.items()}
    reach = _all_reach(root, read, models, user.tables)
    _require_built_in_stay(source, {name: found for name, found in reach.items() if name != MODELS_REACH})
    reach |= {name: found for name, found in ((TRACK_REACH, tracked), (NOTIFY_REACH, notified)) if found}
    is_allowed = not reach or trust.allows(source.path, reach)
    configs = {}
    for name, table in read.items():
        config = _with_defaults(name, _laid_over(table, user.tables.get(name, {})), str(source.path))
        configs[name] = config if is_allowed else replace(config, to_allow=reach.get(name, {}))
    outside = {} if is_allowed else reach.get(MODELS_REACH, {})
    own_models = {name: replace(each, is_allowed=name not in outside) for name, each in models.items()}
    return _Loaded(
        user.tables,
        {**user.endpoints, **configs},
        {**user.models, **own_models},
        {**user.trackers, **trackers} if is_allowed or not tracked else user.trackers,
        {**user.targets, **targets} if is_allowed else {**_not_allowed(targets), **user.targets},
        {} if is_allowed else tracked,
        reach,
    )


def _not_allowed(targets: Mapping[str, NotifyTarget]) -> dict[str, NotifyTarget]:
    return {name: replace(target, is_allowed=False) for name, target in targets.items()}


def _completed(
    endpoints: Mapping[str, EndpointConfig], models: Mapping[str, NamedModel], wandb: WandbIntegration | None
) -> dict[str, EndpointConfig]:
    return {
        name: replace(config, models=models if config.type == "local" else config.models, wandb=wandb)
        for name, config in endpoints.items()
    }


MODELS_REACH, TRACK_REACH, NOTIFY_REACH = NO_ENDPOINTS = ("", "\ttrack", "\tnotify")
"""Where a project's reach has its models, trackers and targets of notifications: no endpoint has such a name."""


def _all_reach(
    root: Path, read: Mapping[str, Table], models: Mapping[str, NamedModel], below: Mapping[str, Table]
) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {
        name: _reach(name, table, below.get(name, {})) for name, table in read.items()
    }
    found[MODELS_REACH] = {name: each.written for name, each in models.items() if each.leads_out_of(root)}
    return {name: each for name, each in found.items() if each}


def _read_if_there(path: Path) -> TomlSource | None:
    try:
        return read_toml(path)
    except FileNotFoundError:
        return None


def _require_built_in_stay(project: TomlSource, reach: trust.Reach) -> None:
    """The name `openai` means OpenAI, and `local` this machine. Raises InvalidConfig if a project redefines one."""
    problems = [
        f"{project.place('endpoints', name, key)}: a project can't redirect {name} ({key}); "
        f"give this endpoint another name, or set it in {user_config_path()}"
        for name, found in reach.items()
        if name in BUILT_IN
        for key in found
        if key not in ("api_key_env", *(_LOCAL_REACH if name == "local" else ()))
    ]
    if problems:
        raise InvalidConfig(project.path, problems)


def _built_in_tables() -> dict[str, Table]:
    return {name: {"type": kind} for name, kind in BUILT_IN.items()}


def _laid_over(table: Table, below: Table) -> Table:
    """The table merged over that of a file read before; if the types differ, it replaces that one."""
    is_same = table.get("type", below.get("type")) == below.get("type")
    return {**below, **table} if is_same else table


_LOCAL_REACH = ("python", "vllm_url", "allow_http", "launcher", "ray")
"""What leads out of this process from a table of the type local."""


def _reach(name: str, table: Table, below: Table) -> dict[str, Any]:
    """The keys of the table that name another host, account or program than the endpoint has without it."""
    is_local = table.get("type", below.get("type")) == "local"
    config = _with_defaults(name, below, "") if below else None
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in table.items()
        if (key in _LOCAL_REACH if is_local else RULES[key].reaches)
        and not (config and getattr(config, key) == value)
    }


def _with_defaults(name: str, table: Table, source: str) -> EndpointConfig:
    kind: EndpointType = table.get("type") or BUILT_IN[name]
    given = {key: value for key, value in table.items() if key != "type"}
    if given.get("auth") == "entra":
        given["api_key_env"] = None
    return replace(EndpointConfig(name, kind, source=source), **{**DEFAULTS[kind], **given})

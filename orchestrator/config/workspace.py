"""A project's place: where its state lies, and the endpoints that its files and the user's name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from orchestrator.config.endpoint import EndpointConfig
from orchestrator.config.tables import built_in_endpoints, read_endpoints
from orchestrator.errors import UnknownEndpoint
from orchestrator.tomlsource import read_toml

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

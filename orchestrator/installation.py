"""How this ftorch was installed, and the command that adds packages to it. It is on no index, so that
`pip install ftorch` finds nothing, or something else."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Any

PIPX, UV = "pipx_metadata.json", "uv-receipt.toml"
"""What pipx and `uv tool` keep beside the environment of a tool."""
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def extra_command(extra: str) -> str:
    """The command that installs what an extra, such as "azure", adds."""
    return install_command(packages_of(extra) or [f"ftorch[{extra}]"])


def install_command(packages: Iterable[str]) -> str:
    """The command that installs packages where this ftorch runs."""
    listed, prefix = list(packages), Path(sys.prefix)
    if (prefix / PIPX).is_file():
        return _joined("pipx", "inject", prefix.name, *listed)
    if (prefix / UV).is_file():
        return _uv_tool(prefix, listed)
    python = _python()
    if find_spec("pip") is None:
        return _joined("uv", "pip", "install", "--python", python, *listed)
    return _joined(python, "-m", "pip", "install", *listed)


def packages_of(extra: str) -> list[str]:
    """The packages of an extra, as the installed metadata has them; none where there is no metadata."""
    from importlib import metadata

    try:
        required = metadata.requires("ftorch") or []
    except metadata.PackageNotFoundError:
        return []
    pairs = [requirement.partition(";")[::2] for requirement in required]
    return [package.strip() for package, marker in pairs if extra in _EXTRA.findall(marker)]


def _uv_tool(prefix: Path, packages: Iterable[str]) -> str:
    """uv replaces the tool, so the command names what it was made of, and what was added before."""
    requirements: list[Mapping[str, Any]] = []
    with suppress(OSError, ValueError, KeyError):
        requirements = tomllib.loads((prefix / UV).read_text("utf-8"))["tool"]["requirements"]
    source = next((_source(each) for each in requirements if each["name"] == "ftorch"), ["ftorch"])
    added = [f"{each['name']}{each.get('specifier', '')}" for each in requirements if each["name"] != "ftorch"]
    options = [part for package in dict.fromkeys([*added, *packages]) for part in ("--with", package)]
    return _joined("uv", "tool", "install", *options, *source)


def _source(requirement: Mapping[str, Any]) -> list[str]:
    """Where uv found ftorch: a folder, a file, or a repository."""
    extras = f"[{','.join(requirement['extras'])}]" if requirement.get("extras") else ""
    if "git" in requirement:
        return [f"git+{requirement['git']}"]
    found = next(
        (requirement[key] for key in ("editable", "directory", "path", "url") if key in requirement), "ftorch"
    )
    return [*(["--editable"] if "editable" in requirement else []), f"{found}{extras}"]


def _python() -> str:
    """The interpreter, from the current folder where it is below it."""
    python = Path(sys.executable)
    try:
        return str(python.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(python)


def _joined(*words: str) -> str:
    """As a shell takes it."""
    return " ".join(map(quote, words))

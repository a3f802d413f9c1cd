"""`where`: which project, database, endpoint file and Python are in use."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the same as a JSON object.")
def where(as_json: bool) -> None:
    """Show which project, database and settings are in use.

    Nothing is created or changed.
    """
    found = facts()
    if as_json:
        from orchestrator.cli.output import print_json

        print_json(found)
    else:
        print_facts(found)


def print_facts(found: dict[str, str]) -> None:
    """A line for each fact."""
    for name, value in found.items():
        click.echo(f"{name:10}{value}")


def facts() -> dict[str, str]:
    """Where this process reads and writes, by name."""
    from orchestrator.config import find_workspace, user_config_path

    workspace = find_workspace()
    files = [path for path in (user_config_path(), workspace.project_file) if path.is_file()]
    return {
        "project": str(workspace.root),
        "state": _said(workspace.home, "FTORCH_HOME"),
        "database": _database(workspace.database_url),
        "settings": ", ".join(str(path) for path in files) or "none (built-in endpoints only)",
        "python": f"{sys.executable} ({sys.version.split()[0]})",
        "ftorch": str(Path(__file__).parents[1]),
    }


def _said(path: Path, variable: str) -> str:
    by = f" (from ${variable})" if os.environ.get(variable) else ""
    return f"{path}{by}{'' if path.exists() else ' (not created yet)'}"


def _database(url: str) -> str:
    """The database's place, without a password in its address."""
    address = urlsplit(url)
    if address.scheme.startswith("sqlite"):
        return _said(Path(unquote(address.path.removeprefix("/"))), "FTORCH_DATABASE_URL")
    user, at, host = address.netloc.rpartition("@")
    shown = address._replace(netloc=f"{user.partition(':')[0]}:***{at}{host}" if ":" in user else address.netloc)
    return f"{shown.geturl()} (from $FTORCH_DATABASE_URL)"

"""The command inside this process: quicker than one of its own, for what needs no terminal."""

from __future__ import annotations

from click.testing import CliRunner, Result

from orchestrator.cli import main


def ftorch(*arguments: str) -> Result:
    """Run `ftorch` in the current folder; an exception that the command does not handle fails the test."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)

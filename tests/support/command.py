"""The command inside this process: quicker than one of its own, for what needs no terminal."""

from __future__ import annotations

from click.testing import CliRunner, Result

from orchestrator.cli import main


def ftorch(*arguments: str) -> Result:
    """Run `ftorch` in the current folder; an exception that the command does not handle fails the test."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def exit_code(*arguments: str) -> int:
    """Run `ftorch` with the streams of this process; its exit code."""
    try:
        main(list(arguments), prog_name="ftorch")
    except SystemExit as end:
        return int(end.code or 0)
    return 0

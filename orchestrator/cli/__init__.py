"""The `ftorch` command: parse, call, print. What a command needs is imported when it runs."""

from __future__ import annotations

import sys
from typing import Any

import click

from orchestrator.cli.chat import chat
from orchestrator.cli.compare import compare, leaderboard
from orchestrator.cli.control import cancel, pause, unpause
from orchestrator.cli.data import data
from orchestrator.cli.deploy import deploy, deployments, undeploy
from orchestrator.cli.doctor import adopt, doctor
from orchestrator.cli.endpoints import endpoints
from orchestrator.cli.evaluate import evaluate
from orchestrator.cli.leaving import say_error
from orchestrator.cli.serve import serve
from orchestrator.cli.status import logs, models, show, status
from orchestrator.cli.submit import resume, submit
from orchestrator.cli.sweep import sweep
from orchestrator.errors import FtorchError


class _Group(click.Group):
    """Prints an FtorchError as one clear message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FtorchError as error:
            say_error(error)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of use, not of the alphabet


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ftorch", message="ftorch %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log every repeated request on stderr.")
def main(verbose: bool) -> None:
    """Take a training file to a fine-tuned, recorded model: never paid twice, never lost.

    \b
    ftorch submit jobs/drone.toml    train, follow, print the model id
    ftorch status                    where everything stands
    ftorch resume                    carry on from wherever the last process died
    """
    if verbose:
        import logging

        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("ftorch").setLevel(logging.DEBUG)


_RUNS = (submit, status, show, logs, resume, cancel, pause, unpause, sweep, models)
_ENDPOINTS = (endpoints, deploy, undeploy, deployments, adopt, doctor, serve)
_QUALITY = (evaluate, compare, leaderboard, chat)
for command in (*_RUNS, *_QUALITY, data, *_ENDPOINTS):
    main.add_command(command)

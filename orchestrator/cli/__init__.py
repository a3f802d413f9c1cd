"""The `ftorch` command: parse, call, print. A command's module is imported when it is called."""

from __future__ import annotations

import click

from orchestrator.cli.lazy import LazyGroup

_CLI = "orchestrator.cli"
_GROUPS = {
    "Train": {
        "submit": (f"{_CLI}.submit", "Check the data, show the plan, train, print the model id."),
        "resume": (f"{_CLI}.submit", "Carry on everything that is not over, after any crash."),
        "cancel": (f"{_CLI}.control", "Cancel a RUN, on the endpoint too."),
        "pause": (f"{_CLI}.control", "Pause a RUN's job on the endpoint."),
        "unpause": (f"{_CLI}.control", "Let a paused RUN go on."),
        "sweep": (f"{_CLI}.sweep", "List sweeps, show and extend them, find the best model."),
    },
    "Watch": {
        "status": (f"{_CLI}.status", "Show where everything stands, newest first."),
        "show": (f"{_CLI}.records", "Show everything recorded about a RUN."),
        "logs": (f"{_CLI}.records", "Show the endpoint's events of a RUN, oldest first."),
    },
    "Judge": {
        "evaluate": (f"{_CLI}.evaluate", "Ask models the cases of a file: base against tuned."),
        "compare": (f"{_CLI}.compare", "Compare two models case by case, from recorded answers."),
        "leaderboard": (f"{_CLI}.compare", "Rank all models that were asked the same file."),
        "chat": (f"{_CLI}.chat", "Talk to a model that calls Python functions."),
    },
    "Data": {
        "data": (f"{_CLI}.data", "Make, check, convert, shorten, split and review data."),
    },
    "Places": {
        "endpoints": (f"{_CLI}.endpoints", "List endpoints, check them, and allow a project's own."),
        "deploy": (f"{_CLI}.deploy", "Make a fine-tuned model answer on Azure."),
        "undeploy": (f"{_CLI}.deploy", "Remove deployments by their names, or those of a RUN."),
        "deployments": (f"{_CLI}.deploy", "List deployments, their cost, and when Azure removes them."),
        "serve": (f"{_CLI}.serve", "Serve the local endpoint to any OpenAI client."),
    },
    "Records": {
        "models": (f"{_CLI}.records", "List the model ids that runs have yielded."),
        "adopt": (f"{_CLI}.doctor", "Record jobs that were created elsewhere."),
        "doctor": (f"{_CLI}.doctor", "Compare the records with an ENDPOINT."),
        "where": (f"{_CLI}.where", "Show which project, database and settings are in use."),
    },
}
"""By heading and name, in the order of use: the module, and the first sentence of the command's help, so that
listing the commands imports none of them."""


@click.group(cls=LazyGroup, lazy=_GROUPS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="ftorch", message="ftorch %(version)s")
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


@main.command(name="help", hidden=True)
@click.argument("names", nargs=-1, metavar="COMMAND...")
@click.pass_context
def help_command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of a command, as `ftorch COMMAND --help` does."""
    main(args=[*names, "--help"], prog_name=ctx.find_root().info_name)

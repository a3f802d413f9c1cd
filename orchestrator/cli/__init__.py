"""The `ftorch` command: parse, call, print. A command's module is imported when it is called."""

from __future__ import annotations

import click

from orchestrator.cli.lazy import LazyGroup

_CLI = "orchestrator.cli"
_COMMANDS = {
    "submit": (f"{_CLI}.submit", "Check the data, print the plan, train, follow, and print the model id."),
    "status": (f"{_CLI}.status", "Where everything stands, newest first."),
    "show": (f"{_CLI}.records", "Everything about a RUN: history, hyperparameters, files, losses, cost, model id."),
    "logs": (f"{_CLI}.records", "The endpoint's events of a RUN, oldest first."),
    "resume": (f"{_CLI}.submit", "Carry on from wherever the last process died: all runs, sweeps, batches."),
    "cancel": (f"{_CLI}.control", "Cancel a RUN, on the endpoint too."),
    "pause": (f"{_CLI}.control", "Pause a RUN's job on the endpoint."),
    "unpause": (f"{_CLI}.control", "Let a paused RUN go on."),
    "sweep": (
        f"{_CLI}.sweep",
        "Sweeps: many runs from one job file, and which was best. ftorch submit begins one.",
    ),
    "models": (f"{_CLI}.records", "The model ids that runs have yielded, newest first."),
    "evaluate": (f"{_CLI}.evaluate", "Ask models the cases of an evaluation file, and print base against tuned."),
    "compare": (
        f"{_CLI}.compare",
        "The second model against the first, by recorded answers: cases broken and fixed.",
    ),
    "leaderboard": (
        f"{_CLI}.compare",
        "All models that were asked the same file, the best first; NAME is a job's.",
    ),
    "chat": (
        f"{_CLI}.chat",
        "Talk to a model that calls Python functions, and see each call before it is executed.",
    ),
    "data": (f"{_CLI}.data", "Check training files, and get them right before they cost money."),
    "endpoints": (f"{_CLI}.endpoints", "List the endpoints, and say which can be used and why not."),
    "deploy": (f"{_CLI}.deploy", "Make a fine-tuned model answer on Azure, and print the name to ask it by."),
    "undeploy": (f"{_CLI}.deploy", "Remove deployments by their names, or those of a RUN."),
    "deployments": (f"{_CLI}.deploy", "The deployments there are, what they cost, and when Azure removes them."),
    "adopt": (f"{_CLI}.doctor", "Record jobs that were created elsewhere: by a script, or in a web console."),
    "doctor": (
        f"{_CLI}.doctor",
        "Compare the records with an ENDPOINT: jobs and files unknown here, runs whose job.",
    ),
    "serve": (f"{_CLI}.serve", "Serve the local endpoint to any OpenAI client, until Ctrl-C."),
}
"""By name, in the order of use: the module, and the first sentence of the command's help, so that listing the
commands imports none of them."""


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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

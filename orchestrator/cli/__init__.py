"""The `ftorch` command: parse, call, print. A command's module is imported when it is called."""

from __future__ import annotations

import click

from orchestrator.cli.lazy import LazyGroup

_CLI = "orchestrator.cli"
_GROUPS = {
    "Train": {
        "data": (f"{_CLI}.data", "Make, check, convert, shorten, split and review data files."),
        "init": (f"{_CLI}.init", "Write a job file for your data, and print the next commands."),
        "submit": (f"{_CLI}.submit", "Train a model from a job file and print the model id."),
        "resume": (f"{_CLI}.submit", "Continue everything that is unfinished, after any crash."),
        "cancel": (f"{_CLI}.control", "Cancel a run or a sweep, on the endpoint too."),
        "pause": (f"{_CLI}.control", "Pause a run's job on the endpoint."),
        "unpause": (f"{_CLI}.control", "Let a paused job continue."),
        "sweep": (f"{_CLI}.sweep", "List, show, extend and stop sweeps; find the best model."),
    },
    "Watch": {
        "status": (f"{_CLI}.status", "Show the state of all runs and sweeps, newest first."),
        "show": (f"{_CLI}.records", "Show everything recorded about a run."),
        "logs": (f"{_CLI}.records", "Show the endpoint's events of a run, oldest first."),
        "ui": (f"{_CLI}.ui", "Show runs, sweeps, evaluations and costs in your browser."),
        "report": (f"{_CLI}.report", "Write a run, sweep, evaluation or comparison as one file."),
        "wait": (f"{_CLI}.wait", "Wait until runs and sweeps have finished, for scripts."),
        "cost": (f"{_CLI}.cost", "Show what training, evaluation, generation and hosting cost."),
    },
    "Evaluate": {
        "evaluate": (f"{_CLI}.evaluate", "Measure how well models call tools, base against tuned."),
        "compare": (f"{_CLI}.compare", "Compare two models case by case, from recorded answers."),
        "leaderboard": (f"{_CLI}.compare", "Rank the models that were asked the same cases."),
        "ask": (f"{_CLI}.ask", "Show what the base and the tuned model call for your prompts."),
        "chat": (f"{_CLI}.chat", "Chat with a model and see its function calls."),
    },
    "Endpoints": {
        "endpoints": (f"{_CLI}.endpoints", "List endpoints, check them, and trust a project's own."),
        "deployments": (f"{_CLI}.deploy", "List, create and remove deployments on Azure and Fireworks."),
        "migrate": (f"{_CLI}.migrate", "Train a tuned model's successors, and compare them with it."),
        "serve": (f"{_CLI}.serve", "Serve the local endpoint to any OpenAI client."),
        "rescue": (f"{_CLI}.rescue", "Keep what an endpoint has of your models before it ends."),
    },
    "Records": {
        "models": (f"{_CLI}.models", "List tuned models, promote them, export their weights."),
        "runs": (f"{_CLI}.runs", "Tag, note, archive, delete, export and adopt runs."),
        "where": (f"{_CLI}.where", "Show which project, database and settings are in use."),
    },
}
"""By heading and name, in the order of use: the module and the first sentence of the command's help, so that
listing the commands imports none of them."""
_ALIASES = {
    "completion": (f"{_CLI}.completion", "completion"),
    "deploy": (f"{_CLI}.deploy", "create"),
    "undeploy": (f"{_CLI}.deploy", "remove"),
    "adopt": (f"{_CLI}.runs", "adopt"),
    "doctor": (f"{_CLI}.doctor", "doctor"),
    **dict.fromkeys(("ls", "list", "jobs", "ps"), (f"{_CLI}.status", "status")),
    "train": (f"{_CLI}.submit", "submit"),
    "continue": (f"{_CLI}.submit", "resume"),
    "log": (f"{_CLI}.records", "logs"),
    "costs": (f"{_CLI}.cost", "cost"),
    "eval": (f"{_CLI}.evaluate", "evaluate"),
    "sweeps": (f"{_CLI}.sweep", "sweep"),
    "model": (f"{_CLI}.models", "models"),
    "endpoint": (f"{_CLI}.endpoints", "endpoints"),
    "deployment": (f"{_CLI}.deploy", "deployments"),
}
"""Names that help does not list: what is needed once, names of earlier versions, and unambiguous words."""
_MEANT = {
    "run": ("submit JOBFILE", "show RUN", "runs"),
    "start": ("submit JOBFILE", "unpause RUN"),
    **dict.fromkeys(("stop", "kill", "abort"), ("cancel RUN", "sweep stop NAME")),
    **dict.fromkeys(("delete", "remove", "rm"), ("cancel RUN", "deployments remove NAME")),
    "create": ("submit JOBFILE", "deployments create RUN"),
    "check": ("data check FILE", "endpoints check NAME"),
    "validate": ("data check FILE",),
    **{
        name: (f"data {name}",)
        for name in (
            *("explain", "preview", "formats", "stats", "convert", "shorten", "split", "diff", "tools", "generate"),
        )
    },
    "review": ("data review FILE",),
    "augment": ("data augment FILE",),
    "trust": ("endpoints trust",),
    "best": ("sweep best NAME",),
    "promote": ("models promote MODEL production",),
    "lineage": ("models lineage MODEL",),
    "extend": ("sweep extend NAME",),
    "config": ("where", "endpoints"),
}
"""Words that are not commands, and the commands that each may mean."""


@click.group(
    name="ftorch",
    cls=LazyGroup,
    lazy=_GROUPS,
    aliases=_ALIASES,
    meant=_MEANT,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(
    None,
    "-V",
    "--version",
    package_name="ftorch",
    message="ftorch %(version)s",
    help="Print the version and exit.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log every repeated request on stderr.")
def main(verbose: bool) -> None:
    """Take a training file to a fine-tuned, recorded model, and pay for it once.

    \b
    ftorch submit jobs/drone.toml    train, follow, print the model id
    ftorch status                    show the state of everything
    ftorch resume                    continue where the last process stopped
    """
    if verbose:
        import logging

        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("ftorch").setLevel(logging.DEBUG)


@main.command(name="help", hidden=True)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of a command, as `ftorch COMMAND --help` does."""
    main(args=[*names, "--help"], prog_name=ctx.find_root().info_name)


@main.command(name="version", hidden=True)
@click.pass_context
def version_command(ctx: click.Context) -> None:
    """Print the version, as `ftorch --version` does."""
    main(args=["--version"], prog_name=ctx.find_root().info_name)

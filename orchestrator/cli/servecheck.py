"""`serve check`: the prompts of training and serving, compared."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.completion import complete_run


@click.command()
@click.argument("key", metavar="RUN|MODEL|JOBFILE", shell_complete=complete_run)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CASES",
    help="Compare the prompts of these cases.  [default: the evaluation file of the model's job]",
)
@click.option(
    "--url", metavar="URL", help="Compare with the vLLM server at this address.  [default: ftorch itself]"
)
@click.option("--served-name", metavar="NAME", help="With --url: name the model as that server does.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON object.")
def check(key: str, file: Path | None, url: str | None, served_name: str | None, as_json: bool) -> None:
    """Check that a model is served the prompts it was trained on.

    Compares, token by token, the prompt that training makes of each case with the one that serving feeds. Exits
    with status 1 if a token differs. It needs the packages that render prompts, and the trainer's Python.
    """
    from orchestrator.api.servecheck import check_serving
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import terminal
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.servecheck import comparison_object, print_comparison
    from orchestrator.reports.text import stdout

    if served_name is not None and url is None:
        raise click.UsageError("--served-name needs --url")
    with open_ledger(Path(key).parent if key.endswith(".toml") else None) as ledger, terminal() as host:
        found = check_serving(ledger, key, host, file=file, url=url, name=served_name)
        if as_json:
            print_json(comparison_object(found))
        else:
            print_comparison(found, stdout())
        if not found.is_same:
            host.failed()

"""`models`: the tuned models, their ids, and their weights for other programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from orchestrator.bookkeeping.catalogue import CataloguedModel, catalogue, model_ids
from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.groups import OrderedGroup, SectionedCommand
from orchestrator.cli.listingoptions import FILTERS, WINDOW, Filters, Window, filter_options, window_options
from orchestrator.cli.output import print_json, print_json_list
from orchestrator.cli.registry import STAGES, lineage, print_in_stage, promote
from orchestrator.errors import NoModelYet, SeveralModels
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.modeltable import MODEL_COLUMNS, catalogued_object, models_table
from orchestrator.reports.runs import model_object
from orchestrator.reports.text import printable, stdout
from orchestrator.store.records import Model

_SECTIONS = {"Which models, and in what order": FILTERS, "What is shown": (*WINDOW, "--json")}


@click.group(cls=OrderedGroup, default="list")
def models() -> None:
    """List tuned models, promote them, export their weights.

    `ftorch models` alone is `ftorch models list`.
    """


@models.command("list", cls=SectionedCommand, sections=_SECTIONS)
@filter_options
@window_options(tuple(MODEL_COLUMNS), "models")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_models(filters: Filters, window: Window, as_json: bool) -> None:
    """List tuned models, newest first.

    Shows the name of each model's run, the model's stage, and its value in the last evaluation that asked it. The
    filters are about the model's run.

    \b
    ftorch models --tag team=flight --since 30d
    ftorch models --model gpt-4.1-mini --sort valid --ids
    """
    with open_ledger() as ledger:
        listing = filters.listing()
        if window.only_ids:
            for model in model_ids(ledger, listing, limit=window.limit_for_programs):
                click.echo(printable(model))
        elif as_json:
            found = catalogue(ledger, listing, limit=window.limit_for_programs)
            print_json_list(map(catalogued_object, found))
        elif found := catalogue(ledger, listing, limit=None if window.limit is None else window.limit + 1):
            _print_models(found, window)
        else:
            click.echo(_no_models(ledger, filters), err=True)


def _no_models(ledger: Ledger, filters: Filters) -> str:
    if not ledger.models(limit=1):
        return "No models yet. To train one: ftorch submit JOBFILE"
    if filters.is_any:
        return "No model matches. To list every one: ftorch models --all"
    return "Nothing but models of archived runs: ftorch models --archived"


def _print_models(found: Sequence[CataloguedModel], window: Window) -> None:
    """The last one is read only to know that there are more."""
    console = stdout()
    table = models_table(found[: window.limit], time.time(), console.width, window.columns)
    if window.columns:
        console.width = max(console.width, table.width)
    console.print(table)
    if window.limit is not None and len(found) > window.limit:
        click.echo(f"The first {window.limit} are shown; --all shows every one.")


@models.command("get")
@click.argument("key", metavar="RUN|MODEL|STAGE", shell_complete=complete_run)
@click.option("--name", metavar="NAME", help="With a stage: of the models registered under this name.")
@click.option(
    "--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="With a stage: on this endpoint only."
)
@click.option("--json", "as_json", is_flag=True, help="Print the model, its run, endpoint and base model as JSON.")
def get_model(key: str, name: str | None, endpoint: str | None, as_json: bool) -> None:
    """Print only the model id of a run or of a stage.

    \b
    ftorch models get drone
    ftorch models get production --name drone

    If several runs have the name, it is the newest run's model. The stages are production, candidate and retired;
    of several candidates or retired models, it is the one promoted last.
    """
    stage = next((each for each in STAGES if each == key), None)
    if stage is not None:
        print_in_stage(stage, name, endpoint, as_json=as_json)
        return
    if name or endpoint:
        raise click.UsageError(f"--name and --endpoint are for a stage: {', '.join(STAGES)}")
    with open_ledger() as ledger:
        found = model_of(ledger, key)
    if as_json:
        print_json(model_object(found))
    else:
        click.echo(printable(found.model))


models.add_command(promote)
models.add_command(lineage)


@models.command("export")
@click.argument("key", metavar="RUN|MODEL|JOBFILE", shell_complete=complete_run)
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write into this new folder.",
)
@click.option(
    "--merge", "merged", is_flag=True, help="Merge the adapter into the base model and write all weights."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as a JSON object.")
def export_model(key: str, target: Path, merged: bool, as_json: bool) -> None:
    """Write a model trained from open weights into a folder.

    \b
    ftorch models export drone-lora -o drone-adapter
    ftorch models export drone-lora -o drone-model --merge

    The folder has the adapter, or with --merge the whole model, in safetensors; the tokenizer, the chat template it
    was trained with, and a model card. transformers, PEFT and vLLM load it. Merging runs in the Python of the
    endpoint local, which needs torch.
    """
    from orchestrator.api.export import plan_export, write_export
    from orchestrator.cli.terminal import terminal
    from orchestrator.reports.export import export_object, print_export
    from orchestrator.reports.modelcard import model_card

    with open_ledger(Path(key).parent if key.endswith(".toml") else None) as ledger, terminal() as host:
        found = plan_export(ledger, key)
        card = model_card(found, merged=merged)
        written = write_export(found, target, card, host, merged=merged)
    if as_json:
        print_json(export_object(found, written, merged=merged))
    else:
        print_export(found, written, stdout())


def model_of(ledger: Ledger, key: str) -> Model:
    """The recorded model with that id, or the run's model. Raises NoSuchRun, AmbiguousRun, SeveralModels and
    NoModelYet."""
    if named := ledger.models(1, model=key):
        return named[0]
    trials = [run.id for run in ledger.runs(key) if run.sweep_id is not None and run.name == key]
    if trials:
        raise SeveralModels(key=key, count=len(ledger.models(run_ids=trials)))
    run = ledger.run(key)
    found = ledger.models(1, run_ids=[run.id])
    if not found:
        raise NoModelYet(run=run.id, state=run.state, reason=run.reason)
    return found[0]

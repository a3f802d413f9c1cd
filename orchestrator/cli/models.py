"""`models`: the tuned models, their ids, and their weights for other programs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from orchestrator.cli.completion import complete_endpoint, complete_run
from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.output import print_json
from orchestrator.cli.registry import STAGES, lineage, print_in_stage, promote
from orchestrator.errors import NoModelYet, SeveralModels
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.runs import model_object, models_table
from orchestrator.reports.text import printable, stdout
from orchestrator.store.records import Model


@click.group(cls=OrderedGroup, default="list")
def models() -> None:
    """List tuned models, promote them, export their weights.

    `ftorch models` alone is `ftorch models list`.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_models(as_json: bool) -> None:
    """List the tuned models of all runs, newest first."""
    with open_ledger() as ledger:
        found = ledger.models()
    if as_json:
        print_json([model_object(model) for model in found])
    elif found:
        stdout().print(models_table(found, time.time()))
    else:
        click.echo("No models yet. To train one: ftorch submit JOBFILE", err=True)


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
    known = ledger.models()
    named = next((each for each in known if each.model == key), None)
    if named is not None:
        return named
    trials = [run.id for run in ledger.runs(key) if run.sweep_id is not None and run.name == key]
    if trials:
        raise SeveralModels(key=key, count=sum(each.run_id in trials for each in known))
    run = ledger.run(key)
    found = next((each for each in known if each.run_id == run.id), None)
    if found is None:
        raise NoModelYet(run=run.id, state=run.state, reason=run.reason)
    return found

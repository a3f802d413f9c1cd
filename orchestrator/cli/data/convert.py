"""`data convert`: convert files to the format that endpoints train on."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.data.check import of_method
from orchestrator.cli.definitions import DROPS, parse_cut
from orchestrator.cli.output import noted_model
from orchestrator.dataset.formats import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.dataset.basemodels import Method
    from orchestrator.dataset.convert import Container, Options, Shape
    from orchestrator.dataset.shorten import Cut
    from orchestrator.dataset.variants import Variant


_FROM = (*SHAPES, "csv", "parquet")
_TO = ("tools", "supervised", "functions", "dpo")
_SHAPES: Mapping[str, Shape | None] = {"csv": "columns", "parquet": None}
_CONTAINERS: Mapping[str, Container] = {"csv": "CSV", "parquet": "Parquet"}


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    required=True,
    help="Write the result to this file.",
)
@click.option(
    "--from", "source_format", type=click.Choice(_FROM), help="Read IN in this format.  [default: recognised]"
)
@click.option("--to", type=click.Choice(_TO), help="Write OUT in this format.  [default: tools; DPO stays DPO]")
@click.option("--prompt-column", metavar="NAME", help="Tables: take the user's request from this column.")
@click.option(
    "--call-column", metavar="NAME", help="Tables: take the call as JSON, or the function's name, from this column."
)
@click.option("--arguments-column", metavar="NAME", help="Tables: take the arguments as JSON from this column.")
@click.option("--answer-column", metavar="NAME", help="Tables: take an answer in text from this column.")
@click.option("--context-column", metavar="NAME", help="Tables: add the text of this column below the request.")
@click.option("--system-column", metavar="NAME", help="Take each row's system message from this column.")
@click.option(
    "--keep-column", metavar="NAME", multiple=True, help="Keep this column or key in each example (repeatable)."
)
@click.option("--drop-column", metavar="NAME", multiple=True, help="Leave this column or key out (repeatable).")
@click.option("--system", metavar="TEXT", help="Add this system message to examples that have none.")
@click.option(
    "--answer-call", metavar="NAME[=JSON]", help="Add this call as the answer to rows that end with a request."
)
@click.option(
    "--answers",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read BFCL's answers from this file; they are joined by id.",
)
@click.option(
    "--rename-functions", is_flag=True, help="Replace dots in function names by _, since endpoints refuse dots."
)
@click.option(
    "--tools", metavar="FILE", type=click.Path(path_type=Path), help="Read tool definitions from this JSON file."
)
@click.option("--renumber", is_flag=True, help="Number all call ids by position, valid ones too.")
@click.option("--bom", is_flag=True, help="Start OUT with a byte-order mark, which endpoints refuse.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that can't be converted, and report them.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print what changed as a JSON object.")
def convert(source: Path, output: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Write training data in another format as JSONL.

    \b
    IN may be "-", standard input. Reads the formats that `ftorch data formats`
    lists, tables with a prompt and a call (CSV, Parquet, JSON), and JSON arrays
    or JSON over several lines. Corrects arguments that are objects or were
    encoded twice, call ids, byte-order marks and line ends. Reports changes and
    omissions, then checks OUT as `ftorch data check` does, except for the number
    of examples: exits with status 1 if there are errors.

    \b
    ftorch data convert old.jsonl -o train.jsonl
    ftorch data convert calls.csv -o train.jsonl --tools tools.json \\
        --prompt-column text --call-column function --arguments-column args
    ftorch data convert pairs.jsonl -o train.jsonl --to tools
    """
    from orchestrator.dataset.checking.filesets import purpose_in_name
    from orchestrator.dataset.convert import check_converted, convert_file, write_names

    done = convert_file(source, output, _options(given), replace=force)
    write_names(done, output)
    report = check_converted(output, purpose_in_name(output) or "training")
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.conversions import conversion_object

        print_json(conversion_object(done, report, source, output))
    else:
        from orchestrator.reports.conversions import print_conversion
        from orchestrator.reports.text import stderr, stdout

        print_conversion(done, report, source, output, stdout(), stderr())
    if not report.ok:
        raise SystemExit(1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def formats(as_json: bool) -> None:
    """List the formats that convert reads, with examples."""
    from orchestrator.dataset.formats import FORMATS

    if as_json:
        from dataclasses import asdict

        from orchestrator.cli.output import print_json

        print_json([asdict(each) for each in FORMATS])
        return
    for each in FORMATS:
        click.echo(f"{each.name}: {each.title}")
        click.echo(f"  ftorch data convert IN -o OUT --from {each.shape} {each.options}".rstrip())
        for line in each.examples:
            click.echo(f"  {line}")


def _answer_call(given: str | None) -> dict[str, Any] | None:
    if given is None:
        return None
    from orchestrator.dataset.jsontext import NotJson, parse_json

    name, equals, text = given.partition("=")
    try:
        arguments = parse_json(text) if equals else {}
    except NotJson as error:
        raise click.UsageError(f"--answer-call: the arguments are not valid JSON: {error.problem}") from None
    if not name or not isinstance(arguments, dict):
        raise click.UsageError('--answer-call takes NAME or NAME={"argument": …}')
    return {"name": name, "arguments": arguments}


def _options(given: dict[str, Any]) -> Options:
    from orchestrator.dataset.convert import ColumnNames, Options, read_answers, read_tools

    found = given["source_format"]
    return Options(
        shape=_SHAPES.get(found, found),
        container=_CONTAINERS.get(found),
        to=given["to"],
        columns=ColumnNames(
            prompt=given["prompt_column"],
            call=given["call_column"],
            arguments=given["arguments_column"],
            answer=given["answer_column"],
            context=given["context_column"],
            system_column=given["system_column"],
            drop=given["drop_column"],
            answer_call=_answer_call(given["answer_call"]),
            system=given["system"],
            keep=given["keep_column"],
        ),
        tools=read_tools(given["tools"]) if given["tools"] else None,
        answers=read_answers(given["answers"]) if given["answers"] else None,
        renumber=given["renumber"],
        mark=given["bom"],
        skip_bad=given["skip_bad"],
        rename_functions=given["rename_functions"],
    )


# --- `data shorten`: shorter tool definitions, for fewer prompt tokens ----------------------------------------


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--drop", metavar="WHAT,…", type=parse_cut, help=f"Leave these out: {DROPS}.")
@click.option(
    "--tools",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Replace definitions with those in this JSON file.",
)
@click.option("--system", metavar="TEXT", help="Replace the system message with this text.")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    help="Write to this file. For several FILEs, or a name that ends with /, to a folder.",
)
@click.option("--model", metavar="MODEL", callback=noted_model, help="Count tokens as this model does.")
@of_method
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def shorten(
    files: tuple[Path, ...],
    drop: Cut | None,
    tools: Path | None,
    system: str | None,
    output: str,
    model: str | None,
    method: Method | None,
    force: bool,
    as_json: bool,
) -> None:
    """Shorten tool definitions and system messages in files.

    Shows how many prompt tokens that saves.

    \b
    descriptions   the descriptions of functions and of their parameters
    parameters     the parameters; the functions' names remain
    tools          all definitions
    tool:NAME      the definition of one function, which no example may call

    Name one or several: --drop descriptions,tool:land. The presets full, no-descriptions, no-parameters (both of
    the first two) and no-tools are accepted too. To compare wordings, write one file for each with --tools or
    --system, and train on each.

    Use a model with the definitions it was trained on: shorten training, validation and evaluation files together,
    and send the same definitions when you call the model.
    """
    from orchestrator.dataset.shorten import shorten_files

    cut = _cut(drop, tools, system)
    done = shorten_files(_targets(files, output), cut, model=model, force=force, method=method)
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.datasets import shortened_object

        print_json([shortened_object(each) for each in done])
    else:
        from orchestrator.reports.datasets import print_shortened
        from orchestrator.reports.text import stdout

        print_shortened(done, stdout())


def _cut(drop: Cut | None, tools: Path | None, system: str | None) -> Cut:
    from dataclasses import replace

    from orchestrator.dataset.convert import read_tools
    from orchestrator.dataset.shorten import Cut

    if drop is None and tools is None and system is None:
        raise click.UsageError(f"name a change: --drop {DROPS}; --tools; --system")
    definitions = {tool["function"]["name"]: tool["function"] for tool in read_tools(tools)} if tools else {}
    return replace(drop or Cut(), definitions=definitions, system=system)


def _targets(files: tuple[Path, ...], output: str) -> dict[Path, Path]:
    folder = Path(output)
    if len(files) == 1 and not output.endswith("/") and not folder.is_dir():
        return {files[0]: folder}
    name, count = Counter(file.name for file in files).most_common(1)[0]
    if count > 1:
        raise click.UsageError(f"{count} of the files are called {name}; shorten them one at a time")
    return {file: folder / file.name for file in files}


# --- `data split`: one file into training, validation and evaluation files ------------------------------------


_SHARE = click.FloatRange(0, 1, max_open=True)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--validation",
    metavar="SHARE",
    type=_SHARE,
    default=0.1,
    show_default=True,
    help="Put this share of the examples into the validation file.",
)
@click.option(
    "--evaluation",
    metavar="SHARE",
    type=_SHARE,
    default=0.1,
    show_default=True,
    help="Put this share of the examples into the evaluation file.",
)
@click.option(
    "--seed",
    metavar="N",
    type=int,
    default=0,
    show_default=True,
    help="Draw the split with this seed; another seed gives another split.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the three files to this folder.  [default: FILE without its ending]",
)
@of_method
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON object.")
def split(
    file: Path,
    validation: float,
    evaluation: float,
    seed: int,
    folder: Path | None,
    method: Method | None,
    force: bool,
    as_json: bool,
) -> None:
    """Split a file into training, validation and evaluation files.

    Each function is called in about the same share of examples in every file. Examples with equal or nearly equal
    prompts stay in one file, so that a model is not evaluated on its training data.
    Lines are copied as they are. A share of 0 leaves a file out.
    """
    if not 0 < validation + evaluation < 1:
        raise click.UsageError("--validation and --evaluation together must be above 0 and below 1")
    from orchestrator.dataset.split import split_file

    target = folder or (file.with_suffix("") if file.suffix else file.with_name(f"{file.name}-split"))
    done = split_file(
        file, target, validation=validation, evaluation=evaluation, seed=seed, replace=force, method=method
    )
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.datasets import split_object

        print_json(split_object(done))
    else:
        from orchestrator.reports.datasets import print_split
        from orchestrator.reports.text import stdout

        print_split(done, stdout())


# --- `data tools`: the definitions of Python functions, for training data -------------------------------------


_WITH_TOOLS = ("full", "no-descriptions", "no-parameters")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--drop", metavar="WHAT,…", type=parse_cut, help="Leave out descriptions, parameters or tool:NAME.")
@click.option(
    "--variant", type=click.Choice(_WITH_TOOLS), help="The same as --drop, by a preset's name.  [default: full]"
)
@click.option("--model", metavar="MODEL", callback=noted_model, help="Count tokens as this model does.")
def tools(sources: tuple[str, ...], drop: Cut | None, variant: Variant | None, model: str | None) -> None:
    """Print the tool definitions of Python functions as JSON.

    This is the list under "tools" of a training example. A SOURCE is FILE.py or package.module, either one with
    :function. ftorch chat sends the same definitions, so a model is used with those it was trained on. The number
    of tokens that they add to each request is shown on stderr.
    """
    from orchestrator.cli.output import print_json
    from orchestrator.dataset.shorten import CUTS, shortened
    from orchestrator.dataset.tokens import count_messages
    from orchestrator.reports.text import plural
    from orchestrator.tools.sources import load_tools

    if drop and variant:
        raise click.UsageError("--drop and --variant mean the same: give one of them")
    cut = drop or CUTS[variant or "full"]
    if cut.tools:
        raise click.UsageError("--drop tools leaves no definitions to print")
    with redirect_stdout(sys.stderr):  # output of a file is not a definition
        found = load_tools(sources)
    _require_known(cut.names, [tool.name for tool in found])
    definitions = shortened({"tools": [tool.definition for tool in found]}, cut).get("tools", [])
    print_json(definitions)
    tokens = count_messages([], definitions, model) - count_messages([], [], model)
    click.echo(f"{plural(len(definitions), 'tool')}, about {plural(tokens, 'token')} in each request", err=True)


def _require_known(dropped: Iterable[str], known: Sequence[str]) -> None:
    from orchestrator.errors import NoSuchTool
    from orchestrator.spelling import did_you_mean

    for name in dropped:
        if name not in known:
            hint = did_you_mean(name, known, ' (did you mean "{}"?)')
            raise NoSuchTool(name=name, hint=hint, known=", ".join(known))

"""`data convert`: files in other formats, written in the one that endpoints train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.dataset.convert import Container, Options, Shape

_FROM = ("tools", "functions", "dpo", "single-call", "sharegpt", "columns", "csv", "parquet")
_TO = ("tools", "functions", "dpo")
_SHAPES: Mapping[str, Shape | None] = {"csv": "columns", "parquet": None}
_CONTAINERS: Mapping[str, Container] = {"csv": "CSV", "parquet": "Parquet"}


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, allow_dash=True))
@click.option("-o", "--output", metavar="OUT", type=click.Path(path_type=Path), required=True, help="The new file.")
@click.option("--from", "source_format", type=click.Choice(_FROM), help="What IN holds; recognised without it.")
@click.option("--to", type=click.Choice(_TO), help="What OUT shall hold; else tools, and DPO stays DPO.")
@click.option("--prompt-column", metavar="NAME", help="Tables: the column of the user's request.")
@click.option("--call-column", metavar="NAME", help="Tables: the call as JSON, or the function's name.")
@click.option("--arguments-column", metavar="NAME", help="Tables: the arguments as JSON, beside a name.")
@click.option("--answer-column", metavar="NAME", help="Tables: the answer in text.")
@click.option("--keep-column", metavar="NAME", multiple=True, help="Tables: keep it as a key (repeatable).")
@click.option("--system", metavar="TEXT", help="Tables: the system message of every example.")
@click.option("--tools", metavar="FILE", type=click.Path(path_type=Path), help="Tool definitions, as JSON.")
@click.option("--renumber", is_flag=True, help="Number all call ids by position, sound ones too.")
@click.option("--bom", is_flag=True, help="Begin OUT with a byte-order mark; endpoints want none.")
@click.option("--skip-bad", is_flag=True, help="Leave out what can't be converted, and name it.")
@click.option("--force", is_flag=True, help="Replace OUT where it is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as an object.")
def convert(source: Path, output: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Write what IN holds as JSONL to train on, and say what was changed. IN may be "-", standard input.

    \b
    Reads legacy functions, {"user", "function_call"} rows, DPO, ShareGPT, tables
    with a prompt and a call (CSV, Parquet, JSON), and JSON arrays or JSON over
    many lines. Mends arguments that are objects or were encoded twice, call ids,
    byte-order marks and line ends. What it leaves out it names.

    \b
    ftorch data convert old.jsonl -o train.jsonl
    ftorch data convert calls.csv -o train.jsonl --tools tools.json \\
        --prompt-column text --call-column function --arguments-column args
    ftorch data convert pairs.jsonl -o train.jsonl --to tools   (DPO to supervised)
    """
    from orchestrator.dataset.convert import convert_file

    done = convert_file(source, output, _options(given), replace=force)
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.conversions import conversion_object

        print_json(conversion_object(done, source, output))
    else:
        from orchestrator.reports.console import stderr, stdout
        from orchestrator.reports.conversions import print_conversion

        print_conversion(done, source, output, stdout(), stderr())


def _options(given: dict[str, Any]) -> Options:
    from orchestrator.dataset.convert import ColumnNames, Options, read_tools

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
            system=given["system"],
            keep=given["keep_column"],
        ),
        tools=read_tools(given["tools"]) if given["tools"] else None,
        renumber=given["renumber"],
        mark=given["bom"],
        skip_bad=given["skip_bad"],
    )

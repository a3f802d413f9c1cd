"""`data diff`: what changed between two training files."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("before", metavar="A", type=_FILE)
@click.argument("after", metavar="B", type=_FILE)
@click.option("--model", metavar="MODEL", help="Count tokens as this model does.")
@click.option("--all", "show_all", is_flag=True, help="Print up to 1,000 examples of each change, not five.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
@click.pass_context
def diff(ctx: click.Context, before: Path, after: Path, model: str | None, show_all: bool, as_json: bool) -> None:
    """Show what changed from A to B: examples, answers, tool definitions, tokens.

    Examples are compared by what they say, not by how their JSON is written, and wherever they stand. Call ids make
    no difference. Like diff, it leaves with 0 where nothing differs, 1 where something does; and with 2 where the
    command itself was wrong.
    """
    from orchestrator.dataset.diff import diff_files
    from orchestrator.reports.diff import diff_object, print_diff

    found = diff_files(before, after, model)
    if as_json:
        from orchestrator.cli.records import print_json

        print_json(diff_object(found))
    else:
        from orchestrator.reports.console import stdout

        print_diff(found, stdout(), show_all=show_all)
    ctx.exit(0 if found.is_empty else 1)

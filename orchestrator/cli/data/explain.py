"""`data explain`: what a code of `data check` means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from orchestrator.dataset.kinds import Kind


def _complete_code(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from orchestrator.dataset.kinds import KINDS

    return [
        CompletionItem(kind.code, help=kind.title)
        for kind in KINDS.values()
        if kind.code.startswith(incomplete.upper())
    ]


@click.command()
@click.argument("code", default="", shell_complete=_complete_code)
@click.option("--json", "as_json", is_flag=True, help="Print one object, or a list of several.")
def explain(code: str, as_json: bool) -> None:
    """What the CODE of a finding means, how to put it right, a wrong and a right example.

    The start of a code, such as FT3, lists those that begin so; without CODE all are listed.
    """
    from orchestrator.dataset.checking.examples import explain as explained
    from orchestrator.reports.console import stdout
    from orchestrator.reports.kinds import explanation_object, kinds_table, print_explanation

    kinds = _find(code.upper())
    alone = kinds[0].code == code.upper()
    if as_json:
        from orchestrator.cli.records import print_json

        objects = [explanation_object(explained(kind)) for kind in kinds]
        print_json(objects[0] if alone else objects)
    elif alone:
        print_explanation(explained(kinds[0]), stdout())
    else:
        stdout().print(kinds_table(kinds))


def _find(code: str) -> list[Kind]:
    """The kinds whose codes begin so. Raises NoSuchKind where there are none."""
    from difflib import get_close_matches

    from orchestrator.dataset.kinds import KINDS
    from orchestrator.errors import NoSuchKind

    found = [KINDS[each] for each in sorted(KINDS) if each.startswith(code)]
    if found:
        return found
    near = get_close_matches(code, KINDS, n=1)
    raise NoSuchKind(
        code=code, advice=f"Did you mean {near[0]}?" if near else "ftorch data explain lists them all."
    )

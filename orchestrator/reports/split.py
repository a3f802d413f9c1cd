"""What `data split` prints: how many examples of each answer went into which file."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.dataset.split import PARTS, Split
from orchestrator.dataset.survey.places import listed
from orchestrator.reports.formats import count, plural, printable

_LEAST_TRAINING_EXAMPLES = 10


def print_split(split: Split, console: Console) -> None:
    """A line for each answer, and the files."""
    console.print(_table(split))
    if split.kept_together:
        kept = count(split.kept_together)
        note = f"{kept} examples have the prompt of another, or nearly, and went where that one went"
        console.print(note, style="dim", soft_wrap=True)
    for part, path in split.targets.items():
        console.print(printable(f"Wrote {path}: {plural(split.examples(part), f'{part} example')}"), soft_wrap=True)
    for warning in _warnings(split):
        console.print(printable(f"Warning: {warning}"), style="yellow", soft_wrap=True)


def split_object(split: Split) -> dict[str, Any]:
    """The split for programs."""
    return {
        "source": str(split.source),
        "files": [
            {"purpose": part, "path": str(path), "examples": split.examples(part)}
            for part, path in split.targets.items()
        ],
        "answers": {
            answer: {part: parts[part] for part in split.targets} for answer, parts in split.counts.items()
        },
        "kept_together": split.kept_together,
        "warnings": list(_warnings(split)),
    }


def _table(split: Split) -> Table:
    parts = [part for part in PARTS if part in split.targets]
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("ANSWER", footer="all", overflow="fold")
    for part in parts:
        table.add_column(part.upper(), footer=count(split.examples(part)), justify="right", no_wrap=True)
    for answer, counts in split.counts.items():
        table.add_row(printable(answer), *(count(counts[part]) for part in parts))
    return table


def _warnings(split: Split) -> list[str]:
    """What a user should know before relying on the parts."""
    found = []
    training = split.examples("training")
    if training < _LEAST_TRAINING_EXAMPLES:
        found.append(f"only {training} examples are left to train on; endpoints ask for {_LEAST_TRAINING_EXAMPLES}")
    for part in split.targets:
        missing = [answer for answer, counts in split.counts.items() if not counts[part]]
        if missing and split.examples(part):
            found.append(f"{part} has no example of {listed(missing)}: too few different prompts")
        elif not split.examples(part):
            found.append(f"{part} got no example: too few different prompts")
    return found

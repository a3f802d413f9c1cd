"""The rows of a file, rendered for a model."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.rendering.renderer import Rendered, Renderer
from orchestrator.errors import CannotRender
from orchestrator.server.trainers.interface import Method
from orchestrator.server.trainers.lora.training.examples import Example, Tokens


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that can't be trained on."""

    line: int
    reason: str
    """The rest of a sentence that begins with the line."""


def read_examples(path: Path, method: Method, renderer: Renderer) -> Iterator[Example | Refused]:
    """Every row of the file, in its order."""
    with open_as_sent(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield _example(f"{path.name}:{number}", number, json.loads(line), method, renderer)


def _example(
    key: str, number: int, row: dict[str, object], method: Method, renderer: Renderer
) -> Example | Refused:
    try:
        rendered = renderer.preference(row) if method == "dpo" else (renderer.supervised(row),)
    except CannotRender as error:
        return Refused(number, f"the model's chat template can't render it: {error.facts.get('reason', error)}")
    sequences = tuple(map(_tokens, rendered))
    longest = max(len(sequence.ids) for sequence in sequences)
    if renderer.context_length is not None and longest > renderer.context_length:
        return Refused(
            number, f"it has {longest:,} tokens, and the model's context holds {renderer.context_length:,}"
        )
    if not all(sequence.targets for sequence in sequences):
        return Refused(number, "it has no token that is learned")
    return Example(key, sequences)


def _tokens(rendered: Rendered) -> Tokens:
    learned = bytearray(rendered.learned)
    learned[:1] = b"\0"[: len(learned)]
    return Tokens(array("I", rendered.ids), bytes(learned))

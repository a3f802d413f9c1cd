"""What an open-weights model adds to the check of a row: whether its chat template renders it, and its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.findings import Notes, Pointer, shown
from orchestrator.dataset.remembered import Remembered
from orchestrator.dataset.rendering.rendered import Prompt, Rendered
from orchestrator.dataset.toollists import ToolList
from orchestrator.errors import CannotRender, RenderingMissing

if TYPE_CHECKING:
    from orchestrator.dataset.rendering.renderer import Renderer

_NEEDED = ("tokenizers", "jinja2")
_TEXTS = ("messages", "input", "preferred_output", "non_preferred_output", "tools", "functions")
"""The keys of a row whose texts reach the template."""
_REMEMBERED_LISTS = 256


@dataclass(frozen=True)
class Base:
    """An open-weights model on this machine."""

    name: str
    folder: Path


def can_render() -> bool:
    """Whether the packages of the extra `render` are installed. Loads none of them."""
    return all(find_spec(name) is not None for name in _NEEDED)


def require_rendering() -> None:
    """Raises RenderingMissing if the extra `render` is not installed."""
    if not can_render():
        raise RenderingMissing()


def note_not_tried(base: Base, notes: Notes) -> None:
    """Note that the extra `render` is not installed, so that rows were not rendered for the model."""
    notes.add("FT905", model=base.name, command=RenderingMissing().facts["command"])


class RenderingCheck:
    """Renders rows for one model and notes what it could not learn, or could not be asked.

    Raises ModelFolderUnusable, TemplateUnusable and RenderingMissing.
    """

    def __init__(self, base: Base, method: Method, purpose: Purpose) -> None:
        from orchestrator.dataset.rendering.renderer import open_renderer

        self._name = base.name
        self._renderer = open_renderer(base.folder)
        self._sequences = Sequences(self._renderer, method, purpose)
        self._controls = ControlTokens(self._renderer.control_tokens)

    def check(self, row: Mapping[str, Any], notes: Notes) -> int:
        """Note what is wrong with a row that has no other error; its tokens, 0 if it can't be rendered."""
        for pointer, token in self._controls.in_row(row):
            notes.tally("FT904", token, pointer, token=shown(token).strip('"'), model=self._name)
        try:
            sequences = self._sequences.of(row)
        except CannotRender as error:
            self._note(error, notes)
            return 0
        lengths = [len(each.ids) for each in sequences]
        limit = self._renderer.context_length
        if limit is not None and max(lengths) > limit:
            notes.add("FT501", tokens=f"{max(lengths):,}", model=self._name, limit=limit)
        if not all(map(is_learned, sequences)):
            notes.add("FT903")
        return sum(lengths)

    def _note(self, error: CannotRender, notes: Notes) -> None:
        reason = error.facts["reason"]
        if is_loss(error):
            notes.add("FT902", model=self._name, reason=reason)
        else:
            notes.add("FT901", model=self._name, reason=reason, advice=_ADVICE.get(error.kind, _OTHER_TEMPLATE))


_OTHER_TEMPLATE = "Give the model another template, as chat_template.jinja in its folder, or leave the example out."
_ADVICE = {
    "row": "Correct the example, or leave it out.",
    "template": "Change the example as the template asks, or give the model another template, as "
    "chat_template.jinja in its folder.",
}
"""By the kind of a CannotRender."""


def is_loss(error: CannotRender) -> bool:
    """Whether the template runs, but leaves out or changes a part of the row."""
    return error.kind in ("calls", "tools", "lost")


def is_learned(sequence: Rendered | Prompt) -> bool:
    """Whether a training sequence has a token to learn; the first one has no context to be learned from."""
    return not isinstance(sequence, Rendered) or any(sequence.learned[1:])


class Sequences:
    """What a model is trained on, or asked, by a row of a file for this method and purpose."""

    def __init__(self, renderer: Renderer, method: Method, purpose: Purpose) -> None:
        self._renderer = renderer
        self._is_prompt = purpose == "evaluation" or method == "reinforcement"
        self._is_preference = method == "dpo"

    def of(self, row: Mapping[str, Any]) -> tuple[Rendered | Prompt, ...]:
        """One sequence, or the preferred and the other one of preference data. Raises CannotRender."""
        if self._is_prompt:
            return (prompt_of(row, self._renderer),)
        return self._renderer.preference(row) if self._is_preference else (self._renderer.supervised(row),)


def prompt_of(row: Mapping[str, Any], renderer: Renderer) -> Prompt:
    """The prompt for the last answer of a row, or for one that is missing. Raises CannotRender."""
    messages: Sequence[Mapping[str, Any]] = row["messages"]
    if messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    tools = [*(row.get("tools") or ()), *(row.get("functions") or ())]
    return renderer.prompt(messages, tools, parallel=row.get("parallel_tool_calls"))


# --- Control tokens in the data ----------------------------------------------------------------------------------


class ControlTokens:
    """The texts that mean a control token to a model, such as <|im_end|>."""

    def __init__(self, tokens: Mapping[str, int]) -> None:
        longest_first = sorted(tokens, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._clean: Remembered[bytes, bool] = Remembered(_REMEMBERED_LISTS)

    def in_row(self, row: Mapping[str, Any]) -> Iterator[tuple[Pointer, str]]:
        """Each text of a row that holds one: its pointer, and the first such token in it."""
        for key in _TEXTS:
            yield from self._in(row.get(key), (key,))

    def _in(self, value: Any, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
        if isinstance(value, str):
            if found := self._any.search(value):
                yield pointer, found[0]
        elif isinstance(value, ToolList):
            yield from self._in_tools(value, pointer)
        elif isinstance(value, dict):
            for key, each in value.items():
                yield from self._in(each, (*pointer, key))
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from self._in(each, (*pointer, number))

    def _in_tools(self, tools: ToolList, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
        """Most rows repeat one list of tools, which is looked at once."""
        if self._clean.get(tools.text):
            return
        found = [*self._in([*tools], pointer)]
        if not found:
            self._clean.keep(tools.text, True)
        yield from found

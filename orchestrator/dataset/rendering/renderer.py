"""Renders training examples and prompts for an open-weights model: the same tokens in training and in serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from orchestrator.dataset.rendering.choosing import Chosen, Template, choose_template, take_template
from orchestrator.dataset.rendering.conversation import Conversation, preference_of, prompt_of, supervised_of
from orchestrator.dataset.rendering.definitions import Definitions, KnownDefinitions
from orchestrator.dataset.rendering.encoding import Encoder, without_marks
from orchestrator.dataset.rendering.folder import ModelFolder, read_folder
from orchestrator.dataset.rendering.rendered import Prompt, Rendered, Span
from orchestrator.dataset.rendering.turns import Ends, Piece
from orchestrator.errors import CannotRender, TemplateUnusable

__all__ = ["Prompt", "Rendered", "Renderer", "Span", "Template", "open_renderer"]


def open_renderer(folder: Path, template: Path | None = None) -> Renderer:
    """The renderer of a model's folder; `template` is a file to use in place of the model's own chat template.

    Raises ModelFolderUnusable, TemplateUnusable, and RenderingMissing where the extra is not installed.
    """
    model = read_folder(folder)
    return Renderer(model, template)


class Renderer:
    """Turns rows and requests into the tokens of one model. Its methods may be called from several threads."""

    def __init__(self, model: ModelFolder, template: Path | None) -> None:
        encoder = Encoder(model.tokenizer)
        self.template, self._chat = _template(model, template, _ends(model, encoder))
        encoder.cut_at(f"{self.template.text}{''.join(model.special_tokens.values())}")
        self._encoder = encoder
        self._known = KnownDefinitions()
        self.context_length = model.context_length
        """In tokens; None if the folder does not say."""
        stops = (encoder.specials.get(each) for each in self._chat.ends.stops)
        self.stop_tokens = model.stop_tokens | frozenset(each for each in stops if each is not None)
        """They end an answer: those that the folder names, and the one in which the template ends turns."""
        self.pad_token = model.pad_token

    def supervised(self, row: Mapping[str, Any]) -> Rendered:
        """A supervised row. Nothing is cut off: compare the length with `context_length`. Raises CannotRender."""
        return self._rendered(supervised_of(row))

    def preference(self, row: Mapping[str, Any]) -> tuple[Rendered, Rendered]:
        """The preferred and the other conversation of a preference row. Raises CannotRender."""
        preferred, other = preference_of(row)
        return self._rendered(preferred), self._rendered(other)

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        *,
        parallel: bool | None = None,
    ) -> Prompt:
        """A conversation up to the next answer, generation prompt included, as training sees it before that answer.

        Raises CannotRender.
        """
        pieces = self._chat.prompt(self._safe(prompt_of(messages, tools, parallel)))
        ids = [number for encoded in self._encoded(pieces) for number in encoded]
        return Prompt(without_marks("".join(piece.text for piece in pieces)), ids)

    @property
    def control_tokens(self) -> Mapping[str, int]:
        """The tokens that no text in the data turns into, with their ids."""
        return self._encoder.specials

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        return self._encoder.decode(ids)

    def _rendered(self, conversation: Conversation) -> Rendered:
        pieces, method = self._chat.pieces(self._safe(conversation))
        ids: list[int] = []
        learned: list[bool] = []
        spans = []
        for piece, encoded in zip(pieces, self._encoded(pieces), strict=True):
            if self._encoder.loses(piece.text, encoded):
                raise CannotRender(kind="tokens", reason="the tokenizer has no tokens for some of its characters")
            learns = piece.turn in conversation.learned
            ids += encoded
            learned += [learns] * len(encoded)
            spans.append(Span(without_marks(piece.text), learns, len(encoded)))
        return Rendered(ids, learned, spans, method)

    def _encoded(self, pieces: Sequence[Piece]) -> list[list[int]]:
        before = [Piece(""), *pieces]
        return [self._encoder.encode(piece.text, earlier.text) for earlier, piece in pairwise(before)]

    def _safe(self, conversation: Conversation) -> Conversation:
        """The conversation with known definitions, and the control tokens in its texts marked as plain text."""
        tools = self._safe_definitions(self._known.of(conversation.tools)) if conversation.tools else None
        messages = conversation.messages
        if self._encoder.holds_control(messages):
            messages = self._encoder.marked(messages)
        return replace(conversation, messages=messages, tools=tools)

    def _safe_definitions(self, tools: Definitions) -> Definitions:
        if tools.marked is None:
            holds = self._encoder.holds_control(tools)
            tools.marked = Definitions(self._encoder.marked(list(tools))) if holds else tools
        return tools.marked


def _template(model: ModelFolder, path: Path | None, ends: Ends) -> Chosen:
    try:
        if path is not None:
            return take_template(path.read_text(encoding="utf-8"), str(path), model.special_tokens, ends)
        text, name = model.template or ("", "")
        return choose_template(text, f"{name} of the model", model.special_tokens, ends)
    except OSError as error:
        raise TemplateUnusable(path=path, problem=f"it can't be read: {error.strerror}") from None
    except ValueError as error:
        raise TemplateUnusable(path=path or model.path, problem=error) from None


def _ends(model: ModelFolder, encoder: Encoder) -> Ends:
    stops = {model.tokenizer.id_to_token(number) for number in model.stop_tokens}
    return Ends(frozenset(filter(None, stops)), frozenset(encoder.specials))

"""How a model is asked and answers, in tokens and text: the same in a host process and before a vLLM server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.dataset.rendering.calls import Parsed, parse_answer
from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.errors import FtorchError, ParserFailed
from orchestrator.server.trainers.interface import Answer, AnswerError, Question, ToolCall
from orchestrator.server.trainers.lora.serving.callformat import CallFormat, call_format, special_tokens

MOST_TOKENS = 512
"""The limit of an answer to a question that names none: a model that repeats itself would fill its context."""
TEMPLATE = "chat_template.jinja"
SHOWN = 1000
"""The characters of an answer that an error shows."""


class Dialogue:
    """A base model or an adapter, with the template that it was trained with."""

    def __init__(self, folder: Path, weights: Path | None) -> None:
        """Raises AnswerError if the folder or the template can't be used."""
        self._renderer = _renderer(folder, None if weights is None else weights / TEMPLATE)
        self.special: Mapping[str, int] = special_tokens(folder)
        self.family = self._renderer.template.family
        """The format of its calls by name, for the parser; None if ours can't read them."""
        self.form: CallFormat | None = None
        if self.family is not None:
            self.form = call_format(self._renderer, self.special)

    @property
    def stop_tokens(self) -> frozenset[int]:
        return self._renderer.stop_tokens

    def prompt(self, question: Question) -> list[int]:
        """The tokens that the model reads. Raises AnswerError."""
        parallel = None if question.parallel else False
        try:
            return list(self._renderer.prompt(question.messages, list(question.tools), parallel=parallel).ids)
        except FtorchError as error:
            raise AnswerError(str(error)) from error

    def limit(self, prompt: int, asked: int | None) -> int:
        """The most tokens of an answer after a prompt of this length. Raises AnswerError if none fits."""
        context = self._renderer.context_length
        if context is None:
            return asked or MOST_TOKENS
        if prompt >= context:
            raise AnswerError(
                f"The prompt has {prompt:,} tokens, and the model takes {context:,} with its answer. Shorten the "
                "messages or the function definitions."
            )
        return min(asked or MOST_TOKENS, context - prompt)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        return self._renderer.decode(tokens)

    def end(self, question: Question, text: str) -> int | None:
        """Where a stop text of the question begins, before the first call; None if none is there."""
        if question.tools and self.form is not None and self.form.marker is not None:
            text = text.partition(self.form.marker)[0]
        return min((text.index(stop) for stop in question.stops if stop in text), default=None)

    def answer(self, question: Question, text: str, *, is_cut: bool, prompt: int, written: int) -> Answer:
        """The answer that a model wrote as `text`, without its stop token, and its numbers of tokens.

        Raises AnswerError if our parser fails on it.
        """
        end = self.end(question, text)
        parsed = self._parsed(question, text[:end])
        calls = parsed.calls if question.parallel else parsed.calls[:1]
        return Answer(
            content=parsed.content,
            calls=tuple(ToolCall(name, arguments) for name, arguments in calls),
            is_cut=is_cut and end is None,
            prompt_tokens=prompt,
            completion_tokens=written,
        )

    def _parsed(self, question: Question, text: str) -> Parsed:
        is_asked_for_text = question.choice == "none" or not question.tools
        family = None if is_asked_for_text else self.family
        try:
            return parse_answer(text, family, question.tools)
        except ParserFailed as failed:
            raise AnswerError(
                f"The parser for {family} could not read the answer: this is a fault of ftorch, not of the model. "
                f"{failed.facts.get('reason', failed)}. The answer was: {text[:SHOWN]}"
            ) from failed


def conversation(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None, parallel: bool | None
) -> Question:
    """The question of a conversation as a training row has it."""
    return Question(messages, tools or (), parallel=parallel is not False)


def _renderer(folder: Path, template: Path | None) -> Renderer:
    try:
        return open_renderer(folder, template=template)
    except FtorchError as error:
        raise AnswerError(str(error)) from error

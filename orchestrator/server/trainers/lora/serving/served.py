"""One model as a host process serves it: its dialogue, and what holds its answers."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.server.trainers.interface import Answer, Question
from orchestrator.server.trainers.lora.serving.decoding import Draft, Matcher, Sampling
from orchestrator.server.trainers.lora.serving.dialogue import Dialogue
from orchestrator.server.trainers.lora.serving.grammar import Grammars, GrammarUnusable


class Served:
    """A base model or an adapter of it."""

    def __init__(self, folder: Path, weights: Path | None, grammars: Grammars | None) -> None:
        """Raises AnswerError if the folder or the template can't be used."""
        self.weights = weights
        self.dialogue = Dialogue(folder, weights)
        self._grammars = grammars
        self._told: set[str] = set()

    def draft(self, question: Question, *, constrained: bool) -> Draft:
        """The answer to begin. Raises AnswerError for a prompt that doesn't fit the model."""
        dialogue = self.dialogue
        prompt = dialogue.prompt(question)
        return Draft(
            prompt=prompt,
            most=dialogue.limit(len(prompt), question.max_tokens),
            stop_tokens=dialogue.stop_tokens,
            sampling=Sampling(question.temperature, question.top_p, question.seed),
            matcher=self._matcher(question) if constrained else None,
            ends=(lambda ids: dialogue.end(question, dialogue.text(ids)) is not None) if question.stops else None,
        )

    def answer(self, question: Question, draft: Draft) -> Answer:
        """The answer that was written. Raises AnswerError if our parser fails on it."""
        text, is_cut = self.dialogue.text(draft.written), draft.finish == "length"
        return self.dialogue.answer(
            question, text, is_cut=is_cut, prompt=len(draft.prompt), written=len(draft.written)
        )

    def _matcher(self, question: Question) -> Matcher | None:
        if self._grammars is None or self.dialogue.form is None:
            return None
        try:
            return self._grammars.matcher(self.dialogue.form, question)
        except GrammarUnusable as unusable:
            self._tell(f"Calls are not held to the functions' schemas: {unusable}")
            return None

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            print(message, file=sys.stderr, flush=True)

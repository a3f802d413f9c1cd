"""Holds an answer to text, or calls of the offered functions with arguments that fit their schemas."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.server.trainers.interface import Question
from orchestrator.server.trainers.lora.serving.callformat import CallFormat, special_tokens
from orchestrator.server.trainers.lora.serving.grammartext import bounded, grammar_text

KEPT = 32
"""Compiled grammars that are kept: requests with the same functions share one."""


class GrammarUnusable(Exception):
    """The functions of a request can't be held to their schemas; the message says why."""


class Grammars:
    """The grammars of one model's tokenizer."""

    def __init__(self, folder: Path, vocabulary: int, stop_tokens: Iterable[int]) -> None:
        """`vocabulary` is the number of scores that the model gives. Raises ImportError without llguidance, and
        GrammarUnusable for a tokenizer that it can't read."""
        import llguidance

        self._library = llguidance
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        try:
            self._tokenizer = llguidance.LLTokenizer(text, n_vocab=vocabulary, eos_token=sorted(stop_tokens))
        except Exception as error:
            raise GrammarUnusable(f"llguidance can't read the tokenizer: {error}") from error
        self._special = special_tokens(folder)
        self._compiled: OrderedDict[str, Any] = OrderedDict()

    def matcher(self, form: CallFormat, question: Question) -> GrammarMatcher | None:
        """What holds one answer to this question; None if nothing is to be held. Raises GrammarUnusable."""
        if not question.tools:
            return None
        compiled = self._matcher(grammar_text(form, question, self._special, bounded))
        if compiled.is_error():
            # A bound may contradict a rare schema.
            compiled = self._matcher(grammar_text(form, question, self._special, dict))
        if compiled.is_error():
            raise GrammarUnusable(compiled.get_error().strip().split("\n")[0])
        return GrammarMatcher(compiled.deep_copy(), self._tokenizer.vocab_size)

    def _matcher(self, text: str) -> Any:
        if text not in self._compiled:
            self._compiled[text] = self._library.LLMatcher(self._tokenizer, text, log_level=0)
            while len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(text)
        return self._compiled[text]


class GrammarMatcher:
    """Holds one answer; see `decoding.Matcher`."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    @property
    def has_ended(self) -> bool:
        return bool(self._matcher.is_stopped()) and not self._matcher.is_error()

    def forced(self) -> Sequence[int]:
        if self._matcher.is_error() or self._matcher.is_stopped():
            return ()
        tokens: list[int] = self._matcher.compute_ff_tokens()
        return tokens if tokens and self._matcher.consume_tokens(tokens) else ()

    def allowed(self) -> np.ndarray | None:
        if self._matcher.is_error():
            return None
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(bool)

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)

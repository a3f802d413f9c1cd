"""Writes answers token by token, several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch

from orchestrator.server.trainers.lora.serving.reading import Reader

Finish = Literal["stop", "length"]


class Matcher(Protocol):
    """Holds one answer to a grammar."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing can follow."""

    def forced(self) -> Sequence[int]:
        """The tokens that must come next, none if there is a choice. They count as written."""

    def allowed(self) -> np.ndarray | None:
        """Which tokens may come next, a bool for each of the vocabulary; None if any may."""

    def accept(self, token: int) -> None:
        """The token was written."""


@dataclass(frozen=True)
class Sampling:
    """How a token is picked from its probabilities."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def generator(self) -> torch.Generator:
        generator = torch.Generator()
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed % (1 << 63))
        return generator


@dataclass
class Draft:
    """An answer that is being written."""

    prompt: Sequence[int]
    most: int
    """The most tokens that it may have."""
    stop_tokens: frozenset[int]
    sampling: Sampling = Sampling()
    matcher: Matcher | None = None
    ends: Callable[[Sequence[int]], bool] | None = None
    """Whether what was written ends the answer, such as a stop text."""
    written: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    """The written tokens that the model has not read."""
    finish: Finish | None = None
    asked: int = 0
    """How many tokens the model was asked for; the grammar forced the others."""

    def __post_init__(self) -> None:
        self._generator = self.sampling.generator()
        self._write_forced()

    def write(self, token: int) -> None:
        """Write a token that the model chose, and those that the grammar forces after it."""
        self.asked += 1
        if token in self.stop_tokens:
            self.finish = "stop"
            return
        self._append(token)
        if self.matcher is not None and self.finish is None:
            self.matcher.accept(token)
            self._write_forced()

    def pick(self, scores: torch.Tensor) -> int:
        """A token by its score; tokens that must not come have -inf."""
        if self.sampling.temperature <= 0:
            return int(scores.argmax())
        chances = torch.softmax(scores.cpu() / self.sampling.temperature, dim=-1)
        if self.sampling.top_p < 1:
            chances = _nucleus(chances, self.sampling.top_p)
        return int(torch.multinomial(chances, 1, generator=self._generator))

    def _write_forced(self) -> None:
        if self.matcher is None:
            return
        for token in self.matcher.forced():
            if self.finish is None and token in self.stop_tokens:
                self.finish = "stop"
            elif self.finish is None:
                self._append(token)
        if self.matcher.has_ended:
            self.finish = self.finish or "stop"

    def _append(self, token: int) -> None:
        self.written.append(token)
        self.unread.append(token)
        if self.ends is not None and self.ends(self.written):
            self.finish = "stop"
        elif len(self.written) >= self.most:
            self.finish = "length"


def _nucleus(chances: torch.Tensor, top_p: float) -> torch.Tensor:
    """The most probable tokens that together reach this probability; at least one."""
    ordered, tokens = chances.sort(descending=True)
    beyond = ordered.cumsum(-1) - ordered >= top_p
    beyond[0] = False
    return torch.zeros_like(chances).scatter(-1, tokens, ordered.masked_fill(beyond, 0.0))


class Decoder:
    """Writes the drafts of one batch; others may join while it does."""

    def __init__(self, reader: Reader) -> None:
        self.drafts: list[Draft] = []
        self._reader = reader

    @property
    def room(self) -> int:
        """How many drafts can join."""
        return self._reader.most_rows - len(self.drafts)

    def join(self, drafts: Sequence[Draft]) -> None:
        """Read the prompts and write the first token of each."""
        new = [draft for draft in drafts if draft.finish is None]
        if not new:
            return
        with torch.inference_mode():
            scores = self._reader.start([[*draft.prompt, *draft.unread] for draft in new])
            self.drafts += new
            self._write(new, scores)
            self._let_go()

    def step(self) -> None:
        """Write at least one token of each draft; those that are complete leave."""
        with torch.inference_mode():
            self._write(self.drafts, self._reader.read([draft.unread for draft in self.drafts]))
            self._let_go()

    def _write(self, drafts: Sequence[Draft], scores: torch.Tensor) -> None:
        scores = _masked(scores, [draft.matcher for draft in drafts])
        best = scores.argmax(-1).tolist()
        for draft, row, token in zip(drafts, scores, best, strict=True):
            draft.unread = []
            draft.write(token if draft.sampling.temperature <= 0 else draft.pick(row))

    def _let_go(self) -> None:
        left = [row for row, draft in enumerate(self.drafts) if draft.finish is None]
        if len(left) < len(self.drafts):
            self._reader.keep(left)
            self.drafts = [self.drafts[row] for row in left]


def _masked(scores: torch.Tensor, matchers: Sequence[Matcher | None]) -> torch.Tensor:
    masks = [matcher.allowed() if matcher is not None else None for matcher in matchers]
    if all(mask is None for mask in masks):
        return scores
    allowed = np.ones(tuple(scores.shape), dtype=bool)
    for row, mask in enumerate(masks):
        if mask is not None:
            allowed[row] = False
            allowed[row, : len(mask)] = mask[: scores.shape[1]]
    return scores.masked_fill(~torch.from_numpy(allowed).to(scores.device), float("-inf"))

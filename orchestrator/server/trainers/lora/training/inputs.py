"""Sequences as tensors, padded or sharing what they begin with, and the places at which the model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from orchestrator.server.trainers.lora.training.examples import Tokens
from orchestrator.server.trainers.lora.training.microbatches import shared_beginning

Tensor = Any
"""torch.Tensor: torch is no dependency of ftorch, and its types are unknown where it isn't installed."""


@dataclass(frozen=True)
class Inputs:
    """What goes through the model at once: `rows` x `length` tokens with `n` targets."""

    ids: Tensor
    """(rows, length)."""
    sees: Tensor | None
    """(1, 1, length, length), true where a token sees another; None: each sees all before it."""
    positions: Tensor | None
    """(rows, length); None: 0, 1, 2, …"""
    sources: Tensor
    """(n): the places that predict a target, by their index in the flattened `ids`."""
    targets: Tensor
    """(n): the tokens that they should predict."""
    sequences: Tensor
    """(n): the sequence that each target belongs to, by its index."""
    causal: int = 0
    """The first tokens, if each sees all before it, although there is a mask."""


def padded(sequences: Sequence[Tokens], pad: int, device: str) -> Inputs:
    """One row per sequence. Padding comes last, where no token of the sequence sees it, so there is no mask."""
    length = max(len(sequence.ids) for sequence in sequences)
    ids = torch.full((len(sequences), length), pad, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = _long(sequence.ids)
    paths = [torch.arange(len(sequence.ids)) + row * length for row, sequence in enumerate(sequences)]
    return Inputs(ids.to(device), None, None, *_asked(sequences, paths, device))


def shared(sequences: Sequence[Tokens], device: str) -> Inputs:
    """One row for all sequences; a beginning that neighbours share appears once."""
    paths: list[Tensor] = []
    parts: list[Tensor] = []
    length = 0
    for number, sequence in enumerate(sequences):
        common = shared_beginning(sequences[number - 1].ids, sequence.ids) if number else 0
        new = len(sequence.ids) - common
        paths.append(
            torch.cat([paths[-1][:common] if number else torch.arange(0), torch.arange(length, length + new)])
        )
        parts.append(_long(sequence.ids)[common:])
        length += new
    return Inputs(
        torch.cat(parts)[None].to(device),
        _sees(paths, length)[None, None].to(device),
        _positions(paths, length)[None].to(device),
        *_asked(sequences, paths, device),
        causal=len(sequences[0].ids),
    )


def _asked(sequences: Sequence[Tokens], paths: Sequence[Tensor], device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Sources, targets and sequences. `paths` are the places of each sequence's tokens."""
    sources, targets, numbers = [], [], []
    for number, (sequence, path) in enumerate(zip(sequences, paths, strict=True)):
        learned = torch.frombuffer(bytearray(sequence.learned), dtype=torch.uint8).nonzero().flatten()
        sources.append(path[learned - 1])
        targets.append(_long(sequence.ids)[learned])
        numbers.append(torch.full_like(learned, number))
    return torch.cat(sources).to(device), torch.cat(targets).to(device), torch.cat(numbers).to(device)


def _sees(paths: Sequence[Tensor], length: int) -> Tensor:
    """(length, length): every token sees itself and what is before it on its own path."""
    sees = torch.zeros(length, length, dtype=torch.bool)
    done = 0
    for path in paths:
        new = path[path >= done]
        rows = torch.zeros(len(new), length, dtype=torch.bool)
        rows[:, path[: len(path) - len(new)]] = True
        rows[:, new] = torch.ones(len(new), len(new), dtype=torch.bool).tril()
        sees[new] = rows
        done += len(new)
    return sees


def _positions(paths: Sequence[Tensor], length: int) -> Tensor:
    positions = torch.zeros(length, dtype=torch.long)
    for path in paths:
        positions[path] = torch.arange(len(path))
    return positions


def _long(ids: Any) -> Tensor:
    return torch.tensor(ids, dtype=torch.long)

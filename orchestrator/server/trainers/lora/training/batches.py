"""Which examples each step learns from: a function of the seed and the epoch, so that none of it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

WINDOW = 8
"""Batches whose examples are sorted by length among themselves. More would leave less to chance."""


def epoch_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, *, grouped: bool
) -> list[list[int]]:
    """The examples of every batch, by index; each example once. `epoch` counts from 1.

    `grouped` puts examples of similar length into the same batch.
    """
    random = Random(f"{seed}:{epoch}")
    order = list(range(len(lengths)))
    random.shuffle(order)
    if not grouped:
        return _cut(order, batch_size)
    batches: list[list[int]] = []
    for window in _cut(order, batch_size * WINDOW):
        batches += _cut(sorted(window, key=lengths.__getitem__), batch_size)
    smaller = [batch for batch in batches if len(batch) < batch_size]
    whole = [batch for batch in batches if len(batch) == batch_size]
    random.shuffle(whole)
    return whole + smaller


def _cut(order: Sequence[int], size: int) -> list[list[int]]:
    return [list(order[first : first + size]) for first in range(0, len(order), size)]

"""Keys and values of several rows of unequal length, in one buffer for each layer.

Row `r` keeps its token at position `p` in column `p`, so no row has holes and a row is a slice. The cache of the
library grows by a copy of all it holds at each token, and pads rows on the left; this one writes in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache

GROWTH = 256
"""Columns that a full buffer gains at once."""

KeysValues = tuple[torch.Tensor, torch.Tensor]
"""The keys and the values of one layer: [1, heads, tokens, width]."""


@dataclass(frozen=True)
class Read:
    """What the model has read of one row: keys and values of each layer."""

    layers: Sequence[KeysValues]
    tokens: int

    def first(self, tokens: int) -> Read:
        """The first tokens of it, as views."""
        return Read([(keys[:, :, :tokens], values[:, :, :tokens]) for keys, values in self.layers], tokens)

    @property
    def bytes(self) -> int:
        """The memory it takes."""
        return sum(each.numel() * each.element_size() for layer in self.layers for each in layer)


class _Layer:
    """The buffer of one layer: [rows, heads, columns + 1, width]. Padding is written to the last column."""

    is_sliding = False
    is_compileable = False

    def __init__(self, parts: Sequence[KeysValues], columns: int) -> None:
        self.keys = _stacked([keys for keys, _ in parts], columns)
        self.values = _stacked([values for _, values in parts], columns)
        self.rows: torch.Tensor | slice = slice(None)
        self.columns: torch.Tensor | slice = slice(0, 0)
        self.used = 0

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> KeysValues:
        if isinstance(self.columns, slice):
            self.keys[:, :, self.columns] = keys
            self.values[:, :, self.columns] = values
        else:
            self.keys[self.rows, :, self.columns] = keys.transpose(1, 2)
            self.values[self.rows, :, self.columns] = values.transpose(1, 2)
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def get_seq_length(self) -> int:
        return self.used

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used, 0


class RowCache(Cache):  # type: ignore[misc]
    """The rows that a batch has read. Pass it to the model after `expect`, with its mask and positions."""

    def __init__(self, parts: Sequence[Read]) -> None:
        columns = _rounded(max(part.tokens for part in parts))
        layers = [_Layer(each, columns) for each in zip(*(part.layers for part in parts), strict=True)]
        super().__init__(layers=layers)
        self.tokens = [part.tokens for part in parts]
        """The number of tokens of each row."""

    def expect(self, chunks: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Make room for the next tokens, this many of each row, padded on the left to the longest.

        Returns the positions [rows, longest] and the mask [rows, 1, longest, columns]: True where a token may look.
        """
        longest = max(chunks)
        ends = [have + more for have, more in zip(self.tokens, chunks, strict=True)]
        self._grow(max(ends))
        device = self.layers[0].keys.device
        steps = torch.arange(longest, device=device)
        positions = torch.tensor(ends, device=device)[:, None] - longest + steps
        is_padding = steps < longest - torch.tensor(list(chunks), device=device)[:, None]
        is_even = len(set(self.tokens)) == 1 and min(chunks) == longest
        self._place(positions, None if is_even else is_padding, max(ends))
        positions = positions.masked_fill(is_padding, 0)
        mask = torch.arange(max(ends), device=device) <= positions[..., None]
        self.tokens = ends
        return positions, mask[:, None]

    def join(self, other: RowCache) -> None:
        """Append the rows of another cache."""
        columns = max(self._columns, other._columns)
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.keys = torch.cat([_widened(mine.keys, columns), _widened(theirs.keys, columns)])
            mine.values = torch.cat([_widened(mine.values, columns), _widened(theirs.values, columns)])
        self.tokens = [*self.tokens, *other.tokens]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""
        index = torch.tensor(list(rows), device=self.layers[0].keys.device)
        for layer in self.layers:
            layer.keys, layer.values = layer.keys.index_select(0, index), layer.values.index_select(0, index)
        self.tokens = [self.tokens[row] for row in rows]

    def row(self, row: int) -> Read:
        """What has been read of one row, as views of the buffers."""
        layers = [(layer.keys[row : row + 1], layer.values[row : row + 1]) for layer in self.layers]
        return Read(layers, self.tokens[row]).first(self.tokens[row])

    @property
    def _columns(self) -> int:
        return int(self.layers[0].keys.shape[2]) - 1

    def _grow(self, needed: int) -> None:
        if needed > self._columns:
            columns = _rounded(needed)
            for layer in self.layers:
                layer.keys, layer.values = _widened(layer.keys, columns), _widened(layer.values, columns)

    def _place(self, positions: torch.Tensor, is_padding: torch.Tensor | None, used: int) -> None:
        rows: torch.Tensor | slice = slice(None)
        columns: torch.Tensor | slice = slice(used - positions.shape[1], used)
        if is_padding is not None:
            rows = torch.arange(len(self.tokens), device=positions.device)[:, None]
            columns = positions.masked_fill(is_padding, self._columns)
        for layer in self.layers:
            layer.rows, layer.columns, layer.used = rows, columns, used


def _rounded(tokens: int) -> int:
    return (tokens // GROWTH + 1) * GROWTH


def _stacked(parts: Sequence[torch.Tensor], columns: int) -> torch.Tensor:
    _, heads, _, width = parts[0].shape
    buffer = parts[0].new_zeros((len(parts), heads, columns + 1, width))
    for row, part in enumerate(parts):
        buffer[row, :, : part.shape[2]] = part[0]
    return buffer


def _widened(buffer: torch.Tensor, columns: int) -> torch.Tensor:
    rows, heads, have, width = buffer.shape
    if have == columns + 1:
        return buffer
    wider = buffer.new_zeros((rows, heads, columns + 1, width))
    wider[:, :, : have - 1] = buffer[:, :, :-1]
    return wider

"""How the sequences of a batch go through the model: padded to the longest, or sharing what they begin with.

Sequences that share a beginning (the system message and the definitions of the tools) can form one sequence, in
which it appears once: every token sees only its own sequence, by a mask, and has the position that it has there.
Loss and gradient are those of the padded batch. It costs attention over all of it, so each batch is planned both
ways.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Ids: TypeAlias = "array[int]"
_BYTES = array("I").itemsize


@dataclass(frozen=True)
class Micro:
    """What goes through the model at once."""

    items: tuple[int, ...]
    """By their index in the batch."""
    is_shared: bool
    places: int
    """Tokens in memory, padding included."""


@dataclass(frozen=True)
class Planner:
    """Cuts batches into micro-batches."""

    limit: int
    """The most places of a micro-batch; an item that has more goes alone."""
    even: float
    """The length at which attention of all tokens to all costs as much as everything else."""
    can_share: bool

    def plan(self, items: Sequence[Sequence[Ids]]) -> list[Micro]:
        """The cheaper way for this batch. An item is one or more sequences that must stay together."""
        padded = self._padded(items)
        if not self.can_share:
            return padded
        shared = self._shared(items)
        return min(padded, shared, key=lambda way: sum(self._cost_of(micro, items) for micro in way))

    def cost(self, items: Sequence[Sequence[Ids]]) -> float:
        """The cost of a batch, in tokens of no attention."""
        return sum(self._cost_of(micro, items) for micro in self.plan(items))

    def _cost_of(self, micro: Micro, items: Sequence[Sequence[Ids]]) -> float:
        if micro.is_shared:
            return self._shared_cost(len(items[micro.items[0]][0]), micro.places)
        count = sum(len(items[index]) for index in micro.items)
        return count * self._shared_cost(micro.places // count, micro.places // count)

    def _shared_cost(self, first: int, length: int) -> float:
        """Half of the attention is saved in the first sequence, as its tokens see what precedes them (`attend`)."""
        return length + (first * first / 2 + (length - first) * length) / self.even

    def _padded(self, items: Sequence[Sequence[Ids]]) -> list[Micro]:
        """Items of similar length together, from the shortest."""
        order = sorted(range(len(items)), key=lambda index: (_longest(items[index]), index))
        micros: list[Micro] = []
        chosen: list[int] = []
        count = 0
        for index in order:
            longest, more = _longest(items[index]), len(items[index])
            if chosen and (count + more) * longest > self.limit:
                micros.append(_padded_micro(chosen, items))
                chosen, count = [], 0
            chosen.append(index)
            count += more
        return [*micros, _padded_micro(chosen, items)]

    def _shared(self, items: Sequence[Sequence[Ids]]) -> list[Micro]:
        """The cheapest cuts of the items in the order of their tokens, where neighbours share the most."""
        order = sorted(range(len(items)), key=lambda index: (items[index][0].tobytes(), index))
        added = _added(order, items)
        best: list[tuple[float, int]] = [(0.0, 0)]  # the cost of the first n items, and where their last cut begins
        for end in range(1, len(order) + 1):
            ways = []
            length = 0
            for start in range(end - 1, -1, -1):
                whole, behind = added[start]
                if start < end - 1 and whole + length > self.limit:
                    break
                first = len(items[order[start]][0])
                ways.append((best[start][0] + self._shared_cost(first, whole + length), start))
                length += behind
            best.append(min(ways))
        return _cut(order, added, best)


def shared_beginning(one: Ids, other: Ids) -> int:
    """How many tokens both begin with."""
    first, second = memoryview(one).cast("B"), memoryview(other).cast("B")
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        # Bytes are compared at once, numbers one by one.
        is_same = first[low * _BYTES : middle * _BYTES] == second[low * _BYTES : middle * _BYTES]
        low, high = (middle, high) if is_same else (low, middle - 1)
    return low


def _added(order: Sequence[int], items: Sequence[Sequence[Ids]]) -> list[tuple[int, int]]:
    """Of each item in this order: its tokens as the first of a micro-batch, and behind the item before it."""
    added = []
    before: Ids = array("I")
    for index in order:
        sequences = items[index]
        inner = sum(len(later) - shared_beginning(earlier, later) for earlier, later in pairwise(sequences))
        whole = len(sequences[0]) + inner
        added.append((whole, whole - shared_beginning(before, sequences[0])))
        before = sequences[-1]
    return added


def _cut(order: Sequence[int], added: Sequence[tuple[int, int]], best: Sequence[tuple[float, int]]) -> list[Micro]:
    micros = []
    end = len(order)
    while end:
        start = best[end][1]
        places = added[start][0] + sum(behind for _, behind in added[start + 1 : end])
        micros.append(Micro(tuple(order[start:end]), True, places))
        end = start
    return micros[::-1]


def _padded_micro(chosen: Sequence[int], items: Sequence[Sequence[Ids]]) -> Micro:
    count = sum(len(items[index]) for index in chosen)
    return Micro(tuple(chosen), False, count * max(_longest(items[index]) for index in chosen))


def _longest(sequences: Sequence[Ids]) -> int:
    return max(map(len, sequences))

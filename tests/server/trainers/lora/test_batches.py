"""Which examples go together, and how they go through the model."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import chain, pairwise

from hypothesis import given, strategies

from orchestrator.server.trainers.lora.training.batches import epoch_batches
from orchestrator.server.trainers.lora.training.microbatches import Ids, Micro, Planner, shared_beginning

LENGTHS = [(7 * number) % 101 + 1 for number in range(250)]
SYSTEM = list(range(1000, 1400))


def test_every_epoch_has_every_example_once_in_another_order() -> None:
    for grouped in (False, True):
        epochs = [epoch_batches(LENGTHS, 8, 1, epoch, grouped=grouped) for epoch in (1, 2)]
        for batches in epochs:
            assert Counter(chain(*batches)) == Counter(range(250))
            assert [len(batch) for batch in batches] == [8] * 31 + [2]
        assert epochs[0] != epochs[1]


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    assert epoch_batches(LENGTHS, 8, 1, 2, grouped=True) == epoch_batches(LENGTHS, 8, 1, 2, grouped=True)
    assert epoch_batches(LENGTHS, 8, 1, 2, grouped=True) != epoch_batches(LENGTHS, 8, 2, 2, grouped=True)


def test_grouped_batches_need_less_padding() -> None:
    def padded(grouped: bool) -> int:
        batches = epoch_batches(LENGTHS, 8, 1, 1, grouped=grouped)
        return sum(len(batch) * max(LENGTHS[index] for index in batch) for batch in batches)

    assert padded(True) < 0.8 * padded(False)


def test_rows_with_the_same_beginning_share_it_where_it_is_long() -> None:
    items = [[ids(*SYSTEM, *range(number, number + 20))] for number in range(16)]
    plan = Planner(4096, 3000, can_share=True).plan(items)
    assert [(micro.is_shared, micro.places) for micro in plan] == [(True, 400 + 16 * 20)]


def test_rows_of_two_kinds_share_two_beginnings() -> None:
    other = [number + 5000 for number in SYSTEM]
    items = [[ids(*start, number)] for number in range(8) for start in (SYSTEM, other)]
    plan = Planner(600, 3000, can_share=True).plan(items)
    assert sorted(sorted({index % 2 for index in micro.items}) for micro in plan) == [[0], [1]]
    assert [micro.places for micro in plan] == [408, 408]


def test_rows_without_a_common_beginning_are_padded_where_attention_over_all_costs_more() -> None:
    items = [[ids(number, *range(2000))] for number in range(8)]
    assert not any(micro.is_shared for micro in Planner(100_000, 500, can_share=True).plan(items))


def test_a_pair_shares_its_prompt_and_stays_together() -> None:
    pairs = [[ids(*SYSTEM, number, 1, 2), ids(*SYSTEM, number, 3)] for number in range(4)]
    plan = Planner(4096, 3000, can_share=True).plan(pairs)
    assert [(micro.items, micro.places) for micro in plan] == [((0, 1, 2, 3), 400 + 4 * (1 + 2 + 1))]


rows = strategies.lists(
    strategies.lists(strategies.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=12
)


@given(rows, strategies.integers(1, 60), strategies.booleans())
def test_every_plan_has_every_item_once_and_counts_its_places(
    texts: list[list[int]], limit: int, can_share: bool
) -> None:
    items = [[ids(*text)] for text in texts]
    plan = Planner(limit, 10, can_share).plan(items)
    assert sorted(chain(*(micro.items for micro in plan))) == list(range(len(items)))
    for micro in plan:
        assert micro.places == places(micro, items)
        assert micro.places <= limit or len(micro.items) == 1


@given(rows)
def test_the_beginning_that_two_rows_share_is_found(texts: list[list[int]]) -> None:
    for one, other in pairwise(texts):
        common = next(
            (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        assert shared_beginning(ids(*one), ids(*other)) == common


def ids(*numbers: int) -> Ids:
    return array("I", numbers)


def places(micro: Micro, items: list[list[Ids]]) -> int:
    """Counted again: the tokens behind what each sequence shares with the one before it."""
    sequences = [items[index][0] for index in micro.items]
    if not micro.is_shared:
        return len(sequences) * max(map(len, sequences))
    shared = sum(shared_beginning(one, other) for one, other in pairwise(sequences))
    return sum(map(len, sequences)) - shared

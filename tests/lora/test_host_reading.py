"""Rows that are read together give what each gives alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.randommodel import write_base
from transformers import AutoModelForCausalLM

from orchestrator.server.trainers.lora.serving.reading import LONG, CausalModel, Prefixes, Reader, Rows, Single
from orchestrator.server.trainers.lora.serving.rowcache import GROWTH, RowCache

BYTES = 1 << 30
PROMPTS = ([5, 9, 200, 31], [7, 7, 7, 80, 81, 82, 83, 90, 12], [44], [101, 3])


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("models") / "random")


def loaded(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def model(base) -> CausalModel:
    return CausalModel(loaded(base))


@pytest.fixture(scope="module")
def generated(base) -> Callable[[Sequence[int], int], list[int]]:
    """What the library's own greedy decoding writes after a prompt."""
    untouched = loaded(base)

    def generated(prompt: Sequence[int], count: int) -> list[int]:
        return by_generate(untouched, prompt, count)

    return generated


def by_generate(model: Any, prompt: Sequence[int], count: int) -> list[int]:
    ids = torch.tensor([list(prompt)])
    written = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return written[0, len(prompt) :].tolist()


def greedy(reader: Reader, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    with torch.inference_mode():
        scores = reader.start(prompts)
        written = [[token] for token in scores[-len(prompts) :].argmax(-1).tolist()]
        for _ in range(count - 1):
            for each, token in zip(
                written, reader.read([row[-1:] for row in written]).argmax(-1).tolist(), strict=True
            ):
                each.append(token)
    return written


def rows(model: CausalModel, prefixes: Prefixes | None = None, owner: Path | None = None) -> Rows:
    return Rows(model, prefixes if prefixes is not None else Prefixes(BYTES), owner, most_rows=16)


def test_rows_of_unequal_length_are_written_as_the_library_writes_each(model, generated) -> None:
    count = GROWTH + 10  # the buffers grow on the way
    assert greedy(rows(model), PROMPTS, count) == [generated(prompt, count) for prompt in PROMPTS]


def test_chunks_of_unequal_length_give_the_scores_of_single_tokens(model, generated) -> None:
    written = [generated(prompt, 12) for prompt in PROMPTS]
    reader = rows(model)
    with torch.inference_mode():
        reader.start(PROMPTS)
        first = reader.read([each[:count] for each, count in zip(written, (1, 4, 7, 2), strict=True)])
        second = reader.read([written[0][1:2], written[1][4:10], written[2][7:8], written[3][2:11]])
    assert first.argmax(-1).tolist() == [each[count] for each, count in zip(written, (1, 4, 7, 2), strict=True)]
    assert second.argmax(-1).tolist() == [written[0][2], written[1][10], written[2][8], written[3][11]]


def test_rows_leave_and_join_without_a_trace_in_the_others(model, generated) -> None:
    written = [generated(prompt, 12) for prompt in PROMPTS]
    reader = rows(model)
    with torch.inference_mode():
        reader.start(PROMPTS)
        reader.read([each[:3] for each in written])
        reader.keep([1, 3])
        scores = reader.start([PROMPTS[0]])
        assert scores.argmax(-1).tolist() == [written[0][0]]
        scores = reader.read([written[1][3:6], written[3][3:4], written[0][:2]])
    assert scores.argmax(-1).tolist() == [written[1][6], written[3][4], written[0][2]]


def test_a_common_beginning_is_read_once(model, generated, monkeypatch) -> None:
    beginning = list(range(10, 10 + 3 * LONG))
    prompts = [[*beginning, 7, 8], [*beginning, 9], [*beginning, 3, 2, 1]]
    read: list[int] = []
    reads = model.read

    def counted(ids: Any, *rest: Any, **more: Any) -> Any:
        read.append(ids.numel())
        return reads(ids, *rest, **more)

    monkeypatch.setattr(model, "read", counted)
    prefixes = Prefixes(BYTES)
    assert greedy(rows(model, prefixes), prompts[:2], 5) == [generated(prompt, 5) for prompt in prompts[:2]]
    assert sum(read) < len(beginning) + 30
    read.clear()
    assert greedy(rows(model, prefixes), prompts[2:], 5) == [generated(prompts[2], 5)]
    assert sum(read) < 10


def test_remembered_beginnings_stay_within_their_bytes(model) -> None:
    first, second = [1] * (2 * LONG), [2] * (2 * LONG)
    prefixes = Prefixes(BYTES)
    greedy(rows(model, prefixes), [first], 1)
    one = prefixes.longest(None, [*first, 5])
    assert one is not None
    small = Prefixes(one.bytes + one.bytes // 2)
    greedy(rows(model, small), [first], 1)
    greedy(rows(model, small), [second], 1)
    assert small.longest(None, [*first, 5]) is None
    assert small.longest(None, [*second, 5]) is not None


def test_what_one_adapter_read_is_not_used_for_another(model) -> None:
    prefixes, prompt = Prefixes(BYTES), [1] * (2 * LONG)
    greedy(rows(model, prefixes, Path("one")), [prompt], 1)
    assert prefixes.longest(Path("one"), [*prompt, 5]) is not None
    assert prefixes.longest(Path("other"), [*prompt, 5]) is None
    assert prefixes.longest(None, [*prompt, 5]) is None


def test_a_longer_conversation_takes_the_place_of_its_beginning(model) -> None:
    prefixes = Prefixes(BYTES)
    turn = list(range(2 * LONG))
    greedy(rows(model, prefixes), [turn], 1)
    alone = prefixes.bytes
    greedy(rows(model, prefixes), [[*turn, *turn]], 1)
    assert alone < prefixes.bytes < 3 * alone
    again = prefixes.longest(None, [*turn, *turn, 5])
    assert again is not None
    assert again.tokens == 2 * len(turn) - 1


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("mistral", {"sliding_window": 16}),
        ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    ],
)
def test_a_model_that_forgets_is_read_row_by_row(kind, more, tmp_path) -> None:
    folder = write_base(tmp_path / kind, kind, **more)
    model = CausalModel(loaded(folder))
    assert not model.is_batched
    prompt = [5, 9, 200, 31] * 10
    assert greedy(Single(model), [prompt], 20) == [by_generate(loaded(folder), prompt, 20)]


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "gpt2"])
def test_other_models_with_all_their_keys_are_batched(kind, tmp_path) -> None:
    folder = write_base(tmp_path / kind, kind)
    model = CausalModel(loaded(folder))
    assert model.is_batched
    untouched = loaded(folder)
    assert greedy(rows(model), PROMPTS, 10) == [by_generate(untouched, prompt, 10) for prompt in PROMPTS]


def test_a_model_that_places_tokens_in_its_own_way_is_not_batched(base, monkeypatch) -> None:
    expect = RowCache.expect

    def misplaced(self: RowCache, chunks: Sequence[int]) -> Any:
        positions, mask = expect(self, chunks)
        return positions.flip(-1), mask

    monkeypatch.setattr(RowCache, "expect", misplaced)
    assert not CausalModel(loaded(base)).is_batched

"""How answers are written: limits, stops, sampling, and tokens that a grammar forces, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.randommodel import write_base
from transformers import AutoModelForCausalLM

from orchestrator.server.trainers.lora.serving.decoding import Decoder, Draft, Sampling
from orchestrator.server.trainers.lora.serving.reading import CausalModel, Prefixes, Rows

NEVER = frozenset({9999})
PROMPTS = ([5, 9, 200, 31], [7, 7, 7, 80, 81, 82, 83, 90, 12], [44], [101, 3])


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> CausalModel:
    folder: Path = write_base(tmp_path_factory.mktemp("models") / "random")
    return CausalModel(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval())


def decoder(model: CausalModel, rows: int = 16) -> Decoder:
    return Decoder(Rows(model, Prefixes(1 << 30), None, rows))


def write(model: CausalModel, *drafts: Draft) -> list[list[int]]:
    writing = decoder(model)
    writing.join(drafts)
    while writing.drafts:
        writing.step()
    return [draft.written for draft in drafts]


def draft(prompt: Sequence[int] = (5, 9, 200, 31), most: int = 12, **more: Any) -> Draft:
    return Draft(prompt, most, **{"stop_tokens": NEVER, **more})


class Forcing:
    """Forces some tokens after each that the model chooses, and allows even tokens only."""

    def __init__(self, forced: Sequence[int], choices: int) -> None:
        self._forced = forced
        self._left = choices
        self.accepted: list[int] = []

    @property
    def has_ended(self) -> bool:
        return self._left == 0

    def forced(self) -> Sequence[int]:
        return self._forced

    def allowed(self) -> np.ndarray:
        return np.arange(200) % 2 == 0

    def accept(self, token: int) -> None:
        self.accepted.append(token)
        self._left -= 1


def test_answers_of_a_batch_are_those_of_each_alone(model) -> None:
    limits = (3, 12, 7, 20)
    alone = [write(model, draft(prompt, most))[0] for prompt, most in zip(PROMPTS, limits, strict=True)]
    together = write(model, *(draft(prompt, most) for prompt, most in zip(PROMPTS, limits, strict=True)))
    assert together == alone
    assert [len(each) for each in together] == list(limits)


def test_an_answer_that_joins_later_changes_none(model) -> None:
    alone = [write(model, draft(prompt))[0] for prompt in PROMPTS]
    writing, drafts = decoder(model), [draft(prompt) for prompt in PROMPTS]
    writing.join(drafts[:1])
    for each in drafts[1:]:
        writing.step()
        writing.join([each])
    while writing.drafts:
        writing.step()
    assert [each.written for each in drafts] == alone


def test_a_limit_cuts_and_a_stop_token_ends(model) -> None:
    cut = draft(most=4)
    [written] = write(model, cut)
    assert (len(written), cut.finish) == (4, "length")
    ended = draft(stop_tokens=frozenset(written[2:3]))
    assert write(model, ended) == [written[:2]]
    assert ended.finish == "stop"


def test_an_answer_ends_where_its_text_says(model) -> None:
    [written] = write(model, draft())
    ended = draft(ends=lambda ids: list(ids[-2:]) == written[3:5])
    assert write(model, ended) == [written[:5]]
    assert ended.finish == "stop"


def test_forced_tokens_count_and_are_not_asked_of_the_model(model) -> None:
    forced = [1, 3, 5]
    drafts = [draft(most=100, matcher=Forcing(forced, choices)) for choices in (2, 4)]
    written = write(model, *drafts)
    for each, choices, draft_ in zip(written, (2, 4), drafts, strict=True):
        chosen = each[3::4]
        assert each[:3] == forced
        assert each == [*forced, *(token for choice in chosen for token in (choice, *forced))]
        assert len(chosen) == draft_.asked == choices
        assert all(token % 2 == 0 and token < 200 for token in chosen)
        assert draft_.finish == "stop"


def test_forced_tokens_in_a_batch_are_read_like_chosen_ones(model) -> None:
    free = draft(PROMPTS[1], most=9)
    alone = write(model, draft(PROMPTS[0], most=30, matcher=Forcing([1, 3, 5], 5)))[0]
    held = draft(PROMPTS[0], most=30, matcher=Forcing([1, 3, 5], 5))
    assert write(model, free, held) == [write(model, draft(PROMPTS[1], most=9))[0], alone]


def test_forced_tokens_beyond_the_limit_are_cut(model) -> None:
    cut = draft(most=5, matcher=Forcing([1, 3, 5], 4))
    assert len(write(model, cut)[0]) == 5
    assert cut.finish == "length"


def test_an_answer_without_any_choice_is_not_asked_of_the_model(model) -> None:
    decided = draft(matcher=Forcing([1, 3, 5], 0))
    writing = decoder(model)
    writing.join([decided])
    assert (decided.written, decided.finish, writing.drafts) == ([1, 3, 5], "stop", [])


def test_a_seed_repeats_a_sample_alone_and_in_a_batch(model) -> None:
    def sampled(seed: int | None) -> Draft:
        return draft(most=20, sampling=Sampling(temperature=1.0, seed=seed))

    first = write(model, sampled(7))[0]
    assert write(model, draft(PROMPTS[1], most=25), sampled(7))[1] == first
    assert write(model, sampled(8))[0] != first
    assert write(model, sampled(None))[0] != write(model, sampled(None))[0]


def test_top_p_leaves_the_most_probable_tokens() -> None:
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    narrow = draft(sampling=Sampling(temperature=1.0, top_p=0.6, seed=1))
    wide = draft(sampling=Sampling(temperature=1.0, top_p=1.0, seed=1))
    least = draft(sampling=Sampling(temperature=1.0, top_p=0.0, seed=1))
    assert {narrow.pick(scores) for _ in range(300)} == {0, 1}
    assert {wide.pick(scores) for _ in range(300)} == {0, 1, 2, 3}
    assert {least.pick(scores) for _ in range(50)} == {0}


def test_temperature_zero_picks_the_best() -> None:
    assert draft().pick(torch.tensor([0.1, 0.7, 0.2])) == 1

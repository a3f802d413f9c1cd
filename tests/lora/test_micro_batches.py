"""However a batch goes through the model, its loss and its gradient are the same."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch

from orchestrator.server.trainers.interface import Base, Hyperparameters, TrainingFailedError
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.precision import Precision
from orchestrator.server.trainers.lora.training.examples import Example, Tokens
from orchestrator.server.trainers.lora.training.fence import Fence
from orchestrator.server.trainers.lora.training.inputs import Inputs, padded, shared
from orchestrator.server.trainers.lora.training.learning import Learner
from orchestrator.server.trainers.lora.training.microbatches import Planner
from orchestrator.server.trainers.lora.training.models import LanguageModel, load_model
from orchestrator.server.trainers.lora.training.objectives import Objective, Preference, Supervised
from orchestrator.server.trainers.lora.training.planning import can_share
from orchestrator.server.trainers.lora.training.state import Progress

SYSTEM = list(range(10, 90))
FP32 = Precision("cpu", torch.float32, quantized=False)
Make = Callable[..., Learner]


def example(key: str, *texts: Sequence[int], learned: int = 12) -> Example:
    """The last `learned` tokens of each sequence are targets."""
    sequences = [Tokens(array("I", text), bytes(len(text) - learned) + b"\1" * learned) for text in texts]
    return Example(key, tuple(sequences))


BATCH = [example(f"{n}", [*SYSTEM, *range(100 + n, 120 + 3 * n)]) for n in range(6)]
OTHERS = [example(f"o{n}", [*range(5, 60), *range(90 + n, 120 + 2 * n)]) for n in range(3)]
DEEP = [example(f"d{n}", [*SYSTEM, *range(100, 130), n, 7], learned=20) for n in range(4)]
"""Here targets are among the tokens that are shared."""
PAIRS = [example(f"p{n}", [*SYSTEM, n, *range(40, 60)], [*SYSTEM, n, *range(70, 86)]) for n in range(3)]


@pytest.fixture
def model(base: Base) -> LanguageModel:
    """In float32, its adapter no longer zero."""
    options = {"lora_rank": 4, "lora_alpha": 8, "lora_dropout": 0.0, "lora_targets": "all-linear"}
    numbers = Hyperparameters(1, 8, 1.0, None, options)
    job = Job("", str(base.folder), "", "", None, "", "supervised", numbers, 1, None, 2, 600)
    found = load_model(job, FP32)
    torch.manual_seed(5)
    for parameter in found.learned.values():
        parameter.data.normal_(std=0.1)
    return found


@pytest.fixture
def make(model: LanguageModel, tmp_path: Path) -> Make:
    def run(objective: Objective | None = None, limit: int = 100_000, *, sharing: bool = False) -> Learner:
        folder = TrainingFolder(Path(mkdtemp(dir=tmp_path)))
        planner = Planner(limit, 1e9 if sharing else 1.0, can_share=sharing)
        progress = Progress("cpu", limit, is_checkpointing=False)
        fence = Fence(folder, folder.begin_attempt())
        return Learner(
            model, objective or Supervised(), planner, progress, 0, fence, may_checkpoint=True, longest=150
        )

    return run


def gradient(learner: Learner, batch: Sequence[Example]) -> tuple[float, torch.Tensor]:
    learner.model.peft.zero_grad()
    loss = learner.gradient(batch, seed=1).loss
    return loss, torch.cat([parameter.grad.flatten() for parameter in learner.model.learned.values()])


def assert_same(one: tuple[float, torch.Tensor], other: tuple[float, torch.Tensor]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert float((one[1] - other[1]).norm() / one[1].norm()) < 1e-5


@pytest.mark.parametrize("batch", [BATCH, [*BATCH, *OTHERS], DEEP], ids=["one beginning", "two", "shared targets"])
def test_a_shared_beginning_gives_the_loss_and_gradient_of_the_padded_batch(
    make: Make, batch: list[Example]
) -> None:
    sharing = make(sharing=True)
    plan = sharing.planner.plan([[tokens.ids for tokens in each.sequences] for each in batch])
    assert all(micro.is_shared for micro in plan)
    assert sum(micro.places for micro in plan) < 0.5 * sum(each.tokens for each in batch)
    assert_same(gradient(make(), batch), gradient(sharing, batch))


def test_one_micro_batch_and_many_give_the_same_gradient(make: Make) -> None:
    assert_same(gradient(make(), BATCH), gradient(make(limit=250), BATCH))
    assert_same(gradient(make(), BATCH), gradient(make(limit=150, sharing=True), BATCH))


def test_checkpointed_activations_give_the_same_gradient(make: Make) -> None:
    expected = gradient(make(), BATCH)
    learner = make()
    learner.model.checkpoint_activations()
    assert_same(expected, gradient(learner, BATCH))


def test_preferences_are_the_same_shared_and_padded(make: Make) -> None:
    reference = {each.key: 0.5 for each in PAIRS}
    found = [gradient(make(Preference(0.3, reference), sharing=by), PAIRS) for by in (False, True)]
    assert_same(*found)


def test_the_loss_of_a_preference_begins_at_log_2(make: Make) -> None:
    learner = make(sharing=True)
    reference = learner.leads(PAIRS)
    first = make(Preference(0.3, reference)).gradient(PAIRS, seed=1)
    assert first.loss == pytest.approx(0.6931472, abs=1e-5)


def test_a_long_answer_counts_by_its_tokens(make: Make) -> None:
    """A batch's loss is the mean over its learned tokens, not the mean of its rows' means."""
    short, long = example("short", [*SYSTEM, 1, 2], learned=1), example("long", [*SYSTEM, *range(40)], learned=39)
    learner = make()
    losses = [learner.mean([each]).loss for each in (short, long)]
    assert learner.mean([short, long]).loss == pytest.approx((losses[0] + 39 * losses[1]) / 40, rel=1e-5)


def test_logits_are_those_of_the_whole_model(model: LanguageModel) -> None:
    inputs = padded([each.sequences[0] for each in BATCH], 0, "cpu")
    with model.evaluating():
        whole = model.peft(input_ids=inputs.ids).logits.flatten(0, 1)[inputs.sources]
        assert torch.allclose(model.logits(inputs), whole, atol=1e-5)


def test_a_model_that_ignores_the_mask_is_found_out(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_share(model, BATCH[0].sequences[0])
    monkeypatch.setattr(model, "_mask", lambda inputs: None)
    assert not can_share(model, BATCH[0].sequences[0])


# --- Memory that runs out ---------------------------------------------------------------------------------------


@pytest.fixture
def memory(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A model that fails as torch does for more than `places` tokens, or while it keeps all activations."""
    whole, checkpoint_activations = model.logits, model.checkpoint_activations
    limits = {"places": 10**9, "needs_checkpointing": False}

    def logits(inputs: Inputs) -> Any:
        if inputs.ids.numel() > limits["places"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if limits["needs_checkpointing"]:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory")
        return whole(inputs)

    def checkpointed() -> None:
        limits["needs_checkpointing"] = False
        checkpoint_activations()

    monkeypatch.setattr(model, "logits", logits)
    monkeypatch.setattr(model, "checkpoint_activations", checkpointed)
    return limits


def notes(learner: Learner) -> str:
    return learner.fence._attempt.events.read_text()


def test_out_of_memory_the_batch_is_tried_in_smaller_parts(make: Make, memory: dict[str, Any]) -> None:
    expected = gradient(make(), BATCH)
    memory["places"] = 300
    learner = make()
    assert_same(expected, gradient(learner, BATCH))
    assert learner.progress.limit <= 300
    assert "Memory ran out with micro-batches of 660 tokens" in notes(learner)
    assert '"kind": "plan"' in notes(learner)


def test_out_of_memory_with_one_example_activations_are_checkpointed(make: Make, memory: dict[str, Any]) -> None:
    expected = gradient(make(), BATCH)
    memory["needs_checkpointing"] = True
    learner = make()
    assert_same(expected, gradient(learner, BATCH))
    assert learner.progress.is_checkpointing
    assert "with gradient checkpointing" in notes(learner)


def test_out_of_memory_for_good_the_training_fails_with_what_to_change(make: Make, memory: dict[str, Any]) -> None:
    memory["places"] = 50
    with pytest.raises(TrainingFailedError, match=r"single example of 100 tokens at a time\. Set gradient_check"):
        gradient(make(), BATCH)


def test_checkpointing_that_was_ruled_out_is_not_switched_on(make: Make, memory: dict[str, Any]) -> None:
    memory["needs_checkpointing"] = True
    learner = replace(make(), may_checkpoint=False)
    with pytest.raises(TrainingFailedError):
        gradient(learner, BATCH)
    assert not learner.progress.is_checkpointing


def test_another_error_is_not_taken_for_memory(make: Make, model: LanguageModel, monkeypatch: Any) -> None:
    def broken(inputs: Inputs) -> Any:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(model, "logits", broken)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        gradient(make(), BATCH)


def test_shared_positions_begin_again_behind_the_beginning() -> None:
    inputs = shared([each.sequences[0] for each in BATCH[:2]], "cpu")
    assert inputs.positions[0].tolist() == [*range(100), *range(80, 102)]
    assert not inputs.sees[0, 0, 100, 80:100].any()
    assert inputs.sees[0, 0, 100, :80].all()

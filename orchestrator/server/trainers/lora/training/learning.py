"""The gradient of a batch in micro-batches that fit into memory, and measurements without one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from orchestrator.server.trainers.interface import TrainingFailedError
from orchestrator.server.trainers.lora.failures import MEMORY_ADVICE
from orchestrator.server.trainers.lora.training.examples import Example
from orchestrator.server.trainers.lora.training.fence import Fence
from orchestrator.server.trainers.lora.training.inputs import Inputs, padded, shared
from orchestrator.server.trainers.lora.training.microbatches import Micro, Planner
from orchestrator.server.trainers.lora.training.models import LanguageModel
from orchestrator.server.trainers.lora.training.objectives import Objective, lead_of_preferred
from orchestrator.server.trainers.lora.training.ranks import ALONE, Ranks
from orchestrator.server.trainers.lora.training.state import Progress

Result = TypeVar("Result")
PLANNED = 64
"""Examples that are cut into micro-batches together; the time that takes grows with the square."""
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")
"""How torch's allocators say it, beside torch.OutOfMemoryError: the processor's raises RuntimeError."""


@dataclass(frozen=True)
class Mean:
    """Over all that an objective counts."""

    loss: float
    accuracy: float


class OutOfMemory(Exception):
    """One micro-batch doesn't fit."""

    def __init__(self, micro: Micro, longest: int) -> None:
        super().__init__(micro, longest)
        self.micro = micro
        self.longest = longest
        """The tokens of its longest sequence."""


@dataclass
class Learner:
    """Measures examples, and adds up their gradients."""

    model: LanguageModel
    objective: Objective
    planner: Planner
    progress: Progress
    pad: int
    fence: Fence
    may_checkpoint: bool
    """Whether to checkpoint activations once memory runs out."""
    longest: int
    """Tokens of the longest sequence."""
    ranks: Ranks = ALONE
    """The processes that share each batch."""

    def say_plan(self) -> None:
        """Say what is done with the memory, for the case that the kernel ends this process for it."""
        self.fence.say(
            "plan",
            tokens=self.planner.limit,
            longest=self.longest,
            is_checkpointing=self.progress.is_checkpointing,
            may_checkpoint=self.may_checkpoint and self.model.can_checkpoint,
        )

    def gradient(self, batch: Sequence[Example], seed: int) -> Mean:
        """Add the gradient of the mean loss of a batch, whose random numbers follow from `seed`.

        If memory runs out, smaller micro-batches are tried. Raises TrainingFailedError when they can't get smaller.
        """

        def attempt() -> tuple[float, int]:
            torch.manual_seed(seed + (self.ranks.number << 48))
            return self._sums(self.ranks.share(batch), self._with_gradient(self.objective.count(batch)))

        own = self._fitting(attempt)
        self.ranks.add_gradients(self.model.learned.values())
        return self._mean(own, batch)

    def mean(self, examples: Sequence[Example]) -> Mean:
        """The loss and accuracy of examples, without dropout. Raises as `gradient` does."""
        with self.model.evaluating():
            own = self._fitting(lambda: self._sums(self.ranks.share(examples), self._plain))
        return self._mean(own, examples)

    def leads(self, examples: Sequence[Example]) -> dict[str, float]:
        """By key: how much more probable each example's preferred answer is now than the other one, in nats."""

        def attempt() -> dict[str, float]:
            found: dict[str, float] = {}
            for micro, chosen in self._micros(self.ranks.share(examples)):
                leads = self._guarded(micro, chosen, lambda inputs, _: lead_of_preferred(self.model, inputs))
                found |= {example.key: float(lead) for example, lead in zip(chosen, leads, strict=True)}
            return found

        with self.model.evaluating():
            return self.ranks.merged(self._fitting(attempt))

    def _mean(self, own: tuple[float, int], examples: Sequence[Example]) -> Mean:
        loss, right = self.ranks.sums(*own)
        count = self.objective.count(examples)
        return Mean(loss / count, right / count)

    def _sums(
        self, examples: Sequence[Example], measure: Callable[[Inputs, Sequence[Example]], tuple[float, int]]
    ) -> tuple[float, int]:
        loss, right = 0.0, 0
        for micro, chosen in self._micros(examples):
            its_loss, its_right = self._guarded(micro, chosen, measure)
            loss += its_loss
            right += its_right
        return loss, right

    def _with_gradient(self, count: int) -> Callable[[Inputs, Sequence[Example]], tuple[float, int]]:
        def measure(inputs: Inputs, examples: Sequence[Example]) -> tuple[float, int]:
            measured = self.objective.measure(self.model, inputs, examples)
            (measured.loss / count).backward()
            return float(measured.loss.detach()), measured.right

        return measure

    def _plain(self, inputs: Inputs, examples: Sequence[Example]) -> tuple[float, int]:
        measured = self.objective.measure(self.model, inputs, examples)
        return float(measured.loss), measured.right

    def _micros(self, examples: Sequence[Example]) -> list[tuple[Micro, list[Example]]]:
        found = []
        for first in range(0, len(examples), PLANNED):
            some = examples[first : first + PLANNED]
            plan = self.planner.plan([[sequence.ids for sequence in example.sequences] for example in some])
            found += [(micro, [some[index] for index in micro.items]) for micro in plan]
        return found

    def _guarded(
        self, micro: Micro, examples: Sequence[Example], work: Callable[[Inputs, Sequence[Example]], Result]
    ) -> Result:
        """Raises OutOfMemory in place of what torch raises."""
        self.fence.hold()
        sequences = [sequence for example in examples for sequence in example.sequences]
        try:
            device = self.model.precision.device
            inputs = shared(sequences, device) if micro.is_shared else padded(sequences, self.pad, device)
            return work(inputs, examples)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        # Outside of the block, as the exception keeps the tensors of its frames.
        raise OutOfMemory(micro, max(len(sequence.ids) for sequence in sequences))

    def _fitting(self, attempt: Callable[[], Result]) -> Result:
        while True:
            try:
                return attempt()
            except OutOfMemory as error:
                micro, longest = error.micro, error.longest
            self.model.peft.zero_grad(set_to_none=True)
            gc.collect()
            if self.model.precision.device == "cuda":
                torch.cuda.empty_cache()
            self._shrink(micro, longest)

    def _shrink(self, micro: Micro, longest: int) -> None:
        """Halve the micro-batches, and then compute activations twice. Raises TrainingFailedError after that."""
        if len(micro.items) > 1:
            self.planner = replace(self.planner, limit=max(1, micro.places // 2))
            self.progress.limit = self.planner.limit
            self.say_plan()
            self.fence.note(
                f"Memory ran out with micro-batches of {micro.places:,} tokens; training continues with at most "
                f"{self.planner.limit:,}"
            )
        elif self.may_checkpoint and self.model.can_checkpoint and not self.progress.is_checkpointing:
            self.model.checkpoint_activations()
            self.progress.is_checkpointing = True
            self.say_plan()
            self.fence.note(
                f"Memory ran out with one example of {longest:,} tokens; training continues more slowly, with "
                "gradient checkpointing"
            )
        else:
            raise TrainingFailedError(
                f"Memory ran out with a single example of {longest:,} tokens at a time. {MEMORY_ADVICE}"
            )


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(phrase in str(error).lower() for phrase in _OUT_OF_MEMORY)

"""What training makes smaller: the surprise at learned tokens, or at preferred answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from orchestrator.server.trainers.lora.training.examples import Example
from orchestrator.server.trainers.lora.training.inputs import Inputs, Tensor
from orchestrator.server.trainers.lora.training.models import LanguageModel


@dataclass(frozen=True)
class Measured:
    """Of one micro-batch."""

    loss: Any
    """The sum over all that is counted, in nats: a tensor with a gradient."""
    right: int
    """How many of them the model gets right."""


class Objective(Protocol):
    def count(self, examples: Sequence[Example]) -> int:
        """What losses and accuracies are means over."""

    def measure(self, model: LanguageModel, inputs: Inputs, examples: Sequence[Example]) -> Measured:
        """The loss of these examples, whose sequences are in `inputs` in their order."""


class Supervised:
    """Negative log-likelihood per learned token. Right: the token is the most probable one."""

    def count(self, examples: Sequence[Example]) -> int:
        return sum(sequence.targets for example in examples for sequence in example.sequences)

    def measure(self, model: LanguageModel, inputs: Inputs, examples: Sequence[Example]) -> Measured:
        logits = model.logits(inputs)
        loss = torch.nn.functional.cross_entropy(logits, inputs.targets, reduction="sum")
        return Measured(loss, int((logits.argmax(-1) == inputs.targets).sum()))


@dataclass(frozen=True)
class Preference:
    """Direct preference optimization (Rafailov et al. 2023), per pair.

    Right: compared with the model that training began with, the preferred answer gained more than the other.
    """

    beta: float
    reference: Mapping[str, float]
    """By the key of an example: how much more probable the preferred answer was at first, in nats."""

    def count(self, examples: Sequence[Example]) -> int:
        return len(examples)

    def measure(self, model: LanguageModel, inputs: Inputs, examples: Sequence[Example]) -> Measured:
        reference = torch.tensor([self.reference[example.key] for example in examples])
        margins = self.beta * (lead_of_preferred(model, inputs) - reference.to(inputs.ids.device))
        loss = -torch.nn.functional.logsigmoid(margins).sum()
        return Measured(loss, int((margins > 0).sum()))


def lead_of_preferred(model: LanguageModel, inputs: Inputs) -> Tensor:
    """(pairs): the log-probability of the preferred answer less that of the other, in nats."""
    chosen = torch.nn.functional.cross_entropy(model.logits(inputs), inputs.targets, reduction="none")
    sums = torch.zeros(int(inputs.sequences[-1]) + 1, device=chosen.device)
    sums = sums.index_add(0, inputs.sequences, -chosen)
    return sums[0::2] - sums[1::2]

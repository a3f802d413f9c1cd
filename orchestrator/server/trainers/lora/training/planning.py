"""Decisions before the first step: the size of micro-batches, their layout, and the order of the examples."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.server.trainers.lora.bases import configuration, tensor_shapes
from orchestrator.server.trainers.lora.hyperparameters import ALL_LINEAR
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.precision import Precision
from orchestrator.server.trainers.lora.training.batches import epoch_batches
from orchestrator.server.trainers.lora.training.examples import Example, Tokens
from orchestrator.server.trainers.lora.training.inputs import padded, shared
from orchestrator.server.trainers.lora.training.memory import (
    Demand,
    Estimate,
    Shape,
    estimated,
    shape_of,
    total_memory,
)
from orchestrator.server.trainers.lora.training.microbatches import Planner
from orchestrator.server.trainers.lora.training.models import LanguageModel, attends_to_all

SURVEYED = 50
"""Batches that show how to plan all of them."""
WORTHWHILE = 0.9
"""Another order or layout is chosen if it takes at most this share of the time."""
PROBED, PROBED_BEGINNING = 48, 24
"""Tokens of two sequences, and of their common beginning, which show whether the model can share it."""
SAME = 0.05
"""The largest relative difference of logits that counts as rounding."""


@dataclass(frozen=True)
class Plan:
    """How a training goes through its examples."""

    planner: Planner
    is_grouped: bool
    """Whether batches are made of examples of similar length."""
    note: str | None
    """For the job's owner."""


def estimate_of(job: Job, precision: Precision, training: Sequence[Example]) -> Estimate:
    """The memory that this training will take. Raises OSError and ValueError as `tensor_shapes` does."""
    folder = Path(job.base_folder)
    shapes = tensor_shapes(folder)
    tokens = sum(example.tokens for example in training)
    longest = longest_of(training)
    demand = Demand(
        shape=shape_of(configuration(folder), shapes),
        bytes_per_weight=precision.bytes_per_weight,
        number_bytes=precision.base.itemsize,
        adapter_parameters=adapter_parameters(shapes, job.options["lora_targets"], job.options["lora_rank"]),
        targets_share=sum(each.targets for example in training for each in example.sequences) / tokens,
        longest=longest,
        largest=job.hyperparameters.batch_size * len(training[0].sequences) * longest,
    )
    available = total_memory(precision.device)
    return estimated(demand, precision.device, available, job.options["gradient_checkpointing"])


def adapter_parameters(shapes: Mapping[str, tuple[int, ...]], targets: str | Sequence[str], rank: int) -> int:
    """The parameters of an adapter on these targets: two narrow matrices beside each weight matrix."""
    return sum(rank * sum(shape) for name, shape in shapes.items() if len(shape) == 2 and _is_target(name, targets))


def plan_of(job: Job, model: LanguageModel, training: Sequence[Example], limit: int) -> Plan:
    """The cheapest plan by a survey of the first batches; the same for every attempt."""
    folder = Path(job.base_folder)
    padding = Planner(limit, _shape(folder).even, can_share=False)
    sharing = replace(padding, can_share=True)
    plain, grouped = (_cost(job, training, padding, grouped=by) for by in (False, True))
    together = _cost(job, training, sharing, grouped=False)
    if (
        together <= WORTHWHILE * min(plain, grouped)
        and attends_to_all(folder, longest_of(training))
        and can_share(model, training[0].sequences[0])
    ):
        return Plan(sharing, False, _sharing_note(job, training, sharing))
    return Plan(padding, grouped <= WORTHWHILE * plain, None)


def can_share(model: LanguageModel, sequence: Tokens) -> bool:
    """Whether the model predicts the same for sequences that share their beginning, tried on two short ones."""
    ids = (list(sequence.ids) * PROBED)[:PROBED]
    beginning, end = ids[:PROBED_BEGINNING], ids[PROBED_BEGINNING:]
    learned = bytes([0] * PROBED_BEGINNING + [1] * len(end))
    pair = [Tokens(array("I", beginning + tail), learned) for tail in (end, end[::-1])]
    device = model.precision.device
    with model.evaluating():
        try:
            together = model.logits(shared(pair, device))
        except (RuntimeError, ValueError, TypeError):
            return False  # the model takes no mask of this shape
        apart = model.logits(padded(pair, 0, device))
    return float((together - apart).norm() / apart.norm()) <= SAME


def longest_of(examples: Sequence[Example]) -> int:
    """Tokens of the longest sequence."""
    return max(len(sequence.ids) for example in examples for sequence in example.sequences)


def _is_target(name: str, targets: str | Sequence[str]) -> bool:
    *path, last = name.split(".")
    if last != "weight" or not path:
        return False
    if targets == ALL_LINEAR:
        return path[-1] != "lm_head" and "embed" not in path[-1]
    return path[-1] in targets


def _shape(folder: Path) -> Shape:
    return shape_of(configuration(folder), tensor_shapes(folder))


def _surveyed(job: Job, training: Sequence[Example], grouped: bool) -> Iterator[list[Example]]:
    lengths = [max(len(sequence.ids) for sequence in example.sequences) for example in training]
    batches = epoch_batches(lengths, job.hyperparameters.batch_size, job.seed, 1, grouped=grouped)
    for batch in batches[:SURVEYED]:
        yield [training[index] for index in batch]


def _cost(job: Job, training: Sequence[Example], planner: Planner, *, grouped: bool) -> float:
    """Per example, as the last batches, which are smaller, may be among those surveyed."""
    batches = list(_surveyed(job, training, grouped))
    cost = sum(
        planner.cost([[tokens.ids for tokens in example.sequences] for example in batch]) for batch in batches
    )
    return cost / sum(map(len, batches))


def _sharing_note(job: Job, training: Sequence[Example], planner: Planner) -> str:
    batches = list(_surveyed(job, training, grouped=False))
    places = sum(
        micro.places
        for batch in batches
        for micro in planner.plan([[tokens.ids for tokens in example.sequences] for example in batch])
    )
    tokens = sum(example.tokens for batch in batches for example in batch)
    if places > WORTHWHILE * tokens:
        return "The rows of a micro-batch form one sequence, without padding"
    return (
        "Rows that begin with the same tokens share them in one sequence, with the same loss and gradient: "
        f"{places / tokens:.0%} of the tokens are computed"
    )

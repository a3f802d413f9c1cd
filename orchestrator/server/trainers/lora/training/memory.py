"""How much memory a training takes, estimated before it starts, and what that leaves for a micro-batch.

The estimate adds what is known (weights, adapter, moments) to what one token of a micro-batch adds, which was
measured for SmolLM2-135M and random models on a processor. It is a guide, not a promise: once memory runs out,
smaller micro-batches follow.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

ADAPTER_BYTES = 16
"""Of a parameter that learns: weight, gradient and two moments, each in float32."""
LAYER_BYTES = {2: (44, 16), 4: (64, 24)}
"""By the bytes of a number: what a layer keeps of a token for the way back, for each of its hidden and of its
intermediate size."""
LOGIT_BYTES = 14
"""Of a learned token, for each entry of the vocabulary: the logits in both precisions, and their gradients."""
USABLE = 0.8
"""The share of the device's memory that is planned with."""
FIXED_BYTES = {"cpu": 0.7e9, "cuda": 1.0e9}
"""The interpreter and the libraries; on a GPU, what CUDA keeps for itself."""
MOST_PLACES = {"cpu": 4_096, "cuda": 16_384}
"""More places than this make a micro-batch no faster."""
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Shape:
    """What the estimate needs to know of a model."""

    parameters: int
    hidden: int
    intermediate: int
    layers: int
    vocabulary: int

    @property
    def even(self) -> float:
        """The length at which attention of all tokens to all takes as long as everything else.

        A token takes 2 operations for each parameter, and 4 x hidden x layers for each token that it sees, at half
        the speed on a processor, as measured.
        """
        return max(1.0, (self.parameters - self.vocabulary * self.hidden) / (4 * self.hidden * self.layers))


@dataclass(frozen=True)
class Demand:
    """What a training asks of the memory."""

    shape: Shape
    bytes_per_weight: float
    number_bytes: int
    """Of a number that is computed with."""
    adapter_parameters: int
    targets_share: float
    """The share of the tokens that are learned."""
    longest: int
    """Tokens of the longest sequence."""
    largest: int
    """Tokens of the largest batch, with padding."""

    def bytes_per_place(self, *, is_checkpointing: bool) -> float:
        """What a token of a micro-batch adds: what layers keep of it for the way back, and logits."""
        shape = self.shape
        for_hidden, for_intermediate = LAYER_BYTES[self.number_bytes]
        layer = for_hidden * shape.hidden + for_intermediate * shape.intermediate
        # Checkpointing keeps the input of each layer, and one layer whole.
        kept = shape.layers * self.number_bytes * shape.hidden + layer if is_checkpointing else shape.layers * layer
        return kept + LOGIT_BYTES * shape.vocabulary * self.targets_share


@dataclass(frozen=True)
class Estimate:
    """Bytes, and what follows from them."""

    weights: float
    adapter: float
    micro_batch: float
    total: float
    available: float
    limit: int
    """Places of a micro-batch."""
    places: int
    """Those of the largest one."""
    is_checkpointing: bool

    def sentence(self, precision: str, device: str) -> str:
        """For the job's owner."""
        how = " with gradient checkpointing" if self.is_checkpointing else ""
        sentence = (
            f"Estimated memory: {gigabytes(self.total)}, of which {gigabytes(self.weights)} for the base model "
            f"({precision}), {gigabytes(self.adapter)} for the adapter and its optimizer, and "
            f"{gigabytes(self.micro_batch)} for micro-batches of up to {self.places:,} tokens{how}. "
            f"The {'GPU' if device == 'cuda' else 'machine'} has {gigabytes(self.available)}"
        )
        return sentence if self.total <= self.available else f"{sentence}, so memory may run out"


def estimated(demand: Demand, device: str, available: float, checkpointing: bool | str) -> Estimate:
    """The estimate, with micro-batches as large as is useful and fits into `available` bytes.

    With `checkpointing` of "auto", activations are computed twice if the longest sequence doesn't fit without.
    """
    plain = _with_checkpointing(demand, device, available, is_checkpointing=checkpointing is True)
    if checkpointing == "auto" and plain.total > USABLE * available:
        return _with_checkpointing(demand, device, available, is_checkpointing=True)
    return plain


def _with_checkpointing(demand: Demand, device: str, available: float, *, is_checkpointing: bool) -> Estimate:
    weights = demand.shape.parameters * demand.bytes_per_weight
    adapter = ADAPTER_BYTES * demand.adapter_parameters
    place = demand.bytes_per_place(is_checkpointing=is_checkpointing)
    fixed = FIXED_BYTES[device] + weights + adapter
    limit = max(demand.longest, min(MOST_PLACES[device], int((USABLE * available - fixed) / place)))
    places = min(limit, demand.largest)
    return Estimate(
        weights=weights,
        adapter=adapter,
        micro_batch=places * place,
        total=fixed + places * place,
        available=available,
        limit=limit,
        places=places,
        is_checkpointing=is_checkpointing,
    )


def shape_of(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Shape:
    """The shape of the model with this configuration and these tensors."""
    hidden = config.get("hidden_size") or config.get("n_embd") or config.get("d_model") or 1
    return Shape(
        parameters=sum(map(prod, shapes.values())),
        hidden=hidden,
        intermediate=config.get("intermediate_size") or config.get("n_inner") or 4 * hidden,
        layers=config.get("num_hidden_layers") or config.get("n_layer") or 1,
        vocabulary=config.get("vocab_size") or 1,
    )


def peak_memory(device: str) -> int:
    """The most memory that this process has had, in bytes: on a GPU, of the GPU's."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def total_memory(device: str) -> float:
    """The memory of the GPU, or of the machine and this process's control group, in bytes.

    Not what is free now: micro-batches, and so the last bits of the weights, depend on it.
    """
    if device == "cuda":
        import torch

        return float(torch.cuda.get_device_properties(0).total_memory)
    found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _limit_files():
        with suppress(OSError, ValueError):  # "max" is no number
            found = min(found, float(path.read_text()))
    return found


def _limit_files() -> Iterator[Path]:
    """Where Linux says how much memory this process's control groups may have, in their newer and older version."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers in ("", "memory"):
                top = _CGROUPS / controllers
                name = "memory.limit_in_bytes" if controllers else "memory.max"
                own = top / group.lstrip("/")
                yield from (folder / name for folder in (own, *own.parents) if folder.is_relative_to(top))


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"

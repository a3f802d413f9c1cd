"""How much memory a training takes, estimated before it starts, and what that leaves for a micro-batch.

The estimate adds what is known (weights, adapter, moments) to what one token of a micro-batch adds, which was
measured for SmolLM2-135M and random models on a processor. It is a guide, not a promise: once memory runs out,
smaller micro-batches follow.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
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
FIXED_BYTES = {"cpu": 0.5e9, "cuda": 1.0e9}
"""The interpreter and the libraries; on a GPU, what CUDA keeps for itself."""
MOST_PLACES = {"cpu": 4_096, "cuda": 16_384}
"""More places than this make a micro-batch no faster."""
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


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
class Estimate:
    """Bytes."""

    fixed: float
    weights: float
    adapter: float
    per_place: float
    """Of one token of a micro-batch."""
    available: float
    limit: int
    """Places of a micro-batch."""
    is_checkpointing: bool

    @property
    def total(self) -> float:
        return self.fixed + self.weights + self.adapter + self.limit * self.per_place

    def sentence(self, precision: str, device: str) -> str:
        """For the job's owner."""
        parts = [
            f"{gigabytes(self.weights)} for the base model ({precision})",
            f"{gigabytes(self.adapter)} for the adapter and its optimizer",
            f"{gigabytes(self.limit * self.per_place)} for micro-batches of up to {self.limit:,} tokens"
            + (" with gradient checkpointing" if self.is_checkpointing else ""),
        ]
        place = "GPU" if device == "cuda" else "machine"
        sentence = (
            f"Estimated memory: {gigabytes(self.total)}: {', '.join(parts)}. The {place} has "
            f"{gigabytes(self.available)}"
        )
        return sentence if self.total <= self.available else f"{sentence}, so memory may run out"


def estimated(
    shape: Shape,
    adapter_parameters: int,
    weight_bytes: float,
    number_bytes: int,
    targets_share: float,
    longest: int,
    device: str,
    asked_checkpointing: bool | str,
) -> Estimate:
    """The estimate, with micro-batches as large as is useful and fits.

    `longest` is the longest sequence in tokens, `targets_share` the share of tokens that are learned. Gradient
    checkpointing of "auto" is switched on if the longest sequence doesn't fit without.
    """
    available = total_memory(device)
    fixed, adapter = FIXED_BYTES[device], ADAPTER_BYTES * adapter_parameters
    logits = LOGIT_BYTES * shape.vocabulary * targets_share

    def with_checkpointing(is_on: bool) -> Estimate:
        place = _checkpointed_bytes(shape, number_bytes) if is_on else _kept_bytes(shape, number_bytes)
        free = USABLE * available - fixed - weight_bytes - adapter
        fitting = int(free / (place + logits))
        limit = max(1, longest, min(MOST_PLACES[device], fitting))
        return Estimate(fixed, weight_bytes, adapter, place + logits, available, limit, is_on)

    plain = with_checkpointing(asked_checkpointing is True)
    if asked_checkpointing == "auto" and plain.total > USABLE * available:
        return with_checkpointing(True)
    return plain


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
    for path in _CGROUPS:
        with suppress(OSError, ValueError):
            found = min(found, float(Path(path).read_text()))
    return found


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _kept_bytes(shape: Shape, number_bytes: int) -> float:
    """Of a token, all layers."""
    for_hidden, for_intermediate = LAYER_BYTES[number_bytes]
    return shape.layers * (for_hidden * shape.hidden + for_intermediate * shape.intermediate)


def _checkpointed_bytes(shape: Shape, number_bytes: int) -> float:
    """The input of each layer, and one layer whole."""
    return shape.layers * number_bytes * shape.hidden + _kept_bytes(shape, number_bytes) / shape.layers

"""What training continues from: weights, optimizer, and how far it came.

The order of the data and the random numbers of each step follow from the seed and the number of the step, see
`batches.py` and `Course`, so that they need not be kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from orchestrator.server.trainers.lora.folder import TrainingFolder

TRIES = 5
"""Another attempt may remove a state that this one is about to read, after writing a newer one."""


@dataclass
class Progress:
    """How far a training came, and what it found out on the way."""

    device: str
    """"cuda" or "cpu": another would take another time, and give other weights."""
    limit: int
    """Places of a micro-batch: once memory ran out, it stays smaller."""
    is_checkpointing: bool
    """Whether activations are computed again on the way back."""
    step: int = 0
    reference: dict[str, float] = field(default_factory=dict)
    """For preferences, see `Preference`."""


@dataclass(frozen=True)
class State:
    """A complete state."""

    progress: Progress
    tensors: Mapping[str, Any]
    """The adapter's weights and the moments of AdamW, by "weights/NAME", "first/NAME" and "second/NAME"."""

    def files(self) -> dict[str, bytes]:
        return {
            "progress.json": json.dumps(vars(self.progress)).encode(),
            "state.safetensors": save(dict(self.tensors)),
        }

    def restore(self, learned: Mapping[str, Any], optimizer: Any) -> None:
        """Put everything back where it was."""
        import torch

        for name, parameter in learned.items():
            parameter.data.copy_(self.tensors[f"weights/{name}"])
            if self.progress.step:
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.progress.step)),
                    "exp_avg": self.tensors[f"first/{name}"].to(parameter),
                    "exp_avg_sq": self.tensors[f"second/{name}"].to(parameter),
                }


def state_of(progress: Progress, learned: Mapping[str, Any], optimizer: Any) -> State:
    """The state after a step."""
    tensors = {f"weights/{name}": parameter.detach().cpu() for name, parameter in learned.items()}
    for name, parameter in learned.items():
        moments = optimizer.state.get(parameter)
        if moments:
            tensors[f"first/{name}"] = moments["exp_avg"].cpu()
            tensors[f"second/{name}"] = moments["exp_avg_sq"].cpu()
    return State(progress, tensors)


def newest_state(folder: TrainingFolder) -> State | None:
    """The state to continue from; None for a training that has none. Raises OSError if it can't be read."""
    for _ in range(TRIES):
        found = folder.newest_state()
        if found is None:
            return None
        try:
            return _read(found[1])
        except FileNotFoundError:
            time.sleep(0.1)
    raise FileNotFoundError(f"the states in {folder.path} were removed while they were read")


def _read(path: Path) -> State:
    progress = Progress(**json.loads((path / "progress.json").read_bytes()))
    return State(progress, load((path / "state.safetensors").read_bytes()))

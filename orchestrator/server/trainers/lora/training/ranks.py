"""Several processes that train one job together, each on its own GPU, or all on the processors.

Each takes its share of every batch, and the gradients of the adapter, which is small, are added up before each
step. So all hold the same weights, and the loss is that of one process up to the order of sums. The first one
writes to the folder. On one machine they are started by torch's own launcher (torchrun), on several nodes of a Ray
cluster by `launchers/workergroup.py`; when one dies, the launcher ends the others.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from orchestrator.server.launchers.interface import MEMORY_RAN_OUT, PEER_LOST
from orchestrator.server.launchers.memory import kills_for_memory

Item = TypeVar("Item")


class PeerLost(Exception):
    """Another process of this training has ended, so this one can't go on."""


def rank() -> int:
    """The number of this process among those that train together, from 0."""
    return int(os.environ.get("RANK", "0"))


def launched(module: str, arguments: Sequence[str], processes: int) -> int:
    """Run this many processes of the module; returns 0, or the exit status of the one that failed first."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
    )
    kills = kills_for_memory()
    try:
        elastic_launch(config, sys.executable)("-P", "-m", module, *arguments)
    except ChildFailedError as error:
        found = [failure.exitcode for failure in error.failures.values()]
        status = next((code for code in found if code != PEER_LOST), PEER_LOST)
        if status == -signal.SIGKILL and kills_for_memory() > kills:
            return MEMORY_RAN_OUT
        return status if status >= 0 else 128 - status
    return 0


@dataclass(frozen=True)
class Ranks:
    """The processes of this training. Every method is called by all of them, in the same order, and raises PeerLost
    once another one has gone."""

    number: int = 0
    count: int = 1
    device: str = "cpu"

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """What this process takes of them."""
        return items[self.number :: self.count]

    def add_gradients(self, parameters: Iterable[Any]) -> None:
        """Replace each gradient by the sum over all processes; one that is missing counts as 0."""
        if self.count == 1:
            return
        import torch

        learned = list(parameters)
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in learned]
        whole = torch.cat([gradient.flatten() for gradient in gradients])
        self._reduced(whole)
        start = 0
        for parameter, gradient in zip(learned, gradients, strict=True):
            part = whole[start : start + gradient.numel()]
            parameter.grad = part.view_as(gradient).clone()
            start += gradient.numel()

    def sums(self, *numbers: float) -> tuple[float, ...]:
        """Each number, summed over all processes."""
        if self.count == 1:
            return numbers
        import torch

        whole = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        self._reduced(whole)
        return tuple(whole.tolist())

    def merged(self, mine: Mapping[str, float]) -> dict[str, float]:
        """What all processes have found, together."""
        if self.count == 1:
            return dict(mine)
        from torch import distributed

        found: list[Any] = [None] * self.count
        with _peers():
            distributed.all_gather_object(found, dict(mine))
        return {key: value for each in found for key, value in each.items()}

    def _reduced(self, tensor: Any) -> None:
        from torch import distributed

        with _peers():
            distributed.all_reduce(tensor)


ALONE = Ranks()


def joined(device: str) -> Ranks:
    """This process among its peers, once all of them have come; alone if it was started alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Ranks()
    import torch
    from torch import distributed

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    with _peers():
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    return Ranks(rank(), count, device)


def require_same(ranks: Ranks, step: int) -> None:
    """Raises OSError if the processes have read different states, which an older attempt may still have written."""
    total, squares = ranks.sums(step, step * step)
    if total != step * ranks.count or squares != step * step * ranks.count:
        raise OSError(f"the processes of this training read different states; this one that of step {step}")


@contextmanager
def _peers() -> Iterator[None]:
    """Errors of the connection to the other processes become PeerLost."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(str(error).strip().splitlines()[0]) from error

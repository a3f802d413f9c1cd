"""One process of a training on one node of a Ray cluster: an actor of Ray, and the program that dies with it.

It runs in the cluster's own Python. Only the standard library is imported here, and Ray where it is used.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from orchestrator.server.launchers.entry import ran

PROBE_SECONDS = 30.0
"""How long a worker looks for the training's folder: network storage may show it late."""


@dataclass(frozen=True)
class Place:
    """Where a process of the group runs."""

    node: str
    host: str
    gpus: tuple[str, ...]
    """As CUDA_VISIBLE_DEVICES calls them on that node."""
    missing: str = ""
    """A path that should be there and isn't; empty if all are."""


class Rank:
    """Ray makes an actor of it, with the GPUs and processors of one bundle."""

    def place(self, probe: str, reads: Sequence[str]) -> Place:
        """Where this is; looks for the file and the folders."""
        ray = ray_package()
        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU", [])
        host = ray.util.get_node_ip_address()
        return Place(context.get_node_id(), host, tuple(map(str, gpus)), _missing(probe, reads))

    def free_port(self) -> int:
        """A port of this node that nobody listens on now."""
        with socket.socket() as found:
            found.bind(("", 0))
            return int(found.getsockname()[1])

    def run(self, command: Sequence[str], log: str, variables: Mapping[str, str]) -> int:
        """The exit status of the command; see `ran`. It ends with this actor, as its standard input does."""
        return ran(command, log, variables)


def ray_package() -> Any:
    """Ray, in a Python that has it."""
    return import_module("ray")


def _missing(probe: str, reads: Sequence[str]) -> str:
    until = time.monotonic() + PROBE_SECONDS
    while not os.access(probe, os.R_OK):
        if time.monotonic() > until:
            return probe
        time.sleep(1.0)
    return next((path for path in reads if not os.path.isdir(path)), "")

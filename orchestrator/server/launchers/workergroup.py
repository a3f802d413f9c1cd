"""A training of several processes over the nodes of a Ray cluster, as one job of Ray:

    PYTHON -m orchestrator.server.launchers.workergroup NEEDS LOG MODULE ARGUMENT…

It holds a placement group with a bundle for each process: all of them at once or none, so that two trainings never
wait for each other's halves. In each bundle an actor runs the program with the variables that torch.distributed
reads (https://docs.pytorch.org/docs/stable/elastic/run.html). As Ray Train does it, the processes of a node see all
GPUs of the group there, which NCCL needs to copy between them.

This process runs on the head, in any Python that has Ray; it holds no GPU. When it ends, Ray ends the actors, and
each program ends with its actor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from orchestrator.server.launchers.children import last_output
from orchestrator.server.launchers.environment import FIXED
from orchestrator.server.launchers.interface import NO_GROUP, NOT_SHARED, PEER_LOST, WORKER_LOST
from orchestrator.server.launchers.rank import Place, Rank, ray_package

CAUSE_SECONDS = 30.0
"""How long the cause is waited for once a process has lost its peers: Ray notices a dead node after 18 seconds."""


@dataclass(frozen=True)
class Needs:
    """What the group asks for."""

    processes: int
    gpus: float
    cpus: float
    python: str
    """The trainer's, on every node."""
    package: str
    """The folder in which it finds this package."""
    probe: str
    reads: Sequence[str]

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def main(needs: str, log: str, module: str, *arguments: str) -> int:
    """The exit status of the process that failed first; 0 if none did, WORKER_LOST if Ray lost one, NO_GROUP if
    this Python doesn't fit the cluster."""
    ray, wanted = ray_package(), Needs(**json.loads(needs))
    try:
        ray.init(log_to_driver=False)
    except (RuntimeError, ConnectionError) as error:
        print(f"ftorch: {' '.join(str(error).split())}", flush=True)
        return NO_GROUP
    try:
        command = [wanted.python, "-P", "-m", module, *arguments]
        return _trained(wanted, command, log)
    except ray.exceptions.RayError as error:
        print(f"ftorch: {' '.join(str(error).split())[:600]}", flush=True)
        return WORKER_LOST


def _trained(wanted: Needs, command: Sequence[str], log: str) -> int:
    ray = ray_package()
    ranks = _actors(wanted)
    places: list[Place] = ray.get([rank.place.remote(wanted.probe, wanted.reads) for rank in ranks])
    for place in places:
        if place.missing:
            print(f"ftorch: {place.missing} is not on this worker ({place.host})", flush=True)
            return NOT_SHARED
    order = sorted(range(len(ranks)), key=lambda index: (places[index].node, places[index].gpus))
    ranks, places = [ranks[index] for index in order], [places[index] for index in order]
    address = {"MASTER_ADDR": places[0].host, "MASTER_PORT": str(ray.get(ranks[0].free_port.remote()))}
    running = {}
    for number, (rank, place) in enumerate(zip(ranks, places, strict=True)):
        output = _log_of(log, number)
        where = f"{place.host}, node {place.node[:8]}, GPUs {list(place.gpus)}"
        print(f"Process {number} on {where}: its output goes to {output}", flush=True)
        variables = {**FIXED, "PYTHONPATH": wanted.package, **address, **variables_of(number, places)}
        running[rank.run.remote(command, output, variables)] = number
    return _first_failure(running, places, log)


def variables_of(number: int, places: Sequence[Place]) -> dict[str, str]:
    """What torch.distributed reads in the process of this number, without the address of the first. The number on
    its node is the position of its GPU among those that it sees."""
    mine = places[number]
    neighbours = [index for index, place in enumerate(places) if place.node == mine.node]
    gpus = list(dict.fromkeys(gpu for index in neighbours for gpu in places[index].gpus))
    local = gpus.index(mine.gpus[0]) if mine.gpus else neighbours.index(number)
    found = {"RANK": str(number), "WORLD_SIZE": str(len(places)), "LOCAL_RANK": str(local)}
    return {**found, "CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else found


def _actors(wanted: Needs) -> list[Any]:
    """An actor in each bundle of a new placement group, once there is room for all."""
    ray = ray_package()
    placing = import_module("ray.util.placement_group")
    in_bundle = import_module("ray.util.scheduling_strategies").PlacementGroupSchedulingStrategy
    bundle = {name: count for name, count in (("GPU", wanted.gpus), ("CPU", wanted.cpus)) if count}
    # PACK: as few nodes as possible.
    group = placing.placement_group([bundle] * wanted.processes, strategy="PACK")
    if not group.wait(5):
        print(f"Waiting for {wanted.processes} times {bundle}", flush=True)
        ray.get(group.ready())
    return [
        ray.remote(Rank)
        .options(
            num_gpus=wanted.gpus,
            num_cpus=wanted.cpus,
            runtime_env={"env_vars": {"PYTHONPATH": wanted.package}},
            scheduling_strategy=in_bundle(group, placement_group_bundle_index=index),
        )
        .remote()
        for index in range(wanted.processes)
    ]


def _first_failure(running: Mapping[Any, int], places: Sequence[Place], log: str) -> int:
    """Wait for all, or until one fails; returns its status. One that lost its peers is not the cause."""
    ray = ray_package()
    left, lost = dict(running), False
    while left:
        ended, _ = ray.wait(list(left), timeout=CAUSE_SECONDS if lost else None)
        if not ended:
            return PEER_LOST
        number = left.pop(ended[0])
        status = _status(ended[0])
        if status not in (0, PEER_LOST):
            _say(f"process {number} on {places[number].host} {_ending(status)}", log, number)
            return status
        lost = lost or status == PEER_LOST
    return PEER_LOST if lost else 0


def _status(reference: Any) -> int:
    ray = ray_package()
    try:
        return int(ray.get(reference))
    except ray.exceptions.RayActorError:
        return WORKER_LOST


def _ending(status: int) -> str:
    return "was lost with its Ray worker" if status == WORKER_LOST else f"ended with status {status}"


def _say(sentence: str, log: str, number: int) -> None:
    """To Ray's log of this job, and with the end of the process's own log to that of the training."""
    print(f"ftorch: {sentence}", flush=True)
    if number:
        own = Path(_log_of(log, number))
        with Path(log).open("a") as file:
            file.write(f"{sentence}; its output, in {own}, ends with:\n{last_output(own)}\n")


def _log_of(log: str, number: int) -> str:
    return f"{log}-{number}" if number else log


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

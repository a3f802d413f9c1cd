"""Metrics of a worker for Prometheus: what the ledger says at each scrape, and what this process has counted.

A scrape costs two queries over the unfinished runs. Finished runs are not counted again each time: `moves_total`
counts how they ended.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.engine.worker import process_of
from orchestrator.errors import MetricsMissing
from orchestrator.figures import counted
from orchestrator.ledger import Ledger
from orchestrator.store import runs as store

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

COUNTERS = {
    "requests_total": ("endpoint", "status", "Requests to endpoints by the status of the answer; none: no answer."),
    "moves_total": ("endpoint", "to", "Moves of runs that this worker has made, by the state they led to."),
    "cycles_total": ("endpoint", "", "Cycles of this worker's loops."),
    "cycle_seconds_total": ("endpoint", "", "Seconds that these cycles took, without their rests."),
}
"""What a worker counts: by name, its labels and its description."""
_WITHOUT_JOB = ("pending", "uploading", "creating")


def registry(ledger: Ledger) -> CollectorRegistry:
    """The metrics of this worker, and of its process (memory, processor seconds, open files). Raises
    MetricsMissing."""
    try:
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
    except ImportError as error:
        raise MetricsMissing from error
    found = CollectorRegistry()
    ProcessCollector(registry=found)
    PlatformCollector(registry=found)
    found.register(Collector(ledger))
    return found


class Collector:
    """Collects at each scrape; of any number of workers, each says the same of the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> list[Metric]:
        """Nothing: otherwise registering it would read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        with self._ledger.database.read() as connection:
            states = store.unfinished_by_state(connection)
            held = store.held_by_owner(connection, time.time())
        runs = GaugeMetricFamily("ftorch_runs", "Unfinished runs.", labels=["endpoint", "state"])
        queue = GaugeMetricFamily("ftorch_queue_length", "Runs that have no job yet.", labels=["endpoint"])
        leases = GaugeMetricFamily("ftorch_leases", "Runs that each process holds.", labels=["worker"])
        waiting = Counter({endpoint: 0 for endpoint, _state in states})
        for (endpoint, state), number in sorted(states.items()):
            runs.add_metric([endpoint, state], number)
            waiting[endpoint] += number if state in _WITHOUT_JOB else 0
        for endpoint, number in sorted(waiting.items()):
            queue.add_metric([endpoint], number)
        for worker, number in sorted(_by_process(held).items()):
            leases.add_metric([worker], number)
        yield from (runs, queue, leases)
        for name, (*labels, said) in COUNTERS.items():
            family = CounterMetricFamily(f"ftorch_{name}", said, labels=[each for each in labels if each])
            for values, sum_ in sorted(counted(name).items()):
                family.add_metric([value for _label, value in values], sum_)
            yield family


def _by_process(held: dict[str, int]) -> Counter[str]:
    """A process has a name for each endpoint that it works on."""
    found: Counter[str] = Counter()
    for owner, number in held.items():
        found[":".join(process_of(owner))] += number
    return found

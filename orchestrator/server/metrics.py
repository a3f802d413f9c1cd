"""Metrics of the endpoint for Prometheus: jobs by status, as the store has them, and what this process answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.errors import MetricsMissing
from orchestrator.figures import counted
from orchestrator.server.apierror import ApiError
from orchestrator.server.context import context
from orchestrator.server.store import Store

if TYPE_CHECKING:
    from prometheus_client.core import Metric

COUNTERS = {
    "answers_total": "Chat completions, also those of batches.",
    "prompt_tokens_total": "Tokens of the prompts of these answers.",
    "completion_tokens_total": "Tokens of these answers.",
}
"""What is counted by model."""


async def show(request: Request) -> Response:
    """GET /metrics."""
    accepted = request.headers.get("accept", "")
    text, kind = await run_in_threadpool(_encoded, context(request).store, accepted)
    return Response(text, headers={"content-type": kind})


ROUTE = Route("/metrics", show, methods=["GET"])


def _encoded(store: Store, accepted: str) -> tuple[bytes, str]:
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder
    except ImportError as error:
        raise ApiError(501, str(MetricsMissing()), kind="server_error") from error
    registry = CollectorRegistry()
    registry.register(_Collector(store))
    encode, kind = choose_encoder(accepted)
    return encode(registry), kind


class _Collector:
    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Nothing: otherwise registering it would read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        jobs = GaugeMetricFamily("ftorch_trainings", "Fine-tuning jobs.", labels=["status"])
        for status, number in sorted(self._store.jobs.counts().items()):
            jobs.add_metric([status], number)
        yield jobs
        for name, said in COUNTERS.items():
            family = CounterMetricFamily(f"ftorch_{name}", said, labels=["model"])
            for labels, sum_ in sorted(counted(name).items()):
                family.add_metric([value for _label, value in labels], sum_)
            yield family

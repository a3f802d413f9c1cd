"""A workspace that has spent money on every kind of thing, in two months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from orchestrator.ledger import Ledger
from orchestrator.store import deployments, evaluations, generations, records, runs
from orchestrator.store.deployments import Deployment
from orchestrator.store.evaluations import RecordedAnswer
from orchestrator.store.generations import Generation, Intent
from orchestrator.store.records import Model
from orchestrator.store.runs import Run
from orchestrator.store.schema import generation_requests, submissions, tags

HOUR, DAY = 3600.0, 86_400.0
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
OCTOBER = datetime(2026, 10, 31, tzinfo=UTC).timestamp()
"""The last day of October begins."""
BASE = "gpt-4.1-mini-2025-04-14"
TUNED = f"ft:{BASE}:org:drone:abc"
ON_AZURE = f"{BASE}.ft-78959ec5-drone"

ENDPOINTS = """
[endpoints.openai]
type = "openai"
max_cost_usd_per_month = 200

[endpoints.azure]
type = "azure"
base_url = "https://resource.openai.azure.com"

[endpoints.together]
type = "compatible"
base_url = "https://host/v1"
"""


@dataclass(frozen=True)
class Books:
    """Records money that was spent."""

    ledger: Ledger
    make_run: Callable[..., Run]

    def run(self, model_id: str | None = None, *, labels: dict[str, str] | None = None, **changes: Any) -> Run:
        """A run on openai that cost 3 dollars this month, with its model and tags."""
        done = {"state": "succeeded", "finished_at": NOW, "cost_usd": 3.0, "created_at": NOW - DAY}
        run = self.make_run(**{**done, "endpoint": "openai", "endpoint_type": "openai", **changes})
        run = replace(run, job_id=changes.get("job_id", f"ftjob-{run.id}"), fine_tuned_model=model_id)
        with self.ledger.database.write() as connection:
            runs.add(connection, run, "recorded")
            if model_id:
                records.add_model(connection, Model(run.endpoint, model_id, run.id, run.model, 1.0))
            for key, value in (labels or {}).items():
                connection.execute(insert(tags).values(run_id=run.id, key=key, value=value))
        return run

    def submitted(self, kind: str, item_id: str, user: str) -> None:
        others = {"host": "h", "ftorch_version": "1", "at": NOW}
        with self.ledger.database.write() as connection:
            connection.execute(insert(submissions).values(kind=kind, item_id=item_id, user=user, **others))

    def answers(
        self, model: str, number: int = 1, *, tokens: Sequence[int] = (1_000_000, 0), **changes: Any
    ) -> None:
        """This many answers, each of this many prompt and answer tokens."""
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]} if tokens else {}
        values: dict[str, Any] = {"endpoint": "openai", "seconds": 0.5, "answered_at": NOW - DAY, **changes}
        found = [
            RecordedAnswer(
                model=model,
                request_sha256=f"{hash((model, str(changes), each)) & 0xFFFFFFFF:064x}",
                sample=0,
                completion={"usage": usage},
                **values,
            )
            for each in range(number)
        ]
        with self.ledger.database.write() as connection:
            evaluations.add_answers(connection, found)

    def deployment(self, hours: float | None, **changes: Any) -> Deployment:
        """One that was hosted for this many hours from the last day of October, or still is."""
        ended = None if hours is None else OCTOBER + hours * HOUR
        state = "deployed" if hours is None else "undeployed"
        deployment = Deployment(
            id="deploy01",
            endpoint="azure",
            name="drone",
            model=ON_AZURE,
            run_id=None,
            sku="GlobalStandard",
            capacity=50,
            temporary=False,
            state=state,
            reason="",
            version=1,
            created_at=OCTOBER,
            updated_at=OCTOBER,
            requested_at=OCTOBER,
            provisioned_at=OCTOBER,
            deployed_at=OCTOBER,
            finished_at=ended,
        )
        deployment = replace(deployment, **changes)
        with self.ledger.database.write() as connection:
            deployments.add(connection, deployment)
        return deployment

    def generation(self, *requests: tuple[float | None, float | None], endpoint: str = "openai") -> Generation:
        """One of requests with these estimates and costs, from the teacher gpt-4.1."""
        generation = Generation(
            id="gen00001",
            endpoint=endpoint,
            output_path="/made.jsonl",
            fingerprint="f" * 64,
            spec={},
            state="done",
            reason="written",
            version=1,
            created_at=NOW,
            updated_at=NOW,
            targets=1,
        )
        intents = [
            Intent(generation.id, "gpt-4.1", f"{number:064}", 0, NOW - DAY, estimated, cost_usd=cost)
            for number, (estimated, cost) in enumerate(requests)
        ]
        with self.ledger.database.write() as connection:
            generations.add(connection, generation)
            connection.execute(insert(generation_requests), [each.__dict__ for each in intents])
        return generation

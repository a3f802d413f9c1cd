"""Generations as rows: what training data is made of, the requests that pay for it, and what came of it.

What a teacher answered is in `answers`, under its request, as with evaluations. `GENERATIONS` claims, moves and
notes generations; `orchestrator.generation.states` says which moves there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from orchestrator.store.evaluations import Asked
from orchestrator.store.leased import Condition, Leased
from orchestrator.store.schema import generation_moves, generation_requests, generations

_AT_ONCE = 200
"""Requests that one statement looks for."""


@dataclass(frozen=True)
class Generation:
    """One row of `generations`; times are seconds since the epoch, money is US dollars."""

    id: str
    endpoint: str
    output_path: str
    fingerprint: str
    spec: Mapping[str, Any]
    state: str
    reason: str
    version: int
    created_at: float
    updated_at: float
    targets: int
    max_cost_usd: float | None = None
    due_at: float | None = None
    requested_action: str | None = None
    finished_at: float | None = None
    examples: int = 0
    written_sha256: str | None = None
    lease_owner: str | None = None
    lease_expires_at: float | None = None

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True)
class Intent:
    """One row of `generation_requests`: a request that may have been sent, once or more."""

    generation_id: str
    model: str
    request_sha256: str
    sample: int
    intended_at: float
    estimated_usd: float | None
    sends: int = 1
    cost_usd: float | None = None
    failures: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class Spent:
    """What the requests of a generation cost so far; `usd` takes what may have been sent for its estimate."""

    requests: int
    answered: int
    usd: float


GENERATIONS = Leased("generation", generations, generation_moves, Generation)

get, by_ids, history, request_action = (
    GENERATIONS.get,
    GENERATIONS.by_ids,
    GENERATIONS.history,
    GENERATIONS.request_action,
)


# --- reading -----------------------------------------------------------------------------------------------


def unfinished(connection: Connection, *, output_path: str | None = None) -> list[Generation]:
    """The generations that are not over, oldest first: all, or those of an output file."""
    where: list[Condition] = [generations.c.finished_at.is_(None)]
    where += [] if output_path is None else [generations.c.output_path == output_path]
    return GENERATIONS.select(connection, *where)


def newest_of(connection: Connection, output_path: str) -> Generation | None:
    """The generation of an output file that was recorded last."""
    columns = select(*GENERATIONS.columns).where(generations.c.output_path == output_path)
    row = connection.execute(columns.order_by(generations.c.created_at.desc(), generations.c.id).limit(1)).first()
    return GENERATIONS.item(row) if row else None


def failed(connection: Connection, generation_id: str, *, failures: int) -> dict[Asked, str]:
    """The requests that failed so often, and why."""
    table = generation_requests.c
    query = select(table.model, table.request_sha256, table.sample, table.problem).where(
        table.generation_id == generation_id, table.failures >= failures
    )
    return {(row[0], row[1], row[2]): row[3] or "" for row in connection.execute(query)}


def intended(connection: Connection, generation_id: str) -> set[Asked]:
    """The requests that may have been sent."""
    table = generation_requests.c
    query = select(table.model, table.request_sha256, table.sample).where(table.generation_id == generation_id)
    return {(row[0], row[1], row[2]) for row in connection.execute(query)}


def spent(connection: Connection, generation_id: str) -> Spent:
    """What the generation's requests have cost: by the answers' tokens, and for those without one by the estimate
    of each time that they may have been sent."""
    table = generation_requests.c
    is_answered = table.cost_usd.is_not(None)
    usd = case((is_answered, table.cost_usd), else_=func.coalesce(table.estimated_usd, 0.0) * table.sends)
    answered = func.sum(case((is_answered, 1), else_=0))
    query = select(func.count(), answered, func.sum(usd)).where(table.generation_id == generation_id)
    count, number, total = connection.execute(query).one()
    return Spent(count, number or 0, total or 0.0)


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, generation: Generation) -> None:
    GENERATIONS.add(connection, generation)


def add_intents(connection: Connection, intents: Sequence[Intent]) -> None:
    """Record that these requests, of one generation, are about to be sent; one that is there may be sent again."""
    for start in range(0, len(intents), _AT_ONCE):
        some = intents[start : start + _AT_ONCE]
        table = generation_requests.c
        known = {
            (row[0], row[1], row[2])
            for row in connection.execute(
                select(table.model, table.request_sha256, table.sample).where(
                    table.generation_id == some[0].generation_id,
                    table.request_sha256.in_({each.request_sha256 for each in some}),
                )
            )
        }
        again = [_key(each.generation_id, _asked(each)) for each in some if _asked(each) in known]
        fresh = [asdict(each) for each in some if _asked(each) not in known]
        if again:
            connection.execute(_OF_KEY.values(sends=table.sends + 1), again)
        if fresh:
            connection.execute(insert(generation_requests), fresh)


def settle_intents(connection: Connection, generation_id: str, costs: Mapping[Asked, float]) -> None:
    """Record what answered requests cost."""
    values = [{**_key(generation_id, asked), "usd": usd} for asked, usd in costs.items()]
    if values:
        connection.execute(_OF_KEY.values(cost_usd=bindparam("usd"), problem=None), values)


def fail_intents(connection: Connection, generation_id: str, problems: Mapping[Asked, str]) -> None:
    """Record that requests were sent in vain, and why."""
    values = [{**_key(generation_id, asked), "said": said[:1000]} for asked, said in problems.items()]
    if values:
        failures = generation_requests.c.failures + 1
        connection.execute(_OF_KEY.values(failures=failures, problem=bindparam("said")), values)


def _asked(intent: Intent) -> Asked:
    return intent.model, intent.request_sha256, intent.sample


_OF_KEY = update(generation_requests).where(
    generation_requests.c.generation_id == bindparam("of"),
    generation_requests.c.model == bindparam("by"),
    generation_requests.c.request_sha256 == bindparam("hash"),
    generation_requests.c.sample == bindparam("number"),
)


def _key(generation_id: str, asked: Asked) -> dict[str, Any]:
    return {"of": generation_id, "by": asked[0], "hash": asked[1], "number": asked[2]}

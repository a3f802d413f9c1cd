"""Generations as rows: the sources of training data, the paid requests, and the results.

A teacher's answers are in `answers`, under their request, as in evaluations. `GENERATIONS` claims, moves and
updates generations; `orchestrator.generation.states` has the legal moves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Float, bindparam, case, func, insert, select, update

from orchestrator.store.evaluations import Asked
from orchestrator.store.leased import Condition, Leased
from orchestrator.store.schema import generation_moves, generation_requests, generations

_AT_ONCE = 200
"""Requests per statement of a look-up."""


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
    """The cost of a generation's requests so far; `usd` counts possibly sent ones by their estimate."""

    requests: int
    answered: int
    usd: float
    pending: float = 0.0
    """The part of `usd` that is estimated."""
    dearer: float = 1.0
    """The ratio of the answers' total cost to their estimates, if above 1."""

    @property
    def expected(self) -> float:
        """The cost if the pending requests exceed their estimates by the same ratio."""
        return self.usd + self.pending * (self.dearer - 1.0)


GENERATIONS = Leased("generation", generations, generation_moves, Generation)

get, by_ids, history, request_action = (
    GENERATIONS.get,
    GENERATIONS.by_ids,
    GENERATIONS.history,
    GENERATIONS.request_action,
)


# --- reading -----------------------------------------------------------------------------------------------


def unfinished(connection: Connection, *, output_path: str | None = None) -> list[Generation]:
    """The unfinished generations, oldest first: all, or those of an output file."""
    where: list[Condition] = [generations.c.finished_at.is_(None)]
    where += [] if output_path is None else [generations.c.output_path == output_path]
    return GENERATIONS.select(connection, *where)


def newest_of(connection: Connection, output_path: str) -> Generation | None:
    """The generation of an output file that was recorded last."""
    columns = select(*GENERATIONS.columns).where(generations.c.output_path == output_path)
    row = connection.execute(columns.order_by(generations.c.created_at.desc(), generations.c.id).limit(1)).first()
    return GENERATIONS.item(row) if row else None


def failed(connection: Connection, generation_id: str, *, failures: int) -> dict[Asked, str]:
    """The requests that failed this many times, and why."""
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
    """The cost of the generation's requests: by the answers' tokens, and for those without an answer by the
    estimate, once for each time that they may have been sent."""
    table = generation_requests.c
    is_answered = table.cost_usd.is_not(None)
    estimated = func.coalesce(table.estimated_usd, 0.0)
    # For an answered request, every additional time that it may have been sent counts as estimated.
    usd = case((is_answered, table.cost_usd + estimated * (table.sends - 1)), else_=estimated * table.sends)
    answered = func.sum(case((is_answered, 1), else_=0))
    sums = func.sum(usd), func.sum(case((is_answered, estimated))), func.sum(table.cost_usd)
    query = select(func.count(), answered, *sums).where(table.generation_id == generation_id)
    count, number, total, expected, real = connection.execute(query).one()
    dearer = max(1.0, real / expected) if expected and real else 1.0
    return Spent(count, number or 0, total or 0.0, (total or 0.0) - (real or 0.0), dearer)


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, generation: Generation) -> None:
    GENERATIONS.add(connection, generation)


def add_intents(connection: Connection, intents: Sequence[Intent]) -> None:
    """Record that these requests, of one generation, are about to be sent; an existing one may be sent again."""
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


def settle_intents(connection: Connection, generation_id: str, costs: Mapping[Asked, float | None]) -> None:
    """Record the cost of answered requests. One whose answer reports no tokens costs what was estimated."""
    values = [{**_key(generation_id, asked), "usd": usd} for asked, usd in costs.items()]
    if values:
        usd = func.coalesce(bindparam("usd", type_=Float), generation_requests.c.estimated_usd, 0.0)
        connection.execute(_OF_KEY.values(cost_usd=usd, problem=None), values)


def fail_intents(connection: Connection, generation_id: str, problems: Mapping[Asked, str]) -> None:
    """Record that requests failed, and why."""
    values = [{**_key(generation_id, asked), "said": said[:1000]} for asked, said in problems.items()]
    if values:
        failures = generation_requests.c.failures + 1
        connection.execute(_OF_KEY.values(failures=failures, problem=bindparam("said")), values)


def count_sends(
    connection: Connection, generation_id: str, sends: Mapping[Asked, int], refused: Collection[Asked]
) -> None:
    """Record how often requests were actually sent under their last intent; refused ones cost nothing."""
    sent = generation_requests.c.sends
    more = [{**_key(generation_id, asked), "more": n - 1} for asked, n in sends.items() if n > 1]
    if more:
        connection.execute(_OF_KEY.values(sends=sent + bindparam("more")), more)
    if refused:
        connection.execute(_OF_KEY.values(sends=0), [_key(generation_id, asked) for asked in refused])


def uncount(connection: Connection, generation_id: str, unsent: Collection[Asked]) -> None:
    """Record that requests were not sent under their last intent."""
    if unsent:
        fewer = _OF_KEY.values(sends=generation_requests.c.sends - 1)
        connection.execute(fewer, [_key(generation_id, asked) for asked in unsent])


def forget_failures(connection: Connection, generation_ids: Collection[str]) -> None:
    """Make requests that were given up due again: the user may have fixed the cause."""
    table = generation_requests.c
    statement = update(generation_requests).where(table.generation_id.in_(generation_ids), table.failures > 0)
    connection.execute(statement.values(failures=0))


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

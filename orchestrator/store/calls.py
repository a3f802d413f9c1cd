"""The tokens and costs of calls to models, added up in the database: answers to the questions of evaluations, and
the requests that made training data. Times are seconds since the epoch, money is US dollars."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Label,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    insert,
    null,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql

from orchestrator.store.schema import answers, deleted_calls, generation_requests, generations, runs
from orchestrator.store.spending import Sum, day_of, month_of, number_of

# --- Answers to questions ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Called:
    """A model's answers to questions: how many, and the tokens of those that reported them."""

    endpoint: str
    model: str
    is_batch: bool
    """Asked through a Batch API: only such an answer has no duration."""
    month: str | None
    answers: int
    uncounted: int
    """Answers without a readable usage."""
    prompt_tokens: int
    completion_tokens: int
    run_id: str | None = None
    """The deleted run whose model answered."""
    base_model: str | None = None
    """What that run trained."""


def answered(connection: Connection, since: float | None, *, by_month: bool = False) -> list[Called]:
    """The answers recorded since then, without those of `made`. Answers that were deleted with their run count."""
    month = month_of(connection, answers.c.answered_at).label("month") if by_month else _NO_PERIOD
    where = [] if since is None else [answers.c.answered_at >= since]
    found = [Called(*row) for row in connection.execute(_tokens_of(connection, where, month))]
    return [*found, *_deleted(connection, since, by_month)]


def keep_deleted(connection: Connection, run_id: str, endpoint: str, models: Collection[str]) -> None:
    """Record the tokens of these models' answers, per day, before the answers are deleted with their run; in a
    `write()` transaction."""
    day = day_of(connection, answers.c.answered_at).label("day")
    where = [answers.c.endpoint == endpoint, answers.c.model.in_(models)]
    rows = [
        {
            "run_id": run_id,
            "endpoint": endpoint,
            "model": row[1],
            "is_batch": row[2],
            "day": row[3],
            "answers": row[4],
            "uncounted": row[5],
            "prompt_tokens": row[6],
            "completion_tokens": row[7],
        }
        for row in connection.execute(_tokens_of(connection, where, day))
    ]
    if rows:
        connection.execute(insert(deleted_calls), rows)


_NO_PERIOD: Label[Any] = null().label("period")


def _tokens_of(
    connection: Connection, where: Sequence[ColumnElement[bool]], period: Label[Any]
) -> Select[*tuple[Any, ...]]:
    """Answers' tokens by endpoint, model, way of asking and period."""
    prompt, answer = _usage(connection, "prompt_tokens"), _usage(connection, "completion_tokens")
    is_counted = and_(prompt.is_not(None), answer.is_not(None))
    of = (answers.c.endpoint, answers.c.model, answers.c.seconds.is_(None).label("is_batch"), period)
    making = _making_data()
    is_made = and_(*(answers.c[column.name] == column for column in making.c))
    return (
        select(
            *of,
            func.count(),
            number_of(~is_counted),
            _whole(func.sum(case((is_counted, prompt), else_=0))),
            _whole(func.sum(case((is_counted, answer), else_=0))),
        )
        .select_from(answers.outerjoin(making, is_made))
        .where(making.c.endpoint.is_(None), *where)
        .group_by(*(of[:-1] if period is _NO_PERIOD else of))
    )


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    """As an int: PostgreSQL adds up large integers as decimals."""
    return cast(total, BigInteger)


def _making_data() -> Any:
    """The keys of the answers that made training data: their cost is that of their requests."""
    table = generation_requests.c
    keys = select(generations.c.endpoint, table.model, table.request_sha256, table.sample)
    return keys.join(generations, generations.c.id == table.generation_id).distinct().subquery()


_MOST_TOKENS = 999_999_999_999
"""A higher number is no count of tokens; sums of counts still fit a database integer."""


def _usage(connection: Connection, name: str) -> ColumnElement[int]:
    """A number of tokens in a completion; NULL if it is missing or none, whatever the host sent."""
    if connection.dialect.name == "sqlite":
        text = type_coerce(answers.c.completion, String)
        path = f"$.usage.{name}"
        count = type_coerce(func.json_extract(text, path), BigInteger)
        is_count = and_(func.json_type(text, path) == "integer", count.between(0, _MOST_TOKENS))
        # Python reads and writes NaN and any nesting; SQLite does not take them for JSON.
        return case((func.json_valid(text) == 1, case((is_count, count))))
    # PostgreSQL can't look into JSON that contains \u0000 or half a surrogate, so all escapes are removed first.
    plain = func.regexp_replace(cast(answers.c.completion, String), r"\\(u[0-9a-fA-F]{4}|.)", "", "g")
    written = cast(plain, postgresql.JSON)[("usage", name)].astext
    return case((written.op("~")("^[0-9]{1,12}$"), cast(written, BigInteger)))


def _deleted(connection: Connection, since: float | None, by_month: bool) -> list[Called]:
    table = deleted_calls.c
    month = month_of(connection, table.day).label("month") if by_month else _NO_PERIOD
    of = (table.endpoint, table.model, table.is_batch, month)
    numbers = (table.answers, table.uncounted, table.prompt_tokens, table.completion_tokens)
    query = select(*of, *(_whole(func.sum(number)) for number in numbers), table.run_id, runs.c.model)
    query = query.join(runs, runs.c.id == table.run_id)
    if since is not None:
        query = query.where(table.day >= since)
    rows = connection.execute(query.group_by(*(of if by_month else of[:-1]), table.run_id, runs.c.model))
    return [Called(*tuple(row)) for row in rows]


# --- Requests that made training data ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """The requests of one generation to a teacher."""

    generation_id: str
    endpoint: str
    model: str
    month: str | None
    used: Sum


def made(connection: Connection, since: float | None, *, by_month: bool = False) -> list[Made]:
    """The cost of the requests intended since then; what may have been sent without an answer counts as estimated.

    Without a price, a request has no estimate and the recorded cost of its answer is 0: that cost is unknown.
    """
    table = generation_requests.c
    month = month_of(connection, table.intended_at).label("month") if by_month else _NO_PERIOD
    of = (table.generation_id, generations.c.endpoint, table.model, month)
    is_sent = table.sends > 0
    is_unknown = and_(is_sent, table.estimated_usd.is_(None), func.coalesce(table.cost_usd, 0.0) == 0.0)
    more = case((table.cost_usd.is_not(None), table.sends - 1), else_=table.sends)
    open_usd = func.coalesce(table.estimated_usd, 0.0) * case((more > 0, more), else_=0)
    query = select(
        *of,
        func.sum(func.coalesce(table.cost_usd, 0.0) + open_usd),
        number_of(is_sent),
        func.sum(open_usd),
        number_of(open_usd > 0.0),
        number_of(is_unknown),
    ).join(generations, generations.c.id == table.generation_id)
    if since is not None:
        query = query.where(table.intended_at >= since)
    rows = connection.execute(query.group_by(*(of if by_month else of[:-1])))
    found = (Made(row[0], row[1], row[2], row[3], Sum(*row[4:])) for row in map(tuple, rows))
    return [each for each in found if each.used.items]

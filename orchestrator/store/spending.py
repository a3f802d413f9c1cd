"""What training cost, added up in the database: the check of caps before a run and every report read the same sums.

Times are seconds since the epoch, money is US dollars. `store/calls.py` has the same for calls to models.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, and_, case, cast, func, or_, select

from orchestrator.store.schema import checkpoints, models, runs, submissions, tags

_PENDING = "pending"
_DAY = 86_400.0
_AT_ONCE = 500
"""Ids per statement of a look-up."""


@dataclass(frozen=True)
class Sum:
    """What some items cost; `usd` includes `estimated_usd`, and nothing for the items whose cost is unknown."""

    usd: float = 0.0
    items: int = 0
    estimated_usd: float = 0.0
    estimated: int = 0
    unknown: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.usd + other.usd,
            self.items + other.items,
            self.estimated_usd + other.estimated_usd,
            self.estimated + other.estimated,
            self.unknown + other.unknown,
        )

    @property
    def is_unknown(self) -> bool:
        """Whether nothing at all is known."""
        return self.items > 0 and self.unknown == self.items


def month_begins(now: float) -> float:
    """When the calendar month began, in UTC: caps and reports count months like this."""
    day = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return day.timestamp()


def month_of(connection: Connection, at: ColumnElement[float]) -> ColumnElement[str]:
    """The calendar month of a time in UTC, as `2026-11`."""
    if connection.dialect.name == "sqlite":
        return func.strftime("%Y-%m", at, "unixepoch")
    return func.to_char(func.timezone("UTC", func.to_timestamp(at)), "YYYY-MM")


def day_of(connection: Connection, at: ColumnElement[float]) -> ColumnElement[float]:
    """When the day of a time began, in UTC."""
    is_sqlite = connection.dialect.name == "sqlite"  # whose floor() is not in every build
    days: ColumnElement[Any] = cast(at / _DAY, Integer) if is_sqlite else func.floor(at / _DAY)
    return days * _DAY


def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet the condition."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


# --- Training ----------------------------------------------------------------------------------------------------


_BEGUN_AT = func.coalesce(runs.c.creation_started_at, runs.c.created_at)
_COUNTS = and_(runs.c.state != _PENDING, or_(runs.c.job_id.is_not(None), runs.c.finished_at.is_(None)))
"""Runs that have begun; without a job only while they may still get one. Deleted and archived ones count."""
_IS_ESTIMATED = and_(runs.c.cost_usd.is_(None), runs.c.estimated_cost_usd.is_not(None))
_IS_UNKNOWN = and_(runs.c.cost_usd.is_(None), runs.c.estimated_cost_usd.is_(None))


_SUM: tuple[ColumnElement[Any], ...] = (
    func.coalesce(func.sum(func.coalesce(runs.c.cost_usd, runs.c.estimated_cost_usd, 0.0)), 0.0),
    func.count(),
    func.coalesce(func.sum(case((_IS_ESTIMATED, runs.c.estimated_cost_usd), else_=0.0)), 0.0),
    number_of(_IS_ESTIMATED),
    number_of(_IS_UNKNOWN),
)


def of_endpoint(
    connection: Connection,
    endpoint: str,
    *,
    since: float | None = None,
    name: str | None = None,
    without: str | None = None,
) -> Sum:
    """The actual or else expected cost of an endpoint's runs: of all, those begun since then, or those of a name;
    without one run."""
    query = select(*_SUM).where(_COUNTS, runs.c.endpoint == endpoint)
    if since is not None:
        query = query.where(since <= _BEGUN_AT)
    if name is not None:
        query = query.where(runs.c.name == name)
    if without is not None:
        query = query.where(runs.c.id != without)
    return Sum(*connection.execute(query).one())


def by_endpoint(connection: Connection, since: float) -> dict[str, Sum]:
    """The same of every endpoint with runs begun since then."""
    query = select(runs.c.endpoint, *_SUM).where(_COUNTS, since <= _BEGUN_AT).group_by(runs.c.endpoint)
    return {row[0]: Sum(*row[1:]) for row in connection.execute(query)}


@dataclass(frozen=True)
class Limited:
    """What a job file's runs on an endpoint cost in all, and its `max_cost_usd` as last submitted."""

    name: str
    endpoint: str
    max_cost_usd: float
    used: Sum


def of_limited(connection: Connection, since: float | None = None) -> list[Limited]:
    """The job files and sweeps with a limit: all, or those with runs begun since then."""
    named = (runs.c.name, runs.c.endpoint)
    limited = runs.c.max_cost_usd.is_not(None)
    last = select(*named, func.max(runs.c.created_at).label("at"), func.max(_BEGUN_AT).label("begun")).where(
        limited
    )
    newest = last.group_by(*named).subquery()
    is_newest = and_(
        runs.c.name == newest.c.name, runs.c.endpoint == newest.c.endpoint, runs.c.created_at == newest.c.at
    )
    query = select(*named, runs.c.max_cost_usd).join(newest, is_newest).where(limited)
    if since is not None:
        query = query.where(newest.c.begun >= since)
    limits = {(row[0], row[1]): row[2] for row in connection.execute(query)}
    if not limits:
        return []
    used = select(*named, *_SUM).where(_COUNTS).group_by(*named)
    sums = {(row[0], row[1]): Sum(*row[2:]) for row in connection.execute(used)}
    return [Limited(*key, limit, sums.get(key, Sum())) for key, limit in limits.items()]


@dataclass(frozen=True)
class Trained:
    """The cost of runs with the same key: what they are grouped by."""

    key: str | None
    used: Sum
    name: str = ""
    """Of the run, if each run is a group."""


def trainings(connection: Connection, by: str, since: float | None, tag: str | None = None) -> list[Trained]:
    """The cost of runs begun since then, by "month", "endpoint", "model", "tag", "user", "run" or "kind" (all
    together). Without `tag`, a run is in the group of each of its tags."""
    keys = _keys_of_runs(connection, by, tag)
    query = select(*keys, *_SUM).select_from(_RUNS_WITH[by](tag) if by in _RUNS_WITH else runs).where(_COUNTS)
    if since is not None:
        query = query.where(since <= _BEGUN_AT)
    rows = connection.execute(query.group_by(*keys) if keys else query)
    return [_trained(list(row), len(keys)) for row in rows if row[len(keys) + 1]]


def _trained(row: list[Any], keys: int) -> Trained:
    key = row[0] if keys else None
    return Trained(key, Sum(*row[keys:]), row[1] if keys > 1 else "")


def _keys_of_runs(connection: Connection, by: str, tag: str | None) -> list[ColumnElement[Any]]:
    columns: dict[str, list[ColumnElement[Any]]] = {
        "month": [month_of(connection, _BEGUN_AT).label("month")],
        "endpoint": [runs.c.endpoint],
        "model": [runs.c.model],
        "run": [runs.c.id, runs.c.name],
        "tag": [_tag_key(tag).label("tag")],
        "user": [_USER.label("user")],
        "kind": [],
    }
    return columns[by]


def _tag_key(tag: str | None) -> ColumnElement[Any]:
    return tags.c.value if tag is not None else tags.c.key.concat("=").concat(tags.c.value)


def _with_tags(tag: str | None) -> Any:
    is_its = tags.c.run_id == runs.c.id
    return runs.outerjoin(tags, and_(is_its, tags.c.key == tag) if tag is not None else is_its)


_BY_RUN = submissions.alias("by_run")
_BY_SWEEP = submissions.alias("by_sweep")
_USER = func.coalesce(_BY_RUN.c.user, _BY_SWEEP.c.user)


def _with_users(_tag: str | None) -> Any:
    """A trial's submission is that of its sweep."""
    own = and_(_BY_RUN.c.kind == "run", _BY_RUN.c.item_id == runs.c.id)
    sweeps = and_(_BY_SWEEP.c.kind == "sweep", _BY_SWEEP.c.item_id == runs.c.sweep_id)
    return runs.outerjoin(_BY_RUN, own).outerjoin(_BY_SWEEP, sweeps)


_RUNS_WITH = {"tag": _with_tags, "user": _with_users}


def unpriced_runs(connection: Connection, since: float | None) -> list[tuple[str, str, int]]:
    """Endpoint and model of the runs whose cost is unknown, and how many there are."""
    named = (runs.c.endpoint, runs.c.model)
    query = select(*named, func.count()).where(_COUNTS, _IS_UNKNOWN).group_by(*named)
    if since is not None:
        query = query.where(since <= _BEGUN_AT)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


# --- Which run something belongs to ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """The run that a model or checkpoint comes from."""

    run_id: str
    base_model: str


def sources(connection: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Source]:
    """The runs of these models and checkpoints, given as endpoint and name; a base model has none."""
    found: dict[tuple[str, str], Source] = {}
    for some in _pieces(sorted({name for _, name in names})):
        yielded = select(models.c.endpoint, models.c.model, models.c.run_id, models.c.base_model)
        saved = select(runs.c.endpoint, checkpoints.c.model, runs.c.id, runs.c.model).join(
            runs, runs.c.id == checkpoints.c.run_id
        )
        kept = select(runs.c.endpoint, runs.c.fine_tuned_model, runs.c.id, runs.c.model).where(
            runs.c.deleted_at.is_not(None)
        )
        for query in (
            kept.where(runs.c.fine_tuned_model.in_(some)),
            saved.where(checkpoints.c.model.in_(some)),
            yielded.where(models.c.model.in_(some)),
        ):
            found |= {(row[0], row[1]): Source(row[2], row[3]) for row in connection.execute(query)}
    return {key: source for key, source in found.items() if key in names}


def labels(
    connection: Connection, by: str, run_ids: Collection[str], tag: str | None = None
) -> dict[str, list[tuple[str, str]]]:
    """The groups of these runs, as key and name, by "tag", "user" or "run"."""
    keys = _keys_of_runs(connection, by, tag)
    found: dict[str, list[tuple[str, str]]] = {}
    for some in _pieces(sorted(run_ids)):
        query = select(runs.c.id, *keys).select_from(_RUNS_WITH[by](tag) if by in _RUNS_WITH else runs)
        for row in connection.execute(query.where(runs.c.id.in_(some), keys[0].is_not(None))):
            found.setdefault(row[0], []).append((row[1], row[2] if len(row) > 2 else ""))
    return found


def users_of(connection: Connection, kind: str, ids: Collection[str]) -> dict[str, str]:
    """Who submitted these items of a kind, by id."""
    found: dict[str, str] = {}
    for some in _pieces(sorted(ids)):
        query = select(submissions.c.item_id, submissions.c.user).where(
            submissions.c.kind == kind, submissions.c.item_id.in_(some)
        )
        found |= {row[0]: row[1] for row in connection.execute(query)}
    return found


def _pieces(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]

"""Which runs are listed, and in which order: the one query behind `status`, the page, exports and sums of money."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from orchestrator.store.records import Model
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.schema import metrics, models as model_table, runs, submissions, tags

Archived = Literal["hidden", "only", "shown"]
_AT_ONCE = 500
"""How many runs are read by their ids in one statement."""


@dataclass(frozen=True)
class Listing:
    """Which runs are listed, and in which order. What is not given admits every run that is not archived.

    Deleted runs are never listed.
    """

    run_id: str | None = None
    name: str | None = None
    states: Collection[str] = ()
    endpoint: str | None = None
    model: str | None = None
    """The beginning of a base model's name or of a tuned model's id, in any case."""
    tags: Mapping[str, str | None] = field(default_factory=dict)
    """Values by key; None admits any value."""
    since: float | None = None
    """Created at this time or later, in seconds since the epoch."""
    user: str | None = None
    """Who submitted the run or its sweep."""
    text: str | None = None
    """Part of the id, name, base model, tuned model or endpoint, in any case."""
    sweep_id: str | None = None
    outside_sweeps: bool = False
    archived: Archived = "hidden"
    sort: str = "created"
    """A key of `SORTS`."""
    is_reversed: bool = False
    """Whether the order is the opposite of what `SORTS` says. Runs without a value stay last."""


@dataclass(frozen=True)
class Sort:
    """An order of runs: which come first, and the value that decides, as it is at a time."""

    first: str
    value: Callable[[float], ColumnElement[Any]]
    is_descending: bool = False


def _last(measured: ColumnElement[Any]) -> ColumnElement[Any]:
    """What was measured at the last step of a run."""
    steps = select(measured).where(metrics.c.run_id == runs.c.id).order_by(metrics.c.step.desc()).limit(1)
    return steps.scalar_subquery()


SORTS: Mapping[str, Sort] = {
    "created": Sort("the newest", lambda _: runs.c.created_at, is_descending=True),
    "updated": Sort("the last changed", lambda _: runs.c.updated_at, is_descending=True),
    "finished": Sort("the last finished", lambda _: runs.c.finished_at, is_descending=True),
    "duration": Sort(
        "the longest", lambda now: func.coalesce(runs.c.finished_at, now) - runs.c.created_at, is_descending=True
    ),
    "cost": Sort(
        "the dearest, by what it cost or is estimated to cost",
        lambda _: func.coalesce(runs.c.cost_usd, runs.c.estimated_cost_usd),
        is_descending=True,
    ),
    "loss": Sort("the lowest training loss of the last step", lambda _: _last(metrics.c.train_loss)),
    "valid": Sort(
        "the lowest validation loss of the last step",
        lambda _: _last(func.coalesce(metrics.c.full_valid_loss, metrics.c.valid_loss)),
    ),
    "name": Sort("A", lambda _: runs.c.name),
    "state": Sort("A", lambda _: runs.c.state),
    "endpoint": Sort("A", lambda _: runs.c.endpoint),
    "base": Sort("A, by base model", lambda _: runs.c.model),
}
"""By key. Equal runs follow newest first."""


def page(connection: Connection, listing: Listing, *, limit: int | None, offset: int = 0) -> list[Run]:
    """At most `limit` of the runs (None: all), after the first `offset` of them."""
    found = ids(connection, listing, limit=limit, offset=offset)
    return [run for some in _chunks(found) for run in in_order(RUNS.by_ids(connection, some), some)]


def ids(connection: Connection, listing: Listing, *, limit: int | None = None, offset: int = 0) -> list[str]:
    """The ids of at most `limit` of the runs (None: all), after the first `offset`. Only they are sorted: rows are
    wide."""
    ordered = _order(listing)
    query = _admitted(select(runs.c.id), listing).order_by(ordered, runs.c.created_at.desc(), runs.c.id)
    return list(connection.execute(query.limit(limit).offset(offset or None)).scalars())


def models(connection: Connection, listing: Listing, *, limit: int | None) -> list[tuple[Model, str]]:
    """At most `limit` models of the runs (None: all), each with its run's name. Those that are ordered by creation
    follow their own, not that of their runs."""
    its = [model_table.c[each.name] for each in fields(Model)]
    query = _admitted(select(*its, runs.c.name).join(runs, runs.c.id == model_table.c.run_id), listing)
    by = model_table.c.created_at if listing.sort == "created" else None
    ordered = query.order_by(_order(listing, by), model_table.c.created_at.desc(), model_table.c.model)
    return [(Model(*row[:-1]), row[-1]) for row in connection.execute(ordered.limit(limit))]


def count(connection: Connection, listing: Listing) -> int:
    """How many runs there are."""
    return sum(count_by_state(connection, listing).values())


def count_by_state(connection: Connection, listing: Listing) -> dict[str, int]:
    """How many runs there are in each state that has some."""
    # Grouped by sweep too, an index has it all in this order: reading every row takes ten times as long.
    grouped = select(runs.c.sweep_id, runs.c.state, func.count().label("number"))
    found: Counter[str] = Counter()
    for row in connection.execute(_admitted(grouped, listing).group_by(runs.c.sweep_id, runs.c.state)):
        found[row.state] += row.number
    return dict(found)


def in_order(found: Collection[Run], wanted: Sequence[str]) -> list[Run]:
    """The runs in the order of their ids in `wanted`."""
    by_id = {run.id: run for run in found}
    return [by_id[run_id] for run_id in wanted if run_id in by_id]


def _order(listing: Listing, created: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """By the listing's value; `created` in place of the time when the run was created."""
    sort = SORTS[listing.sort]
    value = sort.value(time.time()) if created is None else created
    ordered = value.desc() if sort.is_descending != listing.is_reversed else value.asc()
    # Every run has a time of creation, and that has an index.
    return ordered if listing.sort == "created" else ordered.nulls_last()


def _chunks(wanted: Sequence[str]) -> Iterator[Sequence[str]]:
    return (wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE))


def _admitted(query: Select[Any], listing: Listing) -> Select[Any]:
    return query.where(*_placed(listing), *_described(listing), *_labelled(listing))


def _placed(listing: Listing) -> Iterator[ColumnElement[bool]]:
    """Not deleted, archived or not, and in which sweep."""
    yield runs.c.deleted_at.is_(None)
    if listing.archived != "shown":
        is_archived = runs.c.archived_at.is_not(None)
        yield is_archived if listing.archived == "only" else ~is_archived
    if listing.outside_sweeps:
        yield runs.c.sweep_id.is_(None)
    if listing.sweep_id is not None:
        yield runs.c.sweep_id == listing.sweep_id


def _described(listing: Listing) -> Iterator[ColumnElement[bool]]:
    """By what the row of the run says."""
    if listing.run_id is not None:
        yield runs.c.id == listing.run_id
    if listing.name is not None:
        yield runs.c.name == listing.name
    if listing.states:
        yield runs.c.state.in_(listing.states)
    if listing.endpoint is not None:
        yield runs.c.endpoint == listing.endpoint
    if listing.since is not None:
        yield runs.c.created_at >= listing.since
    if listing.model is not None:
        models = (runs.c.model, runs.c.fine_tuned_model)
        yield or_(*(each.istartswith(listing.model, autoescape=True) for each in models))
    if listing.text is not None:
        texts = (runs.c.id, runs.c.name, runs.c.model, runs.c.fine_tuned_model, runs.c.endpoint)
        yield or_(*(each.icontains(listing.text, autoescape=True) for each in texts))


def _labelled(listing: Listing) -> Iterator[ColumnElement[bool]]:
    """By tags and by who submitted it."""
    for key, value in listing.tags.items():
        having = select(tags.c.run_id).where(tags.c.key == key)
        yield runs.c.id.in_(having if value is None else having.where(tags.c.value == value))
    if listing.user is not None:
        own = select(submissions.c.item_id).where(submissions.c.user == listing.user)
        own_runs, own_sweeps = (own.where(submissions.c.kind == kind) for kind in ("run", "sweep"))
        yield or_(runs.c.id.in_(own_runs), runs.c.sweep_id.in_(own_sweeps))

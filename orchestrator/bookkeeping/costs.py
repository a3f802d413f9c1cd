"""What everything cost, in groups: by month, endpoint, base model, tag, user, run, or kind of expense.

Times are seconds since the epoch, money is US dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from orchestrator.bookkeeping.expenses import Book, Expense, Kind, Lack
from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model
from orchestrator.store import spending
from orchestrator.store.spending import Sum


class By(StrEnum):
    """What makes a group."""

    MONTH = "month"
    """A calendar month in UTC, as for caps."""
    ENDPOINT = "endpoint"
    MODEL = "model"
    """A base model, with everything that was tuned from it."""
    TAG = "tag"
    """A value of one tag; or each tag, and then a run is in the group of each of its tags."""
    USER = "user"
    """Who submitted it."""
    RUN = "run"
    KIND = "kind"


@dataclass(frozen=True)
class Grouping:
    """How costs are grouped; `tag` is the tag whose values make the groups, or None for every tag."""

    by: By = By.MONTH
    tag: str | None = None


@dataclass(frozen=True)
class Group:
    """The costs of one group by kind; `key` is None for what belongs to none, such as runs without the tag."""

    key: str | None
    sums: Mapping[Kind, Sum]
    name: str = ""
    """The name of the run whose id is the key."""

    @property
    def total(self) -> Sum:
        return sum(self.sums.values(), Sum())


@dataclass(frozen=True)
class Unpriced:
    """Items whose cost is unknown."""

    kind: Kind
    endpoint: str
    model: str
    """The base model."""
    lack: Lack
    items: int
    tier: str | None = None
    """Azure: how the model is deployed."""


@dataclass(frozen=True)
class Costs:
    """Costs in groups and in all: a run with several tags is in several groups, and counts once in `total`."""

    grouping: Grouping
    since: float | None
    groups: Sequence[Group]
    total: Group
    unpriced: Sequence[Unpriced]


def costs_of(
    connection: Connection,
    endpoints: Mapping[str, EndpointConfig],
    grouping: Grouping,
    *,
    since: float | None = None,
    now: float,
) -> Costs:
    """What was spent since then, or ever. Archived and deleted runs count. Raises PricesUnreadable."""
    whole = Book(connection, endpoints, since, now)
    parts = Book(connection, endpoints, since, now, by_month=grouping.by is By.MONTH)
    calls, hosting = parts.calls_and_data(), whole.hosting()
    split = parts.hosting() if parts.by_month else hosting
    entries = [*_trainings(connection, grouping, since), *_assigned(connection, grouping, [*calls, *split])]
    [*trained] = spending.trainings(connection, By.KIND, since)
    total = [(None, "", Kind.TRAINING, each.used) for each in trained]
    total += [(None, "", each.kind, each.used) for each in [*calls, *hosting]]
    return Costs(
        grouping=grouping,
        since=since,
        groups=_ordered(grouping, _grouped(entries)),
        total=next(iter(_grouped(total)), Group(None, {})),
        unpriced=[*_unpriced_runs(connection, since), *_unpriced([*calls, *hosting])],
    )


_Entry = tuple[str | None, str, Kind, Sum]
"""A group's key and name, and a cost in it."""


def _trainings(connection: Connection, grouping: Grouping, since: float | None) -> Iterator[_Entry]:
    for each in spending.trainings(connection, grouping.by, since, grouping.tag):
        key = each.key
        if grouping.by is By.KIND:
            key = Kind.TRAINING
        elif grouping.by is By.MODEL and key is not None:
            key = base_model(key)
        yield key, each.name, Kind.TRAINING, each.used


def _assigned(connection: Connection, grouping: Grouping, found: Sequence[Expense]) -> Iterator[_Entry]:
    """Each expense in its group, or in those of its run."""
    labels: Mapping[str, Sequence[tuple[str, str]]] = {}
    if grouping.by in (By.TAG, By.USER, By.RUN):
        of_runs = {each.run_id for each in found if each.run_id is not None}
        labels = spending.labels(connection, grouping.by, of_runs, grouping.tag)
    for each in found:
        for key, name in _groups_of(each, grouping.by, labels):
            yield key, name, each.kind, each.used


def _groups_of(
    each: Expense, by: By, labels: Mapping[str, Sequence[tuple[str, str]]]
) -> Sequence[tuple[str | None, str]]:
    own = {
        By.MONTH: each.month,
        By.ENDPOINT: each.endpoint,
        By.MODEL: each.model,
        By.KIND: each.kind,
        By.USER: each.user,
    }
    if (key := own.get(by)) is not None:
        return [(key, "")]
    return labels.get(each.run_id or "") or [(None, "")]


def _grouped(entries: Iterable[_Entry]) -> list[Group]:
    sums: dict[str | None, dict[Kind, Sum]] = {}
    names: dict[str | None, str] = {}
    for key, name, kind, used in entries:
        of_group = sums.setdefault(key, {})
        of_group[kind] = of_group.get(kind, Sum()) + used
        names[key] = name or names.get(key, "")
    return [Group(key, of_group, names[key]) for key, of_group in sums.items()]


def _ordered(grouping: Grouping, groups: Sequence[Group]) -> list[Group]:
    """Months from the newest, kinds as defined, others from the most expensive; what belongs to none comes last."""
    if grouping.by is By.MONTH:
        return sorted(groups, key=lambda each: each.key or "", reverse=True)
    if grouping.by is By.KIND:
        return sorted(groups, key=lambda each: list(Kind).index(Kind(str(each.key))))
    return sorted(groups, key=lambda each: (each.key is None, -each.total.usd, each.key or ""))


def _unpriced_runs(connection: Connection, since: float | None) -> list[Unpriced]:
    found = spending.unpriced_runs(connection, since)
    return [Unpriced(Kind.TRAINING, endpoint, model, Lack.PRICE, items) for endpoint, model, items in sorted(found)]


def _unpriced(found: Sequence[Expense]) -> list[Unpriced]:
    items: dict[tuple[Kind, str, str, Lack, str | None], int] = {}
    for each in found:
        if each.lack is not None:
            key = (each.kind, each.endpoint, each.model, each.lack, each.tier)
            items[key] = items.get(key, 0) + each.used.unknown
    return [Unpriced(*key[:4], number, key[4]) for key, number in sorted(items.items(), key=str)]

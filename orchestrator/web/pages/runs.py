"""The runs: filtered, sorted and searched by the database, a page at a time. The address says all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from starlette.datastructures import QueryParams

from orchestrator.bookkeeping.endings import endings, today
from orchestrator.reports.runs import steps, summary, validation_loss, why
from orchestrator.reports.text import ending, loss, money
from orchestrator.runs.states import State
from orchestrator.store.listing import Listing
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.web.links import query, run_link
from orchestrator.web.page import Asked, Page
from orchestrator.web.rendering import render

ON_A_PAGE = 50
_DAY = 86_400
_AGES = (("", "any time"), ("1", "day"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
_ARCHIVED = (("", "hidden"), ("only", "only these"), ("shown", "shown too"))


@dataclass(frozen=True)
class Heading:
    """A column. `key` is the order that it offers, if any; `falls`: that begins with the highest value."""

    text: str
    key: str = ""
    is_number: bool = False
    falls: bool = False


_COLUMNS = (
    Heading("Run", "name"),
    Heading("State", "state"),
    Heading("Step"),
    Heading("Loss", "loss", is_number=True),
    Heading("Validation", "valid", is_number=True),
    Heading("Endpoint", "endpoint"),
    Heading("Cost", "cost", is_number=True, falls=True),
    Heading("Created", "created", falls=True),
    Heading("Model / reason"),
)
_SORTED = {each.key: each for each in _COLUMNS if each.key}


@dataclass(frozen=True)
class Filter:
    """What an address asks for, as it is filled in; "" asks for nothing."""

    q: str = ""
    state: str = ""
    endpoint: str = ""
    model: str = ""
    tag: str = ""
    user: str = ""
    since: str = ""
    archived: str = ""
    sort: str = ""
    """The key of a column, with "-" before it for the opposite order."""
    page: str = ""

    @property
    def number(self) -> int:
        """Of the page, from 1."""
        return int(self.page) if self.page.isascii() and self.page[:6].isdigit() and int(self.page[:6]) else 1

    @property
    def sorted_by(self) -> str:
        key = self.sort.removeprefix("-")
        return key if key in _SORTED else "created"

    def listing(self, now: float) -> Listing:
        key, has_value, value = self.tag.partition("=")
        is_age = any(self.since and self.since == age for age, _ in _AGES)
        return Listing(
            text=self.q or None,
            states=(self.state,) if self.state else (),
            endpoint=self.endpoint or None,
            model=self.model or None,
            tags={key: value if has_value else None} if key else {},
            user=self.user or None,
            since=now - int(self.since) * _DAY if is_age else None,
            archived="only" if self.archived == "only" else "shown" if self.archived == "shown" else "hidden",
            sort=self.sorted_by,
            is_reversed=self.sort.startswith("-"),
        )

    def address(self, **changes: Any) -> str:
        """Of the same list with these changes."""
        return f"/runs{query(**{**vars(self), **changes})}"


def filter_of(asked: QueryParams) -> Filter:
    return Filter(**{each.name: asked.get(each.name, "").strip() for each in fields(Filter)})


def runs(asked: Asked) -> Page:
    """The listed runs. The filter stands above them and stays as it is filled in."""
    chosen = filter_of(asked.query)
    listing = chosen.listing(asked.now)
    counts = asked.ledger.counts(listing)
    total = sum(counts.values())
    last = max(1, -(-total // ON_A_PAGE))
    chosen = replace(chosen, page=str(min(chosen.number, last)))
    found = asked.ledger.listed(listing, limit=ON_A_PAGE, offset=(chosen.number - 1) * ON_A_PAGE)
    listed = render(
        "runs/list",
        summary=summary(counts, total),
        headings=list(_headings(chosen)),
        rows=list(_rows(found, asked)),
        **_neighbours(chosen, last),
    )
    above = render(
        "runs/filter",
        asked=chosen,
        states=list(State),
        endpoints=sorted(asked.ledger.workspace.endpoints),
        ages=_AGES,
        archived=_ARCHIVED,
    )
    return Page("Runs", {"list": listed}, head=above, place="Runs")


def _headings(chosen: Filter) -> Iterator[Mapping[str, Any]]:
    """Each sorts by its column, and the one that does turns the order round."""
    is_reversed = chosen.sort.startswith("-")
    for column in _COLUMNS:
        is_sorted = column.key == chosen.sorted_by
        key = f"-{column.key}" if is_sorted and not is_reversed else column.key
        order = "descending" if column.falls != is_reversed else "ascending"
        yield {
            "text": column.text,
            "address": chosen.address(sort=key, page=None) if column.key else "",
            "order": order if is_sorted else "",
            "is_number": column.is_number,
        }


def _rows(found: list[Run], asked: Asked) -> Iterator[Mapping[str, Any]]:
    last = asked.ledger.progress([run.id for run in found])
    tags = asked.ledger.tags([run.id for run in found])
    ends = endings(asked.ledger).of
    for run in found:
        metric = last.get(run.id)
        yield {
            "id": run.id,
            "address": run_link(run.id),
            "name": run.name,
            "state": run.state,
            "steps": steps(metric),
            "share": None if run.is_over else _share(metric),
            "loss": loss(metric.train_loss if metric else None),
            "valid": loss(validation_loss(metric)),
            "endpoint": run.endpoint,
            "cost": "–" if run.endpoint_type == "local" else money(_cost(run)),
            "created_at": run.created_at,
            "model": run.fine_tuned_model or why(run, asked.now),
            "ends": ending(ends(run.endpoint, run.fine_tuned_model), today()),
            "tags": [f"{key}={value}" for key, value in tags.get(run.id, {}).items()],
        }


def _share(metric: Metric | None) -> float | None:
    return metric.step / metric.total_steps if metric and metric.total_steps else None


def _cost(run: Run) -> float | None:
    return run.estimated_cost_usd if run.cost_usd is None else run.cost_usd


def _neighbours(chosen: Filter, last: int) -> dict[str, str]:
    number = chosen.number
    return {
        "place": f"Page {number:,} of {last:,}",
        "earlier": chosen.address(page=number - 1 if number > 2 else None) if number > 1 else "",
        "later": chosen.address(page=number + 1) if number < last else "",
    }

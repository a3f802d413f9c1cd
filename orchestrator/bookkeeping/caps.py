"""How much of each cap is used: what the check before a run counts, for people.

An endpoint's `max_cost_usd_per_month` limits the training begun there in the calendar month (UTC), a job file's
`max_cost_usd` all training under its name. Money is US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.store import spending
from orchestrator.store.spending import Sum, month_begins


@dataclass(frozen=True)
class MonthToDate:
    """What training on an endpoint has cost this month, and its cap."""

    endpoint: str
    used: Sum
    cap_usd: float | None
    """Its `max_cost_usd_per_month`; None if there is no limit."""


@dataclass(frozen=True)
class JobFileCap:
    """What a job file's or a sweep's training on an endpoint has cost in all, and its `max_cost_usd`."""

    name: str
    endpoint: str
    used: Sum
    cap_usd: float


def months_to_date(
    connection: Connection, endpoints: Mapping[str, EndpointConfig], now: float
) -> list[MonthToDate]:
    """Every endpoint with a cap, or with training begun this month, by name."""
    used = spending.by_endpoint(connection, month_begins(now))
    caps = {name: config.max_cost_usd_per_month for name, config in endpoints.items()}
    names = sorted({*used, *(name for name, cap in caps.items() if cap is not None)})
    return [MonthToDate(name, used.get(name, Sum()), caps.get(name)) for name in names]


def job_file_caps(connection: Connection, since: float | None = None) -> list[JobFileCap]:
    """Every job file with a cap, or those with runs begun since then; the largest used share first."""
    found = spending.of_limited(connection, since)
    caps = [JobFileCap(each.name, each.endpoint, each.used, each.max_cost_usd) for each in found]
    return sorted(caps, key=lambda each: (-each.used.usd / each.cap_usd, each.name, each.endpoint))

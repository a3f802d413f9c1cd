"""What everything cost, and how much of the caps is used."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.bookkeeping.caps import JobFileCap, MonthToDate, job_file_caps, months_to_date
from orchestrator.bookkeeping.costs import By, Costs, Grouping, costs_of
from orchestrator.ledger import Ledger
from orchestrator.store.spending import month_begins

__all__ = ["By", "Caps", "Costs", "Grouping", "caps", "costs", "costs_this_month", "month_to_date"]


@dataclass(frozen=True)
class Caps:
    """How much of each cap is used."""

    endpoints: Sequence[MonthToDate]
    job_files: Sequence[JobFileCap]


def costs(ledger: Ledger, grouping: Grouping | None = None, *, since: float | None = None) -> Costs:
    """What was spent since then (seconds since the epoch), or ever: training, evaluation, generation and hosting.

    Raises PricesUnreadable.
    """
    with ledger.database.read() as connection:
        return costs_of(
            connection, ledger.workspace.endpoints, grouping or Grouping(), since=since, now=time.time()
        )


def costs_this_month(ledger: Ledger) -> Costs:
    """What was spent in this calendar month (UTC), by kind. Raises PricesUnreadable."""
    return costs(ledger, Grouping(By.KIND), since=month_begins(time.time()))


def caps(ledger: Ledger, *, since: float | None = None) -> Caps:
    """The caps of all endpoints, and those of all job files, or of those with runs begun since then."""
    with ledger.database.read() as connection:
        found = months_to_date(connection, ledger.workspace.endpoints, time.time())
        endpoints = [each for each in found if each.cap_usd is not None]
        return Caps(endpoints, job_file_caps(connection, since))


def month_to_date(ledger: Ledger) -> list[MonthToDate]:
    """What training on each endpoint has cost this month, and its cap: the figures that the check before each run
    uses. Endpoints without training this month and without a cap are left out."""
    with ledger.database.read() as connection:
        return months_to_date(connection, ledger.workspace.endpoints, time.time())

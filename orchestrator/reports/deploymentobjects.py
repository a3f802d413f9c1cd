"""Deployments as JSON objects."""

from __future__ import annotations

from typing import Any

from orchestrator.deployments.account import Standing, Survey
from orchestrator.reports.formats import iso


def survey_object(found: Survey) -> dict[str, Any]:
    """All deployments, and why an account could not be asked."""
    return {"deployments": [_standing_object(each) for each in found.standings], "troubles": list(found.troubles)}


def _standing_object(each: Standing) -> dict[str, Any]:
    recorded = each.recorded
    return {
        "name": each.name,
        "endpoint": each.endpoint,
        "model": each.model,
        "run": recorded.run_id if recorded else None,
        "state": each.state,
        "reason": each.reason,
        "sku": each.sku,
        "capacity": each.capacity,
        "made_by_ftorch": recorded is not None and not recorded.made_elsewhere,
        "temporary": recorded is not None and recorded.temporary,
        "in_use": each.in_use,
        "hosting_cost_usd": each.cost_usd,
        "hosting_cost_usd_per_day": each.cost_usd_per_day,
        "last_used_at": iso(each.last_used_at),
        "ends_at": iso(each.ends_at),
        "is_idle": each.is_idle,
    }

"""Whether the account has room for a deployment, looked up before it is requested."""

from __future__ import annotations

from orchestrator.deployments.recording import Planned
from orchestrator.endpoints import open_management
from orchestrator.endpoints.management import SKUS, Management, Room
from orchestrator.errors import EndpointError


async def look_for_room(planned: Planned) -> str | None:
    """What `shortage` says of the account. Raises what `open_management` raises."""
    async with open_management(planned.subject.config) as management:
        return await shortage(management, planned)


async def shortage(management: Management, planned: Planned) -> str | None:
    """Why the region has too little room for the planned deployment, with what it has room for; None if it has
    enough, or if the account does not say. The account decides when it is requested."""
    try:
        room = await management.room(planned.subject.model)
    except EndpointError:
        return None  # another role sees it; whatever else is wrong will be met by the request itself
    if room is None or room.by_sku.get(planned.sku, planned.capacity) >= planned.capacity:
        return None
    left = int(room.by_sku[planned.sku])
    found = f"only {left},000" if left else "no"
    return (
        f"{room.region} has room for {found} tokens a minute of {planned.sku} for this model, and "
        f"{planned.capacity},000 are requested: {_ways_out(room, planned, left)}"
    )


def _ways_out(room: Room, planned: Planned, left: int) -> str:
    others = [
        f"use {sku} (room for {int(room.by_sku[sku])},000)"
        for sku in SKUS
        if sku != planned.sku and room.by_sku.get(sku, 0) >= planned.capacity
    ]
    fewer = [f"lower the capacity to {left}"] if left else []
    ways = [*fewer, *others]
    return ", ".join([*ways, "or request more quota in the portal" if ways else "request more quota in the portal"])

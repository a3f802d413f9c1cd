"""What a rescue keeps of an open endpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path

from orchestrator.endpoints.interface import Endpoint
from orchestrator.rescue.collection import collect
from orchestrator.rescue.keeping import Silent
from orchestrator.rescue.manifest import open_manifest

Named = tuple[str, str]
"""The kind and the id of an object."""


async def rescued_from(
    endpoint: Endpoint, folder: Path
) -> tuple[dict[Named, str], dict[Named, str], dict[str, bool | None]]:
    """The paths of what is kept, why the rest is missing, and whether each tuned model is there."""
    with open_manifest(folder, {"endpoint": endpoint.name}) as manifest:
        found = await collect(endpoint, manifest, [], Silent(), asyncio.Event())
        entries = manifest.entries
    assert found is not None
    kept: dict[Named, str] = {(entry.kind, entry.id): entry.path for entry in entries if entry.path}
    missing: dict[Named, str] = {(entry.kind, entry.id): str(entry.why) for entry in entries if not entry.is_kept}
    return kept, missing, {model.name: model.is_there for model in found.models}

"""A large file goes up in parts. Only completing the upload makes a file, so only that needs to be exactly once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from orchestrator.dataset.outgoing import Content, cut
from orchestrator.endpoints.interface import OnSent, RemoteFile
from orchestrator.errors import EndpointError, FtorchError
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.world import World
from orchestrator.store import uploads
from orchestrator.store.uploads import Upload


async def send_in_parts(
    world: World, intended: Upload, content: Content, part_bytes: int, on_sent: OnSent
) -> RemoteFile:
    """Bring the file up and make it complete, as long as the lease on it is held.

    An upload that was begun and then failed is cancelled; one whose process died expires on the endpoint within the
    hour. Raises as `Endpoint.upload` does, and LostRun.
    """
    pieces = await asyncio.to_thread(cut, content, part_bytes)  # gigabytes take seconds, and leases are to be kept
    upload_id = await _open(world, intended)
    try:
        part_ids = [await _send_part(world, upload_id, part, on_sent) for part in pieces.parts]
        _require_lease(world, intended)
        return await _complete(world, intended, upload_id, part_ids, pieces.md5)
    except FtorchError:
        await _give_up(world, upload_id)
        raise


async def _open(world: World, intended: Upload) -> str:
    crash_point("before-parts-open")
    try:
        return await world.endpoint.open_upload(intended.sent_name, intended.bytes)
    finally:
        crash_point("after-parts-open")


async def _send_part(world: World, upload_id: str, part: Content, on_sent: OnSent) -> str:
    crash_point("before-part")
    try:
        return await world.endpoint.add_part(upload_id, part, lambda sent: on_sent(part.offset + sent))
    finally:
        crash_point("after-part")


def _require_lease(world: World, intended: Upload) -> None:
    """The parts may have taken long: somebody else may have sent the file meanwhile."""
    with world.database.write() as connection:
        uploads.write(connection, intended, world.owner, world.now(), attempted_at=world.now())
        crash_point("before-commit-parts-complete")
    crash_point("after-commit-parts-complete")


async def _complete(world: World, intended: Upload, upload_id: str, part_ids: list[str], md5: str) -> RemoteFile:
    crash_point("before-parts-complete")
    try:
        return await world.endpoint.complete_upload(upload_id, part_ids, md5, intended.bytes)
    finally:
        crash_point("after-parts-complete")


async def _give_up(world: World, upload_id: str) -> None:
    """What is cancelled can't become a file later; if this fails, or comes too late, looking by name finds it."""
    crash_point("before-parts-cancel")
    with suppress(EndpointError):
        await world.endpoint.cancel_upload(upload_id)
    crash_point("after-parts-cancel")

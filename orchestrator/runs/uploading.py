"""Uploading a file to an endpoint once: the same bytes are never knowingly sent twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from orchestrator.dataset.files import DataFile, inspect_file, sent_name
from orchestrator.dataset.outgoing import Content, cut
from orchestrator.endpoints.azure.fitting import LARGEST_IN_ONE_REQUEST
from orchestrator.endpoints.interface import TRAINING, OnSent, RemoteFile
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Wait
from orchestrator.errors import (
    DataFileUnusable,
    EndpointBusy,
    EndpointError,
    FtorchError,
    LostLease,
    OutcomeUnknown,
    RequestRefused,
    UsageError,
)
from orchestrator.jobfile.addresses import Address, private_address_of
from orchestrator.runs.context import Context
from orchestrator.runs.marks import CLOCK_SKEW_SECONDS
from orchestrator.runs.plan import doubtful_address, unlisted_variable
from orchestrator.runs.waiting import asking_again
from orchestrator.store import uploads
from orchestrator.store.uploads import Upload

Place = Path | Address
_LONGEST_PAUSE_SECONDS = 3600.0
_MOST_DOUBLINGS = 16
_LOOK_AGAIN_SECONDS = 1.0
_PATIENCE_SECONDS = 7200.0
"""How long an endpoint may take to process a file; the largest take minutes."""
_LOOK_AGAIN_SHARE = 0.1
"""Of the settling window: each look pages through the list of files."""
_MOST_COMPARED = 5
_DELETED_STATUSES = ("deleted", "deleting")
_FAILED_STATUSES = ("error", "failed", *_DELETED_STATUSES)


async def file_on_endpoint(context: Context, path: Place, sha256: str, purpose: str = TRAINING) -> str | Wait:
    """The endpoint's id of the file with these bytes, uploaded if it is not there yet; or what to wait for.

    Files of another `purpose` than training must be small enough not to go up in parts.

    Raises DataFileUnusable if the run can't continue with this file, and EndpointError.
    """
    if isinstance(path, Address) and (reason := await _not_importable(context, path)):
        return Wait(context.now() + _PATIENCE_SECONDS, reason, blocked=True)
    async with context.upload_locks[sha256]:
        with context.database.read() as connection:
            known = uploads.find(connection, context.config.name, purpose, sha256)
        if known is not None and known.file_id is not None:
            return await _recorded(context, known, path)
        claimed = await _claim(context, path, sha256, purpose)
        if claimed is None or claimed.file_id is not None:
            return _elsewhere(context, path)
        if claimed.attempted_at is not None:
            return await _look_for(context, claimed, path)
        return await _send(context, claimed, path)


async def _not_importable(context: Context, address: Address) -> str | None:
    """Why the endpoint is not asked to fetch the address now, with the next step. The record may be another
    person's, and the configuration may have changed since."""
    config = context.config
    if problem := unlisted_variable(address, config):
        return f"{problem}, then resume"
    if address.unset:
        return (
            f"the environment variable {address.unset[0]} is not set, which {address} needs; export it, then resume"
        )
    if config.import_private:
        return None
    doubt = address.doubt
    if doubt is None and (found := await asyncio.to_thread(private_address_of, address.host)):
        doubt = f"points to a private address ({found})"
    problem = doubtful_address(address, doubt, config)
    return f"{problem}, then resume" if problem else None


def _elsewhere(context: Context, path: Place) -> Wait:
    return Wait(context.now() + _LOOK_AGAIN_SECONDS, f"another process is uploading {path.name}")


async def _recorded(context: Context, upload: Upload, path: Place) -> str | Wait:
    """A file recorded earlier may have been deleted or may have expired."""
    assert upload.file_id is not None
    try:
        remote = await context.endpoint.file(upload.file_id)
    except RequestRefused as error:
        if error.facts["status"] != 404:
            raise
        return await _send_again(context, upload, path)
    if remote.status in _DELETED_STATUSES:
        return await _send_again(context, upload, path)
    return _ready(context, upload, remote, path)


async def _send_again(context: Context, gone: Upload, path: Place) -> str | Wait:
    claimed = await _claim(context, path, gone.sha256, gone.purpose)
    if claimed is None or claimed.file_id != gone.file_id:
        return _elsewhere(context, path)  # another process noticed first
    context.listener.warned(f"{path.name} is no longer on {context.config.name}; uploading it again")
    with context.database.write() as connection:
        forgotten = uploads.write(
            connection, claimed, context.owner, context.now(), file_id=None, attempted_at=None
        )
    return await _send(context, forgotten, path)


async def _claim(context: Context, path: Place, sha256: str, purpose: str) -> Upload | None:
    file = await asyncio.to_thread(_unchanged, path, sha256)  # gigabytes take seconds, and leases must be renewed
    with context.database.write() as connection:
        claimed = uploads.claim(
            connection,
            endpoint=context.config.name,
            purpose=purpose,
            sha256=sha256,
            sent_name=sent_name(file),
            size=file.size,
            owner=context.owner,
            expires_at=context.lease_end() + context.config.timeout_seconds,
            now=context.now(),
            abandoned=context.abandoned(connection),
        )
        crash_point("before-commit-upload-claim")
    crash_point("after-commit-upload-claim")
    return claimed


def _unchanged(path: Place, sha256: str) -> DataFile:
    """The file sent must be the one checked and priced; behind an address, the bytes can't be seen from this
    side."""
    if isinstance(path, Address):
        return DataFile(Path(path.name), sha256, 0, 0)
    file = inspect_file(path)
    if file.sha256 != sha256:
        problem = "it has changed since it was submitted; submit the job file again"
        raise DataFileUnusable(path=path, problem=problem)
    return file


async def _look_for(context: Context, upload: Upload, path: Place) -> str | Wait:
    """An earlier attempt's answer was lost: look for its file, and send again only after the settling window."""
    crash_point("before-file-look")
    named = await context.endpoint.find_files(upload.sent_name, purpose=upload.purpose)
    found = [file for file in named if isinstance(path, Address) or file.bytes in (None, upload.bytes)]
    usable = [file for file in found if file.status not in _FAILED_STATUSES]
    if not usable and not isinstance(path, Address):
        usable = await _same_bytes(context, upload)
    crash_point("after-file-look")
    if usable:
        return _confirm(context, upload, usable[-1], path)
    left = context.config.settling_seconds - context.searched_seconds(upload.id)
    if left > 0:
        pause = min(left, max(_LOOK_AGAIN_SECONDS, _LOOK_AGAIN_SHARE * context.config.settling_seconds))
        return Wait(context.now() + pause, f"upload unconfirmed, looking for {path.name}")
    del context.searches[upload.id]
    return await _send(context, upload, path)


async def _same_bytes(context: Context, upload: Upload) -> list[RemoteFile]:
    """A host may have renamed the file: then only its bytes identify it. A file that can't be compared is not used;
    sending it again costs nothing."""
    since = (upload.attempted_at or upload.created_at) - CLOCK_SKEW_SECONDS
    listed = await context.endpoint.files_of_size(upload.bytes, purpose=upload.purpose)
    new = [file for file in listed if file.created_at is None or file.created_at >= since]
    for file in new[:_MOST_COMPARED]:
        if file.id in context.other_files or file.status in _FAILED_STATUSES:
            continue
        if await context.endpoint.file_hash(file.id, upload.bytes) == upload.sha256:
            return [file]
        context.other_files.add(file.id)
    return []


async def _send(context: Context, upload: Upload, path: Place) -> str | Wait:
    with context.database.write() as connection:
        intended = uploads.write(connection, upload, context.owner, context.now(), attempted_at=context.now())
        crash_point("before-commit-upload-intent")
    crash_point("after-commit-upload-intent")
    try:
        remote = await _request(context, intended, path)
    except OutcomeUnknown as error:
        context.begin_search(intended.id)  # a request that timed out can still arrive
        with context.database.write() as connection:
            uploads.write(connection, intended, context.owner, context.now(), attempted_at=context.now())
            crash_point("before-commit-upload-failure")
        crash_point("after-commit-upload-failure")
        reason = f"upload unconfirmed ({error.facts['problem']}), looking for {path.name}"
        return Wait(context.now() + _LOOK_AGAIN_SECONDS, reason)
    except (EndpointError, DataFileUnusable, UsageError) as error:
        with context.database.write() as connection:
            uploads.write(connection, intended, context.owner, context.now(), attempted_at=None, lease_owner=None)
            crash_point("before-commit-upload-failure")
        crash_point("after-commit-upload-failure")
        if isinstance(error, EndpointBusy):
            until = context.now() + _pause(context, intended, error)
            reason = f"{context.config.name} is at a limit ({error.facts['problem']})"
            return Wait(until, asking_again(until, reason, context))
        if isinstance(error, RequestRefused) and not is_on_the_way(error):
            raise DataFileUnusable(
                path=path, problem=f"the upload was refused: {error.facts['problem']}"
            ) from error
        raise
    context.turned_away.pop(intended.id, None)
    return _confirm(context, intended, remote, path)


def is_on_the_way(error: RequestRefused) -> bool:
    """Whether a refusal concerns the sender or the network, or comes from something in between (a firewall, a
    sign-in page): it says nothing about the file."""
    status = error.facts["status"] or 0
    return status in _ON_THE_WAY or 300 <= status < 400


_ON_THE_WAY = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
)


def _pause(context: Context, upload: Upload, error: EndpointBusy) -> float:
    """Seconds until the file is sent again: as long as the endpoint asks; otherwise doubling each time."""
    if (asked := error.facts["retry_after"]) is not None:
        return float(asked) or context.config.poll_seconds
    turn = context.turned_away[upload.id]
    context.turned_away[upload.id] = turn + 1
    return float(min(_LONGEST_PAUSE_SECONDS, context.config.poll_seconds * 2 ** min(turn, _MOST_DOUBLINGS)))


async def _request(context: Context, intended: Upload, path: Place) -> RemoteFile:
    if isinstance(path, Address):
        return await _import(context, intended, path)
    content, parts = Content(path, intended.sha256, intended.bytes), context.endpoint.capabilities.parts

    def on_sent(sent: int) -> None:
        context.listener.sending(path, sent, content.size)

    crash_point("before-upload")
    _require_lease(context, intended)
    try:
        if parts and content.size > parts.above:
            return await send_in_parts(context, intended, content, parts.size, on_sent)
        return await _send_whole(context, intended, content, on_sent)
    finally:
        context.listener.sending(path, None, content.size)
        crash_point("after-upload")


async def _send_whole(context: Context, intended: Upload, content: Content, on_sent: OnSent) -> RemoteFile:
    return await context.endpoint.upload(content, intended.sent_name, on_sent, purpose=intended.purpose)


async def _import(context: Context, intended: Upload, address: Address) -> RemoteFile:
    crash_point("before-upload")
    _require_lease(context, intended)
    try:
        return await context.endpoint.import_file(address.whole, intended.sent_name)
    except EndpointError as error:
        spoken = {key: address.hidden_in(fact) for key, fact in error.facts.items() if isinstance(fact, str)}
        raise type(error)(**{**error.facts, **spoken}) from None
    finally:
        crash_point("after-upload")


def _require_lease(context: Context, intended: Upload) -> None:
    """This process may have been suspended since it wrote its intent, while another sent the file. Raises
    LostLease."""
    with context.database.read() as connection:
        if not uploads.is_held(connection, intended, context.owner, context.now()):
            raise LostLease(kind="upload", id=intended.sent_name)


def _confirm(context: Context, upload: Upload, remote: RemoteFile, path: Place) -> str | Wait:
    with context.database.write() as connection:
        uploads.write(
            connection,
            upload,
            context.owner,
            context.now(),
            file_id=remote.id,
            status=remote.status,
            lease_owner=None,
            lease_expires_at=None,
        )
        crash_point("before-commit-upload")
    crash_point("after-commit-upload")
    return _ready(context, upload, remote, path)


def _ready(context: Context, upload: Upload, remote: RemoteFile, path: Place) -> str | Wait:
    if remote.status in _FAILED_STATUSES:
        details = remote.status_details or str(remote.status)
        shown = path.hidden_in(details) if isinstance(path, Address) else details
        problem = f"the endpoint could not process it ({shown})"
        raise DataFileUnusable(path=path, problem=problem)
    if context.endpoint.capabilities.needs_processed_files and remote.status not in (None, "processed"):
        if context.now() > (upload.attempted_at or upload.created_at) + _PATIENCE_SECONDS:
            hours = f"{_PATIENCE_SECONDS / 3600:g} hours"
            problem = f"the endpoint has it as {remote.id}, still not processed ({remote.status}) after {hours}"
            raise DataFileUnusable(path=path, problem=f"{problem}; delete it there, then submit again")
        return Wait(context.now() + context.config.poll_seconds, f"{path.name} is being processed: {remote.status}")
    return remote.id


# --- Uploads in parts: only completing one creates a file, and only that must happen once ------------------------


async def send_in_parts(
    context: Context, intended: Upload, content: Content, part_bytes: int, on_sent: OnSent
) -> RemoteFile:
    """Upload the file and complete it, as long as the lease on it is held; in one request if the address has no
    uploads in parts.

    An upload that was started and then failed is cancelled; if its process died, it expires on the endpoint within
    the hour. Raises like `Endpoint.upload`, and LostLease.
    """
    pieces = await asyncio.to_thread(cut, content, part_bytes)  # gigabytes take seconds, and leases must be renewed
    upload_id = await _open(context, intended)
    if upload_id is None:
        _warn_of_one_request(context, content)
        _require_lease(context, intended)
        return await _send_whole(context, intended, content, on_sent)
    try:
        part_ids = [await _send_part(context, upload_id, part, on_sent) for part in pieces.parts]
        _renew_intent(context, intended)
        return await _complete(context, intended, upload_id, part_ids, pieces.md5)
    except FtorchError:
        await _give_up(context, upload_id)
        raise


def _warn_of_one_request(context: Context, content: Content) -> None:
    if content.size > LARGEST_IN_ONE_REQUEST:
        context.listener.warned(
            f"{context.config.base_url} takes no uploads in parts: {content.path.name} "
            f"({content.size / 1e6:,.0f} MB) is sent in one request, which is known to fail above "
            f"{LARGEST_IN_ONE_REQUEST / 1e6:.0f} MB; the resource's own address takes parts"
        )


async def _open(context: Context, intended: Upload) -> str | None:
    crash_point("before-parts-open")
    try:
        return await context.endpoint.open_upload(intended.sent_name, intended.bytes)
    finally:
        crash_point("after-parts-open")


async def _send_part(context: Context, upload_id: str, part: Content, on_sent: OnSent) -> str:
    crash_point("before-part")
    try:
        return await context.endpoint.add_part(upload_id, part, lambda sent: on_sent(part.offset + sent))
    finally:
        crash_point("after-part")


def _renew_intent(context: Context, intended: Upload) -> None:
    """The parts may have taken long: another process may have sent the file meanwhile. Raises LostLease."""
    with context.database.write() as connection:
        uploads.write(connection, intended, context.owner, context.now(), attempted_at=context.now())
        crash_point("before-commit-parts-complete")
    crash_point("after-commit-parts-complete")


async def _complete(
    context: Context, intended: Upload, upload_id: str, part_ids: list[str], md5: str
) -> RemoteFile:
    crash_point("before-parts-complete")
    try:
        return await context.endpoint.complete_upload(upload_id, part_ids, md5, intended.bytes)
    finally:
        crash_point("after-parts-complete")


async def _give_up(context: Context, upload_id: str) -> None:
    """A cancelled upload can't become a file later; if this fails or comes too late, a search by name finds it."""
    crash_point("before-parts-cancel")
    with suppress(EndpointError):
        await context.endpoint.cancel_upload(upload_id)
    crash_point("after-parts-cancel")

"""Training files on Fireworks: datasets, each under an id made of its content's hash.

A dataset is announced first, filled next, and READY once Fireworks has read it. One that was announced and never
filled is no file: it is filled when the file is sent again.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import BinaryIO, cast

from orchestrator.dataset.files import hash_in
from orchestrator.dataset.outgoing import Content, unheard
from orchestrator.endpoints.fireworks.control import ControlPlane, is_missing
from orchestrator.endpoints.fireworks.names import dataset_id
from orchestrator.endpoints.fireworks.objects import read_dataset, read_list
from orchestrator.endpoints.interface import TRAINING, OnSent, RemoteFile
from orchestrator.endpoints.objects import Json
from orchestrator.errors import OutcomeUnknown, RequestRefused

LARGEST_AT_ONCE = 150_000_000
"""Bytes that one request may carry, by the SDK fireworks-ai 1.2.30; more go to an address that Fireworks signs."""
_KIND = "datasets"
_NOT_IN_THIS_STATE = "FAILED_PRECONDITION"
_BLOCK_BYTES = 1 << 20


class Datasets(ControlPlane):
    """The file methods of an endpoint; see `interface.Endpoint` for their guarantees."""

    async def upload(
        self, content: Content, sent_name: str, on_sent: OnSent = unheard, *, purpose: str = TRAINING
    ) -> RemoteFile:
        made = dataset_id(sent_name)
        known = await self._announce(made, sent_name, content)
        if known is not None:
            return known
        if content.size > LARGEST_AT_ONCE:
            await self._send_to_storage(made, content, on_sent)
        elif filled := await self._send_at_once(made, sent_name, content, on_sent):
            return filled
        facts = {"name": made, "displayName": sent_name, "state": "UPLOADING"}
        return read_dataset(facts)

    async def _announce(self, made: str, sent_name: str, content: Content) -> RemoteFile | None:
        """Announce the dataset; it may be there already, and is returned if it is complete. Raises RequestRefused
        if somebody else's is."""
        examples = await asyncio.to_thread(_count_examples, content)
        fields = {"displayName": sent_name, "exampleCount": str(examples), "userUploaded": {}}
        body = {"datasetId": made, "dataset": fields}
        if await self.make("announce dataset", await self.place(_KIND), body):
            return None
        try:
            found = await self.file(made)
        except RequestRefused as error:
            problem = f"it has a dataset {made}, but doesn't show it: {error.facts['problem']}"
            raise OutcomeUnknown(**{**error.facts, "problem": problem}) from error
        if not _is_of(found, sent_name):
            raise self.refusal(f"the account has another dataset under the name {made}; delete that one there")
        return found if found.status == "processed" else None

    async def _send_at_once(
        self, made: str, sent_name: str, content: Content, on_sent: OnSent
    ) -> RemoteFile | None:
        """Fill the dataset; the one there is if it has been filled before, and is still being read."""
        path = await self.place(_KIND, made, ":upload")
        try:
            with content.open(on_sent) as source:
                files = [("file", (sent_name, source, "application/jsonl"))]
                timeout = self._deadline(content.size)
                await self._once(self._post, path, read=dict, files=files, timeout=timeout)
        except RequestRefused as error:
            if error.facts["code"] != _NOT_IN_THIS_STATE:
                raise
            return await self.file(made)
        return None

    async def _send_to_storage(self, made: str, content: Content, on_sent: OnSent) -> None:
        """To an address that is signed for exactly this many bytes. Nothing counts before it is validated, so it
        may be sent again."""
        name = f"{made}.jsonl"
        body = {"filenameToSize": {name: str(content.size)}}
        path = await self.place(_KIND, made, ":getUploadEndpoint")
        address = await self.write("get upload address", path, lambda raw: _address_for(raw, name), body)
        with content.open(on_sent) as source:
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(content.size),
                "X-Goog-Content-Length-Range": f"{content.size},{content.size}",
            }
            await self.put(address, _pieces(source), headers, self._deadline(content.size))
        await self.write("validate upload", await self.place(_KIND, made, ":validateUpload"), dict, {})

    async def find_files(self, sent_name: str, *, purpose: str = TRAINING) -> list[RemoteFile]:
        try:
            found = await self.file(dataset_id(sent_name))
        except RequestRefused as error:
            if not is_missing(error):
                raise
            return []
        return [found] if _is_of(found, sent_name) and found.status == "processed" else []

    async def files_of_size(self, size: int, *, purpose: str = TRAINING) -> list[RemoteFile]:
        return []  # datasets have no size, and nothing renames them

    async def file_hash(self, file_id: str, size: int) -> str | None:
        return None

    async def _files_for(self, purpose: str) -> list[RemoteFile]:
        found = [read_dataset(raw) for raw in await self.every("list datasets", _KIND)]
        return sorted(found, key=lambda file: file.created_at or 0.0, reverse=True) if purpose == TRAINING else []

    async def _one_page_of_files(self) -> None:
        await self.read(
            "list datasets", await self.place(_KIND), lambda raw: read_list(raw, _KIND), {"pageSize": 1}
        )

    async def file(self, file_id: str) -> RemoteFile:
        return await self.read("get dataset", await self.place(_KIND, file_id), read_dataset)

    async def delete_file(self, file_id: str) -> None:
        await self.remove("delete dataset", await self.place(_KIND, file_id))


def _is_of(found: RemoteFile, sent_name: str) -> bool:
    """Whether a dataset under our id holds this upload. The id has the hash too: a host may cut the name beside."""
    name = (found.filename or "").lower()
    return hash_in(name) == hash_in(sent_name) or sent_name.lower().startswith(name)


def _count_examples(content: Content) -> int:
    """Fireworks wants to be told how many there are."""
    with content.open() as source:
        lines = io.BufferedReader(cast(io.RawIOBase, source))
        return sum(bool(line.strip()) for line in lines)


def _address_for(raw: Json, name: str) -> str:
    """Raises KeyError if there is no address for the file."""
    return str(raw["filenameToSignedUrls"][name])


async def _pieces(source: BinaryIO) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(source.read, _BLOCK_BYTES):
        yield block

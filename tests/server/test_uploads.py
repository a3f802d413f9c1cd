"""Files that arrive in parts."""

from __future__ import annotations

import hashlib

import openai
import pytest

from orchestrator.server.app import Settings, create_app


async def _open(client, size):
    return await client.uploads.create(
        filename="big.jsonl", purpose="fine-tune", bytes=size, mime_type="text/jsonl"
    )


async def test_the_parts_are_joined_in_the_order_asked_for(client):
    upload = await _open(client, 6)
    second = await client.uploads.parts.create(upload.id, data=b"def")
    first = await client.uploads.parts.create(upload.id, data=b"abc")
    digest = hashlib.md5(b"abcdef").hexdigest()
    done = await client.uploads.complete(upload.id, part_ids=[first.id, second.id], md5=digest)
    assert done.status == "completed"
    assert (await client.files.content(done.file.id)).content == b"abcdef"


async def test_the_sdk_uploads_a_file_in_parts_by_itself(client):
    done = await client.uploads.upload_file_chunked(
        file=b"0123456789" * 10,
        filename="big.jsonl",
        bytes=100,
        mime_type="text/jsonl",
        purpose="fine-tune",
        part_size=30,
    )
    assert (await client.files.content(done.file.id)).content == b"0123456789" * 10


async def test_an_upload_of_another_size_or_digest_is_refused_and_stays_open(client):
    upload = await _open(client, 4)
    part = await client.uploads.parts.create(upload.id, data=b"abc")
    with pytest.raises(openai.BadRequestError, match="3 bytes"):
        await client.uploads.complete(upload.id, part_ids=[part.id])
    rest = await client.uploads.parts.create(upload.id, data=b"d")
    with pytest.raises(openai.BadRequestError, match="MD5"):
        await client.uploads.complete(upload.id, part_ids=[part.id, rest.id], md5="0" * 32)
    assert (await client.uploads.complete(upload.id, part_ids=[part.id, rest.id])).file.bytes == 4


async def test_a_cancelled_upload_takes_no_more_parts_and_leaves_nothing(client, tmp_path):
    upload = await _open(client, 4)
    await client.uploads.parts.create(upload.id, data=b"abc")
    assert (await client.uploads.cancel(upload.id)).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        await client.uploads.parts.create(upload.id, data=b"d")
    assert list((tmp_path / "endpoint" / "blobs").iterdir()) == []


async def test_an_upload_expires_after_an_hour(tmp_path, connect):
    time = [1000.0]
    async with connect(create_app(tmp_path, settings=Settings(now=lambda: time[0]))) as client:
        upload = await _open(client, 3)
        part = await client.uploads.parts.create(upload.id, data=b"abc")
        assert upload.expires_at == 4600
        time[0] = 4600.0
        with pytest.raises(openai.BadRequestError, match="expired"):
            await client.uploads.complete(upload.id, part_ids=[part.id])
    create_app(tmp_path, settings=Settings(now=lambda: 4600.0))
    assert list((tmp_path / "blobs").iterdir()) == []


async def test_a_part_of_another_upload_is_refused(client):
    mine, other = await _open(client, 3), await _open(client, 3)
    part = await client.uploads.parts.create(other.id, data=b"abc")
    with pytest.raises(openai.BadRequestError, match="No such part"):
        await client.uploads.complete(mine.id, part_ids=[part.id])

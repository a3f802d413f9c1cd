"""Files."""

from __future__ import annotations

import stat

import openai
import pytest

from orchestrator.server.app import Settings, create_app


async def test_a_file_comes_back_as_it_was_sent(client, lines):
    sent = lines(12)
    file = await client.files.create(file=("train.jsonl", sent), purpose="fine-tune")
    assert (file.bytes, file.filename, file.purpose, file.status) == (
        len(sent),
        "train.jsonl",
        "fine-tune",
        "processed",
    )
    assert (await client.files.content(file.id)).content == sent
    assert (await client.files.retrieve(file.id)) == file


async def test_no_byte_of_a_file_is_changed(client):
    sent = b"\xef\xbb\xbf\r\n\x00\xff" * 300_000
    file = await client.files.create(file=("odd.bin", sent), purpose="batch")
    assert (await client.files.content(file.id)).content == sent


async def test_files_are_listed_newest_first_by_page_and_purpose(client):
    made = [await client.files.create(file=("f", b"x"), purpose="fine-tune") for _ in range(5)]
    await client.files.create(file=("f", b"x"), purpose="batch")
    page = await client.files.list(purpose="fine-tune", limit=2)
    assert [file.id for file in page.data] == [made[4].id, made[3].id]
    assert page.has_more
    assert [file.id async for file in page] == [file.id for file in reversed(made)]
    oldest_first = await client.files.list(purpose="fine-tune", order="asc")
    assert [file.id for file in oldest_first.data] == [file.id for file in made]
    assert not oldest_first.has_more


async def test_a_deleted_file_is_gone(client, tmp_path):
    file = await client.files.create(file=("f", b"x"), purpose="fine-tune")
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)
    assert list((tmp_path / "endpoint" / "blobs").iterdir()) == []


async def test_a_file_expires_when_it_was_told_to(tmp_path, connect):
    time = [1000.0]
    app = create_app(tmp_path, settings=Settings(now=lambda: time[0]))
    async with connect(app) as client:
        lifetime = {"anchor": "created_at", "seconds": 3600}
        file = await client.files.create(file=("f", b"x"), purpose="batch", expires_after=lifetime)
        assert file.expires_at == 4600
        time[0] = 4599.0
        assert len((await client.files.list()).data) == 1
        time[0] = 4600.0
        assert (await client.files.list()).data == []
        with pytest.raises(openai.NotFoundError):
            await client.files.content(file.id)
    create_app(tmp_path, settings=Settings(now=lambda: 4600.0))
    assert list((tmp_path / "blobs").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "purpose", "param"),
    [
        ("f", b"", "fine-tune", "file"),
        ("f", b"x", "training", "purpose"),
    ],
)
async def test_a_wrong_file_is_refused(client, name, content, purpose, param):
    with pytest.raises(openai.BadRequestError) as refused:
        await client.files.create(file=(name, content), purpose=purpose)
    assert refused.value.param == param


async def test_a_file_over_the_limit_is_refused_before_it_is_read(http):
    headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(600 << 20)}
    answer = await http.post("/files", headers=headers, content=b"")
    assert answer.status_code == 413


async def test_only_the_owner_can_read_the_store(client, tmp_path):
    await client.files.create(file=("f", b"x"), purpose="fine-tune")
    for path in (tmp_path / "endpoint").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

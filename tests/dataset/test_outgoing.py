"""What is sent is what was checked, byte for byte, or the sending stops before its end."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.contents import content_of

from orchestrator.dataset.outgoing import Content, cut
from orchestrator.errors import DataFileNotFound, DataFileUnusable

MARK = b"\xef\xbb\xbf"
BYTES = bytes(range(256)) * 2000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_bytes(BYTES)
    return path


def handed_out(content: Content) -> bytes:
    """What a request got of the content before it was refused."""
    blocks: list[bytes] = []
    with pytest.raises(DataFileUnusable, match="changed since it was submitted"):
        read_in_blocks(content, blocks)
    return b"".join(blocks)


def read_in_blocks(content: Content, blocks: list[bytes]) -> None:
    with content.open() as source:
        while block := source.read(65_536):
            blocks.append(block)


@pytest.mark.parametrize("mark", [b"", MARK], ids=["plain", "with a byte-order mark"])
def test_the_bytes_are_those_that_were_checked_and_their_course_is_told(path: Path, mark: bytes) -> None:
    path.write_bytes(mark + BYTES)
    course: list[int] = []
    with content_of(path).open(course.append) as source:
        assert source.seek(0, io.SEEK_END) == len(BYTES)
        source.seek(0)
        assert source.read() == BYTES
    assert course == sorted(course)
    assert course[-1] == len(BYTES)


def test_a_repeated_request_reads_and_checks_from_the_start(path: Path) -> None:
    content = content_of(path)
    with content.open() as source:
        source.read(70_000)
        source.seek(0)
        assert source.tell() == 0
        assert source.read() == BYTES
        with pytest.raises(io.UnsupportedOperation):
            source.seek(5)


@pytest.mark.parametrize("at", [0, 300_000, len(BYTES) - 1])
def test_a_changed_byte_keeps_the_last_block_back(path: Path, at: int) -> None:
    content = content_of(path)
    path.write_bytes(BYTES[:at] + b"!" + BYTES[at + 1 :])
    assert len(handed_out(content)) < content.size


def test_a_file_that_got_shorter_is_refused(path: Path) -> None:
    content = content_of(path)
    path.write_bytes(BYTES[:-1])
    assert len(handed_out(content)) < content.size


def test_of_a_file_that_grew_only_the_checked_bytes_are_sent(path: Path) -> None:
    content = content_of(path)
    path.write_bytes(BYTES + b"more")
    with content.open() as source:
        assert source.seek(0, io.SEEK_END) == len(BYTES)
        source.seek(0)
        assert source.read() == BYTES


def test_a_file_that_is_gone_is_named(path: Path) -> None:
    content = content_of(path)
    path.unlink()
    with pytest.raises(DataFileNotFound, match=str(path)):
        read_in_blocks(content, [])


def test_a_change_is_told_whatever_the_request_made_of_it(path: Path) -> None:
    content = content_of(path)
    path.write_bytes(BYTES[:-1])

    def request() -> None:
        with content.open() as source:
            try:
                source.read()
            except DataFileUnusable:
                raise ConnectionError("the connection was closed") from None

    with pytest.raises(DataFileUnusable, match="changed"):
        request()


def test_another_trouble_stays_as_it_is(path: Path) -> None:
    def request() -> None:
        with content_of(path).open():
            raise ConnectionError

    with pytest.raises(ConnectionError):
        request()


@given(data=st.binary(min_size=1, max_size=3000), part_bytes=st.integers(50, 1000), marked=st.booleans())
def test_the_parts_make_the_whole(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, part_bytes: int, marked: bool
) -> None:
    data = data.removeprefix(MARK) or b"x"
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.write_bytes((MARK if marked else b"") + data)
    whole = Content(path, hashlib.sha256(data).hexdigest(), len(data))
    pieces = cut(whole, part_bytes)
    read = []
    for part in pieces.parts:
        with part.open() as source:
            read.append(source.read())
    assert b"".join(read) == data
    assert [len(piece) for piece in read[:-1]] == [part_bytes] * (len(read) - 1)
    assert pieces.md5 == hashlib.md5(data).hexdigest()


def test_a_changed_file_is_not_cut(path: Path) -> None:
    content = content_of(path)
    path.write_bytes(BYTES[:-1] + b"!")
    with pytest.raises(DataFileUnusable, match="changed"):
        cut(content, 1000)


def test_a_part_that_changes_after_the_cut_is_refused_and_the_others_are_not(path: Path) -> None:
    first, second = cut(content_of(path), 300_000).parts
    path.write_bytes(BYTES[:-1] + b"!")
    with first.open() as source:
        assert source.read() == BYTES[:300_000]
    assert len(handed_out(second)) < second.size

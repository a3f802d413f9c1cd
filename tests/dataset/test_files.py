from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from orchestrator.dataset.files import DataFile, inspect_file, open_as_sent, sent_name
from orchestrator.errors import DataFileEmpty, DataFileNotFound, DataFileUnreadable

MARK = b"\xef\xbb\xbf"


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_the_identity_is_that_of_the_bytes_without_the_mark(tmp_path: Path) -> None:
    content = b'{"a": 1}\r\n\n{"b": 2}'
    plain = inspect_file(written(tmp_path / "plain.jsonl", content))
    marked = inspect_file(written(tmp_path / "marked.jsonl", MARK + content))
    assert plain == DataFile(tmp_path / "plain.jsonl", hashlib.sha256(content).hexdigest(), len(content), 3)
    assert (marked.sha256, marked.size, marked.lines) == (plain.sha256, plain.size, plain.lines)


def test_the_reader_gives_exactly_the_bytes_that_were_hashed(tmp_path: Path) -> None:
    content = MARK + b"\xff\x00raw" + MARK + b"\r\n"
    path = written(tmp_path / "data.jsonl", content)
    with open_as_sent(path) as reader:
        sent = reader.read()
    assert sent == content[len(MARK) :]
    assert inspect_file(path).sha256 == hashlib.sha256(sent).hexdigest()


def test_a_file_larger_than_a_block_is_hashed_and_counted_whole(tmp_path: Path) -> None:
    content = b"0123456789abcde\n" * 200_000
    found = inspect_file(written(tmp_path / "large.jsonl", content))
    assert (found.sha256, found.size, found.lines) == (hashlib.sha256(content).hexdigest(), len(content), 200_000)


@pytest.mark.parametrize("content", [b"a", b"a\n", b"\xef\xbb"])
def test_a_last_line_counts_with_and_without_its_newline(tmp_path: Path, content: bytes) -> None:
    assert inspect_file(written(tmp_path / "short.jsonl", content)).lines == 1


@pytest.mark.parametrize("content", [b"", MARK])
def test_nothing_to_send_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataFileEmpty, match=r"empty\.jsonl is empty"):
        inspect_file(written(tmp_path / "empty.jsonl", content))


def test_what_is_no_readable_file_is_refused_with_its_path_and_exit_code_2(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DataFileUnreadable, match="pipe") as refused:
        inspect_file(pipe)
    assert refused.value.exit_code == 2
    with pytest.raises(DataFileUnreadable, match="it is a directory"):
        inspect_file(tmp_path)
    with pytest.raises(DataFileUnreadable, match="device"):
        inspect_file(Path(os.devnull))
    with pytest.raises(DataFileNotFound, match=re.escape(str(tmp_path / "none.jsonl"))):
        inspect_file(tmp_path / "none.jsonl")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "secret.jsonl", b"{}")
    path.chmod(0)
    with pytest.raises(DataFileUnreadable, match="Permission denied"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("train.jsonl", "-train.jsonl"),
        ("übung 1 (neu).jsonl", "-bung-1-neu.jsonl"),
        ("数据", "-data.jsonl"),
        ("x" * 200, "x.jsonl"),
    ],
)
def test_the_sent_name_holds_the_hash_and_only_plain_characters(name: str, end: str) -> None:
    sent = sent_name(DataFile(Path("/data") / name, "0123456789abcdef" * 4, 1, 1))
    assert sent.startswith("ftorch-0123456789abcdef-")
    assert sent.endswith(end)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,80}", sent)

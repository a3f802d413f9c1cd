"""Which files hold the same lines, and which endpoints are the same account."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from orchestrator.config import EndpointConfig
from orchestrator.runs import earlier
from orchestrator.runs.earlier import Earlier, account_of, alike
from orchestrator.runs.plan import FileFacts
from orchestrator.store.runs import Run


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hashes(path: Path, content: bytes) -> frozenset[str]:
    path.write_bytes(content)
    earlier._alike.cache_clear()
    return alike(FileFacts(path, sha256(content), 1, None))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "file.jsonl"


LINES = st.lists(st.text("ab \r", max_size=4).map(str.encode).filter(lambda line: not line.endswith(b"\r")))


@given(LINES.filter(lambda lines: bool(lines and lines[-1])), st.integers(1, 5))
def test_the_same_lines_are_alike_whatever_ends_them(path: Path, lines: list[bytes], block: int) -> None:
    forms = [end.join(lines) + last for end in (b"\n", b"\r\n") for last in (b"", end)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earlier, "_BLOCK_BYTES", block)
        found = [hashes(path, form) for form in forms]
    assert all({sha256(form) for form in forms} <= each for each in found)


def test_other_lines_are_not_alike(path: Path) -> None:
    content = b"a\nb\n"
    others = (b"a\nb\nc\n", b"b\na\n", b"a\n\nb\n", b"ab\n", b"a\rb\n")
    assert not any(sha256(content) in hashes(path, other) for other in others)


def test_a_file_that_changed_meanwhile_is_alike_to_nothing_else(path: Path) -> None:
    path.write_bytes(b"a\nb\n")
    earlier._alike.cache_clear()
    planned = FileFacts(path, sha256(b"c\n"), 1, None)
    assert alike(planned) == {planned.sha256}
    path.unlink()
    earlier._alike.cache_clear()
    assert alike(planned) == {planned.sha256}


def test_an_account_goes_by_its_address_whatever_it_is_called() -> None:
    one = EndpointConfig("one", "compatible", base_url="https://Host.example/v1")
    assert account_of(one) == account_of(replace(one, name="two", base_url="https://host.example/v1/"))
    assert account_of(one) != account_of(replace(one, base_url="https://host.example:8443/v1"))
    assert account_of(EndpointConfig("here", "local")) == account_of(EndpointConfig("there", "local")) == "local"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"state": "succeeded", "finished_at": 2.0, "job_id": "j", "fine_tuned_model": "ft:x"},
            "trained before as run {} (drone) on here, model ft:x",
        ),
        ({"state": "running", "job_id": "j"}, "being trained as run {} (drone) on here, job j"),
        ({"state": "pending"}, "submitted before as run {} (drone) on here, which has no job yet"),
        (
            {"state": "creating", "creation_open": True},
            "submitted before as run {} (drone) on here, whose job may exist",
        ),
    ],
)
def test_the_sentence_says_where_the_run_is(
    changes: dict[str, object], sentence: str, make_run: Callable[..., Run]
) -> None:
    run = make_run(**{"name": "drone", "endpoint": "here", **changes})
    assert Earlier(run).sentence == sentence.format(run.id)

"""Answers that would fill the memory harm the object that they are about, and nothing else."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from support.scripted_host import LIST, Answer

from orchestrator.endpoints import bounded

_MEGABYTE = 1 << 20
_INFLATED = 64 * _MEGABYTE


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Less than a tenth of a megabyte that becomes 64."""
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(b'{"data": [], "x": "')]
    pieces += [packer.compress(bytes(_MEGABYTE)) for _ in range(_INFLATED // _MEGABYTE)]
    return b"".join([*pieces, packer.flush()])


def test_a_compressed_answer_is_not_inflated_without_end(host, customer, bomb, monkeypatch):
    host.on(LIST, Answer(200, bomb, {"content-encoding": "gzip", "content-type": "application/json"}))
    monkeypatch.setattr(bounded, "LARGEST_ANSWER", 8 * _MEGABYTE)
    tracemalloc.start()
    try:
        done = customer.ftorch("endpoints", "check", "hosted")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "its answer has more than 8 MB" in " ".join((done.out + done.err).split())
    assert peak < _INFLATED / 2


def test_a_compression_that_was_not_asked_for_is_not_read(host, customer):
    host.on(LIST, Answer(200, b"{}", {"content-encoding": "zstd", "content-type": "application/json"}))
    done = customer.ftorch("endpoints", "check", "hosted")
    assert "zstd, which was not requested" in done.out + done.err
    assert {asked.headers["accept-encoding"] for asked in host.asked} == {"gzip, deflate"}

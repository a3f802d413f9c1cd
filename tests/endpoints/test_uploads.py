"""Uploads over real sockets: whole or in parts, in constant memory, and never what was not checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import httpx2
import pytest
from support.contents import content_of

from orchestrator.config import EndpointConfig
from orchestrator.dataset.outgoing import cut
from orchestrator.endpoints import open_endpoint
from orchestrator.errors import DataFileUnusable, EndpointUnreachable, OutcomeUnknown, RequestRefused

LARGE = os.environ.get("FTORCH_LARGE_FILES")
"""Set, whatever to: upload half a gigabyte as well."""
MB = 1 << 20
BLOCK = 256 * 1024
MOST_GROWTH_MB = 12
LINES = b'{"messages": []}\n' * 5000


class Receiver(ThreadingHTTPServer):
    """A host that counts what it gets. `bodies` are the bytes that each request promised, and those that came."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[tuple[int, int]] = []
        self.has_received = Event()
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def finish(self) -> None:
        """Stop, when what was begun has been answered."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        promised = int(self.headers.get("content-length", 0))
        left = promised
        while left and (block := self.rfile.read1(min(left, BLOCK))):
            left -= len(block)
        self.server.bodies.append((promised, promised - left))
        self.server.has_received.set()
        if left:
            self.close_connection = True
            return
        answer = json.dumps({"id": "an-id", "file": {"id": "file-1"}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.finish()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_bytes(LINES)
    return path


@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
async def test_a_file_that_changes_between_check_and_send_never_arrives_whole(in_parts, receiver, path, tmp_path):
    content = content_of(path)
    part = cut(content, len(LINES)).parts[0]
    path.write_bytes(LINES[:-2] + b"!\n")
    async with open_endpoint(EndpointConfig("there", "openai", base_url=receiver.url), tmp_path) as endpoint:
        sending = endpoint.add_part("upload-1", part) if in_parts else endpoint.upload(content, "train.jsonl")
        with pytest.raises(DataFileUnusable, match="changed since it was submitted"):
            await sending
    assert receiver.has_received.wait(60)
    receiver.finish()
    [(promised, received)] = receiver.bodies
    assert received < promised


async def test_the_endpoint_we_ship_keeps_nothing_of_a_file_that_changed(path, tmp_path, caplog):
    content = content_of(path)
    path.write_bytes(LINES[:-2] + b"!\n")
    async with open_endpoint(EndpointConfig("local", "local"), tmp_path) as endpoint:
        with pytest.raises(DataFileUnusable):
            await endpoint.upload(content, "train.jsonl")
        assert await endpoint.files() == []
        assert caplog.records == []  # it is no failure of the endpoint
        assert await endpoint.upload(content_of(path), "train.jsonl") == (await endpoint.files())[0]


async def test_the_endpoint_we_ship_makes_the_same_file_of_parts(path, tmp_path):
    path.write_bytes(b"\xef\xbb\xbf" + LINES)
    content = content_of(path)
    pieces = cut(content, 30_000)
    async with open_endpoint(EndpointConfig("local", "local"), tmp_path) as endpoint:
        upload_id = await endpoint.open_upload("train.jsonl", content.size)
        parts = [await endpoint.add_part(upload_id, part) for part in pieces.parts]
        made = await endpoint.complete_upload(upload_id, parts, pieces.md5, content.size)
        assert await endpoint.find_files("train.jsonl") == [made]
        [stored] = (tmp_path / "local" / "blobs").iterdir()
        assert stored.read_bytes() == LINES
        with pytest.raises(RequestRefused, match="completed"):
            await endpoint.cancel_upload(upload_id)


async def test_parts_are_repeated_and_the_last_request_is_not(connect, wire, path):
    pieces = cut(content_of(path), len(LINES))
    busy = httpx2.ReadError("the connection was closed")
    wire.answers(busy, answered(id="upload_1"), busy, answered(id="part_1"), busy)
    endpoint = await connect()
    upload_id = await endpoint.open_upload("train.jsonl", len(LINES))
    part_id = await endpoint.add_part(upload_id, pieces.parts[0])
    with pytest.raises(OutcomeUnknown):
        await endpoint.complete_upload(upload_id, [part_id], pieces.md5, len(LINES))
    opened, _, first, again, completed = wire.requests
    assert json.loads(opened.content) == {
        "filename": "train.jsonl",
        "bytes": len(LINES),
        "purpose": "fine-tune",
        "mime_type": "text/jsonl",
    }
    assert LINES in first.content
    assert LINES in again.content
    assert json.loads(completed.content) == {"part_ids": ["part_1"], "md5": pieces.md5}


async def test_a_part_that_never_gets_through_is_given_up(connect, wire, path):
    wire.answers(httpx2.ReadError("the connection was closed"))
    with pytest.raises(EndpointUnreachable):
        await (await connect()).add_part("upload_1", content_of(path))
    assert len(wire.requests) == 4


@pytest.mark.parametrize("size_mb", [48, pytest.param(512, marks=pytest.mark.skipif(not LARGE, reason="large"))])
def test_a_large_file_is_sent_in_constant_memory(size_mb, receiver, tmp_path, capsys):
    """Whole and in parts. The peak of a process never falls, so what it grew by is what sending took."""
    large = tmp_path / "large.jsonl"
    with large.open("wb") as file:
        file.truncate(size_mb * MB)
    script = Path(__file__).with_name("large_upload.py")
    command = [sys.executable, str(script), receiver.url, str(large)]
    environment = {**os.environ, "OPENAI_API_KEY": "none", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    took = json.loads(done.stdout)
    assert sum(received for _, received in receiver.bodies) > 2 * size_mb * MB
    assert took["grown_mb"] < MOST_GROWTH_MB
    if LARGE:
        with capsys.disabled():
            print(f"\n{size_mb} MB: {took}")


def answered(**body: object):

    return httpx2.Response(200, json=body)

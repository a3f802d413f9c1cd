"""A file behind an address is looked at without fetching it, over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestrator.dataset.addresses import inspect_address
from orchestrator.dataset.checking.filesets import CheckOptions, gather
from orchestrator.errors import AddressUnreadable, DataBehindAddress
from orchestrator.jobfile.addresses import Address


class Blobs:
    """A host with one file; `status` and `headers` are what it answers to its head."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.headers = {"etag": '"1"', "content-length": "1234"}
        blobs = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                blobs.asked.append(f"{self.command} {self.path}")
                self.send_response(blobs.status)
                for name, value in blobs.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/train.jsonl"


@pytest.fixture
def blobs() -> Iterator[Blobs]:
    blobs = Blobs()
    thread = threading.Thread(target=blobs.server.serve_forever, args=(0.01,))
    thread.start()
    yield blobs
    blobs.server.shutdown()
    blobs.server.server_close()
    thread.join()


def test_only_the_head_is_asked_for_with_the_variables_filled_in(blobs, monkeypatch):
    monkeypatch.setenv("SAS", "sig=abc")
    found = inspect_address("training", Address(f"{blobs.url}?${{SAS}}"))
    assert blobs.asked == ["HEAD /train.jsonl?sig=abc"]
    assert (found.role, found.size) == ("training", 1234)
    assert len(found.sha256) == 64


def test_a_file_that_changed_there_is_another_file(blobs, monkeypatch):
    address = Address(blobs.url)
    first, again = (inspect_address("training", address).sha256 for _ in range(2))
    blobs.headers["etag"] = '"2"'
    changed = inspect_address("training", address).sha256
    blobs.headers = {"content-length": "99"}
    assert first == again
    assert len({first, changed, inspect_address("training", address).sha256}) == 3


@pytest.mark.parametrize(("status", "told"), [(404, "HTTP 404"), (403, "HTTP 403"), (302, "HTTP 302")])
def test_what_can_not_be_had_is_told_before_anything_is_sent(status, told, blobs, monkeypatch):
    monkeypatch.setenv("SAS", "sig=abc")
    blobs.status, blobs.headers = status, {"location": blobs.url}
    with pytest.raises(AddressUnreadable, match=told) as caught:
        inspect_address("training", Address(f"{blobs.url}?${{SAS}}"))
    assert "sig=abc" not in str(caught.value)


def test_a_missing_variable_and_a_host_that_is_not_there_are_told(blobs):
    with pytest.raises(AddressUnreadable, match="the environment variable SAS is not set; export SAS=… first"):
        inspect_address("training", Address(f"{blobs.url}?${{SAS}}"))
    with pytest.raises(AddressUnreadable, match="its host does not answer"):
        inspect_address("training", Address("http://127.0.0.1:9/train.jsonl"))
    assert blobs.asked == []


def test_data_check_says_that_it_can_not_look_there(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('name = "a"\nmodel = "gpt-4.1"\n[data]\ntraining_file = "https://host/train.jsonl"\n')
    with pytest.raises(
        DataBehindAddress, match=r"names data at https://host/train\.jsonl, which are not looked at"
    ):
        gather([path], CheckOptions())

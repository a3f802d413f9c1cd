"""Files imported from a URL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

PLACE = "/openai/files/import?api-version=2024-10-21"


@pytest.fixture
def container(lines) -> Iterator[str]:
    """A blob container: train.jsonl with a signature, and a redirection to it."""
    content = lines(15)

    class Blobs(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/train.jsonl?sig=secret"
            self.send_response(200 if found else 302 if self.path == "/moved" else 403)
            self.send_header("location", "/train.jsonl?sig=secret")
            self.end_headers()
            self.wfile.write(content if found else b"")

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Blobs)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def imported(http, clock, url, **extra):
    body = {"content_url": url, "filename": "folder/train.jsonl", "purpose": "fine-tune", **extra}
    answer = await http.post(PLACE, json=body)
    assert answer.status_code == 201, answer.text
    clock.pass_(2)
    return (await http.get(answer.headers["location"])).json()


async def test_a_file_is_fetched_from_its_url_and_then_processed(http, clock, container, lines):
    file = await imported(http, clock, f"{container}/train.jsonl?sig=secret")
    assert (file["status"], file["filename"], file["bytes"]) == ("processed", "train.jsonl", len(lines(15)))
    content = await http.get(f"/openai/files/{file['id']}/content?api-version=2024-10-21")
    assert content.content == lines(15)


async def test_what_is_made_is_found_at_its_place(http, clock, container):
    body = {"content_url": f"{container}/train.jsonl?sig=secret", "filename": "t.jsonl", "purpose": "fine-tune"}
    answer = await http.post(PLACE, json=body)
    id_ = answer.json()["id"]
    assert answer.headers["location"] == f"http://resource/openai/files/{id_}?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("path", "problem"), [("/train.jsonl?sig=old", "answered 403"), ("/moved", "answered 302")]
)
async def test_what_can_not_be_fetched_ends_in_error_without_telling_the_signature(
    http, clock, container, path, problem
):
    file = await imported(http, clock, f"{container}{path}")
    assert file["status"] == "error"
    assert problem in file["status_details"]
    assert "sig=" not in file["status_details"]


async def test_a_host_that_is_not_there_and_a_closed_port_end_in_error(http, clock):
    for url in ("https://nothing.invalid/train.jsonl", "http://127.0.0.1:9/train.jsonl"):
        assert (await imported(http, clock, url))["status"] == "error"


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "192.168.1.1", "[fd00::1]", "0.0.0.0"])
async def test_nothing_is_fetched_from_a_private_network(http, clock, address):
    file = await imported(http, clock, f"http://{address}/train.jsonl")
    assert "is not a public address" in file["status_details"]


async def test_a_resource_that_others_reach_does_not_fetch_from_its_own_machine(resource, to, clock, container):
    http = to(resource(imports_from_here=False))
    file = await imported(http, clock, f"{container}/train.jsonl?sig=secret")
    assert "is not a public address" in file["status_details"]


async def test_a_file_beyond_the_limit_is_not_kept(resource, to, clock, container):
    http = to(resource(file_bytes=100))
    file = await imported(http, clock, f"{container}/train.jsonl?sig=secret")
    assert "more than 100 bytes" in file["status_details"]
    assert file["bytes"] == 0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "train.jsonl", "http://", "http://a:b/", 7])
async def test_only_http_urls_are_taken(http, url):
    body = {"content_url": url, "filename": "t.jsonl", "purpose": "fine-tune"}
    answer = await http.post(PLACE, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalidPayload")

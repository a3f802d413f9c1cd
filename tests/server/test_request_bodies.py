"""Bodies are limited as they come in, by bytes, values and depth."""

from __future__ import annotations

import json

import httpx2
import pytest

from orchestrator.server import bodies
from orchestrator.server.azure.access import _SIGN_IN_BYTES
from orchestrator.server.routes import files, uploads

CHAT = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]}
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b"}
START = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
)
PIECE = b"x" * 10_000


class Chunks:
    """A body in chunks, which announces no length and counts what was taken of it."""

    def __init__(self, start: bytes, pieces: int) -> None:
        self.start, self.pieces, self.taken = start, pieces, 0

    async def __aiter__(self):
        yield self.start
        while self.taken < self.pieces:
            self.taken += 1
            yield PIECE


async def test_a_chunked_file_is_refused_while_it_comes(http, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 50_000)
    body = Chunks(START, 1000)
    refused = await http.post("/files", content=body, headers=FORM)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "file_too_large")
    assert body.taken < 20


async def test_a_chunked_part_is_refused_while_it_comes(http, monkeypatch):
    monkeypatch.setattr(uploads, "PART_BYTES", 50_000)
    asked = {"filename": "a", "purpose": "fine-tune", "bytes": 100_000, "mime_type": "text/jsonl"}
    upload = (await http.post("/uploads", json=asked)).json()["id"]
    body = Chunks(START.replace(b'"file"', b'"data"'), 1000)
    assert (await http.post(f"/uploads/{upload}/parts", content=body, headers=FORM)).status_code == 413
    assert body.taken < 20


async def test_chunked_json_is_refused_while_it_comes(http, monkeypatch):
    monkeypatch.setattr(bodies, "MAX_JSON_BYTES", 50_000)
    body = Chunks(b'{"model": "', 1000)
    assert (await http.post("/chat/completions", content=body, headers=JSON)).status_code == 413
    assert body.taken < 8


async def test_a_long_body_is_refused_by_its_announcement(http):
    for path, kind, most in [("/files", FORM, files.MAX_BYTES), ("/chat/completions", JSON, bodies.MAX_JSON_BYTES)]:
        length = str(most + files.FORM_BYTES + 1)
        refused = await http.post(path, content=b"", headers={**kind, "content-length": length})
        assert refused.status_code == 413


async def test_a_long_sign_in_is_refused(tmp_path):
    from orchestrator.server.app import create_app
    from orchestrator.server.settings import AzureSettings, Settings

    app = create_app(tmp_path / "resource", settings=Settings(azure=AzureSettings()))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://local") as client:
        refused = await client.post("/tenant/oauth2/v2.0/token", data={"scope": "x" * _SIGN_IN_BYTES})
    assert refused.status_code == 413


@pytest.mark.parametrize(
    "value",
    [
        *("1e400", "-1e400", "1" * 5000, "NaN", r'"\ud800"', "[" * 150 + "]" * 150, "[" * 100_000 + "]" * 100_000),
        *('{"a":' * 150 + "1" + "}" * 150, "[" + "{}," * 500_000 + "{}]"),
    ],
)
async def test_a_bomb_in_json_is_a_bad_request(http, value):
    text = json.dumps({**CHAT, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 0}}}]})
    refused = await http.post("/chat/completions", content=text.replace('"a": 0', f'"a": {value}'), headers=JSON)
    assert refused.status_code == 400, refused.text
    assert len(refused.text) < 500


async def test_a_deep_schema_under_the_limit_is_taken(http):
    schema: dict[str, object] = {"type": "integer"}
    for _ in range(30):
        schema = {"type": "object", "properties": {"a": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert (await http.post("/chat/completions", json={**CHAT, "tools": [tool]})).status_code == 200


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna", "unicode_escape", "utf-7", "hex"])
async def test_a_form_in_any_charset_is_answered(http, charset):
    body = START.replace(b"a.jsonl", rb"\ud800;+2AA-") + b"{}\r\n--b--\r\n"
    answer = await http.post(
        "/files", content=body, headers={"content-type": f"{FORM['content-type']}; charset={charset}"}
    )
    assert answer.status_code in (200, 400), answer.text

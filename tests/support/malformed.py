"""Requests that no honest client sends, as the bytes on the wire: the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
VERSIONED = "api-version=2025-04-01-preview"
ACCOUNT = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ftorch"
    "/providers/Microsoft.CognitiveServices/accounts/ftorch"
)

_FUNCTION = {"name": "land", "parameters": {"type": "object", "properties": {"metres": {"type": "integer"}}}}
_TURNS = [
    {"role": "user", "content": "Land now"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "land", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "done"},
]
_CHAT = {
    "model": "gpt-4.1",
    "messages": _TURNS,
    "tools": [{"type": "function", "function": _FUNCTION}],
    "tool_choice": "auto",
    "n": 1,
    "stop": ["."],
    "max_tokens": 5,
    "temperature": 1,
    "stream": False,
}
_NUMBERS = {"n_epochs": 1, "batch_size": 1, "learning_rate_multiplier": 1.0}
_JOB = {
    "model": "gpt-4.1-mini-2025-04-14",
    "training_file": "file-missing",
    "suffix": "drone",
    "seed": 1,
    "method": {"type": "dpo", "dpo": {"hyperparameters": {**_NUMBERS, "beta": 0.1}}},
    "metadata": {"key": "value"},
}
_UPLOAD = {
    "filename": "a.jsonl",
    "purpose": "fine-tune",
    "bytes": 10,
    "mime_type": "text/jsonl",
    "expires_after": {"anchor": "created_at", "seconds": 3600},
}
_BATCH = {
    "input_file_id": "file-missing",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
    "metadata": {"key": "value"},
}
_DEPLOYMENT = {
    "sku": {"name": "Standard", "capacity": 1},
    "properties": {"model": {"format": "OpenAI", "name": "gpt-4.1", "version": "1"}},
}
_IMPORT = {"content_url": "ftp://127.0.0.1/x", "filename": "a.jsonl", "purpose": "fine-tune"}
_COMPLETION = {"part_ids": ["part-1"], "md5": "0"}


@dataclass(frozen=True)
class Place:
    """Where a request may go: a method, a path, an honest body there, and a bearer where one is asked for."""

    method: str
    path: str
    body: Any
    bearer: str | None = None

    @property
    def root(self) -> str:
        """Where the other paths of this API begin."""
        return "/v1" if self.path.startswith("/v1/") else "/openai/v1"


OPENAI = [
    Place("POST", "/v1/chat/completions", _CHAT),
    Place("POST", "/v1/fine_tuning/jobs", _JOB),
    Place("POST", "/v1/uploads", _UPLOAD),
    Place("POST", "/v1/uploads/upload-1/complete", _COMPLETION),
    Place("POST", "/v1/batches", _BATCH),
]


def azure_places(token: str) -> list[Place]:
    """Those of a resource; its management takes this token."""
    return [
        *_DATA_PLANE,
        Place("PUT", f"{ACCOUNT}/deployments/drone?api-version=2024-10-01", _DEPLOYMENT, token),
    ]


_DATA_PLANE = [
    Place("POST", "/openai/v1/chat/completions", _CHAT),
    Place("POST", "/openai/v1/fine_tuning/jobs", _JOB),
    Place("POST", "/openai/v1/uploads", _UPLOAD),
    Place("POST", "/openai/v1/files/import", _IMPORT),
    Place("POST", f"/openai/deployments/gpt-4.1/chat/completions?{VERSIONED}", _CHAT),
    Place(
        "POST",
        f"/openai/fine_tuning/jobs?{VERSIONED}",
        {**_JOB, "hyperparameters": _NUMBERS, "method": {"type": "dpo"}},
    ),
    Place("POST", f"/openai/files/import?{VERSIONED}", _IMPORT),
]

_VALUES = [
    *("1" + "0" * 400, "-1" + "0" * 400, "1e400", "-1e400", "1e308", "1" * 5000, "NaN", "Infinity", "-0.0"),
    *("9223372036854775808", "18446744073709551616", "-1", "0", "1.5", "5e-324", "true", "null", '""', "[]", "{}"),
    *(r'"\u0000"', r'"\ud800"', r'"\udfff\ud800"', '"' + "x" * 100_000 + '"', '"' + "é" * 5000 + '"', '"\x01"'),
    *("[" * 90 + "]" * 90, "[" * 900 + "]" * 900, "[" * 100_000 + "]" * 100_000, '{"a":' * 900 + "1" + "}" * 900),
    *('{"a":' * 100_000, "[" + "1," * 50_000 + "1]", "[" + "{}," * 50_000 + "{}]", '{"a":1,"a":2}', '[[[["x"]]]]'),
    *('{"type":"object","properties":{"a":{"$ref":"#"}}}', '{"enum":[' + "1," * 5000 + "1]}", '"../../etc/passwd"'),
]
"""JSON texts to put where something else belongs."""
_IDS = [
    "%00",
    "%ff%fe",
    "..%2f..%2fetc",
    "a" * 5000,
    "%ed%a0%80",
    "file-1%0d%0aX:1",
    "'%20OR%201=1--",
    "%F0%9F%98%80",
]
_QUERIES = [
    *("limit=1" + "0" * 400, "limit=-1", "limit=", "limit=%00", "limit=%D9%A1", "after=%ff", "after=" + "a" * 5000),
    *(
        "order=up",
        "purpose=%00",
        "metadata[a]=%ff",
        "metadata=null&metadata[=1",
        "&&&===;;",
        "%",
        "limit=1&limit=x",
    ),
    *("a=1&" * 3000, "metadata[a]=" + "b" * 9000),
]
_LISTS = ["files", "fine_tuning/jobs", "models", "batches", "fine_tuning/jobs/ftjob-1/events"]
_HEADERS = [
    *("Authorization: Bearer", "Authorization: Bearer \xff\xfe", "Authorization: " + "x" * 9000, "api-key: \xe9"),
    *("Authorization: Bearer a.b.c", "Authorization: Bearer ..", "Idempotency-Key: \xff", "Accept: \xff"),
    *("Content-Type: ", "Content-Type: application/json; charset=utf-7", "Range: bytes=9-1", "Expect: 200-ok"),
    *(
        "X-Forwarded-For: \xff",
        "X-Forwarded-Proto: \xff",
        "Cookie: " + "a=b;" * 3000,
        "Connection: upgrade\r\nUpgrade: h2c",
    ),
    *(
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
        "Host: b",
    ),
    *(
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Content-Encoding: gzip",
        "TE: x",
    ),
]
_WIRE = [
    *(
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"\x00" * 5000,
        b"GET / HTTP/9.9\r\n\r\n",
    ),
    *(
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"A" * 70_000,
    ),
    *(
        b"GET /v1/files HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    *(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 80_000 + b"\r\n\r\n", b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    *(
        b"GET http://evil.example/v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    *(
        b"GET / HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
    ),
]
"""What is no request, or hardly one."""
_LENGTHS = [
    *(
        "Content-Length: -1",
        "Content-Length: 1e3",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 9" + "9" * 40,
    ),
    *(
        "Content-Length: 99",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: gzip, chunked",
        "",
    ),
    *(
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked",
        "Content-Length: 3",
        "Content-Length: +3",
    ),
]
_CHUNKS = [
    b"zz\r\n{}\r\n0\r\n\r\n",
    b"-1\r\n",
    b"2\r\n{}",
    b"ffffffffffffffffffff\r\n",
    b"2;" + b"x" * 70_000 + b"\r\n{}\r\n0\r\n\r\n",
]
_CHARSETS = [
    *(
        "utf-8",
        "punycode",
        "idna",
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
        "utf-7",
        "hex",
        "zlib",
        "utf-16",
    ),
    *("\xff", "x" * 5000, "", "rot13", "unicode_internal", "utf_8_sig", "utf-32", "oem"),
]
_NAMES = ['a"b', "../../x", "a\x00b", r"\ud800", "\xff\xfe", "x" * 5000, "", "a\tb", "xn--\xff-", "+2AA-", "a;b=c"]


@dataclass(frozen=True)
class Malformed:
    """One request."""

    name: str
    data: bytes
    is_whole: bool
    """Its length is what its header says: the server need not wait for more."""


def malformed(count: int, seed: int, places: Sequence[Place]) -> Iterator[Malformed]:
    """This number of requests to these places, of every kind in turn."""
    chance = random.Random(seed)
    for number in range(count):
        make = _KINDS[number % len(_KINDS)]
        yield Malformed(
            f"{make.__name__} {number}", make(chance, chance.choice(places)), make not in (_wire, _length)
        )


def _head(place: Place, path: str | None = None, method: str | None = None) -> str:
    lines = [f"{method or place.method} {path or place.path} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    return "\r\n".join([*lines, *([f"Authorization: Bearer {place.bearer}"] if place.bearer else []), ""])


def _written(head: str, body: bytes, kind: str = "application/json") -> bytes:
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def _wrong_value(chance: random.Random, place: Place) -> bytes:
    """An honest body with something else at one place, or at two."""
    body = json.loads(json.dumps(place.body))
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.choice(list(_spots(body)))
        at[0][at[1]] = f"@{chance.randrange(len(_VALUES))}@"
    text = json.dumps(body)
    for number, value in enumerate(_VALUES):
        text = text.replace(f'"@{number}@"', value)
    return _written(_head(place), text.encode())


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _spots(inner)


def _added_field(chance: random.Random, place: Place) -> bytes:
    """A field more: unknown, odd or one of another API's."""
    name = chance.choice(["", "x" * 5000, "\u0000", "__class__", "functions", "response_format", "logit_bias", "1"])
    text = json.dumps(place.body)[:-1] + f", {json.dumps(name)}: {chance.choice(_VALUES)}}}"
    return _written(_head(place), text.encode())


def _broken_body(chance: random.Random, place: Place) -> bytes:
    """Cut, in another encoding, of another kind, or no object at all."""
    text = json.dumps(place.body)
    body: bytes = chance.choice(
        [
            text.encode()[: chance.randrange(len(text))],
            text.encode("utf-16"),
            b"\xef\xbb\xbf" + text.encode(),
            b"\xff" * 100,
            b"\x1f\x8b\x08\x00\x00",
            chance.choice(_VALUES).encode(),
            b"[" * 1_000_000,
            b'{"a":' + b"[{}," * 200_000,
            bytes(chance.randrange(256) for _ in range(200)),
        ]
    )
    kind = chance.choice(["application/json"] * 5 + ["text/plain", "", "application/json;;", "multipart/form-data"])
    return _written(_head(place), body, kind)


def _form(chance: random.Random, place: Place) -> bytes:
    """A multipart or url-encoded body with odd names, charsets and ends."""
    files, parts = f"{place.root}/files", f"{place.root}/uploads/upload-1/parts"
    path = chance.choice([files, files, files, parts, f"/openai/files?{VERSIONED}", "/t/oauth2/v2.0/token"])
    charset, name, field = (
        chance.choice(_CHARSETS),
        chance.choice(_NAMES),
        chance.choice(["file"] * 10 + ["data", *_NAMES]),
    )
    part = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n{{}}\r\n'
    purpose = chance.choice(["fine-tune", "fine-tune", "batch", "\xff", ""])
    other = f'Content-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
    end = chance.choice(["--b--\r\n", "--b--\r\n", "--b", "", "--b--\r\n--b\r\n"])
    whole = "--b\r\n" + other + "--b\r\n" + part * chance.choice((1, 1, 2)) + end
    body = chance.choice(
        [whole, whole, whole, "--b\r\n\r\n\r\n", "a=%ff&&=;" * 50, "x", "&" * 5000, "a=" + "b" * 2_000_000]
    )
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    kind = chance.choice(
        [kind] * 5 + ["multipart/form-data", "multipart/form-data; boundary=", "application/x-www-form-urlencoded"]
    )
    return _written(_head(place, path, "POST"), body.encode("latin-1", "replace"), kind)


def _place(chance: random.Random, place: Place) -> bytes:
    """An odd id, query or method."""
    path = f"{place.root}/{chance.choice(_LISTS)}"
    if chance.random() < 0.5:
        tail = chance.choice(["", "/content", "/cancel", "/events", "/checkpoints", "/complete"])
        path = f"{path}/{chance.choice(_IDS)}{tail}"
    else:
        path = f"{path}?{chance.choice(_QUERIES)}"
    method = chance.choice(["GET", "GET", "GET", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"])
    return _written(_head(place, path, method), b"")


def _header(chance: random.Random, place: Place) -> bytes:
    """An honest body under odd headers."""
    extra = "".join(f"{header}\r\n" for header in chance.sample(_HEADERS, chance.choice((1, 1, 2, 3))))
    return _written(_head(place) + extra, json.dumps(place.body).encode())


def _wire(chance: random.Random, place: Place) -> bytes:
    """No HTTP, or HTTP with one thing wrong."""
    return chance.choice(_WIRE)


def _length(chance: random.Random, place: Place) -> bytes:
    """A body that is not as long as its headers say."""
    body = chance.choice([*_CHUNKS, json.dumps(place.body).encode()])
    head = f"{_head(place)}Content-Type: application/json\r\n{chance.choice(_LENGTHS)}\r\n\r\n"
    return head.encode() + body


_Kind = Callable[[random.Random, Place], bytes]
_KINDS: list[_Kind] = [
    *(_wrong_value, _form, _wrong_value, _place, _wrong_value, _header, _broken_body, _added_field),
    *(_wrong_value, _form, _place, _wire, _length),
]

"""A client that sends or reads too slowly is ended; one that waits for a long answer is not."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from orchestrator.server import connections
from orchestrator.server.connections import BodyClock, Connection

SHORT = 0.2
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def reading(scope, receive, send):
    """Reads the body and answers with its length."""
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message["more_body"]:
            await _answer(send, str(size).encode())
            return


async def thinking(scope, receive, send):
    """Answers after a time that no client may take."""
    await asyncio.sleep(3 * SHORT)
    await _answer(send, b"done")


async def hasty(scope, receive, send):
    """Answers without reading the body."""
    await _answer(send, b"no")


async def pouring(scope, receive, send):
    """Answers with more than anybody reads."""
    await _answer(send, b"x" * 50_000_000)


async def _answer(send, body):
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name in ("HEADER_SECONDS", "REST_SECONDS", "READER_SECONDS"):
        monkeypatch.setattr(connections, name, SHORT)


@contextmanager
def client(app):
    """A bare connection to this app, and the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clocked = BodyClock(app, SHORT)
        config = uvicorn.Config(clocked, http=Connection, ws="none", lifespan="off", log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=10) as connection:
                yield connection, server
        finally:
            server.should_exit = True
            thread.join()


def drip(connection, data, seconds=10.0):
    """Send these bytes again and again; gives what was answered, and when the connection had ended."""
    began, answer = time.monotonic(), b""
    connection.settimeout(SHORT / 10)
    while time.monotonic() - began < seconds:
        try:
            connection.sendall(data)
            piece = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if not piece:
            break
        answer += piece
    return answer, time.monotonic() - began


def ended(connection):
    """What came until the connection ended."""
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionError:
        pass
    return answer


def test_a_connection_without_a_request_is_ended():
    with client(reading) as (connection, _):
        assert ended(connection) == b""


def test_a_slow_header_is_ended_however_it_drips():
    with client(reading) as (connection, _):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        answer, seconds = drip(connection, b"x")
    assert answer == b""
    assert seconds < 5


def test_a_slow_header_of_a_second_request_is_ended():
    with client(reading) as (connection, _):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536)
        answer, seconds = drip(connection, b"x")
    assert answer == b"0" or answer == b""
    assert seconds < 5


@pytest.mark.parametrize(("head", "piece"), [(HEAD, b""), (HEAD, b"x"), (CHUNKED, b"1\r\nx\r\n")])
def test_a_slow_body_is_answered_408(head, piece):
    with client(reading) as (connection, _):
        connection.sendall(head)
        answer, seconds = drip(connection, piece)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in answer
    assert seconds < 5


def test_a_body_that_goes_on_after_its_answer_is_ended():
    with client(hasty) as (connection, _):
        connection.sendall(CHUNKED)
        answer, seconds = drip(connection, b"1\r\nx\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert seconds < 5


def test_a_client_that_does_not_read_is_ended():
    with client(pouring) as (connection, server):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        deadline = time.monotonic() + 5
        while not server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        while server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not server.server_state.connections


def test_a_long_answer_is_not_cut_short():
    with client(thinking) as (connection, _):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert ended(connection).endswith(b"done")


def test_a_body_that_comes_fast_enough_is_taken(monkeypatch):
    monkeypatch.setattr(connections, "BODY_BYTES_PER_SECOND", 10)
    with client(reading) as (connection, _):
        connection.sendall(HEAD)
        for _ in range(10):
            time.sleep(SHORT / 4)
            connection.sendall(b"x" * 10)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_broken_body_ends_the_connection_without_a_trace(caplog):
    with caplog.at_level(logging.WARNING), client(hasty) as (connection, _):
        connection.sendall(CHUNKED)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"zz\r\n")
        ended(connection)
    assert not [record for record in caplog.records if record.exc_info]

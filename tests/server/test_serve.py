"""The endpoint as a server of its own, used by a plain client."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time

import openai
import pytest

from orchestrator.errors import AddressUnusable, ServerMissing
from orchestrator.listening import bind
from orchestrator.server.app import Settings
from orchestrator.server.serve import serve

SERVE = """
import sys
from pathlib import Path
from orchestrator.server.settings import AzureSettings, Settings
from orchestrator.server.serve import serve
azure = AzureSettings() if sys.argv[4] else None
serve(Path(sys.argv[1]), sys.argv[2], 0, Settings(api_key=sys.argv[3] or None, azure=azure))
"""


def _start(tmp_path, host="127.0.0.1", key="", azure=False):
    command = [sys.executable, "-c", SERVE, str(tmp_path), host, key, "azure" if azure else ""]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _stop(server):
    server.send_signal(signal.SIGINT)
    try:
        _, errors = server.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()
        raise
    return errors


def test_a_plain_client_uploads_trains_and_calls_over_http(tmp_path, lines, tools):
    server = _start(tmp_path, key="secret")
    try:
        address = re.fullmatch(r"ftorch endpoint on (http://127\.0\.0\.1:\d+/v1)\n", server.stderr.readline())[1]
        with openai.OpenAI(base_url=address, api_key="secret") as client:
            file = client.files.create(file=("train.jsonl", lines(30)), purpose="fine-tune")
            job = client.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=file.id, suffix="served")
            deadline = time.monotonic() + 30
            while job.status not in ("succeeded", "failed") and time.monotonic() < deadline:
                time.sleep(0.05)
                job = client.fine_tuning.jobs.retrieve(job.id)
            assert job.status == "succeeded"
            answer = client.chat.completions.create(
                model=job.fine_tuned_model,
                messages=[{"role": "user", "content": "Climb to 64 metres"}],
                tools=tools,
                stream=True,
            )
            parts = [call for chunk in answer for call in chunk.choices[0].delta.tool_calls or []]
            assert "".join(part.function.arguments for part in parts) == '{"altitude":64}'
        with openai.OpenAI(base_url=address, api_key="wrong") as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
    finally:
        errors = _stop(server)
    assert "Traceback" not in errors


def test_connections_do_not_wait_for_acknowledgements():
    """Without TCP_NODELAY each answer would take the 40 ms by which a client delays its acknowledgement."""
    with (
        bind("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("azure", [False, True])
def test_off_loopback_a_key_is_drawn_and_wanted(tmp_path, azure):
    server = _start(tmp_path, host="0.0.0.0", azure=azure)
    try:
        said = [server.stderr.readline() for _ in range(7 if azure else 4)]
        port = re.search(r":(\d+)/v1", said[0])[1]
        [key] = re.findall(r"^key for this run: (ftorch-\S{32})$", "".join(said), re.MULTILINE)
        assert "export OPENAI_API_KEY=" in said[-2]
        assert "--api-key-env" in said[-1]
        for root in ("v1", "openai/v1") if azure else ("v1",):
            address = f"http://127.0.0.1:{port}/{root}"
            with openai.OpenAI(base_url=address, api_key=key) as client:
                assert client.files.list().data == []
            with (
                openai.OpenAI(base_url=address, api_key="none") as client,
                pytest.raises(openai.AuthenticationError),
            ):
                client.files.list()
    finally:
        rest = _stop(server)
    assert key not in rest


def test_a_key_of_the_users_is_not_shown_and_none_is_drawn(tmp_path):
    server = _start(tmp_path, host="0.0.0.0", key="secret")
    server.stderr.readline()
    assert "key" not in _stop(server)


def test_a_served_endpoint_refuses_other_hosts_and_sites(tmp_path):
    server = _start(tmp_path)
    try:
        address = server.stderr.readline().split()[-1]
        for name, value, status in [("host", "evil.example", 421), ("origin", "http://evil.example", 403)]:
            with openai.OpenAI(base_url=address, api_key="none", default_headers={name: value}) as client:
                with pytest.raises(openai.APIStatusError) as caught:
                    client.models.list()
                assert caught.value.status_code == status
    finally:
        _stop(server)


def test_ctrl_c_ends_it_as_soon_as_its_address_is_known(tmp_path):
    for _ in range(3):
        server = _start(tmp_path)
        server.stderr.readline()
        _stop(server)
        assert server.returncode == 0


def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressUnusable, match=str(port)):
            serve(tmp_path, "127.0.0.1", port, Settings())


def test_without_uvicorn_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ServerMissing, match=r"pip install .h11"):
        serve(tmp_path, "127.0.0.1", 0, Settings())

"""The local endpoint's metrics, and its log as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.project import FTORCH, make_project


@pytest.fixture
def server(tmp_path: Path):
    """The process, its address and its key."""
    project = make_project(tmp_path / "project")
    process = subprocess.Popen(
        [FTORCH, "serve", "--port", "0", "--log-json", "--api-key-env", "CLIENTS_KEY"],
        cwd=project.root,
        env={**project.environment, "CLIENTS_KEY": "secret"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    yield process, process.stderr.readline().split()[-1].removesuffix("/v1")
    if process.poll() is None:
        process.kill()
    process.communicate()


def ask(address: str, key: str = "secret", body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=30) as answer:
        return str(answer.read().decode())


def test_metrics_count_answers_and_tokens_and_need_the_key(server):
    _process, address = server
    question = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Climb to 64 metres"}]}
    used = json.loads(ask(f"{address}/v1/chat/completions", body=question))["usage"]
    text = ask(f"{address}/metrics")
    assert 'ftorch_answers_total{model="gpt-4.1-mini"} 1.0' in text
    assert f'ftorch_prompt_tokens_total{{model="gpt-4.1-mini"}} {float(used["prompt_tokens"])}' in text
    assert f'ftorch_completion_tokens_total{{model="gpt-4.1-mini"}} {float(used["completion_tokens"])}' in text
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{address}/metrics", key="wrong")


def test_requests_are_logged_one_json_object_a_line(server):
    process, address = server
    ask(f"{address}/health")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    [record] = [json.loads(line) for line in errors.splitlines()]
    assert (record["level"], record["logger"]) == ("info", "uvicorn.access")
    assert "GET /health" in record["message"]


def test_without_the_extra_the_next_step_is_said(tmp_path):
    code = """
import sys
sys.modules["prometheus_client"] = None
import asyncio, httpx2
from pathlib import Path
from orchestrator.server.app import create_app
async def look():
    transport = httpx2.ASGITransport(app=create_app(Path(sys.argv[1])))
    async with httpx2.AsyncClient(transport=transport, base_url="http://local") as http:
        answer = await http.get("/metrics")
        print(answer.status_code, answer.json()["error"]["message"])
asyncio.run(look())
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("501 Metrics need prometheus_client, which is not installed. Run:")

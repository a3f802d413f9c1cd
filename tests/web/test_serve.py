"""`ftorch ui` as a process: what it prints, whom it admits, how it ends, and what comes with it."""

from __future__ import annotations

import gzip
import re
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from support.project import FTORCH

from orchestrator.web.rendering import STATIC

TOKEN = "a-token-that-is-long-enough"


@contextmanager
def served(project, *arguments, **environment):
    """The page as a process; yields its address. It has to end with Ctrl-C, within seconds and without a trace."""
    command = [FTORCH, "ui", "--port", "0", *arguments]
    variables = {**project.environment, **environment}
    process = subprocess.Popen(command, cwd=project.root, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"ftorch ui on (http://\S+)\n", line)
        assert found, line + process.communicate()[1]
        yield found[1]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert "Traceback" not in errors, errors
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()


def test_it_serves_the_project_and_ends_although_a_page_is_open(project):
    with served(project) as address, httpx2.Client(base_url=address) as client:
        assert client.get("/").status_code == 200
        with client.stream("GET", "/live/") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            next(stream.iter_bytes())


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0")])
def test_off_loopback_it_needs_a_token(project, arguments):
    refused = project.process("ui", "--port", "0", *arguments)
    assert refused.code == 2
    assert "export FTORCH_UI_TOKEN=" in refused.err
    short = project.process("ui", "--port", "0", FTORCH_UI_TOKEN="short")
    assert short.code == 2
    assert "at least 16 characters" in short.err


def test_with_a_token_only_a_browser_that_showed_it_sees_the_page(project):
    with served(project, "--host", "0.0.0.0", FTORCH_UI_TOKEN=TOKEN) as address:
        base = address.replace("0.0.0.0", "127.0.0.1")
        with httpx2.Client(base_url=base, follow_redirects=True) as client:
            assert client.get("/").status_code == 401
            assert client.get(f"/?token={TOKEN}").status_code == 200
            assert client.get("/runs").status_code == 200


def test_an_address_that_is_taken_is_an_error_without_a_trace(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = project.process("ui", "--port", str(port))
    assert refused.code == 1
    assert f"Can't listen on 127.0.0.1:{port}" in refused.err


def test_the_scripts_are_small():
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in STATIC.rglob("*.js"))
    assert size <= 45 * 1024


def test_what_others_wrote_comes_with_its_licence_and_its_origin():
    folder = STATIC / "vendor"
    said = (folder / "README.md").read_text()
    for path in sorted(folder.glob("*.min.*")):
        name, version = re.fullmatch(r"(\w+)-([\d.]+)\.min\.\w+", path.name).groups()
        assert f"{name} {version}" in said.lower()
        assert (folder / f"{name}-LICENSE.txt").stat().st_size > 100


def test_no_page_loads_anything_from_elsewhere():
    own = [*STATIC.glob("*.*"), *Path(STATIC).parent.glob("templates/**/*.jinja")]
    assert len(own) > 8
    for path in own:
        foreign = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text())
        assert [each for each in foreign if "www.w3.org" not in each] == [], path

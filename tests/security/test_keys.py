"""Keys are sent to their own host and appear nowhere else: not on a screen, not in a log, not in a file."""

from __future__ import annotations

import subprocess
import time
from urllib.parse import quote

import httpx2
import pytest
from support.project import FTORCH

KEY = "sk-canary/7f3a9c51d2e84b06"
OTHER_KEYS = {"OPENAI_API_KEY": "sk-canary-openai-51d2", "SERVE_KEY": "sk-canary-serve-2e84b0"}
KEYS = (KEY, *OTHER_KEYS.values())
SPELLINGS = [spelling for key in KEYS for spelling in (key, key.replace("/", "\\/"), quote(key, ""))]

COMMANDS = {
    "succeeded": [
        ["models", "--json"],
        ["endpoints", "--json"],
        ["endpoints", "check", "hosted"],
        ["doctor", "hosted"],
    ],
    "failed": [["status"], ["status", "--json"], ["show", "greet"], ["show", "greet", "--json"]],
    "running {key}": [["logs", "greet"], ["logs", "greet", "--json"], ["cancel", "greet", "--yes"]],
}
"""What is asked about a job of each status; the last one is no status that anybody knows."""


def assert_no_key(text: str | bytes, place: str) -> None:
    content = text.encode() if isinstance(text, str) else text
    found = [spelling for spelling in SPELLINGS if spelling.encode() in content]
    assert not found, f"{place} holds {found}"


@pytest.fixture
def say(project):
    """Runs a command and looks for keys in all it says."""

    def say(*arguments):
        done = project.ftorch("--verbose", *arguments, **OTHER_KEYS)
        assert_no_key(done.out + done.err, " ".join(arguments))
        return done

    return say


@pytest.mark.parametrize("status", COMMANDS)
def test_a_host_that_quotes_the_key_everywhere_does_not_spread_it(status, host, project, say, written):
    host.text, host.status = "you sent {key}", status.replace("{key}", KEY)
    detached = ["--detach"] if status.startswith("running") else []
    assert say("submit", "jobs/greet.toml", "--yes", *detached).code == (status == "failed")
    if detached:
        host.status = "cancelled"
    for command in COMMANDS[status]:
        say(*command)
    assert any(headers.get("authorization") == f"Bearer {KEY}" for _, headers in host.asked)
    assert b"you sent [key]" in b"".join(written().values()), "what the host said is recorded, without the key"
    for path, content in written().items():
        assert_no_key(content, path)


@pytest.mark.parametrize("refusal", [403, 500])
def test_a_refusal_that_quotes_the_key_does_not_show_it(refusal, host, say, written):
    host.refusal = refusal
    done = say("endpoints", "check", "hosted")
    assert done.code == 1
    assert "Incorrect API key provided: [key]" in done.err
    for path, content in written().items():
        assert_no_key(content, path)


def test_a_refused_key_is_told_by_the_name_of_its_variable(host, say, written):
    host.refusal = 401
    done = say("submit", "jobs/greet.toml", "--yes")
    assert done.code == 1
    assert "refused the key in HOSTED_KEY: Incorrect API key provided: [key]" in done.err
    for path, content in written().items():
        assert_no_key(content, path)


def test_a_killed_process_leaves_no_key_behind(host, project, written):
    """Its database is not closed, so the write-ahead log is there to look into."""
    host.text, host.status = "you sent {key}", "running"
    command, log = [FTORCH, "--verbose", "submit", "jobs/greet.toml", "--yes"], project.root / "log"
    environment = dict(project.environment)
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=project.root, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while not any(path.endswith("/events") for path, _ in host.asked) or not log.stat().st_size:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.2)
        finally:
            process.kill()
    found = written()
    assert ".ftorch/ftorch.db-wal" in found
    assert b"you sent [key]" in found[".ftorch/ftorch.db-wal"]
    for path, content in found.items():
        assert_no_key(content, path)


def test_the_server_keeps_its_clients_keys_to_itself(project, written):
    environment = {**project.environment, **OTHER_KEYS}
    command = [FTORCH, "serve", "--port", "0", "--api-key-env", "SERVE_KEY"]
    with subprocess.Popen(
        command, cwd=project.root, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        url = server.stderr.readline().split()[-1]
        for key in OTHER_KEYS.values():
            answer = httpx2.get(f"{url}/models", headers={"authorization": f"Bearer {key}"})
            assert_no_key(answer.text + repr(answer.headers), "the answer")
            assert answer.status_code == (200 if key == OTHER_KEYS["SERVE_KEY"] else 401)
        server.terminate()
        said = "".join(server.communicate(timeout=10))
    assert_no_key(said, "the server's output")
    for path, content in written().items():
        assert_no_key(content, path)


def test_a_short_stand_in_for_a_key_is_not_taken_for_one(host, project):
    """Hosts without keys are given words such as EMPTY, and may use them themselves."""
    host.text = "EMPTY"
    done = project.ftorch("submit", "jobs/greet.toml", "--yes", HOSTED_KEY="EMPTY")
    assert (done.code, done.out) == (0, "ft:EMPTY\n")


def test_a_redirect_to_another_host_carries_neither_key_nor_data(host, other_host, project, say, written):
    host.redirect = other_host.url
    for command in (["endpoints", "check", "hosted"], ["submit", "jobs/greet.toml", "--yes"], ["resume"]):
        done = say(*command)
        assert f"redirects to {other_host.url}" in done.err or "Nothing to resume" in done.err
    host.redirect = other_host.url.replace("127.0.0.2", "localhost")
    assert say("endpoints", "check", "hosted").code == 1
    assert other_host.asked == []
    for path, content in written().items():
        assert_no_key(content, path)

"""Who else can read the state, and over which ways requests go."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.project import FTORCH

from orchestrator.config import EndpointConfig, find_workspace
from orchestrator.errors import EndpointNotUsable, InvalidConfig

# --- the state directory -------------------------------------------------------------------------------------


def modes(state: Path) -> dict[str, set[str]]:
    """The permissions in use under the state directory, itself included."""
    paths = [state, *state.rglob("*")]
    return {
        "directories": {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()},
        "files": {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()},
    }


PRIVATE = {"directories": {"0o700"}, "files": {"0o600"}}


def test_nobody_else_can_read_what_a_run_leaves(project):
    """With a umask that would let everybody; the local endpoint's store and its trainer's log are among it."""
    project.write_job(endpoint='endpoint = "local"')
    command, environment = [FTORCH, "submit", "jobs/greet.toml"], dict(project.environment)
    subprocess.run(command, cwd=project.root, env=environment, umask=0, check=True, capture_output=True)
    state = project.root / ".ftorch"
    assert {"ftorch.db", "local"} <= {path.name for path in state.iterdir()}
    assert {"blobs", "locks", "endpoint.db"} <= {path.name for path in (state / "local").iterdir()}
    assert modes(state) == PRIVATE


def test_nobody_else_can_read_what_a_server_leaves(project):
    command, environment = [FTORCH, "serve", "--port", "0"], dict(project.environment)
    with subprocess.Popen(
        command, cwd=project.root, env=environment, umask=0, stderr=subprocess.PIPE, text=True
    ) as server:
        server.stderr.readline()
        server.terminate()
    assert modes(project.root / ".ftorch") == PRIVATE


# --- addresses -----------------------------------------------------------------------------------------------


def compatible(base_url: str, **more: Any) -> EndpointConfig:
    return EndpointConfig("mine", "compatible", base_url=base_url, source="ftorch.toml", **more)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://host/v1",
        "HTTP://HOST/v1",
        "http://10.0.0.7:8000/v1",
        "http://0.0.0.0/v1",
        "http://[2001:db8::1]/v1",
        "http://localhost.host/v1",
        "http://127.0.0.1.host/v1",
        "http://host/127.0.0.1",
        "http://host#localhost",
    ],
)
def test_http_off_this_machine_is_refused_until_it_is_allowed(base_url):
    with pytest.raises(EndpointNotUsable) as caught:
        compatible(base_url).require_usable()
    assert f"the key and the data would travel to {base_url} unencrypted" in str(caught.value)
    assert "give an https:// address, or set allow_http = true in ftorch.toml" in str(caught.value)
    compatible(base_url, allow_http=True).require_usable()


@pytest.mark.parametrize(
    "base_url",
    [
        "https://host/v1",
        "http://localhost:8000/v1",
        "http://127.0.0.1:1/v1",
        "http://127.8.8.8/v1",
        "http://[::1]/v1",
    ],
)
def test_what_is_encrypted_or_stays_on_this_machine_is_not_refused(base_url):
    compatible(base_url).require_usable()


def test_a_command_refuses_http_before_it_sends_anything(project, host):
    config = project.root / "ftorch.toml"
    config.write_text(config.read_text().replace(host.url, "http://host.invalid"))
    for command in (["submit", "jobs/greet.toml", "--yes"], ["endpoints", "check", "hosted"]):
        refused = project.ftorch(*command)
        assert refused.code == 2
        assert "or set allow_http = true in" in refused.err
    assert "allow_http" in project.ftorch("endpoints").out
    config.write_text(config.read_text() + "allow_http = true\n")
    assert "allow_http" not in project.ftorch("endpoints", "check", "hosted").err


@pytest.mark.parametrize(
    "line",
    [
        'base_url = "https://me:secret@host/v1"',
        'base_url = "https://secret@host/v1"',
        'base_url = "http://127.0.0.1:secret@host/v1"',
    ],
)
def test_a_password_in_an_address_is_refused_without_showing_it(line, home):
    (home / "ftorch.toml").write_text(f'[endpoints.mine]\ntype = "compatible"\n{line}\n')
    with pytest.raises(InvalidConfig) as caught:
        find_workspace()
    assert "without a user name and password" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("line", ['base_url = "http://[::1"', 'base_url = "https://"', 'base_url = "ftp://host"'])
def test_what_is_no_address_is_refused(line, home):
    (home / "ftorch.toml").write_text(f'[endpoints.mine]\ntype = "compatible"\n{line}\n')
    with pytest.raises(InvalidConfig, match="must be an address such as"):
        find_workspace()


def test_allow_http_is_true_or_false(home):
    (home / "ftorch.toml").write_text('[endpoints.mine]\ntype = "compatible"\nallow_http = "yes"\n')
    with pytest.raises(InvalidConfig, match=r"allow_http must be true or false, not 'yes'"):
        find_workspace()

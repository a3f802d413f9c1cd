"""What a host or a file says is only ever text: it steers no terminal, and reaches no statement and no path."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import Any

import httpx2
import pytest

from orchestrator.server.app import create_app

EVIL = "\x1b]0;owned\x07\x1b[31337m\x9b31337m\x08\u202e'; DROP TABLE runs; -- [red]<b>\r\n=1+1"
STEERING = re.compile(r"\x1b\]0;|\x1b\[31337m|\x9b|\x07|\x08|\u202e")
CLIMBING = "../../../{kind}-up"

SHOWING = [["status"], ["show", "greet"], ["logs", "greet"]]


def on_a_terminal(project, *arguments) -> str:
    """All that a command writes to the terminal it runs on, where every question is answered with no."""
    done = project.terminal(*arguments, typed="n\n" * 9, TERM="xterm-256color")
    assert done.code in (0, 1, 2)
    return done.out


def assert_harmless(said: str) -> None:
    assert STEERING.findall(said) == []


def test_no_terminal_is_steered_by_what_a_model_is_called_or_an_event_says(host, project):
    host.text = EVIL
    assert_harmless(on_a_terminal(project, "submit", "jobs/greet.toml", "--yes"))
    for command in (["models"], ["show", "greet"], ["logs", "greet"], ["logs", "greet", "--json"]):
        assert_harmless(on_a_terminal(project, *command))


def test_no_terminal_is_steered_by_what_a_job_says(host, project):
    host.text, host.status = EVIL, "failed"
    assert_harmless(on_a_terminal(project, "submit", "jobs/greet.toml", "--yes"))
    for command in (["status"], ["show", "greet"], ["status", "--json"], ["show", "greet", "--json"]):
        assert_harmless(on_a_terminal(project, *command))
    shown = project.ftorch("show", "greet")
    assert_harmless(shown.out + shown.err)
    assert "DROP TABLE runs" in shown.out, "the text itself is shown"
    assert "[red]" in shown.out, "and is no markup"


def test_no_terminal_is_steered_by_a_refusal_or_its_log(host, project):
    host.text, host.refusal = EVIL, 500
    assert_harmless(on_a_terminal(project, "--verbose", "endpoints", "check", "hosted"))
    host.refusal = 400
    assert_harmless(on_a_terminal(project, "submit", "jobs/greet.toml", "--yes"))
    assert_harmless(on_a_terminal(project, "adopt", EVIL.replace("\r\n", ""), "--endpoint", "hosted"))


def test_no_terminal_is_steered_by_an_adopted_job(host, project):
    host.text, host.ids = EVIL, "{kind}-" + EVIL
    project.ftorch("submit", "jobs/greet.toml", "--yes")
    (project.root / ".ftorch" / "ftorch.db").unlink()
    assert_harmless(on_a_terminal(project, "doctor", "hosted", "--fix"))
    assert_harmless(on_a_terminal(project, "adopt", "--all", "--endpoint", "hosted"))


def test_no_terminal_is_steered_by_a_job_file_or_the_configuration(project):
    name = "train\x1b[31337m\u202e.jsonl"
    (project.root / "jobs" / "train.jsonl").rename(project.root / "jobs" / name)
    project.write_job(training_file=f"training_file = {json.dumps(name)}", endpoint='endpoint = "local"')
    assert_harmless(on_a_terminal(project, "submit", "jobs/greet.toml"))
    assert_harmless(on_a_terminal(project, "show", "greet"))
    project.write_job(name='name = "\\u001b[31337m"', model='model = "\\u009b31337m"')
    assert_harmless(on_a_terminal(project, "submit", "jobs/greet.toml"))
    with (project.root / "ftorch.toml").open("a") as config:
        config.write('[endpoints.odd]\ntype = "compatible"\nbase_url = "https://host/\\u001b[31337m"\n')
    assert_harmless(on_a_terminal(project, "endpoints"))
    with (project.root / "ftorch.toml").open("a") as config:
        config.write('[endpoints."\\u001b[31337m"]\ntype = "compatible"\n')
    assert_harmless(on_a_terminal(project, "endpoints"))


def test_json_keeps_every_character_of_a_text(host, project):
    host.text, host.status = EVIL, "failed"
    project.ftorch("submit", "jobs/greet.toml", "--yes")
    shown = json.loads(project.ftorch("show", "greet", "--json").out)
    assert shown["error"]["message"] == EVIL


def test_statements_are_not_changed_by_what_a_host_says(host, project):
    host.text, host.ids = EVIL, "{kind}-" + EVIL
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT job_id FROM runs").fetchall() == [(f"ftjob-{EVIL}",)]
    assert project.ftorch("show", "'; DROP TABLE runs; --").code == 2
    assert project.ftorch("show", "%").code == 2
    assert len(project.status()) == 1


@pytest.mark.parametrize("text", ["\x00", "\ud800", "x" * 100_000], ids=["NUL", "half a character", "much"])
def test_a_text_that_is_odd_in_itself_is_recorded_and_shown(text, host, project):
    host.text, host.status = f"before{text}after", "failed"
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 1
    [run] = project.status()
    assert run["state"] == "failed"
    for command in SHOWING:
        assert project.ftorch(*command).code == 0


# --- paths ---------------------------------------------------------------------------------------------------


def outside_the_state(project, tmp_path) -> set[str]:
    """Everything in the test's folder but the state directory."""
    found = (str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    return {path for path in found if not path.startswith("project/.ftorch")}


def test_ids_of_a_host_lead_nowhere(host, project, tmp_path):
    before = outside_the_state(project, tmp_path)
    host.text, host.ids = CLIMBING.format(kind="model"), CLIMBING
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    for command in SHOWING:
        project.ftorch(*command)
    assert outside_the_state(project, tmp_path) == before
    assert {
        path.name.removesuffix("-wal").removesuffix("-shm") for path in (project.root / ".ftorch").iterdir()
    } == {
        "ftorch.db",
        "ftorch.db.intents",
        "ftorch.db.lock",
    }
    assert all(path.startswith("/v1/") for path in (asked.split()[1] for asked, _ in host.asked))


@pytest.mark.parametrize("key", ["name", "suffix"])
def test_names_in_a_job_file_can_not_be_paths(key, project):
    lines = {"model": f'model = "m"\n{key} = "../../up"'} if key != "name" else {"name": 'name = "../../up"'}
    project.write_job(**lines)
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert refused.code == 2
    assert f"{key} " in refused.err
    assert not (project.root / ".ftorch").exists()


def test_the_local_endpoint_keeps_a_climbing_name_inside(project, tmp_path):
    before = outside_the_state(project, tmp_path)
    project.write_job(endpoint='endpoint = "local"', model='model = "up/../../../../up"')
    trained = project.ftorch("submit", "jobs/greet.toml")
    assert trained.code == 0, trained.err
    assert trained.out.startswith("ft:up/../../../../up:local:")
    assert outside_the_state(project, tmp_path) == before


CLIMBS = ["../endpoint.db", "..%2fendpoint.db", "%2e%2e/endpoint.db", "....//endpoint.db", "%2fetc%2fpasswd"]


@pytest.mark.parametrize("climb", CLIMBS)
async def test_the_local_endpoint_gives_out_nothing_but_files(climb, tmp_path):
    transport = httpx2.ASGITransport(app=create_app(tmp_path / "state" / "store"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as http:
        named: Any = {"file": ("../../../up\r\nX-Evil: 1.jsonl", b"{}\n"), "purpose": (None, "fine-tune")}
        made = (await http.post("/files", files=named)).json()
        content = await http.get(f"/files/{made['id']}/content")
        assert content.content == b"{}\n"
        assert "x-evil" not in content.headers
        for path in (f"files/{climb}/content", f"files/{climb}", f"fine_tuning/jobs/{climb}", f"models/{climb}"):
            refused = await http.get(f"/{path}")
            assert refused.status_code in (400, 404)
            assert set(refused.json()) == {"error"}
    assert {path.name for path in tmp_path.iterdir()} == {"state"}
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"store"}

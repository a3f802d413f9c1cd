"""People are notified once of what ended and of what needs them, by the process that sees it first."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.project import FTORCH, Project, make_project
from support.webhost import LOST, WebHost, web_host

from orchestrator.config import find_workspace
from orchestrator.ledger import Ledger
from orchestrator.notifications import courier as couriers, sending
from orchestrator.notifications.courier import Courier
from orchestrator.notifications.events import Event
from orchestrator.notifytables import KINDS, NotifyTarget
from orchestrator.store import notifications as store, runs
from orchestrator.store.accounts import PAID_RUNS
from orchestrator.store.database import Database
from orchestrator.store.notifications import SENDING, Notification
from orchestrator.store.runs import Run

NOW = 1_800_000_000.0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def hook() -> Iterator[WebHost]:
    with web_host() as host:
        yield host


def write(project: Project, text: str) -> None:
    (project.root / "ftorch.toml").write_text(text)


# --- a whole command ---------------------------------------------------------------------------------------------


def test_a_run_that_ends_is_posted_once(project: Project, hook: WebHost) -> None:
    write(project, f'[notify.team]\nurl = "{hook.url}/hook"\n')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    again = project.ftorch("submit", "jobs/greet.toml")
    assert again.code == 0, again.err
    [body] = hook.bodies
    model = done.out.strip()
    assert body["text"] == f"run greet ({body['id']}) succeeded on local: {model}"
    assert {key: body[key] for key in ("kind", "event", "name", "endpoint", "model")} == {
        "kind": "run",
        "event": "succeeded",
        "name": "greet",
        "endpoint": "local",
        "model": model,
    }


def test_a_command_gets_the_event_on_stdin_and_in_variables(project: Project) -> None:
    program = "import json, os, sys; json.dump([sys.argv[1:], os.environ['FTORCH_RUN'], json.load(sys.stdin), "
    program += "os.environ.get('SECRET'), os.environ.get('NTFY')], open('told.json', 'w'))"
    command = json.dumps([sys.executable, "-c", program, "{text}"])
    write(project, f'[notify.desktop]\ncommand = {command}\nenv = ["NTFY"]\n')
    done = project.ftorch("submit", "jobs/greet.toml", SECRET="hidden", NTFY="given")
    assert done.code == 0, done.err
    [text], run, event, secret, given = json.loads((project.root / "told.json").read_text())
    assert text == event["text"]
    assert run == event["id"] == project.status()[0]["run"]
    assert (secret, given) == (None, "given")


def test_a_notification_that_fails_is_said_and_changes_nothing(project: Project, hook: WebHost) -> None:
    hook.answer = lambda asked: (500, {"error": "no"})
    command = json.dumps([sys.executable, "-c", "raise SystemExit(3)"])
    write(
        project,
        f'[notify.team]\nurl = "{hook.url}"\n[notify.desktop]\ncommand = {command}\n'
        '[notify.lost]\ncommand = ["./there-is-no-such-program"]\n',
    )
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0
    assert done.out.startswith("ft:")
    run = project.status()[0]["run"]
    assert f"notification team failed for run {run}: it answered with status 500: no" in done.err
    assert f"notification desktop failed for run {run}: {sys.executable} exited with status 3" in done.err
    assert f"notification lost failed for run {run}: ./there-is-no-such-program can't be started" in done.err
    quiet = project.ftorch("resume")
    assert "notification" not in quiet.err
    assert len(hook.asked) == 1


def test_a_sweep_is_one_event(project: Project, hook: WebHost) -> None:
    write(project, f'[notify.team]\nurl = "{hook.url}"\n')
    project.write_job(
        "[sweep.space]\nn_epochs = [1, 2]", n_epochs="", training_file='training_file = "train.jsonl"'
    )
    job = (project.root / "jobs" / "greet.toml").read_text()
    data = 'training_file = "train.jsonl"\nvalidation_file = "train2.jsonl"'
    rows = (project.root / "jobs" / "train.jsonl").read_text().replace("hall", "loft")
    (project.root / "jobs" / "train2.jsonl").write_text(rows.splitlines()[0] + "\n")
    (project.root / "jobs" / "greet.toml").write_text(job.replace('training_file = "train.jsonl"', data))
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    [body] = hook.bodies
    assert body["kind"] == "sweep"
    assert body["text"] == f"sweep greet on local ended: 2 succeeded; best: {done.out.strip()}"


def test_an_evaluation_is_an_event_with_its_figures(project: Project, hook: WebHost) -> None:
    write(project, f'[notify.team]\nurl = "{hook.url}"\non = ["evaluation"]\n')
    assert project.ftorch("submit", "jobs/greet.toml").code == 0
    done = project.ftorch("evaluate", "greet", "--file", "jobs/train.jsonl", "--allow-leak", "--yes")
    assert done.code == 0, done.err
    [body] = hook.bodies
    assert body["text"].startswith("evaluation of greet on local is done: call accuracy ")


def test_an_evaluation_that_misses_its_gate_says_so(project: Project, hook: WebHost) -> None:
    write(project, f'[notify.team]\nurl = "{hook.url}"\non = ["evaluation"]\n')
    gate = (
        '[evaluation]\nfile = "train.jsonl"\nallow_leak = true\nauto = true\ngate = {{ metric = "{}", min = 0 }}\n'
    )
    project.write_job(gate.format("rejection_recall"))
    assert project.ftorch("submit", "jobs/greet.toml").code == 3
    [body] = hook.bodies
    assert body["text"].startswith("evaluation of greet on local is done: call accuracy ")
    assert "; gate not met: tuned (full): rejection_recall can't be computed" in body["text"]
    assert (body["state"], body["event"]) == ("gate_not_met", "gate_not_met")
    assert body["reason"].startswith("tuned (full): rejection_recall")
    project.write_job(gate.format("accuracy"))
    assert project.ftorch("evaluate", "jobs/greet.toml").code == 0
    assert (hook.bodies[1]["state"], "gate" in hook.bodies[1]["text"]) == ("done", False)


def test_the_secret_of_a_webhook_is_nowhere(project: Project, hook: WebHost) -> None:
    hook.answer = lambda asked: (404, {"message": f"no hook {asked.path}"})
    write(project, '[notify.team]\nurl = "${HOOK_URL}"\n')
    secret = "T00/B00/n0tForYourEyes"
    done = project.ftorch(
        "--verbose", "submit", "jobs/greet.toml", OPENAI_LOG="debug", HOOK_URL=f"{hook.url}/{secret}"
    )
    assert hook.asked[0].path == f"/{secret}"
    assert "notification team failed" in done.err
    assert secret not in done.out + done.err
    database = (project.root / ".ftorch" / "ftorch.db").read_bytes()
    assert secret.encode() not in database


def test_what_a_stranger_wrote_is_not_started(project: Project, hook: WebHost) -> None:
    write(project, f'[notify.team]\nurl = "{hook.url}"\n[notify.d]\ncommand = ["touch", "started"]\n')
    stranger = replace(project, environment={**project.environment, "FTORCH_TRUST": ""})
    done = stranger.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    assert "[notify.team] of" in done.err
    assert "ftorch endpoints trust" in done.err
    assert not hook.asked
    assert not (project.root / "started").exists()
    shown = stranger.ftorch("endpoints", "trust", "--yes")
    assert f"{hook.url}" in shown.err
    assert '["touch", "started"]' in shown.err
    assert stranger.ftorch("submit", "jobs/greet.toml", "--again").code == 0
    assert len(hook.asked) == 1
    assert (project.root / "started").exists()


def test_one_that_was_being_sent_when_its_process_was_killed_is_not_sent_again(
    project: Project, hook: WebHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_there = threading.Event()

    def hold(_asked: Any) -> tuple[int, Any]:
        is_there.set()
        time.sleep(30 if process.poll() is None else 0)
        return LOST

    hook.answer = hold
    write(project, f'[notify.team]\nurl = "{hook.url}"\n')
    process = subprocess.Popen(
        [FTORCH, "submit", "jobs/greet.toml"],
        cwd=project.root,
        env=dict(project.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert is_there.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert project.ftorch("resume").code == 0
    assert len(hook.asked) == 1
    monkeypatch.setattr(couriers, "_UNCLEAR_SECONDS", -1.0)
    said = project.ftorch("resume").err
    assert "notification team: it is unknown whether it arrived for run" in said
    assert "it is not sent again" in said
    assert "unknown whether" not in project.ftorch("resume").err
    assert len(hook.asked) == 1


# --- the records -------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(home: Path, database: Database) -> Ledger:
    return Ledger(find_workspace(home), database)


def courier(ledger: Ledger, hook: WebHost, said: list[str] | None = None, **fields: Any) -> Courier:
    target = NotifyTarget("team", url=hook.url, **fields)
    return Courier(ledger, [target], (said if said is not None else []).append, lambda: NOW)


def add(ledger: Ledger, *recorded: Run) -> None:
    with ledger.database.write() as connection:
        for run in recorded:
            runs.add(connection, run)


def ended(make_run: Callable[..., Run], at: float, **changes: Any) -> Run:
    return make_run(**{"state": "failed", "finished_at": at, "updated_at": at, **changes})


def test_what_ended_before_the_target_was_set_up_is_not_sent(
    ledger: Ledger, hook: WebHost, make_run: Callable[..., Run]
) -> None:
    add(ledger, ended(make_run, NOW - 1))
    courier(ledger, hook).look()
    assert hook.bodies == []
    add(ledger, unwatched := ended(make_run, NOW + 1))
    courier(ledger, hook).look()
    assert [body["id"] for body in hook.bodies] == [unwatched.id]


def test_two_processes_send_it_once(ledger: Ledger, hook: WebHost, make_run: Callable[..., Run]) -> None:
    couriers = [courier(ledger, hook) for _ in range(4)]
    add(ledger, *(ended(make_run, NOW + 1) for _ in range(3)))
    threads = [threading.Thread(target=each.look) for each in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({body["id"] for body in hook.bodies}) == len(hook.bodies) == 3


def test_a_target_gets_only_the_kinds_it_names(ledger: Ledger, hook: WebHost, make_run: Callable[..., Run]) -> None:
    quiet = courier(ledger, hook, on=("attention",))
    add(ledger, ended(make_run, NOW + 1), make_run(state="unknown", reason="the create", updated_at=NOW + 1))
    quiet.look()
    assert [(body["event"], body["needs_person"], body["state"]) for body in hook.bodies] == [
        ("attention", True, "unknown")
    ]


@pytest.mark.parametrize("reason", ["on hold: paid has no credit for it", "over budget: $9 of $8"])
def test_a_run_that_waits_for_a_person_is_sent_once_for_each_state(
    ledger: Ledger, hook: WebHost, make_run: Callable[..., Run], reason: str
) -> None:
    run = make_run(reason=reason, updated_at=NOW)
    add(ledger, run)
    sender = courier(ledger, hook)
    sender.look()
    with ledger.database.write() as connection:
        PAID_RUNS.put_on_hold(connection, [run.id], f"{reason}; asking again at 14:05", NOW + 60)
    sender.look()
    assert [body["id"] for body in hook.bodies] == [run.id]
    assert "needs you" in hook.bodies[0]["text"]


def test_a_pending_run_needs_nobody(ledger: Ledger, hook: WebHost, make_run: Callable[..., Run]) -> None:
    add(ledger, make_run(updated_at=NOW + 1), make_run(state="queued", updated_at=NOW))
    courier(ledger, hook).look()
    assert hook.bodies == []


def test_a_deleted_run_is_not_sent(ledger: Ledger, hook: WebHost, make_run: Callable[..., Run]) -> None:
    sender = courier(ledger, hook)
    add(ledger, ended(make_run, NOW + 1, deleted_at=NOW + 2))
    sender.look()
    assert hook.bodies == []


def test_hostile_words_order_nothing(ledger: Ledger, hook: WebHost, make_run: Callable[..., Run]) -> None:
    sender = courier(ledger, hook, body={"content": "{text}", "more": ["{state}"]})
    reason = "<!channel> @everyone \x1b[2J\n{state}"
    add(ledger, ended(make_run, NOW + 1, name="\x1b]0;x\x07", reason=reason))
    sender.look()
    [body] = hook.bodies
    assert body["more"] == ["failed"]
    assert not {"<", ">", "\x1b", "\x07", "\n"} & set(body["content"])
    assert "@everyone" not in body["content"]


def test_a_program_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.5)
    program = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    )
    program += "time.sleep(60)"
    target = NotifyTarget("slow", command=(sys.executable, "-c", program), folder=tmp_path)
    event = Event("run", "abc", "failed", "drone", "local", "failed", "run drone failed", NOW)
    begun = time.monotonic()
    with pytest.raises(sending.NotSent, match="had not ended after"):
        sending.send(target, event)
    assert time.monotonic() - begun < 20


def test_people_who_share_a_database_have_their_own_targets(
    ledger: Ledger, hook: WebHost, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTORCH_USER", "ada")
    courier(ledger, hook, is_personal=True)
    monkeypatch.setenv("FTORCH_USER", "ben")
    of_ben = courier(ledger, hook, is_personal=True)
    add(ledger, ended(make_run, NOW + 1))
    of_ben.look()
    monkeypatch.setenv("FTORCH_USER", "ada")
    courier(ledger, hook, is_personal=True).look()
    assert len(hook.bodies) == 2


def test_the_claim_is_kept_by_the_database(database: Database) -> None:
    one = Notification("run", "abc", "failed", "team", SENDING, NOW)
    for expected in (True, False):
        with database.write() as connection:
            assert store.claim(connection, one) is expected
    with database.write() as connection:
        since = store.set_up(connection, "team", KINDS[:1], NOW)
        assert store.set_up(connection, "team", KINDS[:2], NOW + 9) == {**since, KINDS[1]: NOW + 9}


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('[notify.x]\ncommand = "notify-send"', "notify.x.command must be a list of texts"),
        ("[notify.x]\n", "needs either a command or a url"),
        ('[notify.x]\nurl = "http://h/"\ncommand = ["a"]', "needs either a command or a url"),
        ('[notify.x]\nurl = "https://hooks.slack.com/services/T0/B0/1a2b3c4d5e6f7g8h9i0j1k2l"', "as variables"),
        ('[notify.x]\nurl = "https://host/?token=abc"', "as variables"),
        ('[notify.x]\nurl = "https://ada:secret@host/"', "as variables"),
        ('[notify.x]\nurl = "https://h/"\nheaders = { Authorization = "Bearer abc" }', "secrets as variables"),
        ('[notify.x]\nurl = "https://h/"\non = ["runs"]', "must be a list of run, sweep"),
        ('[notify.x]\nurl = "https://h/"\nenv = ["A"]', "notify.x.env has no effect with a url"),
        ('[notify.x]\ncommand = ["a"]\nbody = { a = "b" }', "notify.x.body has no effect with a command"),
        ('[notify.x]\ncommand = ["a"]\ncomand = ["a"]', 'unknown key "comand" in [notify.x]; did you mean'),
        ("notify = 1", "notify must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_place(project: Project, text: str, finding: str) -> None:
    write(project, text)
    done = project.ftorch("status")
    assert done.code == 2
    assert "ftorch.toml:" in done.err
    assert finding in done.err
    for secret in ("1a2b3c4d5e6f7g8h9i0j1k2l", "token=abc", "ada:secret", "Bearer abc"):
        assert secret not in done.err


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/${SLACK}",
        "${ANY_URL}",
        "https://ntfy.sh/my-topic",
        "https://h/?token=${TOKEN}",
        "http://127.0.0.1:8000/a",
    ],
)
def test_addresses_without_secrets_are_accepted(project: Project, url: str) -> None:
    write(project, f'[notify.x]\nurl = "{url}"\n')
    assert project.ftorch("status").code == 0

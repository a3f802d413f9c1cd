"""`ftorch chat` with a model that was really trained, by pipe and at a terminal of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from click.testing import CliRunner, Result
from support.project import FTORCH, Project, make_project

from orchestrator.cli import main

TOOLS = '''
print("loaded")


def light_room(room: str) -> dict[str, str]:
    """Switch the light of a room on"""
    print("switching")
    if room == "cellar":
        raise RuntimeError("no bulb in the " + room)
    if room == "attic":
        raise KeyboardInterrupt  # what Ctrl-C raises in a function
    return {"room": room, "light": "\\x1b[31mon"}
'''
SLOW = '''
import time

def light_room(room: str) -> str:
    """Switch the light of a room on"""
    print("begun", flush=True)
    time.sleep(30)
    return "on"
'''


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose job was trained, with the function that the model calls."""
    project = make_project(tmp_path_factory.mktemp("trained"))
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    (project.root / "tools.py").write_text(TOOLS)
    (project.root / "slow.py").write_text(SLOW)
    return project


@pytest.fixture
def chat(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`ftorch chat` in that project, without a terminal; the text is piped in."""
    monkeypatch.chdir(trained.root)
    monkeypatch.setenv("HOME", str(trained.root / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str, piped: str | None = None) -> Result:
        return CliRunner().invoke(main, ["chat", *arguments], input=piped, catch_exceptions=False)

    return run


HALL = ("greet", "--tools", "tools.py", "--ask", "Switch on the light in the hall")
CELLAR = ("greet", "--tools", "tools.py", "--ask", "Switch on the light in the cellar", "--yes-to", "light_room")


def test_the_answer_is_alone_on_stdout_and_safe_for_a_terminal(chat: Callable[..., Result]) -> None:
    done = chat(*HALL, "--yes-to", "light_room")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1), done.stderr
    assert "hall" in done.stdout
    for shown in ('light_room(room="hall")', "loaded", "switching", "not the model you name", "2 requests"):
        assert shown in done.stderr
    assert "Note" not in done.stderr
    assert "\x1b" not in done.output
    assert "\\u001b[31mon" in done.stderr


def test_without_a_terminal_nothing_is_executed_that_was_not_allowed(chat: Callable[..., Result]) -> None:
    done = chat(*HALL)
    assert (done.exit_code, done.stdout) == (2, "")
    assert 'wants to call light_room(room="hall")' in done.stderr
    assert "--yes-to light_room" in done.stderr
    assert "switching" not in done.stderr


def test_a_request_can_be_piped_in_and_the_answer_taken_as_json(chat: Callable[..., Result]) -> None:
    asked = ("jobs/greet.toml", "--tools", "tools.py:light_room", "--json", "--yes-to", "light_room")
    done = chat(*asked, piped="Switch on the light in the cellar\n")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["request"] == "Switch on the light in the cellar"
    [call] = found["calls"]
    assert (call["fate"], call["result"]) == ("raised", None)
    assert call["problem"] == "RuntimeError: no bulb in the cellar"
    assert "no bulb" in found["answer"]
    assert (found["endpoint"], found["variant"], found["requests"]) == ("local", "full", 2)


def test_tracebacks_of_functions_are_shown_on_wish_alone(chat: Callable[..., Result]) -> None:
    assert "in light_room" not in chat(*CELLAR).stderr
    assert "in light_room" in chat(*CELLAR, "--traceback").stderr


def test_ctrl_c_ends_a_single_request(chat: Callable[..., Result]) -> None:
    done = chat(
        "greet", "--tools", "tools.py", "--ask", "Switch on the light in the attic", "--yes-to", "light_room"
    )
    assert (done.exit_code, done.stdout) == (130, "")
    assert "stopped" in done.stderr


def test_a_rejection_tool_is_shown_and_not_executed(chat: Callable[..., Result]) -> None:
    done = chat(*HALL, "--rejection-tool", "light_room")
    assert (done.exit_code, done.stdout) == (0, 'light_room {"room":"hall"}\n')
    assert "the model rejects the request" in done.stderr
    assert "switching" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("greet", "--ask", " "), "the request is empty"),
        (("greet",), "the request is empty"),
        (("greet", "--ask", "\udcff"), "the request is not valid UTF-8"),
        ((*HALL, "--yes-to", "light_rom"), 'no tool "light_rom" (did you mean "light_room"?)'),
        (("greet", "--ask", "Hi", "--tools", "gone.py"), "there is no file gone.py"),
        (("gpt-4.1-mini", "--ask", "Hi"), "--endpoint NAME"),
    ],
)
def test_wrong_wishes_are_usage_errors(arguments: tuple[str, ...], said: str, chat: Callable[..., Result]) -> None:
    done = chat(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_endpoint_without_a_key_is_said_before_anybody_types(
    chat: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = chat("gpt-4.1-mini", "--endpoint", "openai", "--ask", "Hi")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: The endpoint openai can't be used")


def test_a_job_that_was_not_trained_says_how(trained: Project, chat: Callable[..., Result]) -> None:
    trained.write_job(name='name = "other"').rename(trained.root / "jobs" / "other.toml")
    trained.write_job()
    done = chat("jobs/other.toml", "--ask", "Hi")
    assert done.exit_code == 2
    assert done.stderr.endswith("Train it first: ftorch submit jobs/other.toml\n")


def test_a_base_model_is_named_with_its_endpoint(chat: Callable[..., Result]) -> None:
    done = chat("gpt-4.1-mini", "--endpoint", "local", "--ask", "Hi")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)


# --- at a terminal -------------------------------------------------------------------------------------------


class Terminal:
    """A command at a pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.master = master
        self.shown = ""
        self._read = 0

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt_until(self, pattern: str) -> str:
        """Press Ctrl-C, as a user does, until the pattern comes: `input` overlooks one that comes between showing
        its prompt and waiting for a key."""
        for _ in range(60):
            self.process.send_signal(signal.SIGINT)
            with suppress(AssertionError):
                return self.await_(pattern, seconds=2)
        raise AssertionError(self.shown)

    def await_(self, pattern: str, seconds: float = 120) -> str:
        """Wait until the pattern has come since the last one, and return what came up to it."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown[self._read :])):
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                with suppress(OSError):  # the end of a terminal reads as an error
                    self.shown += os.read(self.master, 4096).decode()
        start, self._read = self._read, self._read + found.end()
        return self.shown[start : self._read]


@contextmanager
def at_terminal(project: Project, *arguments: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    environment = {**project.environment, "TERM": "dumb"}
    command = [FTORCH, "chat", "greet", *arguments]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # one that was ignored would be inherited
    process = subprocess.Popen(
        command, cwd=project.root, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    signal.signal(signal.SIGINT, before)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_at_a_terminal_each_call_is_shown_and_asked_about(trained: Project) -> None:
    with at_terminal(trained, "--tools", "tools.py") as terminal:
        terminal.await_("> ")
        terminal.type("Switch on the light in the hall\ny\n")  # a yes that comes before the question
        terminal.await_(r'light_room\(room="hall"\)')
        terminal.await_("Execute it.*: ")
        terminal.type("n\n")
        terminal.await_("not executed: the user did not allow this call")
        terminal.await_("\n> ")
        terminal.type("Switch on the light in the yard\n")
        terminal.await_("Execute it.*: ")
        terminal.type("a\n")
        terminal.await_("switching")
        terminal.await_("\n> ")
        terminal.type("Switch on the light in the porch\n")
        assert "Execute it" not in terminal.await_("switching")
        terminal.await_("\n> ")
        terminal.type("\x04")
        terminal.await_(r"6 requests")
        assert terminal.process.wait(120) == 0


def test_ctrl_c_ends_the_function_and_ctrl_d_the_chat(trained: Project) -> None:
    with at_terminal(trained, "--tools", "slow.py", "--yes-to", "light_room") as terminal:
        terminal.await_("> ")
        terminal.type("Switch on the light in the hall\n")
        terminal.await_("begun")
        terminal.process.send_signal(signal.SIGINT)
        terminal.await_("stopped: the user stopped this function")
        terminal.await_("\n> ")
        terminal.interrupt_until("Ctrl-D ends the chat")
        terminal.await_("> ")
        terminal.type("\x04")
        assert terminal.process.wait(120) == 0


def test_ctrl_d_ends_the_chat_also_when_it_comes_before_the_prompt(trained: Project) -> None:
    with at_terminal(trained, "--tools", "slow.py", "--yes-to", "light_room") as terminal:
        terminal.await_("> ")
        terminal.type("Switch on the light in the hall\n")
        terminal.await_("begun")
        terminal.type("\x04")
        terminal.process.send_signal(signal.SIGINT)
        terminal.await_("2 requests")
        assert terminal.process.wait(120) == 0

"""`ftorch data review` as a user types it: at a terminal, through a pipe, killed and begun again."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support import command
from support.project import FTORCH, Project

FILE = "jobs/train.jsonl"
ROOMS = ("hall", "bath", "yard", "attic", "cellar", "porch")


@pytest.fixture
def rows(project: Project) -> Project:
    """The project with six different rows."""
    path = project.root / FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[: len(ROOMS)]))
    return project


class Terminal:
    """The command at a terminal of 80 columns."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master
        self._read = 0

    def await_(self, pattern: str, seconds: float = 60) -> str:
        """Wait until the pattern has come since the last one, and return what came up to it."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown[self._read :])):
            assert time.monotonic() < deadline, self.shown
            if select.select([self._master], [], [], 0.05)[0]:
                with suppress(OSError):  # the end of a terminal reads as an error
                    self.shown += os.read(self._master, 65536).decode()
        start, self._read = self._read, self._read + found.end()
        return self.shown[start : self._read]

    def press(self, key: str) -> None:
        """Press a key once the question is there; keys that are pressed before count for nothing."""
        self.await_(r"\[q\]uit ")
        deadline = time.monotonic() + 60
        while termios.tcgetattr(self._master)[3] & termios.ICANON:
            assert time.monotonic() < deadline, self.shown
            time.sleep(0.005)
        os.write(self._master, key.encode())

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """The exit code, once all that is shown has been read."""
        code = self.process.wait(60)
        with suppress(OSError):
            while select.select([self._master], [], [], 0)[0] and (piece := os.read(self._master, 65536)):
                self.shown += piece.decode()
        return code


@contextmanager
def at_terminal(project: Project, *arguments: str, **environment: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 80))
    given = {**project.environment, "TERM": "xterm", **environment}
    given.pop("COLUMNS")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # one that was ignored would be inherited
    process = subprocess.Popen(
        [FTORCH, "data", "review", *arguments],
        cwd=project.root,
        env=given,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def piped(project: Project, text: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    with project.entered(**environment):
        done = command.ftorch("data", "review", *arguments, piped=text)
    return done.exit_code, done.stdout, done.stderr


def decided(project: Project) -> list[str | None]:
    """The decision on each row, by the command itself."""
    found = json.loads(project.ftorch("data", "review", FILE, "--json").out)
    by_line = {each["line"]: each["decision"] for each in found["decisions"]}
    return [by_line.get(line) for line in range(1, found["rows"] + 1)]


def editor(project: Project, script: str) -> str:
    """An editor that runs this on its file, and notes that it was opened."""
    path = project.root / "editor.sh"
    path.write_text(f'#!/bin/sh\necho opened >> "{project.root}/opened"\n{script}\n')
    path.chmod(0o755)
    return str(path)


# --- At a terminal --------------------------------------------------------------------------------------------


def test_one_key_decides_a_row_and_80_columns_are_enough(rows: Project) -> None:
    with at_terminal(rows, FILE) as terminal:
        terminal.press("a")
        terminal.press("d")
        terminal.press("f")
        terminal.await_("Note")
        terminal.type("which yard?\n")
        terminal.press("s")
        terminal.press("b")
        terminal.press("q")
        assert terminal.ended() == 0
    plain = re.sub(r"\x1b\[[\d;]*m", "", terminal.shown)
    assert "3 of 6   jobs/train.jsonl:3" in plain
    assert re.search(r"user +Switch on the light in the hall\r\nassistant +light_room\r\n +room = \"hall\"", plain)
    assert "1 accepted, 1 dropped, 1 flagged, 3 to go" in plain
    assert max(map(len, plain.split("\r\n"))) <= 80
    assert decided(rows) == ["accept", "drop", "flag", None, None, None]


def test_a_killed_review_goes_on_where_it_was(rows: Project) -> None:
    with at_terminal(rows, FILE) as terminal:
        terminal.press("a")
        terminal.press("d")
        terminal.await_(r"\[q\]uit ")
        terminal.process.kill()
    with at_terminal(rows, FILE) as terminal:
        assert "3 of 6" in terminal.await_("user")
        terminal.press("\x03")
        assert terminal.ended() == 130
    assert "1 accepted, 1 dropped, 4 to go" in terminal.shown
    assert decided(rows) == ["accept", "drop", None, None, None, None]


def test_back_undo_and_arrows_lead_to_rows_with_a_decision(rows: Project) -> None:
    with at_terminal(rows, FILE) as terminal:
        terminal.press("a")
        terminal.press("\x1b[D")
        assert "accepted" in terminal.await_("user")
        terminal.press("u")
        terminal.press("d")
        terminal.press("\x1b[C")
        terminal.press("x")
        terminal.await_("Press one of the keys")
        terminal.press("?")
        assert "Switch the light of a room on" in terminal.await_("required")
        terminal.press("\x04")
        assert terminal.ended() == 0
    assert decided(rows) == ["drop", None, None, None, None, None]


def test_an_edit_that_breaks_the_schema_is_asked_about_again_and_survives_a_kill(rows: Project) -> None:
    broken = editor(rows, """sed -i 's/"hall"/["hall"]/' "$1" """)
    with at_terminal(rows, FILE, VISUAL=broken, EDITOR="false") as terminal:
        terminal.press("e")
        terminal.await_("FT322 ")
        assert "room is " in terminal.await_("Your text is kept")
        terminal.await_(r"\[q\]uit ")
        terminal.process.kill()
    assert decided(rows) == [None] * 6
    fixed = editor(rows, """grep -q '^// FT322' "$1" && sed -i 's/\\["hall"\\]/"shed"/' "$1" """)
    with at_terminal(rows, FILE, EDITOR=fixed, VISUAL="") as terminal:
        terminal.await_("edit not finished")
        terminal.press("e")
        terminal.await_("The edited row is kept")
        terminal.press("q")
        assert terminal.ended() == 0
    assert rows.ftorch("data", "review", FILE, "-o", "out.jsonl", "--json").code == 0
    first, *others = (rows.root / "out.jsonl").read_bytes().splitlines()
    before = (rows.root / FILE).read_bytes().splitlines()
    assert json.loads(first)["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"room": "shed"}'
    assert json.loads(first)["tools"] == json.loads(before[0])["tools"]
    assert others == before[1:]


def test_ctrl_c_in_the_editor_is_the_editors(rows: Project) -> None:
    ready = rows.root / "ready"
    trap = f"""trap 'sed -i s/hall/shed/ "$1"; exit 0' INT; touch {ready}"""
    slow = editor(rows, f"{trap}; while :; do sleep 0.05; done")
    with at_terminal(rows, FILE, EDITOR=slow, VISUAL="") as terminal:
        terminal.press("e")
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(terminal.process.pid, signal.SIGINT)
        terminal.await_("The edited row is kept")
        terminal.press("q")
        assert terminal.ended() == 0
    assert decided(rows)[0] == "edit"


def test_at_the_end_the_result_is_offered(rows: Project) -> None:
    assert piped(rows, "d\n" + "a\n" * 4, FILE)[0] == 0
    with at_terminal(rows, FILE) as terminal:
        terminal.press("a")
        terminal.await_(r"Write jobs/train.reviewed.jsonl, with 5 rows\? \[Y/n\]")
        terminal.type("\n")
        assert terminal.ended() == 0
    assert "Wrote jobs/train.reviewed.jsonl: 5 examples" in terminal.shown
    lines = (rows.root / FILE).read_bytes().splitlines(keepends=True)
    assert (rows.root / "jobs" / "train.reviewed.jsonl").read_bytes() == b"".join(lines[1:])


def test_an_unfinished_result_is_written_only_after_a_yes(rows: Project) -> None:
    for answer, is_written in (("n\n", False), ("y\n", True)):
        with at_terminal(rows, FILE, "-o", "out.jsonl") as terminal:
            terminal.press("q")
            terminal.await_(r"6 rows are not reviewed. Write out.jsonl with them\?")
            terminal.type(answer)
            assert terminal.ended() == 0
        assert (rows.root / "out.jsonl").exists() == is_written
    with at_terminal(rows, FILE, "-o", "out.jsonl") as terminal:
        assert terminal.ended() == 2  # before anything is asked
    assert "out.jsonl already exists" in terminal.shown


# --- Through a pipe, and without anybody ------------------------------------------------------------------------


def test_lines_of_a_pipe_decide_and_the_result_follows(rows: Project) -> None:
    text = "accept\nd\n\nf which yard?\nskip\nq\na\n"
    code, out, err = piped(rows, text, FILE, "-o", "out.jsonl")
    assert code == 0, err
    assert out == (
        "1 accepted, 1 dropped, 1 flagged, 3 to go\n"
        "Wrote out.jsonl: 5 examples, 1 of them flagged, 3 of them not reviewed\n"
    )
    assert "\x1b" not in out + err
    assert decided(rows) == ["accept", "drop", "flag", None, None, None]
    again = piped(rows, "", FILE, "-o", "accepted.jsonl", "--accepted-only")
    assert (again[0], "1 example\n" in again[1]) == (0, True)
    first = (rows.root / FILE).read_bytes().splitlines(keepends=True)[0]
    assert (rows.root / "accepted.jsonl").read_bytes() == first


def test_a_word_that_is_no_answer_ends_it_before_it_counts_for_another_row(rows: Project) -> None:
    code, _, err = piped(rows, "a\nacept\nd\n", FILE)
    assert code == 2
    assert 'line 2 of the input, "acept", is not one of accept, edit,' in err
    assert decided(rows) == ["accept", None, None, None, None, None]


def test_each_decision_of_a_pipe_is_kept_before_the_next_line_comes(rows: Project) -> None:
    process = subprocess.Popen(
        [FTORCH, "data", "review", FILE],
        cwd=rows.root,
        env=rows.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(b"d\n")
    process.stdin.flush()
    record = rows.root / "jobs" / "train.review.jsonl"
    deadline = time.monotonic() + 60
    while not record.exists() or not record.read_bytes().endswith(b"\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert decided(rows)[0] == "drop"


def test_with_nobody_there_it_says_what_to_do(rows: Project) -> None:
    code, out, err = piped(rows, "", FILE)
    assert (code, out) == (2, "")
    assert "6 rows of jobs/train.jsonl to review, but there is no terminal" in err
    assert "--sheet SHEET.csv" in err
    assert piped(rows, "a\n" * 6, FILE)[0] == 0
    assert piped(rows, "", FILE)[:2] == (0, "6 accepted, 0 to go\n")


@pytest.mark.parametrize(
    ("script", "shown", "is_edited"),
    [
        ("sed -i s/hall/shed/ $1", "The edited row is kept", True),
        (":", "Nothing was changed", False),
        ("exit 3", "Editing failed", False),
        ("sed -i s/hall/shed/ $1; exit 3", "the saved text is in", False),
        ("printf '\\377' > $1", "the editor can't be used", False),
        ("printf '// x\\n{\\n\\n' > $1", "Error: line 2: it ends too early", False),
    ],
)
def test_what_an_editor_may_do(rows: Project, script: str, shown: str, is_edited: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(rows.root))
        code, _, err = piped(rows, "e\nq\n", FILE, EDITOR=editor(rows, script), VISUAL="")
    assert code == 0, err
    assert shown in err
    assert decided(rows)[0] == ("edit" if is_edited else None)
    kept = [path.read_bytes() for path in rows.root.glob("ftorch-review-*")]
    assert [b"shed" in content or content == b"\xff" for content in kept] == [True] * shown.startswith(
        ("what", "the")
    )


@pytest.mark.parametrize("name", ["no-such-editor", 'vi "'])
def test_an_editor_that_does_not_start_leaves_the_row_to_decide(rows: Project, name: str) -> None:
    code, _, err = piped(rows, "e\na\n", FILE, EDITOR=name, VISUAL="")
    assert code == 0, err
    assert "Name a working editor in $VISUAL or $EDITOR" in err
    assert decided(rows)[0] == "accept"


def test_selected_rows_alone_are_shown(rows: Project) -> None:
    _, _, err = piped(rows, "d\n", FILE, "--only", "BATH|yard")
    assert ("1 of 2   jobs/train.jsonl:2" in err, "2 of 2   jobs/train.jsonl:3" in err) == (True, True)
    _, _, err = piped(rows, "s\n" * 9, FILE, "--from", "2", "--sample", "3")
    assert "3 of 3" in err
    code, _, err = piped(rows, "", FILE, "--only", "(")
    assert (code, "put a \\ before characters" in err) == (2, True)
    code, _, err = piped(rows, "", FILE, "--flagged")
    assert (code, "no row is flagged" in err) == (2, True)


# --- Sheets and objects ---------------------------------------------------------------------------------------


def test_a_sheet_is_written_filled_in_and_applied(rows: Project) -> None:
    assert piped(rows, "a\n", FILE)[0] == 0
    done = rows.ftorch("data", "review", FILE, "--sheet", "sheet.csv")
    assert (done.code, "Wrote sheet.csv: 5 rows" in done.err) == (0, True)
    sheet = rows.root / "sheet.csv"
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")  # by which Excel knows UTF-8
    text = sheet.read_text("utf-8-sig")
    assert text.startswith("line,sha256,request,answer,decision,note\n2,")
    sheet.write_text(text.replace('""bath""})",,', '""bath""})",drop,too short'))
    done = rows.ftorch("data", "review", FILE, "--apply", "sheet.csv")
    assert (done.code, done.out) == (0, "1 accepted, 1 dropped, 4 to go\n")
    assert "Read 1 decision from sheet.csv" in done.err
    refused = rows.ftorch("data", "review", FILE, "--sheet", "sheet.csv")
    assert (refused.code, "--force" in refused.err) == (2, True)
    sheet.write_text(text.replace('""yard""})",,', '""yard""})",yes,'))
    refused = rows.ftorch("data", "review", FILE, "--apply", "sheet.csv")
    assert (refused.code, 'sheet.csv, line 3: the decision "yes"' in refused.err) == (2, True)
    assert rows.ftorch("data", "review", FILE, "--apply", "none.csv").code == 2


def test_a_sheet_to_read_is_printed_or_written(rows: Project) -> None:
    printed = rows.ftorch("data", "review", FILE, "--sheet", "-")
    assert '| 1 | Switch on the light in the hall | light\\_room({"room": "hall"}) |  |' in printed.out
    assert rows.ftorch("data", "review", FILE, "--sheet", "sheet.md").code == 0
    assert (rows.root / "sheet.md").read_text() == printed.out
    refused = rows.ftorch("data", "review", FILE, "--sheet", "sheet.xlsx")
    assert (refused.code, "ends with .csv or .md" in refused.err) == (2, True)


def test_the_object_has_counts_and_decisions_and_nothing_is_asked(rows: Project) -> None:
    assert piped(rows, "a\nf odd\n", FILE)[0] == 0
    found = json.loads(rows.ftorch("data", "review", FILE, "--json", "-o", "out.jsonl").out)
    keys = ("rows", "accepted", "edited", "dropped", "flagged", "to_go", "output", "written")
    assert [found[key] for key in keys] == [6, 1, 0, 0, 1, 4, "out.jsonl", 6]
    shown = [(each["line"], each["decision"], each["note"]) for each in found["decisions"]]
    assert shown == [(1, "accept", None), (2, "flag", "odd")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.jsonl",), "There is no data file none.jsonl"),
        (("bad.jsonl",), "bad.jsonl, line 2: this is not valid JSON"),
        ((FILE, "--accepted-only"), "--accepted-only needs -o OUT"),
        ((FILE, "--sheet", "s.csv", "--json"), "--sheet can't be combined with"),
        ((FILE, "-o", FILE, "--force"), "its decisions file, and is not replaced"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(rows: Project, arguments: tuple[str, ...], said: str) -> None:
    (rows.root / "bad.jsonl").write_text('{"messages": []}\nnope\n')
    done = rows.ftorch("data", "review", *arguments)
    assert done.code in (1, 2)
    assert said in done.err
    assert done.err.strip().splitlines()[-1].startswith("Error: ")


def test_damaged_decisions_are_named_and_the_others_count(rows: Project) -> None:
    assert piped(rows, "a\nd\n", FILE)[0] == 0
    record: Path = rows.root / "jobs" / "train.review.jsonl"
    first, second = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(first + b"x\n" * 7 + second)
    code, out, err = piped(rows, "a\n", FILE)
    assert (code, out) == (0, "2 accepted, 1 dropped, 3 to go\n")
    assert "Note: jobs/train.review.jsonl, line 2: " in err
    assert "… and 2 more" in err

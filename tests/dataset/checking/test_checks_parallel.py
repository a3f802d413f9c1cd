from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.rows import EXAMPLE, FUNCTION, GOOD_LINE, MISSING, PREFERENCE, changed, said

from orchestrator.dataset.checking import checks
from orchestrator.dataset.checking.checks import CheckReport, Order, Pass, check_file

LINES = [
    *[json.dumps(said(f"Climb to {metres} m.")).encode() for metres in range(40)],
    GOOD_LINE,
    json.dumps(changed(EXAMPLE, *FUNCTION, "name", "dive")).encode(),
    json.dumps(changed(EXAMPLE, "tools", MISSING)).encode(),
    json.dumps(PREFERENCE).encode(),
    b"",
    b"  \r",
    b"[]",
    b"{",
]


def compared(report: CheckReport) -> dict[str, object]:
    # A survey may remember along the way what it needs no more; what it says is in the findings.
    return {
        field.name: getattr(report, field.name) for field in dataclasses.fields(report) if field.name != "survey"
    }


def told(found: Pass) -> tuple[object, ...]:
    found.survey.note(found.notes)
    return found.notes.findings, found.notes.counts, found.shapes, found.lines, found.examples


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST_PART_BYTES", 100)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_two_processes_find_what_one_finds(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(mark + b"\n".join(LINES * 60))
    one, two = (
        check_file(path, method=None, purpose="training", model="gpt-4.1-mini", processes=processes)
        for processes in (1, 2)
    )
    assert compared(two) == compared(one)
    assert one.counts["FT318"] == 60
    assert one.counts["FT331"] == 1
    assert {finding.line for finding in one.errors if finding.code == "FT318"} == {
        42 + len(LINES) * index for index in range(60)
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=30),
    processes=st.integers(2, 6),
    final_newline=st.booleans(),
)
def test_any_number_of_parts_joins_to_what_one_pass_finds(
    tmp_path: Path, lines: list[bytes], processes: int, final_newline: bool
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join([LINES[0], *lines]) + b"\n" * final_newline)
    order = Order(path, "supervised", "training", None, count_tokens=False, keep_all=False)
    joined = None
    for start, length in checks._parts(order, path.stat().st_size, processes):
        part = checks.pass_over(order, start, length)
        if joined is None:
            joined = part
        else:
            joined.merge(part)
    assert joined is not None
    assert told(joined) == told(checks.pass_over(order))


@pytest.mark.usefixtures("small_parts")
def test_a_part_whose_process_is_killed_is_checked_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(LINES * 10))
    alone = check_file(path, method=None, purpose="training", processes=1)
    start = checks._start

    def killed(*part: object) -> subprocess.Popen[bytes]:
        worker = start(*part)  # type: ignore[arg-type]
        worker.kill()
        return worker

    monkeypatch.setattr(checks, "_start", killed)
    assert compared(check_file(path, method=None, purpose="training", processes=2)) == compared(alone)


@pytest.mark.usefixtures("small_parts")
def test_no_process_outlives_a_check_that_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(LINES * 10))
    workers: list[subprocess.Popen[bytes]] = []
    start = checks._start

    def started(*part: Any) -> subprocess.Popen[bytes]:
        workers.append(start(*part))
        return workers[-1]

    monkeypatch.setattr(checks, "_start", started)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checks, "pass_over", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check_file(path, method="supervised", purpose="training", processes=2)
    assert [worker.returncode for worker in workers] == [-9]


def test_a_worker_takes_nothing_from_the_directory_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "orjson.py").write_text("raise SystemExit('the wrong module')")
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(LINES))
    program = (
        "from pathlib import Path; from orchestrator.dataset.checking import checks\n"
        "from orchestrator.dataset.checking.checks import Order\n"
        "order = Order(Path('train.jsonl'), 'supervised', 'training', None, False, False)\n"
        "print(checks._answer(checks._start(order, 0, 1)).examples)"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(checks.__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "1\n"


def test_a_small_file_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_start", None)
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(LINES * 60))
    assert check_file(path, method=None, purpose="training", processes=8).examples == 46 * 60

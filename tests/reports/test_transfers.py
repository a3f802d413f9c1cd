"""What is seen of a file on its way up."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.reports.live import Lines
from orchestrator.reports.transfers import TransferBars, TransferLines

PATH = Path("data/train\x1b[31m.jsonl")
MB = 1_000_000


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def seconds() -> list[float]:
    return [0.0]


@pytest.fixture
def transfer(lines: list[str], seconds: list[float]) -> TransferLines:
    return TransferLines(lines.append, lambda: seconds[0])


def shown(bars: TransferBars) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(bars)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_large_file_gets_about_ten_lines_with_speed_and_remaining_time(
    transfer: TransferLines, lines: list[str], seconds: list[float]
) -> None:
    for sent in range(401):
        seconds[0] = sent / 10
        transfer.sending(PATH, sent * MB, 400 * MB)
    assert lines[0] == "sending train [31m.jsonl: 40.0 of 400.0 MB, 10.0 MB/s, 36 s left"
    assert lines[-1] == "sending train [31m.jsonl: 400.0 MB sent in 40 s"
    assert len(lines) == 10


def test_a_quick_upload_gets_one_line(transfer: TransferLines, lines: list[str], seconds: list[float]) -> None:
    for sent in range(401):
        seconds[0] = sent / 1000
        transfer.sending(PATH, sent * MB, 400 * MB)
    assert lines == ["sending train [31m.jsonl: 400.0 MB sent in 0 s"]


def test_what_is_sent_again_is_not_told_again(
    transfer: TransferLines, lines: list[str], seconds: list[float]
) -> None:
    for sent in (0, 100, 0, 100, 200):
        seconds[0] += 10
        transfer.sending(PATH, sent * MB, 400 * MB)
    assert [line.split(":")[1].split(" MB")[0] for line in lines] == [" 100.0 of 400.0", " 200.0 of 400.0"]


def test_an_upload_that_ended_and_begins_anew_is_told_from_the_start(
    transfer: TransferLines, lines: list[str], seconds: list[float]
) -> None:
    for sent in (0, 100 * MB, None, 0, 100 * MB):
        seconds[0] += 10
        transfer.sending(PATH, sent, 400 * MB)
    assert len(lines) == 2


def test_nothing_is_said_of_a_small_file(transfer: TransferLines, lines: list[str]) -> None:
    bars = TransferBars(Console())
    for small in (transfer, bars):
        small.sending(PATH, 5 * MB, 5 * MB)
        small.sending(PATH, None, 5 * MB)
    assert lines == []
    assert not bars


def test_a_bar_shows_bytes_and_goes_when_the_upload_has_ended() -> None:
    bars = TransferBars(Console())
    bars.sending(PATH, 0, 400 * MB)
    bars.sending(PATH, 100 * MB, 400 * MB)
    assert "sending train [31m.jsonl" in shown(bars)
    assert "100.0/400.0 MB" in shown(bars)
    bars.sending(PATH, None, 400 * MB)
    assert not bars
    assert "400" not in shown(bars)


def test_lines_carry_the_time_of_day() -> None:
    console = Console(file=io.StringIO(), width=100)
    Lines(console).sending(PATH, 400 * MB, 400 * MB)
    Lines(console).sending(PATH, 400 * MB, 400 * MB)
    written = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line[2] + line[5] for line in written] == ["::", "::"]
    assert "400.0 MB sent" in written[0]

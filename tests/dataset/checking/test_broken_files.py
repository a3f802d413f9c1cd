"""The corpus in tests/data, and files too large or too odd to keep there. FTORCH_FUZZ=all takes the largest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from orchestrator.dataset.checking.filesets import Source, check_together
from orchestrator.dataset.checking.report import CheckReport

DATA = Path(__file__).parents[2] / "data"
BROKEN = sorted((DATA / "broken").iterdir())
UNUSUAL = sorted((DATA / "unusual").iterdir())
ALL = os.environ.get("FTORCH_FUZZ") == "all"
MEBIBYTE = 1 << 20


def check(path: Path) -> CheckReport:
    [checked] = check_together([Source(path, "training", model="gpt-4.1-mini")])
    return checked.report


def errors(report: CheckReport) -> set[str]:
    return {finding.code for finding in report.errors}


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_has_the_error_that_its_name_says(path: Path) -> None:
    assert path.name[:5] in errors(check(path))


@pytest.mark.parametrize("path", UNUSUAL, ids=lambda path: path.stem)
def test_an_unusual_file_has_no_error(path: Path) -> None:
    assert errors(check(path)) == set()


def test_a_pretty_printed_file_is_one_finding_that_names_the_converter() -> None:
    report = check(DATA / "broken" / "FT104-pretty-printed.jsonl")
    [finding] = report.errors
    assert "ftorch data convert" in finding.fix


@pytest.mark.parametrize("name", ["FT103-trailing-comma.jsonl", "FT103-plain-text.jsonl"])
def test_every_broken_line_is_named(name: str) -> None:
    lines = [finding.line for finding in check(DATA / "broken" / name).errors if finding.code == "FT103"]
    assert lines == list(range(1, 11))


# --- what is no file -----------------------------------------------------------------------------------------


def test_a_directory_is_said_to_be_one(tmp_path: Path) -> None:
    [finding] = check(tmp_path).errors
    assert finding.code == "FT100"
    assert "directory" in finding.reason


def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.jsonl")
    [finding] = check(tmp_path / "train.jsonl").errors
    assert finding.code == "FT100"
    assert "pipe" in finding.reason


# --- text that patterns and tokenizers could choke on -----------------------------------------------------------


@pytest.mark.parametrize(
    "unit", ["a", " ", "1", "a@", "x.y@", "sk-", "AKIA", "é", "💡", "`", "-", "\n", " \n", "\t", "(", "<", "fly "]
)
def test_a_long_repetitive_text_is_checked_in_no_time(unit: str, tmp_path: Path) -> None:
    text = (unit * 50_000)[:50_000]
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": f"I see {text}."}]
    (tmp_path / "train.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    begun = time.process_time()
    check(tmp_path / "train.jsonl")
    assert time.process_time() - begun < 2


# --- large and deep, in a process whose memory is measured ------------------------------------------------------

PROGRAM = """
import json, re, resource, sys
from pathlib import Path
from orchestrator.dataset.checking.filesets import Source, check_together
[checked] = check_together([Source(Path(sys.argv[1]), "training", model="gpt-4.1-mini")])
status = Path("/proc/self/status")
if status.exists():  # on Linux, ru_maxrss begins with what the process had that started this one
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"codes": sorted({finding.code for finding in checked.report.errors}), "peak": peak}))
"""


def line_of_a_gigabyte(stream: BinaryIO) -> None:
    """Sparse, and a quarter of that in the quick run: reading it is what takes the time."""
    stream.truncate(1 << (30 if ALL else 28))


def text_in_a_line_of_64_mebibytes(stream: BinaryIO) -> None:
    stream.write(b'{"messages": [{"role": "user", "content": "')
    for _ in range(64):
        stream.write(b"drone " * (MEBIBYTE // 6))
    stream.write(b'"}]}\n')


def nested_100_000_deep(stream: BinaryIO) -> None:
    stream.write(b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")


def objects_nested_100_000_deep_in_arguments(stream: BinaryIO) -> None:
    arguments = json.dumps('{"a":' * 100_000 + "1" + "}" * 100_000)
    call = f'{{"id": "call_1", "type": "function", "function": {{"name": "f", "arguments": {arguments}}}}}'
    messages = f'{{"role": "user", "content": "go"}}, {{"role": "assistant", "tool_calls": [{call}]}}'
    tool = '{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}'
    stream.write(f'{{"messages": [{messages}], "tools": [{tool}]}}\n'.encode())


def array_of_ten_million_numbers(stream: BinaryIO) -> None:
    stream.write(b'{"messages": [' + b"0," * 10_000_000 + b"0]}\n")


def array_of_ten_million_objects(stream: BinaryIO) -> None:
    stream.write(b'{"messages": [' + b"{}," * 10_000_000 + b"{}]}\n")


def array_of_as_many_objects_as_are_still_parsed(stream: BinaryIO) -> None:
    stream.write(b'{"messages": [' + b"{}," * (999_990 if ALL else 200_000) + b"{}]}\n")


def nothing_but_wrong_lines(stream: BinaryIO) -> None:
    stream.write(b'{"messages": [{"role": "pilot", "content": "up"}]}\n' * (200_000 if ALL else 20_000))


def number_of_a_million_digits(stream: BinaryIO) -> None:
    stream.write(b'{"messages": ' + b"9" * 1_000_000 + b"}\n")


CASES: dict[Callable[[BinaryIO], None], set[str]] = {
    line_of_a_gigabyte: {"FT108"},
    text_in_a_line_of_64_mebibytes: {"FT108"},
    nested_100_000_deep: {"FT107"},
    objects_nested_100_000_deep_in_arguments: {"FT315"},
    array_of_ten_million_numbers: {"FT108"},
    array_of_ten_million_objects: {"FT108"},
    array_of_as_many_objects_as_are_still_parsed: {"FT204"},
    nothing_but_wrong_lines: {"FT204"},
    number_of_a_million_digits: {"FT103"},
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_memory_stays_bounded_whatever_the_size(case: Callable[[BinaryIO], None], tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with path.open("wb") as stream:
        case(stream)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=300, check=True
    )
    found = json.loads(done.stdout)
    assert CASES[case] <= set(found["codes"])
    assert found["peak"] < 300 * MEBIBYTE

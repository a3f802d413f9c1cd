"""Whatever a file holds becomes findings: no crash, no hang, no control character. FTORCH_FUZZ=all tries 10,000."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from support.mutations import mutated

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.checks import CheckReport
from orchestrator.dataset.checking.filesets import CheckedSource, Source, check_together
from orchestrator.dataset.checking.limits import ENDPOINT_TYPES, limits_of
from orchestrator.dataset.rules import RULES
from orchestrator.reports.findings import findings_json, print_findings

ALL = os.environ.get("FTORCH_FUZZ") == "all"
FILES = 10_000 if ALL else 500
BATCHES = 20
LONGEST_SECONDS = 5
METHODS: tuple[Method | None, ...] = (None, None, "supervised", "dpo", "reinforcement")
PURPOSES: tuple[Purpose, ...] = ("training", "validation", "evaluation")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_mutated_file_brings_the_check_down(batch: int, tmp_path: Path) -> None:
    for number in range(batch, FILES, BATCHES):
        text = mutated(number)
        with told(number):
            checked = check(text, tmp_path / "train.jsonl", number)
            assert_sound(checked.report, text)
            assert_printable(checked)


def check(text: bytes, path: Path, number: int) -> CheckedSource:
    """Check the text, each time for another method, purpose, model and endpoint."""
    path.write_bytes(text)
    rng = random.Random(-number)
    limits = limits_of(rng.choice(ENDPOINT_TYPES))
    model = rng.choice((None, "gpt-4.1-mini", "gpt-3.5-turbo-0125", "ft:gpt-4o-mini:a::b"))
    source = Source(path, rng.choice(PURPOSES), rng.choice(METHODS), model, limits)
    [checked] = check_together([source], keep_all=number % 2 == 0)
    return checked


@contextmanager
def told(number: int) -> Iterator[None]:
    """Fails where the block hangs, by the processor's time, and names the file that a failure is about."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end after {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    try:
        yield
    except BaseException as error:
        error.add_note(f"the file is mutated({number})")
        raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def assert_sound(report: CheckReport, text: bytes) -> None:
    """What a report says of itself is so, and a file it lets pass is JSONL for any other reader."""
    lines = text.count(b"\n") + 1
    for finding in report.findings:
        assert finding.severity == RULES[finding.code].severity
        assert finding.line is None or 1 <= finding.line <= lines
        assert finding.reason
        assert finding.fix
        assert len(finding.excerpt) <= 80
    assert sum(report.counts.values()) == len(report.findings) + report.left_out
    assert report.ok == (not report.errors)
    assert report.examples <= lines
    if report.ok:
        for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
            assert not line.strip() or isinstance(json.loads(line), dict)


def assert_printable(checked: CheckedSource) -> None:
    """Both outputs can be made, and neither steers a terminal."""
    stream = io.StringIO()
    print_findings([checked], Console(file=stream, width=80, markup=False, emoji=False, highlight=False))
    stream.getvalue().encode()
    assert not {each for each in stream.getvalue() if unicodedata.category(each) in ("Cc", "Cf", "Cs")} - {"\n"}
    json.loads("\n".join(findings_json([checked])).encode("ascii"))


def test_the_mutations_reach_most_kinds(tmp_path: Path) -> None:
    """A fuzzer that only ever finds broken JSON would prove little."""
    found: set[str] = set()
    for number in range(400):
        found |= set(check(mutated(number), tmp_path / "train.jsonl", number).report.counts)
    assert len({code for code in found if RULES[code].severity == "error"}) >= 30

"""Breaking the product in one place at a time, to see which test or case notices."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
Patch = pytest.MonkeyPatch
_OPTIONS = (
    *("-q", "-x", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),  # of what a broken program leaves open
)


@dataclass(frozen=True)
class Break:
    """One way to break a promise, which has a number in its list: `tests` (paths and node ids below tests/) and
    `cases` (of the product of crashes and faults, by name) should notice it."""

    rule: int
    make: Callable[[Patch], None]
    tests: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.make.__name__.replace("_", " ")


def noticed(broken: Break) -> list[str]:
    """The tests that fail and the cases that are violated with this break. Break it in a process of its own."""
    from faults.product import Case, prove_alone

    with pytest.MonkeyPatch.context() as patch:
        broken.make(patch)
        found = [f"case {name}" for name in broken.cases if prove_alone(Case.named(name)).violations]
        return found + (_failing(broken.tests) if broken.tests else [])


def _failing(tests: tuple[str, ...]) -> list[str]:
    failures = _Failures()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*_OPTIONS, *(str(TESTS / test) for test in tests)], plugins=[failures])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(said.getvalue())
    return failures.names


class _Failures:
    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid.removeprefix("tests/"))


def main(script: str, breaks: Sequence[Break]) -> int:
    """Print the table of rules, breaks and what noticed them, of all or of those with the words of the command line
    in their names; 1 where nothing noticed one. Each is made in a process of its own: `script --break NUMBER`."""
    if sys.argv[1:2] == ["--break"]:
        names = noticed(breaks[int(sys.argv[2])])
        print("; ".join(f"`{name}`" for name in names))
        return 0
    holes, words = 0, " ".join(sys.argv[1:])
    print("| rule | broken so | noticed by |\n|---|---|---|")
    for number, broken in enumerate(breaks):
        if words in broken.name:
            who = _in_own_process(script, number, broken)
            holes += not who
            print(f"| {broken.rule} | {broken.name} | {who or '**nothing**'} |", flush=True)
    return int(bool(holes))


def _in_own_process(script: str, number: int, broken: Break) -> str:
    """What noticed this break; "" for nothing. Raises RuntimeError where it could not be tried."""
    command = [sys.executable, script, "--break", str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ, check=False)
    if done.returncode:
        raise RuntimeError(f"{broken.name}: {done.stdout}{done.stderr}")
    return done.stdout.strip()

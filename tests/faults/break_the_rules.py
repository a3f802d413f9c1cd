"""Break each rule of the protocol in one place, and see which test or case notices:
python tests/faults/break_the_rules.py [WORDS OF A BREAK]

Each break is made in a process of its own, which then runs the tests and cases that should notice. It ends with 1
where nothing did.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.product import Case, prove_alone
from faults.rules import BREAKS, Break

TESTS = Path(__file__).parents[1]
_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")


def noticed(broken: Break) -> list[str]:
    """The tests that fail and the cases that are violated with this break. Break it in a process of its own."""
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


def _in_own_process(number: int) -> str:
    """What noticed the break of this number; "" for nothing. Raises RuntimeError where it could not be tried."""
    command = [sys.executable, __file__, "--break", str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ, check=False)
    if done.returncode:
        raise RuntimeError(f"{BREAKS[number].name}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def main(words: str = "") -> int:
    """Print the table of rules, breaks and what noticed them; 1 where nothing noticed one."""
    holes = 0
    print("| rule | broken so | noticed by |\n|---|---|---|")
    for number, broken in enumerate(BREAKS):
        if words in broken.name:
            who = _in_own_process(number)
            holes += not who
            print(f"| {broken.rule} | {broken.name} | {who or '**nothing**'} |", flush=True)
    return int(bool(holes))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--break"]:
        names = noticed(BREAKS[int(sys.argv[2])])
        print("; ".join(f"`{name}`" for name in names))
        sys.exit(0)
    sys.exit(main(" ".join(sys.argv[1:])))

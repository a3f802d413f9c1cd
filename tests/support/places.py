"""Which tests are slow, by where they are: `make test` leaves them out, `make test-all` runs them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SLOW = (
    "e2e/",  # real processes, killed and raced
    "faults/",  # lives and deaths in virtual time; a sample of the product stays among the fast ones
    "docs/test_examples.py",  # a server and a notebook, trained on the whole drone data
    "docs/test_server_pages.py",  # a server as a process, and a client that trains there
    "docs/test_readme.py",  # every command of the README, sweep included
    "docs/test_chat_page.py",  # trains on the stock data
    "docs/test_convert_page.py",  # every command of the page as a process
    "docs/test_closing_the_loop_page.py",  # checks and splits the stock data
    "hosts/",  # one project and one life of a run for each habit of a host
    "jobs/",  # trains the shipped jobs
    "security/test_canaries.py",  # every command, against a host that echoes what it gets
    "security/test_hostile_answers.py",  # hosts that are silent or drip, and a bomb
    "server/test_killed.py",  # trainers and hosts that are killed
    "server/trainers/test_cross_validation.py",  # trains the drone data many times over
    "store/test_recovery.py",  # full disks, killed processes, locks held by other programs
)

FAST = ("faults/test_product.py", "faults/test_interleavings.py")
"""Exceptions inside slow folders."""


@cache
def is_slow(path: Path) -> bool:
    """Whether the tests of this file are slow."""
    place = path.resolve().relative_to(TESTS).as_posix()
    return place.startswith(SLOW) and place not in FAST

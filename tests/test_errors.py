from __future__ import annotations

import string
from collections.abc import Iterator
from inspect import cleandoc

import pytest

from orchestrator import errors
from orchestrator.errors import (
    AwaitsPerson,
    DatabaseBusy,
    FtorchError,
    GateNotMet,
    InvalidJobFile,
    NoSuchRun,
    UsageError,
)


def every_error(base: type[FtorchError] = FtorchError) -> Iterator[type[FtorchError]]:
    for found in base.__subclasses__():
        yield found
        yield from every_error(found)


ERRORS = sorted({found for found in every_error() if found.__module__ == errors.__name__}, key=lambda c: c.__name__)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_a_message_made_of_its_facts(error: type[FtorchError]) -> None:
    assert error.__doc__, "its docstring is its message"
    template = " ".join(cleandoc(error.__doc__).split())
    fields = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    facts = {name: 42 if name == "seconds" else f"<{name}>" for name in fields}
    built = FtorchError.__new__(error)
    FtorchError.__init__(built, **facts)
    assert str(built)[:1].isupper() or str(built).startswith(("<", '"')), (
        "a sentence begins with a capital or a place"
    )
    assert all(str(fact) in str(built) for fact in facts.values())
    assert "{" not in str(built)
    assert "\n" not in str(built)
    codes = {AwaitsPerson: 4, GateNotMet: 3, UsageError: 2}
    assert built.exit_code == next((code for base, code in codes.items() if issubclass(error, base)), 1)


def test_every_error_is_imported_from_one_place() -> None:
    assert {error.__name__ for error in ERRORS} <= vars(errors).keys()
    assert len(ERRORS) > 100


def test_the_facts_of_an_error_stay_readable() -> None:
    error = NoSuchRun(key="ab")
    assert error.facts == {"key": "ab"}
    assert str(error) == 'There is no run "ab". See: ftorch status'


def test_a_fact_is_shown_as_it_is_even_with_braces() -> None:
    assert str(NoSuchRun(key="{x}")) == 'There is no run "{x}". See: ftorch status'


def test_a_message_of_its_own_replaces_the_default() -> None:
    error = FtorchError("Something else.", message="a fact", place=1)
    assert str(error) == "Something else."
    assert error.facts == {"message": "a fact", "place": 1}


def test_numbers_are_shown_as_the_message_says() -> None:
    assert "for 15 s" in str(DatabaseBusy(place="x", seconds=15.2, problem="locked"))


def test_an_invalid_file_shows_each_problem_on_a_line() -> None:
    error = InvalidJobFile("job.toml", ["job.toml:1: a", "job.toml:2: b"])
    assert str(error) == "job.toml:1: a\njob.toml:2: b"
    assert error.problems == ["job.toml:1: a", "job.toml:2: b"]
    assert error.facts["path"] == "job.toml"

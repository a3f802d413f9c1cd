"""What is typed for --to."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config import Workspace, find_workspace
from orchestrator.errors import SuccessorTwice, SuccessorUnreadable, UnknownEndpoint
from orchestrator.migration.targets import targets_of

TABLES = '[endpoints.host]\ntype = "local"\n[endpoints."eu:host"]\ntype = "local"\n'


@pytest.fixture
def workspace(home: Path) -> Workspace:
    (home / "ftorch.toml").write_text(TABLES)
    return find_workspace(home)


@pytest.mark.parametrize(
    ("written", "endpoint", "model"),
    [
        ("host", "host", None),
        ("host:meta-llama/Llama-3.1-8B-Instruct", "host", "meta-llama/Llama-3.1-8B-Instruct"),
        ("host:ft:gpt-4.1:org::abc", "host", "ft:gpt-4.1:org::abc"),
        ("eu:host", "eu:host", None),
    ],
)
def test_an_endpoint_and_a_model_are_told_apart(
    workspace: Workspace, written: str, endpoint: str, model: str | None
) -> None:
    [found] = targets_of([written], workspace)
    assert (found.endpoint, found.model, found.written) == (endpoint, model, written)


def test_the_model_replaces_that_of_the_job_file_and_errors_name_the_option(workspace: Workspace) -> None:
    [found] = targets_of(["host:small"], workspace)
    [override] = found.overrides
    assert (override.name, override.value, override.option) == ("model", "small", "--to host:small")
    assert targets_of(["host"], workspace)[0].overrides == ()


def test_a_label_is_as_short_as_it_can_be(workspace: Workspace) -> None:
    found = targets_of(["host:org/one", "local", "host:org/two", "host:other/two"], workspace)
    assert [each.label for each in found] == ["host:one", "local", "host:org/two", "host:other/two"]


@pytest.mark.parametrize(
    ("written", "error"),
    [
        (["nowhere:m"], UnknownEndpoint),
        ([":m"], SuccessorUnreadable),
        (["host:"], SuccessorUnreadable),
        (["host:m", "local", "host:m"], SuccessorTwice),
    ],
)
def test_what_can_t_be_meant_is_an_error(workspace: Workspace, written: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        targets_of(written, workspace)

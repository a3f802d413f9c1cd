"""Cases beside the training file of a run: the same ones are refused, similar ones are noted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.evaluation import MakeRow

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import CasesInTraining
from orchestrator.evaluation.casefile import check_cases
from orchestrator.evaluation.leaks import TrainingFile, compare_with_training
from orchestrator.store.runs import Run

BOOKING = ("book_table", {"place": "Roma"})
MakeRun = Callable[..., Run]


@pytest.fixture
def cases(make_row: MakeRow, write_cases: Callable[..., Path]) -> Path:
    return write_cases(make_row(BOOKING), make_row("Hello", messages=said("Hello there")))


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}, {"role": "assistant", "content": "Hello"}]


def notes(cases: Path, run: Run, *, allow_leak: bool = False) -> list[str]:
    files = [TrainingFile(run.training_path, run.training_sha256)]
    return list(compare_with_training(check_cases(cases), files, allow_leak=allow_leak))


def trained_on(make_run: MakeRun, path: Path) -> Run:
    return make_run(training_path=str(path), training_sha256=inspect_file(path).sha256)


def test_a_case_of_the_training_file_is_refused_unless_wished(
    cases: Path, make_row: MakeRow, make_run: MakeRun, tmp_path: Path
) -> None:
    training = tmp_path / "train.jsonl"
    training.write_text(json.dumps(make_row("Bye", messages=said("Bye"))) + "\n" + json.dumps(make_row(BOOKING)))
    run = trained_on(make_run, training)
    with pytest.raises(CasesInTraining, match=r"1 of 2 cases .* \(line 1 is line 2 there\)"):
        notes(cases, run)
    [note] = notes(cases, run, allow_leak=True)
    assert note.startswith("1 of 2 cases also appear in")


def test_other_requests_are_no_leak(cases: Path, make_row: MakeRow, make_run: MakeRun, tmp_path: Path) -> None:
    training = tmp_path / "train.jsonl"
    training.write_text(json.dumps(make_row("Bye", messages=said("Bye"))))
    assert notes(cases, trained_on(make_run, training)) == []


def test_a_training_file_that_changed_can_tell_nothing(cases: Path, make_run: MakeRun, tmp_path: Path) -> None:
    [note] = notes(cases, make_run(training_path=str(tmp_path / "gone.jsonl")))
    assert "has moved or changed: it was not checked for these cases" in note


def test_a_training_file_behind_an_address_can_tell_nothing_and_is_not_called_gone(
    cases: Path, make_run: MakeRun
) -> None:
    [note] = notes(cases, make_run(training_path="https://host/train.jsonl?${SAS}"))
    assert "the training file https://host/train.jsonl?${SAS} was read elsewhere" in note

"""Cases beside the training file of a run: the same ones are refused, similar ones are noted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.evaluation import MakeRow

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import CasesInTraining
from orchestrator.evaluation.casefile import check_cases
from orchestrator.evaluation.leaks import TrainingFile, compare_with_training, files_behind, files_trained_on
from orchestrator.evaluation.subjects import Candidate, Subject
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import runs as store
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


# --- Files of the runs that a run continues ----------------------------------------------------------------------


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with open_ledger(home, create=True) as opened:
        yield opened


def record(ledger: Ledger, *recorded: Run) -> None:
    with ledger.database.write() as connection:
        for run in recorded:
            store.add(connection, run, run.reason)


def test_the_files_of_all_runs_before_it_are_compared_and_the_message_names_the_run(
    cases: Path, make_row: MakeRow, make_run: MakeRun, tmp_path: Path, ledger: Ledger
) -> None:
    training, other = tmp_path / "first.jsonl", tmp_path / "other.jsonl"
    training.write_text(json.dumps(make_row(BOOKING)))
    other.write_text(json.dumps(make_row("Bye", messages=said("Bye"))))
    sha256 = inspect_file(other).sha256
    later = {"training_path": str(other), "training_sha256": sha256}
    first = replace(trained_on(make_run, training), name="first", fine_tuned_model="ft:a")
    second = make_run(model="ft:a", fine_tuned_model="ft:b", **later)
    third = make_run(model="ft:b", fine_tuned_model="ft:c", **later)
    record(ledger, first, second, third)
    subject = Subject("drone", "local", None, ("ft:b",), (third,), ())
    files = files_trained_on(ledger, subject, [Candidate("ft:c", "tuned"), Candidate("ft:b", "base")])
    assert [Path(each.path).name for each in files] == ["other.jsonl", "first.jsonl"], "each once"
    assert files_trained_on(ledger, subject, [Candidate("ft:c", "tuned")]) == files
    named = rf"{training} of the parent run {first.id} \(first\) \(line 1 is line 1 there\)"
    with pytest.raises(CasesInTraining, match=named):
        list(compare_with_training(check_cases(cases), files, allow_leak=False))
    training.write_text("changed")
    [note] = compare_with_training(check_cases(cases), files, allow_leak=False)
    assert f"of the parent run {first.id} (first) has moved or changed" in note


def test_a_model_given_by_its_id_is_traced_to_the_run_that_made_it(make_run: MakeRun, ledger: Ledger) -> None:
    made = make_run(fine_tuned_model="ft:a", training_path="/a.jsonl")
    record(ledger, made, make_run(model="ft:a", fine_tuned_model="ft:b", training_path="/b.jsonl"))
    subject = Subject("ft:b", "local", None, (), (), ("ft:b",))
    found = files_trained_on(ledger, subject, [Candidate("ft:b", "ft:b"), Candidate("gpt", "base")])
    assert [each.path for each in found] == ["/b.jsonl", "/a.jsonl"]
    assert files_behind(ledger, "openai", ["ft:b"]) == []


def test_a_file_uploaded_elsewhere_is_not_called_gone(cases: Path) -> None:
    files = [TrainingFile("train.jsonl", "", " of the parent run 1 (drone)")]
    [note] = compare_with_training(check_cases(cases), files, allow_leak=False)
    assert note.startswith("the training file train.jsonl of the parent run 1 (drone) was read elsewhere")

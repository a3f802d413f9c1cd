"""The gate of the recorded job file decides about a promotion, by what is recorded of the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.evaluation import recorded

from orchestrator.api.promotion import promote
from orchestrator.errors import JobFileTextUnreadable, NoReasonGiven, PromotionGated
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import evaluations, records, runs, submissions
from orchestrator.store.evaluations import DONE, Evaluation
from orchestrator.store.records import Checkpoint
from orchestrator.store.runs import Run
from orchestrator.store.submissions import Provenance

GATE = 'gate = { metric = "call_accuracy", min = 0.8, required_for = "production" }'
CASES = "jobs/cases.jsonl"


@pytest.fixture
def ledger(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    (home / "jobs").mkdir()
    (home / CASES).write_text("the cases\n")
    monkeypatch.setenv("FTORCH_USER", "ann")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def run(ledger: Ledger, make_run: Callable[..., Run]) -> Run:
    """A run of a job file with a gate, whose text is recorded."""
    job_file = ledger.workspace.root / "jobs" / "drone.toml"
    made = make_run(fine_tuned_model="ft:a", state="succeeded", job_file=str(job_file))
    with ledger.database.write() as connection:
        runs.add(connection, made, made.reason)
        records.add_checkpoints(connection, [Checkpoint(made.id, "c1", 10, "ft:a:step-10", {}, 1.0)])
    submitted(ledger, made, f'[evaluation]\nfile = "cases.jsonl"\n{GATE}\n')
    return made


def submitted(ledger: Ledger, run: Run, text: str) -> None:
    made = Provenance("ann", "here", "0.1.0", job_file=text)
    with ledger.database.write() as connection:
        submissions.record(connection, submissions.RUN, run.id, made, 1.0)


def forget_text(ledger: Ledger, run: Run) -> None:
    with ledger.database.write() as connection:
        submissions.forget_texts(connection, submissions.RUN, [run.id])


def evaluate(
    ledger: Ledger,
    right: Iterable[int],
    models: Iterable[str] = ("ft:a",),
    wrong: Iterable[str] = (),
    **changes: Any,
) -> None:
    """Ten cases, of which each model has those with these numbers right, and those of `wrong` none."""
    path = ledger.workspace.root / CASES
    asked = [{"model": model, "label": "tuned"} for model in (*models, *wrong)]
    values: dict[str, Any] = {
        "id": "eval0001",
        "name": "drone",
        "job_file": None,
        "run_id": None,
        "endpoint": "local",
        "endpoint_type": "local",
        "file_path": str(path),
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "settings": {"models": asked, "variants": ["full"], "samples": 1},
        "state": DONE,
        "scored_with": 1,
        "created_at": 1000.0,
    }
    made = Evaluation(**{**values, **changes})
    is_right = {(model, case) for model in models for case in right}
    scores = [
        recorded(made.id, each["model"], case, "typed" if (each["model"], case) in is_right else None)
        for each in asked
        for case in range(1, 11)
    ]
    with ledger.database.write() as connection:
        evaluations.add(connection, made)
        evaluations.add_scores(connection, scores)


def test_a_model_that_meets_the_gate_is_promoted_and_the_evaluation_is_named(ledger: Ledger, run: Run) -> None:
    evaluate(ledger, range(1, 10))
    assert promote(ledger, run.id, "production").promotion.evaluation_id == "eval0001"


def test_a_gate_that_is_not_met_keeps_the_model_out_with_its_figures(ledger: Ledger, run: Run) -> None:
    evaluate(ledger, range(1, 8))
    with pytest.raises(PromotionGated, match=r"call_accuracy is 0\.700, below 0\.8.*evaluation eval0001") as error:
        promote(ledger, run.id, "production")
    assert error.value.exit_code == 3


def test_without_an_evaluation_the_command_that_makes_one_is_named(ledger: Ledger, run: Run) -> None:
    with pytest.raises(PromotionGated, match=f"no evaluation of it is recorded.*: ftorch evaluate {run.id}\\."):
        promote(ledger, run.id, "production")
    with pytest.raises(PromotionGated, match=f"ftorch evaluate {run.id} --models base,ft:a:step-10"):
        promote(ledger, "ft:a:step-10", "production")


def test_only_the_newest_evaluation_of_that_model_counts(ledger: Ledger, run: Run) -> None:
    evaluate(ledger, range(1, 11), wrong=["ft:other"], created_at=500.0)
    evaluate(ledger, range(1, 3), id="eval0002", models=["ft:b"], created_at=2000.0)
    assert promote(ledger, run.id, "production").promotion.evaluation_id == "eval0001"
    promote(ledger, run.id, "retired")
    evaluate(ledger, range(1, 3), id="eval0003", models=["ft:b", "ft:a"], created_at=1500.0)
    with pytest.raises(PromotionGated, match=r"0\.200"):
        promote(ledger, run.id, "production")


@pytest.mark.parametrize(
    "changes",
    [
        {"file_path": "/elsewhere/cases.jsonl"},
        {"file_sha256": "0" * 64},
        {"endpoint": "openai"},
        {"settings": {"models": [{"model": "ft:a", "label": "tuned"}], "variants": ["no-tools"], "samples": 1}},
    ],
)
def test_an_evaluation_of_other_cases_or_asked_in_another_way_does_not_count(
    ledger: Ledger, run: Run, changes: dict[str, Any]
) -> None:
    text = f'[evaluation]\nfile = "cases.jsonl"\nvariants = ["full"]\n{GATE}\n'
    submitted(ledger, run, text)
    evaluate(ledger, range(1, 11), **changes)
    with pytest.raises(PromotionGated, match=r"no evaluation of it|not evaluated on cases"):
        promote(ledger, run.id, "production")


def test_an_evaluation_from_another_checkout_of_the_project_counts(ledger: Ledger, run: Run) -> None:
    evaluate(ledger, range(1, 11), job_file="/bob/jobs/drone.toml", file_path="/bob/jobs/cases.jsonl")
    assert promote(ledger, run.id, "production").is_new


def test_the_gate_holds_for_the_stage_it_names_and_for_those_above(ledger: Ledger, run: Run) -> None:
    assert promote(ledger, run.id, "candidate").is_new
    assert promote(ledger, run.id, "retired").is_new
    submitted(ledger, run, f'[evaluation]\nfile = "cases.jsonl"\n{GATE.replace("production", "candidate")}\n')
    for stage in ("candidate", "production"):
        with pytest.raises(PromotionGated, match=f"not promoted to {stage}"):
            promote(ledger, run.id, stage)
    submitted(ledger, run, '[evaluation]\nfile = "cases.jsonl"\ngate = { min = 0.8 }\n')
    assert promote(ledger, run.id, "production").is_new


def test_an_override_needs_a_reason_and_is_recorded_as_one(ledger: Ledger, run: Run) -> None:
    with pytest.raises(NoReasonGiven):
        promote(ledger, run.id, "production", force=True)
    done = promote(ledger, run.id, "production", force=True, reason="demo today")
    assert (done.promotion.reason, done.promotion.evaluation_id) == ("gate overridden: demo today", None)
    promote(ledger, run.id, "retired")
    evaluate(ledger, range(1, 11))
    done = promote(ledger, run.id, "production", force=True, reason="demo today")
    assert (done.promotion.reason, done.promotion.evaluation_id) == ("demo today", "eval0001"), "it was not needed"


def test_the_text_at_submission_counts_and_the_file_only_without_it(ledger: Ledger, run: Run) -> None:
    Path(run.job_file).write_text("")
    with pytest.raises(PromotionGated):
        promote(ledger, run.id, "production")
    forget_text(ledger, run)
    assert promote(ledger, run.id, "production").is_new
    promote(ledger, run.id, "retired")
    Path(run.job_file).write_text(f'name = "other"\n[evaluation]\nfile = "cases.jsonl"\n{GATE}\n')
    assert promote(ledger, run.id, "production").is_new, "another job's file"
    promote(ledger, run.id, "retired")
    Path(run.job_file).write_text(f'name = "drone"\n[evaluation]\nfile = "cases.jsonl"\n{GATE}\n')
    with pytest.raises(PromotionGated):
        promote(ledger, run.id, "production")
    Path(run.job_file).unlink()
    assert promote(ledger, run.id, "production").is_new


def test_a_job_file_that_cannot_be_read_does_not_open_the_gate(ledger: Ledger, run: Run) -> None:
    submitted(ledger, run, "[evaluation]\nfile = 7\n")
    with pytest.raises(JobFileTextUnreadable, match="so its gate is unknown"):
        promote(ledger, run.id, "production")
    assert promote(ledger, run.id, "production", force=True, reason="checked by hand").is_new

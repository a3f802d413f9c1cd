"""Which recorded answers a successor has to meet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import BaselineUnclear, NoBaseline
from orchestrator.jobfile import JobFile
from orchestrator.ledger import Ledger
from orchestrator.migration.baseline import find_baseline
from orchestrator.store import records, runs
from orchestrator.store.records import Model
from orchestrator.store.runs import Run

Asked = Callable[..., dict[str, Any]]
BOTH = {(BASE, "full"): [1], (TUNED, "full"): [1, 2, 3]}
OTHER = "ft:gpt-4.1-mini-2025-04-14:org:other:xyz"


@pytest.fixture
def trained(ledger: Ledger, make_run: Callable[..., Run]) -> Callable[..., Run]:
    """Records a succeeded run that made a model on openai."""

    def make(model: str, **changes: Any) -> Run:
        places = {"endpoint": "openai", "endpoint_type": "openai", "state": "succeeded", "finished_at": 1.0}
        run = make_run(fine_tuned_model=model, **{**places, **changes})
        with ledger.database.write() as connection:
            runs.add(connection, run, run.reason)
            records.add_model(connection, Model(run.endpoint, model, run.id, run.model, 1.0))
        return run

    return make


def test_it_is_the_tuned_model_and_not_the_base(ledger: Ledger, job: JobFile, asked: Asked) -> None:
    record_evaluation(ledger, BOTH, **asked())
    found = find_baseline(ledger, job, None, None)
    assert (found.model, found.variant, found.samples) == (TUNED, "full", 1)
    assert found.series.all.answers == 10
    assert found.ends == date(2027, 1, 14)


def test_the_newest_of_the_jobs_own_models_is_taken(
    ledger: Ledger, job: JobFile, asked: Asked, trained: Callable[..., Run]
) -> None:
    trained(OTHER, name=job.name)
    trained(TUNED, name=job.name)
    record_evaluation(ledger, {(OTHER, "full"): [1]}, **asked(id="new", created_at=2000.0))
    record_evaluation(ledger, BOTH, **asked(id="old", created_at=1000.0))
    assert find_baseline(ledger, job, None, None).model == OTHER


def test_of_many_models_that_answered_the_same_cases_that_of_the_jobs_data_is_taken(
    ledger: Ledger, job: JobFile, asked: Asked, trained: Callable[..., Run]
) -> None:
    assert job.training_path is not None
    trained(TUNED, name="adopted", training_sha256=inspect_file(job.training_path).sha256)
    trained(OTHER, name="another")
    record_evaluation(ledger, {(OTHER, "full"): [1], (TUNED, "full"): [1]}, **asked(id="both0000"))
    assert find_baseline(ledger, job, None, None).model == TUNED
    assert find_baseline(ledger, job, "both0", None).model == TUNED


def test_of_several_models_of_its_data_the_one_of_its_name_is_taken(
    ledger: Ledger, job: JobFile, asked: Asked, trained: Callable[..., Run]
) -> None:
    assert job.training_path is not None
    sha256 = inspect_file(job.training_path).sha256
    trained(TUNED, name=job.name, training_sha256=sha256)
    trained(OTHER, name="earlier", training_sha256=sha256)
    record_evaluation(ledger, {(OTHER, "full"): [1], (TUNED, "full"): [1]}, **asked(id="both0000"))
    assert find_baseline(ledger, job, None, None).model == TUNED


def test_models_of_other_jobs_are_taken_only_if_one_alone_may_be_meant(
    ledger: Ledger, job: JobFile, asked: Asked
) -> None:
    record_evaluation(ledger, BOTH, **asked(id="old", created_at=1000.0))
    assert find_baseline(ledger, job, None, None).model == TUNED
    record_evaluation(ledger, {(OTHER, "full"): [1]}, **asked(id="new", created_at=2000.0))
    with pytest.raises(BaselineUnclear, match=f"{OTHER}, {TUNED}"):
        find_baseline(ledger, job, None, None)


def test_one_on_the_job_files_endpoint_comes_before_a_newer_one_elsewhere(
    ledger: Ledger, job: JobFile, asked: Asked
) -> None:
    record_evaluation(ledger, BOTH, **asked(id="old", created_at=1000.0))
    elsewhere = {"endpoint": "host", "endpoint_type": "compatible", "created_at": 2000.0}
    record_evaluation(ledger, {(OTHER, "full"): [1]}, **asked(id="new", **elsewhere))
    assert find_baseline(ledger, job, None, None).model == TUNED
    moved = job.model_copy(update={"endpoint": "host"})
    assert find_baseline(ledger, moved, None, None).model == OTHER
    assert find_baseline(ledger, moved, None, None, leaving_for=["host"]).model == TUNED


def test_a_rehearsal_is_no_baseline_where_there_is_a_real_one(ledger: Ledger, job: JobFile, asked: Asked) -> None:
    local = {"endpoint": "local", "endpoint_type": "local", "created_at": 2000.0}
    record_evaluation(ledger, {(OTHER, "full"): [1]}, **asked(id="new", **local))
    assert find_baseline(ledger, job, None, None).model == OTHER
    record_evaluation(ledger, BOTH, **asked(id="old", created_at=1000.0))
    assert find_baseline(ledger, job.model_copy(update={"endpoint": "local"}), None, None).model == TUNED


def test_a_variant_can_be_named(ledger: Ledger, job: JobFile, asked: Asked) -> None:
    record_evaluation(ledger, {(TUNED, "full"): [1], (TUNED, "no-parameters"): [2]}, **asked())
    assert find_baseline(ledger, job, f"{TUNED}@no-parameters", None).variant == "no-parameters"
    assert find_baseline(ledger, job, TUNED, None).variant == "full"


def test_an_evaluation_of_two_tuned_models_is_unclear(ledger: Ledger, job: JobFile, asked: Asked) -> None:
    record_evaluation(ledger, {(TUNED, "full"): [1], (OTHER, "full"): [1]}, **asked(id="two00000"))
    with pytest.raises(BaselineUnclear, match=f"2 tuned models have answered.*{OTHER}"):
        find_baseline(ledger, job, "two0", None)
    assert find_baseline(ledger, job, OTHER, None).model == OTHER


def test_an_evaluation_of_base_models_alone_is_no_baseline(ledger: Ledger, job: JobFile, asked: Asked) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1]}, **asked(id="base0000"))
    with pytest.raises(NoBaseline, match="asked no tuned model"):
        find_baseline(ledger, job, "base0", None)


def test_one_scored_by_older_rules_says_how_to_score_it_again(ledger: Ledger, job: JobFile, asked: Asked) -> None:
    record_evaluation(ledger, BOTH, **asked(scored_with=0))
    with pytest.raises(NoBaseline, match=r"older rules.*--rescore"):
        find_baseline(ledger, job, None, None)


def test_none_says_how_to_make_one(ledger: Ledger, job: JobFile, tmp_path: Path) -> None:
    with pytest.raises(NoBaseline, match=r"To record them: ftorch evaluate .*greet.toml, or name"):
        find_baseline(ledger, job, None, None)

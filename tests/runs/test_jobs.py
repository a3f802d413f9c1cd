"""What a run's request carries, and what of the answer is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fake_endpoint import HAS_ALL

from orchestrator.endpoints.objects import read_job
from orchestrator.runs.jobs import departures, marked_suffix, move_to_status, request_for
from orchestrator.runs.states import State

AZURE = replace(HAS_ALL, metadata=False, longest_suffix=40, suffix_takes_dots=False)


@pytest.mark.parametrize(
    ("suffix", "sent"),
    [
        ("drone", "drone-run00001"),
        ("v1.2.3", "v1-2-3-run00001"),
        ("d" * 64, "d" * 31 + "-run00001"),
    ],
)
def test_a_suffix_is_spelled_and_cut_as_the_endpoint_takes_it(suffix, sent):
    assert marked_suffix(suffix, "run00001", AZURE) == sent
    assert len(sent) <= 40


@pytest.mark.parametrize(
    ("longest", "sent"),
    [(18, "my-drone-run00001"), (12, "my-run00001"), (9, "run00001"), (8, "run00001")],
)
def test_the_runs_id_survives_in_however_short_a_suffix(longest, sent):
    short = replace(HAS_ALL, metadata=False, longest_suffix=longest)
    assert marked_suffix("my-drone", "run00001", short) == sent


def test_the_training_type_of_the_run_is_asked_for(make_run):
    method = {"type": "supervised", "hyperparameters": {}, "training_type": "GlobalStandard"}
    run = make_run(method=method, training_file_id="file-1", creation_token="01T")
    assert request_for(run, AZURE).training_type == "GlobalStandard"
    plain = make_run(training_file_id="file-1", creation_token="01T")
    assert request_for(plain, AZURE).training_type is None


ASKED = {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": "auto"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"hyperparameters": {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": 1.0}, "seed": 5}, []),
        ({"hyperparameters": {"n_epochs": 3}}, ["batch_size 8 was requested, but it has none"]),
        ({"hyperparameters": {"n_epochs": -1, "batch_size": 8}}, ["n_epochs 3 was requested, but it has -1"]),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 1}}}},
            ["batch_size 8 was requested, but it has 1"],
        ),
        ({"seed": 6}, ["seed 5 was requested, but it has 6"]),
        ({}, []),
    ],
)
def test_what_a_host_changes_or_drops_without_a_word_is_told(answer, told, make_run):
    run = make_run(seed=5, method={"type": "supervised", "hyperparameters": ASKED})
    assert departures(run, read_job({"id": "ftjob-1", **answer})) == told


async def test_a_dropped_hyperparameter_is_warned_about_when_the_job_is_made(
    make_run, context, step, endpoint, monkeypatch
):
    run = await step(make_run(context, state=State.UPLOADING))
    create = endpoint.create

    async def forgetful(request):
        made = await create(request)
        return replace(made, raw={**made.raw, "hyperparameters": {"batch_size": 1}})

    monkeypatch.setattr(endpoint, "create", forgetful)
    await step(run)
    warning, advice = context.listener.warnings
    assert f"ftorch cancel {run.id}" in advice
    assert warning.startswith(f"run {run.id}: n_epochs 3 was requested, but it has none")


def test_a_job_that_the_content_filter_ended_says_what_to_do():
    error = {"code": "contentFilter", "message": "The provided training data failed RAI checks: [violence]."}
    failed = move_to_status(read_job({"id": "ftjob-1", "status": "failed", "error": error}))
    assert failed.to is State.FAILED
    assert "[violence]" in failed.reason
    assert "remove such examples, then submit again" in failed.reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"code": "oom", "message": "out of memory"}, "out of memory (oom)"),
        ({"code": "oom", "message": "OOM at step 3"}, "OOM at step 3"),
        ({"message": "Line 3 is no JSON."}, "Line 3 is no JSON."),
        ({"code": "oom"}, "oom"),
    ],
)
def test_any_other_failure_is_told_in_the_endpoints_words_with_its_code(error, told):
    assert move_to_status(read_job({"id": "x", "status": "failed", "error": error})).reason == told

"""Exchanges with our own server, recorded once and read again with no server there."""

from __future__ import annotations

import re

import pytest
from support.cassettes import (
    AZURE,
    CASSETTES,
    KEY_VARIABLE,
    MODEL,
    OPENAI,
    TOKEN,
    cancelled_job,
    cassette,
    connected,
    scrub_response,
    tape,
    whole_job,
)
from support.project import make_project
from vcr.errors import CannotOverwriteExistingCassetteException

from orchestrator.runs.jobs import metrics_of


async def no_sleep(_seconds):
    """What was recorded needs no waiting for."""


@pytest.fixture
def replay(tmp_path, monkeypatch):
    """Tell a story from its cassette; every exchange in it must be used."""
    monkeypatch.setenv(KEY_VARIABLE, "none")

    async def replay(story, tell, dialect=OPENAI):
        data = make_project(tmp_path / "project").root / "jobs" / "train.jsonl"
        base_url = "http://127.0.0.1:9/v1" if dialect == OPENAI else "http://127.0.0.1:9"
        async with connected(base_url, dialect) as endpoint:
            with tape(is_recording=False).use_cassette(cassette(story, dialect)) as played:
                found = await tell(endpoint, data, no_sleep)
            assert played.all_played
        return found

    return replay


async def test_a_whole_job_is_read_from_upload_to_result(replay, run):
    story = await replay("whole_job", whole_job)
    assert story.file.status == "processed"
    assert [file.id for file in story.found] == [story.file.id]
    assert (story.created.training_file, story.created.seed, story.created.model) == (story.file.id, 7, MODEL)
    assert [job.id for job in story.listed.jobs] == [story.created.id]
    assert story.listed.jobs[0].metadata == {"ftorch_token": TOKEN}
    assert story.last.status == "succeeded"
    assert story.last.fine_tuned_model.startswith(f"ft:{MODEL}:")
    assert ":story:" in story.last.fine_tuned_model
    assert story.last.trained_tokens > 0
    assert [event.created_at for event in story.events] == sorted(event.created_at for event in story.events)
    assert {"message", "metrics"} <= {event.type for event in story.events}
    assert story.checkpoints
    assert all(":ckpt-step-" in checkpoint.model for checkpoint in story.checkpoints)
    measured = metrics_of(run, story.rows)
    assert measured[0].step == 1
    assert all(metric.train_loss is not None for metric in measured)
    assert len(measured) == len([event for event in story.events if event.type == "metrics"])


@pytest.mark.parametrize("dialect", [OPENAI, *AZURE])
async def test_a_cancelled_job_is_read(dialect, replay):
    assert (await replay("cancelled_job", cancelled_job, dialect)).status == "cancelled"


@pytest.mark.parametrize("api", AZURE)
async def test_a_whole_job_of_azure_is_read(api, replay, run):
    """Without metadata: the job is known by its seed and its suffix, both of which it gives back."""
    story = await replay("whole_job", whole_job, api)
    assert story.file.status == "processed"
    assert [file.id for file in story.found] == [story.file.id]
    assert (story.created.seed, story.created.suffix, story.created.metadata) == (7, "story", {})
    assert story.created.status in ("created", "pending")
    assert [job.id for job in story.listed.jobs] == [story.created.id]
    assert story.last.status == "succeeded"
    assert story.last.fine_tuned_model == f"{MODEL}.ft-{story.created.id.removeprefix('ftjob-')}-story"
    assert [event.created_at for event in story.events] == sorted(event.created_at for event in story.events)
    assert {event.level for event in story.events} <= {"info", "warn", "error"}
    assert story.checkpoints
    measured = metrics_of(run, story.rows)
    assert measured[0].step == 1
    assert all(metric.train_accuracy is not None for metric in measured)


async def test_a_request_that_was_not_recorded_is_not_answered(replay):
    """The exchanges prove something only if another request would not fit."""

    async def other(endpoint, data, sleep):
        await whole_job(endpoint, data, sleep)
        await endpoint.job("ftjob-other")

    with pytest.raises(CannotOverwriteExistingCassetteException):
        await replay("whole_job", other)


@pytest.mark.parametrize("path", sorted(CASSETTES.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_key_account_host_or_request_id_is_in_a_cassette(path):
    text = path.read_text()
    assert not re.search(
        r"authorization|bearer|api-key|\bsk-|openai-organization|x-request-id|127\.0\.0\.1|cookie", text, re.I
    )
    assert set(re.findall(r"org-[\w-]+", text)) <= {"org-kept-out"}


def test_scrubbing_takes_the_account_out_of_headers_and_body():
    headers = {"x-request-id": ["r"], "openai-organization": ["acme"], "Content-Type": ["application/json"]}
    answer = {"headers": headers, "body": {"string": b'{"organization_id":"org-acme","id":"x"}'}}
    scrubbed = scrub_response(answer)
    assert scrubbed["headers"] == {"Content-Type": ["application/json"]}
    assert scrubbed["body"]["string"] == b'{"organization_id":"org-kept-out","id":"x"}'

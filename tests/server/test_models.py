"""Models."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import openai
import pytest

from orchestrator.server.app import create_app, running
from orchestrator.server.settings import Settings


async def test_fine_tuned_models_and_stand_ins_are_listed(training, submit, reach):
    done = await reach(training, (await submit(training)).id, "succeeded")
    listed = {model.id: model async for model in training.models.list()}
    assert listed[done.fine_tuned_model].owned_by == "org-local"
    assert listed["gpt-4.1-mini-2025-04-14"].owned_by == "local-stand-in"
    assert (await training.models.retrieve(done.fine_tuned_model)) == listed[done.fine_tuned_model]


@pytest.mark.parametrize("name", ["gpt-4.1-mini", "Qwen/Qwen3-4B", "llama3:8b"])
async def test_any_base_model_is_there_as_a_stand_in(client, name):
    assert (await client.models.retrieve(name)).id == name


async def test_a_deleted_model_does_not_answer(training, submit, reach):
    done = await reach(training, (await submit(training)).id, "succeeded")
    assert (await training.models.delete(done.fine_tuned_model)).deleted
    with pytest.raises(openai.NotFoundError) as refused:
        await training.chat.completions.create(
            model=done.fine_tuned_model, messages=[{"role": "user", "content": "hi"}]
        )
    assert refused.value.code == "model_not_found"


async def test_a_base_model_cannot_be_deleted(client):
    with pytest.raises(openai.PermissionDeniedError):
        await client.models.delete("gpt-4.1-mini")


async def test_a_job_whose_parent_was_deleted_fails_and_says_so(app, client, submit, reach):
    async with running(app):
        parent = await reach(client, (await submit(client)).id, "succeeded")
    job = await submit(client, model=parent.fine_tuned_model)
    await client.models.delete(parent.fine_tuned_model)
    async with running(app):
        failed = await reach(client, job.id, "failed")
    assert (failed.error.code, failed.error.param) == ("model_not_found", "model")


async def test_a_shutdown_date_is_shown_until_that_day_and_then_the_models_are_gone(
    tmp_path: Path, connect, submit, reach
):
    time = [datetime.fromisoformat("2027-01-13T23:59:00Z").timestamp()]
    settings = Settings(now=lambda: time[0], shutdown_dates={"gpt-4.1-mini": date(2027, 1, 14)})
    app = create_app(tmp_path / "ending", settings=settings)
    async with running(app), connect(app) as client:
        model = (await reach(client, (await submit(client)).id, "succeeded")).fine_tuned_model
        shown = {each.id: each.shutdown_date async for each in client.models.list()}
        assert (shown[model], shown["gpt-4.1-mini-2025-04-14"], shown["tiny"]) == ("2027-01-14", "2027-01-14", None)
        assert (await client.models.retrieve(model)).shutdown_date == "2027-01-14"
        time[0] += 60
        assert [each.id async for each in client.models.list()] == ["tiny"]
        for refused in (
            client.models.retrieve(model),
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}]),
        ):
            with pytest.raises(openai.NotFoundError, match="has been shut down"):
                await refused

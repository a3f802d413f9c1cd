"""Every object the endpoint sends is one the official SDK's own types know, field by field."""

from __future__ import annotations

import asyncio
import json

import pydantic
import pytest
from openai.types import Batch, FileDeleted, FileObject, Model, ModelDeleted, Upload
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from openai.types.uploads import UploadPart

from orchestrator.server.app import running


def assert_exactly(kind, value, path=""):
    """The value is valid for the type, strictly, and has no field that the type does not declare."""
    found = kind.model_validate(value, strict=True)
    _no_extras(found, path or kind.__name__)


def _no_extras(value, path):
    if isinstance(value, pydantic.BaseModel):
        assert not value.model_extra, f"{path} has {value.model_extra}"
        for name in type(value).model_fields:
            _no_extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _no_extras(one, f"{path}[{number}]")


@pytest.fixture
async def file_id(http, lines):
    sent = await http.post("/files", files={"file": ("t.jsonl", lines(12))}, data={"purpose": "fine-tune"})
    assert_exactly(FileObject, sent.json())
    return sent.json()["id"]


async def test_files_are_exact(http, file_id):
    for file in (await http.get("/files")).json()["data"]:
        assert_exactly(FileObject, file)
    assert_exactly(FileObject, (await http.get(f"/files/{file_id}")).json())
    assert_exactly(FileDeleted, (await http.delete(f"/files/{file_id}")).json())


async def test_uploads_are_exact(http):
    body = {"filename": "f", "purpose": "fine-tune", "bytes": 3, "mime_type": "text/jsonl"}
    upload = (await http.post("/uploads", json=body)).json()
    assert_exactly(Upload, upload)
    part = (await http.post(f"/uploads/{upload['id']}/parts", files={"data": ("d", b"abc")})).json()
    assert_exactly(UploadPart, part)
    done = await http.post(f"/uploads/{upload['id']}/complete", json={"part_ids": [part["id"]]})
    assert_exactly(Upload, done.json())
    cancelled = (await http.post("/uploads", json=body)).json()
    assert_exactly(Upload, (await http.post(f"/uploads/{cancelled['id']}/cancel")).json())


async def test_jobs_in_every_state_with_events_checkpoints_and_models_are_exact(app, http, client, file_id, reach):
    body = {"model": "gpt-4.1-mini", "training_file": file_id, "metadata": {"a": "b"}, "validation_file": file_id}
    made = [(await http.post("/fine_tuning/jobs", json=body)).json() for _ in range(3)]
    bad = (await http.post("/files", files={"file": ("t", b"x\n")}, data={"purpose": "fine-tune"})).json()["id"]
    made.append((await http.post("/fine_tuning/jobs", json={**body, "training_file": bad})).json())
    changed = [(await http.post(f"/fine_tuning/jobs/{made[1]['id']}/cancel")).json()]
    paused = (await http.post(f"/fine_tuning/jobs/{made[2]['id']}/pause")).json()
    async with running(app):
        await reach(client, made[0]["id"], "succeeded")
        await reach(client, made[3]["id"], "failed")
    listed = (await http.get("/fine_tuning/jobs")).json()["data"]
    assert sorted(job["status"] for job in listed) == ["cancelled", "failed", "paused", "succeeded"]
    # The one deviation: pause exists in the API, but neither the description nor the SDK's type has its status.
    for job in [*made, *changed, *({**job, "status": "running"} for job in [paused] if job["status"] == "paused")]:
        assert_exactly(FineTuningJob, job)
    for job in listed:
        assert_exactly(FineTuningJob, {**job, "status": job["status"].replace("paused", "running")})
        events = (await http.get(f"/fine_tuning/jobs/{job['id']}/events?limit=100")).json()["data"]
        for event in events:
            assert_exactly(FineTuningJobEvent, event)
    checkpoints = (await http.get(f"/fine_tuning/jobs/{made[0]['id']}/checkpoints")).json()["data"]
    assert len(checkpoints) == 3
    for checkpoint in checkpoints:
        assert_exactly(FineTuningJobCheckpoint, checkpoint)
    for model in (await http.get("/models")).json()["data"]:
        assert_exactly(Model, model)
    name = checkpoints[0]["fine_tuned_model_checkpoint"]
    assert_exactly(ModelDeleted, (await http.delete(f"/models/{name}")).json())


@pytest.mark.parametrize(
    "extra", [{}, {"n": 2}, {"max_tokens": 2}, {"tool_choice": "required"}, {"tool_choice": "none"}]
)
async def test_completions_are_exact(http, tools, extra):
    ask = {"model": "m", "messages": [{"role": "user", "content": "Climb to 5 metres"}], "tools": tools, **extra}
    assert_exactly(ChatCompletion, (await http.post("/chat/completions", json=ask)).json())
    ask |= {"stream": True, "stream_options": {"include_usage": True}}
    streamed = (await http.post("/chat/completions", json=ask)).text.split("\n\n")
    assert streamed[-2:] == ["data: [DONE]", ""]
    for event in streamed[:-2]:
        assert_exactly(ChatCompletionChunk, json.loads(event.removeprefix("data: ")))


async def test_batches_are_exact(http, app, tools):
    body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Climb"}], "tools": tools}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    for line in (json.dumps(row), "{"):
        sent = await http.post("/files", files={"file": ("q.jsonl", line.encode())}, data={"purpose": "batch"})
        assert_exactly(FileObject, sent.json())
        wanted = {"input_file_id": sent.json()["id"], "endpoint": row["url"], "completion_window": "24h"}
        assert_exactly(Batch, (await http.post("/batches", json=wanted)).json())
    async with running(app):
        statuses: set[str] = set()
        while not {"completed", "failed"} <= statuses:
            await asyncio.sleep(0.01)
            listed = (await http.get("/batches")).json()["data"]
            statuses = {batch["status"] for batch in listed}
            for batch in listed:
                assert_exactly(Batch, batch)

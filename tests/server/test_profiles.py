"""The habits of another host, as recorded from it."""

from __future__ import annotations

import httpx2
import pytest

from orchestrator.server.app import Settings, create_app


@pytest.fixture
async def nebius(tmp_path):
    app = create_app(tmp_path, settings=Settings(profile="nebius", organization=""))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as client:
        yield client


async def test_a_nebius_like_host_runs_at_once_and_pages_nothing(nebius, lines):
    sent = await nebius.post("/files", files={"file": ("t", lines(12))}, data={"purpose": "fine-tune"})
    assert "status" not in sent.json()
    body = {"model": "Qwen/Qwen3-4B", "training_file": sent.json()["id"], "metadata": {"a": "b"}}
    jobs = [(await nebius.post("/fine_tuning/jobs", json=body)).json() for _ in range(2)]
    assert jobs[0]["status"] == "running"
    assert jobs[0]["metadata"] is jobs[0]["method"] is None
    assert jobs[0]["hyperparameters"]["n_epochs"] is None
    page = (await nebius.get(f"/fine_tuning/jobs?after={jobs[1]['id']}&metadata[a]=no")).json()
    assert [job["id"] for job in page["data"]] == [jobs[1]["id"], jobs[0]["id"]]
    assert "has_more" not in page
    events = (await nebius.get(f"/fine_tuning/jobs/{jobs[0]['id']}/events")).json()["data"]
    assert events[0]["message"].startswith("Created")

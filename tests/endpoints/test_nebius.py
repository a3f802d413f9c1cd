"""Nebius: its names of hyperparameters, and the requests that make a checkpoint answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.responses import Response
from support.nebius_host import SERVED, NebiusState
from support.nebius_life import nebius, serving

from orchestrator.errors import AnswerUnreadable, OutcomeUnknown, RequestRefused
from orchestrator.runs.jobs import other_hyperparameters
from orchestrator.store.runs import resolved_hyperparameters


async def test_a_job_reports_its_hyperparameters_under_the_names_of_the_job_file(tmp_path: Path) -> None:
    asked = {"n_epochs": 2, "learning_rate": 0.0002, "lora_rank": 16, "lora_alpha": 32}
    run = SimpleNamespace(hyperparameters=asked)
    async with nebius(tmp_path) as host:
        job = await host.trained(**asked)
        [listed] = (await host.endpoint.jobs()).jobs
    assert host.state.asked[job.id]["hyperparameters"]["lora_r"] == 16
    for each in (job, listed):
        assert resolved_hyperparameters(each.raw)["lora_rank"] == 16
        assert other_hyperparameters(run, each) == []  # type: ignore[arg-type]


async def test_a_rank_that_the_host_changed_is_noticed(tmp_path: Path) -> None:
    async with nebius(tmp_path) as host:
        job = await host.trained(lora_rank=16)
        host.state.asked[job.id]["hyperparameters"]["lora_r"] = 8
        changed = await host.endpoint.job(job.id)
    run = SimpleNamespace(hyperparameters={"lora_rank": 16})
    [said] = other_hyperparameters(run, changed)  # type: ignore[arg-type]
    assert said == "lora_rank 16 was requested, but it has 8"


async def test_names_inside_a_method_are_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with nebius(tmp_path) as host:
        job = await host.trained(lora_rank=16)
        dialect = "support.nebius_host.NebiusDialect.job"
        method = {"type": "supervised", "supervised": {"hyperparameters": {"lora_r": 16}}}
        monkeypatch.setattr(dialect, lambda _self, each: {"id": each.id, "method": method})
        found = await host.endpoint.job(job.id)
    assert resolved_hyperparameters(found.raw) == {"lora_rank": 16}


async def test_a_served_checkpoint_answers_by_the_name_that_the_host_gave_it(tmp_path: Path) -> None:
    async with nebius(tmp_path) as host:
        job = await host.trained()
        made = await host.endpoint.serving.serve(serving(job, await host.last_checkpoint(job)))
        assert made.status == "validating"
        assert made.name.startswith(f"{SERVED}-LoRa:climb-01234567-")
        question = {"model": made.name, "messages": [{"role": "user", "content": "Climb to 7 m"}]}
        with pytest.raises(RequestRefused):
            await host.endpoint.chat(question, "early")
        await host.endpoint.serving.models()
        [active] = await host.endpoint.serving.models()
        answer = await host.endpoint.chat(question, "late")
    assert (active.name, active.status, active.job_id) == (made.name, "active", job.id)
    assert answer["model"] == made.name
    assert host.kept[-1].path == "/v1/chat/completions"
    assert {each.path for each in host.kept if "models" in each.path} == {"/v0/models"}


@pytest.mark.parametrize(
    ("settings", "base"),
    [({}, SERVED), ({"serving_models": {"meta-llama/Llama-3.1-8B-Instruct": "mine/Llama-8B"}}, "mine/Llama-8B")],
)
async def test_the_base_model_is_named_as_where_it_is_served(
    settings: dict[str, object], base: str, tmp_path: Path
) -> None:
    async with nebius(tmp_path, NebiusState(servable={base}), **settings) as host:
        job = await host.trained()
        checkpoint = await host.last_checkpoint(job)
        await host.endpoint.serving.serve(serving(job, checkpoint))
    [sent] = host.state.requests
    assert sent == {
        "name": "climb-01234567",
        "base_model": base,
        "source": f"{job.id}:{checkpoint.id}",
        "description": "ftorch run 01234567",
    }


async def test_an_address_without_the_apis_path_is_served_beside_it(tmp_path: Path) -> None:
    async with nebius(tmp_path, base_url="https://nebius/proxy/v1") as host:
        with pytest.raises(RequestRefused):
            await host.endpoint.serving.models()
    assert host.kept[-1].path == "/proxy/v0/models"


@pytest.mark.parametrize("under_data", [False, True])
async def test_the_list_is_read_as_an_array_and_under_data(under_data: bool, tmp_path: Path) -> None:
    async with nebius(tmp_path, NebiusState(listed_under_data=under_data)) as host:
        assert await host.endpoint.serving.models() == []
        job = await host.trained()
        made = await host.endpoint.serving.serve(serving(job, await host.last_checkpoint(job)))
        [found] = await host.endpoint.serving.models()
    assert found.name == made.name


async def test_what_is_no_list_says_nothing_about_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nebius(tmp_path) as host:
        monkeypatch.setattr("support.nebius_host.JSONResponse", lambda *_: Response(b'{"models": []}'))
        with pytest.raises(AnswerUnreadable):
            await host.endpoint.serving.models()


async def test_a_model_is_removed_by_its_name_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    async with nebius(tmp_path) as host:
        job = await host.trained()
        checkpoint = await host.last_checkpoint(job)
        made = await host.endpoint.serving.serve(serving(job, checkpoint))
        await host.endpoint.delete_model(made.name)
        assert host.state.live == []
        await host.endpoint.delete_model(made.name)
        assert (await host.last_checkpoint(job)).id == checkpoint.id


async def test_an_answer_without_a_name_leaves_the_outcome_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nebius(tmp_path) as host:
        job = await host.trained()
        request = serving(job, await host.last_checkpoint(job))
        monkeypatch.setattr("support.nebius_host._made", lambda *_: {"status": "validating"})
        with pytest.raises(OutcomeUnknown):
            await host.endpoint.serving.serve(request)
        with pytest.raises(RequestRefused):
            await host.endpoint.serving.serve(replace(request, model="Qwen/Qwen3-4B"))
    assert len(host.state.requests) == 2
    assert len(host.state.live) == 1

"""Answers that OpenAI, Microsoft and Nebius published are read into the right values.

`published/*.json` holds them unchanged, each with the place where it was published. The cassettes beside them are
recordings of our own server; nothing here is a recording of a real account of ours.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from orchestrator.endpoints.interface import RemoteJob
from orchestrator.endpoints.objects import read_checkpoint, read_file, read_job, read_result_rows
from orchestrator.errors import EndpointBusy, RequestRefused
from orchestrator.runs.jobs import checkpoint_of, metrics_of
from orchestrator.runs.states import State, state_of
from orchestrator.store.runs import resolved_hyperparameters

FOLDER = Path(__file__).parent / "published"
SAMPLES: dict[str, dict[str, Any]] = {
    name: sample for path in sorted(FOLDER.glob("*.json")) for name, sample in json.loads(path.read_text()).items()
}
UNREAD = {
    "openai-platform/event-messages-newest-first": "texts without the events around them",
}
"""Samples that no reader is for."""

MESSAGES_OF_NEBIUS = [
    "Job is submitted",
    "Dataset 'validation' processed successfully",
    "Dataset 'training' processed successfully",
    "Training completed successfully",
]


def published(name: str) -> Any:
    return SAMPLES[name]["json"]


def answered(name: str) -> httpx2.Response:
    return httpx2.Response(SAMPLES[name].get("status", 200), json=published(name))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_says_where_it_was_published(name: str) -> None:
    assert SAMPLES[name]["source"]
    assert SAMPLES[name]["how"]


def test_every_sample_is_read_by_a_test_or_has_no_reader() -> None:
    assert set(UNREAD) == set(json.loads((FOLDER / "unread.json").read_text()))
    text = Path(__file__).read_text()
    assert [name for name in SAMPLES if f'"{name}"' not in text] == []


JOBS: dict[str, tuple[State, dict[str, Any], dict[str, Any]]] = {
    "openai-platform/job-validating_files-rft": (
        State.QUEUED,
        {
            "id": "ftjob-QRLPhli5Hi1Yzoe1ODNRrnhH",
            "created_at": 1765896170,
            "model": "o4-mini-2025-04-16",
            "training_file": "file-HB4b7Mstv3BGb4GrQvCx5t",
            "validation_file": "file-Nmy5sFnMJp73MRmgXyQBtE",
            "seed": 2146903865,
            "suffix": "dv-endpoint-countdown-ft-f83f16a5",
        },
        {
            **dict.fromkeys(("batch_size", "compute_multiplier", "eval_interval", "eval_samples"), "auto"),
            **dict.fromkeys(("learning_rate_multiplier", "n_epochs"), "auto"),
            "reasoning_effort": "default",
        },
    ),
    "azure/job-pending-ministral-sft-v1": (
        State.QUEUED,
        {
            "id": "ftjob-22fdc4d28e9e4b80b78b30daeb76cc00",
            "created_at": 1765377627,
            "model": "Ministral-3B",
            "training_file": "file-8289de70b4af4de98f2136dcd694e0ec",
            "validation_file": "file-8d808872611d45b1b1d38221d4e777ae",
            "seed": 170999531,
            "suffix": "sarcasm-DeepSeek-V31-90f2f57b",
            "estimated_finish": 1765468527,
        },
        {"batch_size": -1, "learning_rate_multiplier": 1.0, "n_epochs": 50},
    ),
    "azure/job-pending-gpt41nano-developerTier": (
        State.QUEUED,
        {
            "id": "ftjob-3c27f78ad2c141719573c550300bb791",
            "created_at": 1765377628,
            "model": "gpt-4.1-nano-2025-04-14",
            "training_file": "file-8289de70b4af4de98f2136dcd694e0ec",
            "validation_file": "file-8d808872611d45b1b1d38221d4e777ae",
            "seed": 1003399446,
            "suffix": "sarcasm-DeepSeek-V31-90f2f57b",
            "estimated_finish": 1765471227,
        },
        {"batch_size": -1, "learning_rate_multiplier": 0.1, "n_epochs": -1},
    ),
    "azure/job-pending-gpt4o-old-client": (
        State.QUEUED,
        {
            "id": "ftjob-46fe1c4edca240248803a9e7ccbbb105",
            "created_at": 1757429132,
            "model": "gpt-4o-2024-08-06",
            "training_file": "file-2d365bb856314bb7a9bf3a74cd8be067",
            "validation_file": "file-dd31ed450b564d95953bbf9150d7d7d8",
            "seed": 42,
            "estimated_finish": 1757486660,
        },
        {"batch_size": -1, "learning_rate_multiplier": 0.5, "n_epochs": 2},
    ),
    "azure/job-succeeded-gpt41": (
        State.COLLECTING,
        {
            "id": "ftjob-70ee3e37776e4428b20685fcd0728abb",
            "created_at": 1747468736,
            "model": "gpt-4.1-2025-04-14",
            "fine_tuned_model": "gpt-4.1-2025-04-14.ft-70ee3e37776e4428b20685fcd0728abb-gpt41-chart-qa-dev-01",
            "training_file": "file-2290bb28ee454f0898f4684878eeef0a",
            "validation_file": "file-7fe46f17557c4749a0498d3c92e9c2bc",
            "seed": 624499896,
            "suffix": "gpt41-chart-qa-dev-01",
            "result_files": ("file-32a99fe9d7f243e4b59589a43daa2160",),
            "trained_tokens": 129488088,
            "finished_at": 1747507995,
            "estimated_finish": 1750074407,
        },
        {"batch_size": 4, "learning_rate_multiplier": 2.0, "n_epochs": 3},
    ),
    "azure/spec-job-paused": (
        State.PAUSED,
        {
            "id": "ft-72a2792ef7d24ba7b82c7fe4a37e379f",
            "created_at": 1646126127,
            "model": "curie",
            "training_file": "file-181a1cbdcdcf4677ada87f63a0928099",
            "finished_at": 1646127311,
        },
        {"n_epochs": -1},
    ),
    "nebius/job-running": (
        State.RUNNING,
        {
            "id": "ftjob-c7cc1f8df48144aeb180a5bf5818dc81",
            "created_at": 1753341502,
            "model": "Qwen/Qwen3-4B",
            "training_file": "file-76807105-7fed-4350-940c-a1dd1b5b6f49",
            "validation_file": "file-d1c98e51-a4ab-4d9d-9c2d-5e0a1b800f20",
            "seed": 42,
            "trained_tokens": 0,
        },
        {
            "batch_size": 32,
            "learning_rate_multiplier": None,
            "n_epochs": 10,
            "learning_rate": 1e-05,
            "warmup_ratio": 0.0,
            "weight_decay": 0.0,
            "lora": True,
            "lora_r": 16,
            "lora_alpha": 16,
            "lora_dropout": 0.0,
            "packing": True,
            "max_grad_norm": 1.0,
            "context_length": 8192,
        },
    ),
}
"""Of each job its state, what it says of itself, and its hyperparameters."""

FIELDS = (
    "id", "created_at", "model", "fine_tuned_model", "training_file", "validation_file", "seed", "suffix",
    "result_files", "trained_tokens", "finished_at", "estimated_finish", "error",
)  # fmt: skip


def said_by(job: RemoteJob) -> dict[str, Any]:
    """The fields of a job that say something."""
    return {field: value for field in FIELDS if (value := getattr(job, field)) not in (None, ())}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_read(name: str) -> None:
    job = read_job(published(name))
    state, said, hyperparameters = JOBS[name]
    assert (state_of(job), job.status) == (state, published(name)["status"])
    assert said_by(job) == said
    assert job.metadata == {}
    assert dict(resolved_hyperparameters(job.raw)) == hyperparameters


async def test_a_list_of_jobs_is_read_to_its_end(connect: Any, wire: Any) -> None:
    wire.answers(answered("azure/spec-job-list-succeeded"))
    page = await (await connect()).jobs()
    [job] = page.jobs
    assert (page.is_last, page.next) == (True, None)
    assert state_of(job) is State.COLLECTING
    assert said_by(job) == {
        "id": "ft-72a2792ef7d24ba7b82c7fe4a37e379f",
        "created_at": 1646126127,
        "model": "curie",
        "fine_tuned_model": "curie.ft-72a2792ef7d24ba7b82c7fe4a37e379f",
        "training_file": "file-181a1cbdcdcf4677ada87f63a0928099",
        "result_files": ("file-181a1cbdcdcf4677ada87f63a0928099",),
        "trained_tokens": 2342,
        "finished_at": 1646127311,
    }


async def test_events_are_read_oldest_first_from_a_list_in_that_order(connect: Any, wire: Any) -> None:
    wire.answers(answered("azure/spec-events"))
    events = await (await connect()).events("ft-72a2792ef7d24ba7b82c7fe4a37e379f")
    assert [(event.id, event.created_at, event.level, event.type, event.message) for event in events] == [
        (
            "ftevent-363dcd7cb4c74539bc53293c1dceef05",
            1646126127,
            "info",
            "message",
            "Job enqueued. Waiting for jobs ahead to complete.",
        ),
        ("ftevent-8c2a44999790437cb3230e543fa2cf0f", 1646126169, "info", "message", "Job started."),
        ("ftevent-2d47d651d2f3484c8187c88c00078147", 1646126192, "info", "message", "Job succeeded."),
    ]


async def test_events_without_ids_are_read_once_each(connect: Any, wire: Any) -> None:
    wire.answers(httpx2.Response(200, json={"object": "list", "data": published("nebius/events-text")}))
    endpoint = await connect()
    events = await endpoint.events("ftjob-1")
    assert [event.message for event in events] == MESSAGES_OF_NEBIUS
    assert [event.created_at for event in events] == [1765431035, 1765431063, 1765431065, 1765431268]
    assert await endpoint.events("ftjob-1", known={event.id for event in events}) == []


async def test_an_event_with_metrics_gives_every_figure(connect: Any, wire: Any, run: Any) -> None:
    wire.answers(httpx2.Response(200, json={"data": [published("openai-platform/event-metrics")]}))
    [event] = await (await connect()).events("ftjob-abc123")
    assert (event.id, event.created_at, event.type) == ("ftevent-abc-123", 1693582679, "metrics")
    [metric] = metrics_of(run, [event.data])
    assert (metric.step, metric.total_steps) == (300, 300)
    assert (metric.train_loss, metric.train_accuracy) == (0.14991648495197296, 0.9444444179534912)
    assert (metric.valid_loss, metric.valid_accuracy) == (0.26569826706596045, 0.9565217391304348)
    assert (metric.full_valid_loss, metric.full_valid_accuracy) == (0.4032616495084362, 0.9089635854341737)


async def test_checkpoints_are_read(connect: Any, wire: Any) -> None:
    wire.answers(answered("azure/spec-checkpoints"))
    [checkpoint] = await (await connect(checkpoints=True)).checkpoints("ftjob-72a2792ef7d24ba7b82c7fe4a37e379f")
    assert (checkpoint.id, checkpoint.step) == ("ftckpt_qtZ5Gyk4BLq1SfLFWp3RtO3P", 10)
    assert checkpoint.model == "gpt-35-turbo-0613.ft-72a2792ef7d24ba7b82c7fe4a37e379f:ckpt-step-10"
    assert checkpoint.created_at == 1646126127
    assert checkpoint.metrics == {
        "step": 10,
        "train_loss": 0.478,
        "train_mean_token_accuracy": 0.924,
        "valid_loss": 10.112,
        "valid_mean_token_accuracy": 0.145,
        "full_valid_loss": 0.567,
        "full_valid_mean_token_accuracy": 0.944,
    }


async def test_a_checkpoint_of_openai_is_read(connect: Any, wire: Any) -> None:
    wire.answers(httpx2.Response(200, json={"data": [published("openai-platform/checkpoint")]}))
    [checkpoint] = await (await connect(checkpoints=True)).checkpoints("ftjob-abc123")
    assert (checkpoint.id, checkpoint.step) == ("ftckpt_zc4Q7MP6XxulcVzj4MZdwsAB", 2000)
    assert checkpoint.model == "ft:gpt-3.5-turbo-0125:my-org:custom-suffix:96olL566:ckpt-step-2000"
    assert checkpoint.metrics == {"full_valid_loss": 0.134, "full_valid_mean_token_accuracy": 0.874}


def test_a_checkpoint_without_a_model_is_named_as_nebius_deploys_it() -> None:
    named = published("nebius/deploy-lora")["source"]
    job_id, _, checkpoint_id = named.partition(":")
    checkpoint = read_checkpoint({"id": checkpoint_id, "step_number": 7})
    assert checkpoint_of(SimpleNamespace(id="run00001", job_id=job_id), checkpoint).model == named  # type: ignore[arg-type]


def test_a_file_is_read() -> None:
    file = read_file(published("nebius/file-after-upload"))
    assert file.id == "file-019b0be3-b432-7392-8f07-9d714bc23224"
    assert (file.filename, file.bytes, file.purpose) == ("training_data.jsonl", 657543, "fine-tune")
    assert (file.status, file.status_details, file.created_at) == (None, None, 1765431030)


@pytest.mark.parametrize("encode", [bytes, base64.b64encode], ids=["plain", "base64"])
def test_a_result_file_gives_its_figures(encode: Any, run: Any) -> None:
    content = encode(published("openai-platform/result-csv").encode())
    first, second = metrics_of(run, read_result_rows(content))
    assert (first.step, first.train_loss, first.train_accuracy, first.valid_loss) == (1, 1.52347, 0.0, None)
    assert (second.step, second.train_loss, second.valid_accuracy) == (2, 0.57719, None)


def test_every_column_of_azures_result_file_is_known(run: Any) -> None:
    header = published("azure/result-csv-header")
    row = "7,0.1,0.2,0.3,0.4,0.5,0.6"
    [metric] = metrics_of(run, read_result_rows(f"{header}\n{row}\n".encode()))
    assert metric.step == 7
    assert (metric.train_loss, metric.train_accuracy) == (0.1, 0.2)
    assert (metric.valid_loss, metric.valid_accuracy) == (0.3, 0.4)
    assert (metric.full_valid_loss, metric.full_valid_accuracy) == (0.5, 0.6)


async def test_the_end_of_fine_tuning_on_openai_is_a_refusal(failure: Any) -> None:
    error = await failure(answered("openai-platform/error-403-wind-down"))
    assert type(error) is RequestRefused
    assert error.facts["code"] == "training_not_available"
    assert error.facts["message"] == published("openai-platform/error-403-wind-down")["error"]["message"]
    assert (error.facts["type"], error.facts["param"]) == (None, None)


async def test_a_limit_of_tokens_per_minute_passes(failure: Any) -> None:
    error = await failure(answered("openai-platform/error-429-tpm"))
    assert type(error) is EndpointBusy
    assert (error.facts["code"], error.facts["type"]) == ("rate_limit_exceeded", "tokens")
    assert "Please try again in 9.904s" in error.facts["message"]


async def test_a_refusal_of_azure_without_type_and_param_keeps_code_and_words(failure: Any) -> None:
    error = await failure(answered("azure/error-400-model-not-ft"))
    assert type(error) is RequestRefused
    assert error.facts["code"] == "invalidPayload"
    assert error.facts["message"] == "The specified base model does not support fine-tuning."

"""Together's API: what is sent, and what its answers are read as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from faults.training import advance
from support.contents import content_of
from support.exchanges import Recorder
from support.rescuing import rescued_from
from support.together_host import BASE, TogetherState, together_app
from support.together_life import connected, wanted

from orchestrator.dataset.basemodels import base_model
from orchestrator.endpoints.pages import Page
from orchestrator.endpoints.together.endpoint import TogetherEndpoint
from orchestrator.endpoints.together.objects import (
    metric_events,
    read_quote,
    read_together_checkpoint,
    read_together_event,
    read_together_file,
    read_together_job,
    read_tokenized,
)
from orchestrator.errors import NoJobList, RequestRefused
from orchestrator.runs.states import State, state_of
from orchestrator.store.runs import resolved_hyperparameters

JOB = {"id": "ft-1", "status": "running", "model": BASE}


class Host:
    """A host in this process, and a connection to it."""

    def __init__(self, folder: Path) -> None:
        self.state = TogetherState()
        self.app = together_app(folder / "host", self.state)
        self.recorder = Recorder(self.app)
        self.endpoint: TogetherEndpoint = connected(self.recorder)
        self.rows = folder / "rows.jsonl"
        row = {"messages": [{"role": "user", "content": "Climb"}, {"role": "assistant", "content": "Up we go."}]}
        self.rows.write_text((json.dumps(row) + "\n") * 10)

    async def uploaded(self) -> str:
        return (await self.endpoint.upload(content_of(self.rows), "ftorch-0123456789abcdef-rows.jsonl")).id

    def train(self) -> None:
        for _ in range(3):
            advance(self.app.state.context.store, 1_800_000_000.0)

    def sent(self, ending: str) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.recorder.kept if each.path.endswith(ending) and each.body]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


# --- Requests ----------------------------------------------------------------------------------------------------


async def test_a_job_is_requested_in_togethers_words(host: Host) -> None:
    file = await host.uploaded()
    numbers: dict[str, Any] = {
        "n_epochs": 2,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "lora_rank": 8,
        "lora_dropout": 0.1,
    }
    await host.endpoint.create(wanted(file, validation=file, lora_targets=["q_proj", "v_proj"], **numbers))
    assert host.sent("/fine-tunes") == [
        {
            "model": BASE,
            "training_file": file,
            "validation_file": file,
            "n_evals": 2,
            "suffix": "climb-01234567",
            "random_seed": 7,
            "training_method": {"method": "sft", "train_on_inputs": False},
            "training_type": {
                "type": "Lora",
                "lora_r": 8,
                "lora_alpha": 16,
                "lora_dropout": 0.1,
                "lora_trainable_modules": "q_proj,v_proj",
            },
            "n_epochs": 2,
            "batch_size": 8,
            "learning_rate": 1e-4,
        }
    ]


async def test_what_is_auto_is_left_to_together(host: Host) -> None:
    file = await host.uploaded()
    await host.endpoint.create(wanted(file))
    [body] = host.sent("/fine-tunes")
    assert body.keys().isdisjoint({"n_epochs", "batch_size", "learning_rate", "training_type", "n_evals"})


async def test_a_preference_job_has_its_beta(host: Host) -> None:
    file = await host.uploaded()
    await host.endpoint.create(wanted(file, method="dpo", beta=0.3))
    assert host.sent("/fine-tunes")[0]["training_method"] == {"method": "dpo", "dpo_beta": 0.3}


async def test_the_price_is_asked_with_what_the_job_would_be_requested_with(host: Host) -> None:
    file = await host.uploaded()
    request = wanted(file, n_epochs=2, validation=file, lora_rank=8)
    quote = await host.endpoint.price(request)
    await host.endpoint.create(request)
    [asked], [created] = host.sent("/estimate-price"), host.sent("/fine-tunes")
    assert asked == {key: created[key] for key in asked}
    assert created.keys() - asked.keys() == {"suffix", "random_seed"}
    size = host.rows.stat().st_size // 4
    assert quote.usd == pytest.approx(size * 4 * host.state.dollars_per_million / 1e6)
    assert quote.tokens == size * 2


# --- A life ------------------------------------------------------------------------------------------------------


async def test_a_job_has_a_model_and_a_cost_only_once_it_is_completed(host: Host) -> None:
    job = await host.endpoint.create(wanted(await host.uploaded()))
    assert (job.status, job.fine_tuned_model, job.cost_usd, job.finished_at) == ("pending", None, None, None)
    assert (job.seed, job.suffix) == (7, "climb-01234567")
    host.train()
    done = await host.endpoint.job(job.id)
    assert done.fine_tuned_model == job.raw["model_output_name"]
    assert base_model(done.fine_tuned_model or "") == BASE
    assert done.cost_usd == pytest.approx(10 * 0.48 / 1e6)
    assert done.trained_tokens == 10
    assert await host.endpoint.has_model(done.fine_tuned_model or "") is True
    assert await host.endpoint.has_model("nobody/Qwen3-8B:x:ft-1") is None


async def test_its_metrics_are_events_and_none_is_told_twice(host: Host) -> None:
    job = await host.endpoint.create(wanted(await host.uploaded()))
    host.train()
    events = await host.endpoint.events(job.id)
    [measured] = [event for event in events if event.type == "metrics"]
    assert (measured.data, measured.message) == ({"step": 1.0, "train_loss": 0.5}, "Step 1: train_loss=0.5")
    assert measured.created_at == max(event.created_at for event in events)
    assert len({event.id for event in events}) == len(events)
    assert await host.endpoint.events(job.id, {event.id for event in events}) == []


async def test_the_list_of_jobs_is_whole(host: Host) -> None:
    file = await host.uploaded()
    made = [await host.endpoint.create(wanted(file)) for _ in range(3)]
    page = await host.endpoint.jobs()
    assert {job.id for job in page.jobs} == {job.id for job in made}
    assert (page.next, page.is_last) == (None, True)


async def test_a_list_that_says_that_it_goes_on_is_not_whole(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.endpoints.together.endpoint.read_page", lambda raw: Page(raw["data"], True))
    page = await host.endpoint.jobs()
    assert (page.next, page.is_last) == (None, False)


async def test_checkpoints_without_a_step_are_left_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def parts(*_: Any) -> list[Any]:
        return [{"step": step, "path": "s3://x"} for step in ("", None, "x", 10**400, 7)]

    monkeypatch.setattr(host.endpoint, "_parts", parts)
    assert [each.step for each in await host.endpoint.checkpoints("ft-1")] == [7]


async def test_a_list_without_an_array_is_no_empty_list(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.app.router, "routes", [])
    with pytest.raises(NoJobList):
        await host.endpoint.jobs()


async def test_files_are_found_by_the_hash_in_their_name(host: Host) -> None:
    file = await host.uploaded()
    found = await host.endpoint.find_files("ftorch-0123456789abcdef-other.jsonl")
    assert [(each.id, each.status, each.bytes) for each in found] == [(file, "processed", host.rows.stat().st_size)]
    assert await host.endpoint.file_hash(file, 10_000) == content_of(host.rows).sha256
    await host.endpoint.delete_file(file)
    await host.endpoint.delete_file(file)
    assert await host.endpoint.files() == []


async def test_a_finished_job_cant_be_cancelled(host: Host) -> None:
    job = await host.endpoint.create(wanted(await host.uploaded()))
    host.train()
    with pytest.raises(RequestRefused):
        await host.endpoint.cancel(job.id)


async def test_rows_are_previewed_with_what_is_learned(host: Host) -> None:
    [row, _] = await host.endpoint.preview(BASE, await host.uploaded(), 2)
    assert (row.texts, row.learned) == (("Climb", "Up", "we", "go."), (False, True, True, True))


# --- Answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", State.QUEUED),
        ("queued", State.QUEUED),
        ("running", State.RUNNING),
        ("compressing", State.RUNNING),
        ("uploading", State.RUNNING),
        ("cancel_requested", State.RUNNING),
        ("cancelled", State.CANCELLED),
        ("error", State.FAILED),
        ("user_error", State.FAILED),
        ("completed", State.COLLECTING),
    ],
)
def test_every_status_of_the_description_and_the_sdk_is_known(status: str, state: State) -> None:
    assert state_of(read_together_job({**JOB, "status": status, "model_output_name": "a/b:c:ft-1"})) is state


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        (f"team/{BASE}:climb-01234567:ft-ed11fd6b-847d", "climb-01234567"),
        ("team/Qwen3-8B-climb-01234567-4224205a", "climb-01234567"),
        ("team/Qwen3-8B-4224205a", None),
        (None, None),
    ],
)
def test_a_suffix_that_is_not_echoed_is_read_from_the_models_name(name: str | None, suffix: str | None) -> None:
    assert read_together_job({**JOB, "model_output_name": name}).suffix == suffix
    assert read_together_job({**JOB, "output_name": name}).suffix == suffix


def test_32_bit_floats_are_the_numbers_that_were_asked_for() -> None:
    said = {"learning_rate": 9.999999747378752e-05, "training_type": {"type": "Lora", "lora_r": 8}}
    found = resolved_hyperparameters(read_together_job({**JOB, **said}).raw)
    assert found == {"learning_rate": 1e-4, "lora_rank": 8}


@pytest.mark.parametrize("odd", [None, "soon", {"estimate_available": True}, {"estimate_available": True, "x": 1}])
def test_odd_progress_is_no_estimate(odd: Any) -> None:
    assert read_together_job({**JOB, "progress": odd, "total_price": "free"}).estimated_finish is None


def test_progress_is_counted_from_the_last_update() -> None:
    progress = {"estimate_available": True, "seconds_remaining": 60}
    job = read_together_job({**JOB, "updated_at": "2026-11-29T12:00:00.000Z", "progress": progress})
    assert job.estimated_finish == 1_795_953_660.0


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, None),
        ({"Processed": True}, "processed"),
        ({"Processed": False}, "pending"),
        ({"processing_status": "QUEUED"}, "queued"),
        ({"processing_status": "COMPLETED", "Processed": False}, "processed"),
        ({"processing_status": "FAILED"}, "error"),
        ({"processing_status": "INVALID_FORMAT"}, "error"),
    ],
)
def test_the_status_of_a_file_is_read_in_both_forms(said: Mapping[str, Any], status: str | None) -> None:
    report = {"validation_report": {"error": "line 3 has no messages"}}
    found = read_together_file({"id": "file-1", **said, **report})
    assert (found.status, found.status_details) == (status, "line 3 has no messages")


@pytest.mark.parametrize(
    ("level", "kind", "read"),
    [
        ("info", "job_start", "info"),
        ("Warning", "warning", "warn"),
        ("legacy_iwarning", "epoch_complete", "warn"),
        (None, "JOB_ERROR", "error"),
        ("legacy_ierror", None, "error"),
        ("", None, "info"),
    ],
)
def test_levels_are_read_however_they_are_written(level: str | None, kind: str | None, read: str) -> None:
    assert read_together_event({"level": level, "type": kind, "message": "x"}).level == read


def test_metrics_without_a_step_or_a_value_are_left_out() -> None:
    rows = [{"train/loss": 0.5}, {"train/global_step": 3}, "x", {"train/global_step": 4, "train/loss": "low"}]
    assert list(metric_events({"metrics": rows}, 0.0)) == []
    with pytest.raises(ValueError, match="no array"):
        list(metric_events({"metrics": None}, 0.0))


def test_a_checkpoint_is_known_by_its_step() -> None:
    found = read_together_checkpoint({"step": 12, "path": "s3://x", "created_at": "2026-11-29T12:00:00Z"})
    assert (found.id, found.step, found.model, found.created_at) == ("12", 12, "", 1_795_953_600.0)


def test_a_price_may_be_early_refused_or_over_the_limit() -> None:
    early = read_quote({"estimation_available": False, "unavailable_reason": "train_file_not_validated"})
    refused = read_quote({"estimation_available": False, "unavailable_reason": "eval_file_invalid"})
    over = read_quote({"estimated_total_price": 12.5, "allowed_to_proceed": False, "user_limit": 10})
    assert [(quote.is_early, quote.is_refused, quote.is_over_limit) for quote in (early, refused, over)] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert (over.usd, over.limit_usd) == (12.5, 10.0)
    with pytest.raises(KeyError):
        read_quote({"object": "error"})


def test_masked_tokens_are_those_with_the_label_minus_100() -> None:
    row = {"input_ids": [5, 6, 7], "labels": [-100, 6, 7], "tokens": ["a", "b", "c"], "truncated": True}
    assert [(each.learned, each.is_cut) for each in read_tokenized({"rows": [row]})] == [
        ((False, True, True), True)
    ]


async def test_a_rescue_keeps_jobs_files_and_models(host: Host, tmp_path: Path) -> None:
    file = await host.uploaded()
    job = await host.endpoint.create(wanted(file, n_epochs=1))
    host.train()
    kept, missing, models = await rescued_from(host.endpoint, tmp_path / "rescued")
    assert {("job", job.id), ("events", job.id), ("checkpoints", job.id), ("file", file)} <= kept.keys()
    assert (tmp_path / "rescued" / kept["file", file]).read_bytes() == host.rows.read_bytes()
    assert missing == {}
    assert models[str((await host.endpoint.job(job.id)).fine_tuned_model)] is True

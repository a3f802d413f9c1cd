"""Files and jobs in the words of each API version."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import openai
import pytest

from orchestrator.server.store.jobs import FileNotes, JobRoom
from orchestrator.server.trainers.interface import Hyperparameters
from orchestrator.server.worker import JobFailedError, _check_size, rules_of

BASE = "gpt-4.1-mini-2025-04-14"


async def test_a_job_runs_from_its_file_to_its_model(app, client, version, create, work):
    training = {} if version == "2024-10-21" else {"trainingType": "GlobalStandard"}
    job = await create(client, suffix="drone_1", **training)
    assert job.status == ("pending" if version == "v1" else "created")
    await work(app, job)
    done = await client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "succeeded"
    number = job.id.removeprefix("ftjob-")
    assert done.fine_tuned_model == f"{BASE}.ft-{number}-drone_1"
    assert done.model_extra["suffix"] == "drone_1"
    assert done.model_extra.get("trainingType") == training.get("trainingType")
    table = (await client.files.content(done.result_files[0])).text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert rows[0]["step"] == "1"
    assert float(rows[-1]["train_mean_token_accuracy"]) >= 0
    assert "validation_mean_token_accuracy" in rows[0]
    checkpoint = (await client.fine_tuning.jobs.checkpoints.list(job.id)).data[0]
    assert checkpoint.fine_tuned_model_checkpoint.startswith(f"{done.fine_tuned_model}:ckpt-step-")


async def test_a_new_job_has_no_empty_fields_and_minus_one_for_auto(client, version, create):
    job = (await create(client)).model_dump(exclude_unset=True)
    assert None not in job.values()
    assert job["hyperparameters"] == {"n_epochs": 1, "batch_size": -1, "learning_rate_multiplier": -1}
    assert ("organisation_id" in job) == (version != "v1")


async def test_the_method_is_whole_in_v1_a_type_in_the_preview_and_unknown_before(app, speak, create):
    found = {}
    for version in ("v1", "2025-04-01-preview"):
        job = await create(speak(app, version), method={"type": "dpo"})
        found[version] = job.model_dump(exclude_unset=True)["method"]
    assert found["2025-04-01-preview"] == {"type": "dpo"}
    assert found["v1"]["dpo"]["hyperparameters"]["n_epochs"] == 1
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'method'"):
        await create(speak(app, "2024-10-21"), method={"type": "supervised"})


@pytest.mark.parametrize("version", ["2024-10-21", "2025-04-01-preview"])
async def test_what_a_dated_version_makes_is_answered_201_with_its_place(app, speak, http, uploaded, version):
    client = speak(app, version)
    body = {"model": BASE, "training_file": await uploaded(client)}
    made = await http.post(f"/openai/fine_tuning/jobs?api-version={version}", json=body)
    assert made.status_code == 201
    found = await http.get(made.headers["location"])
    assert found.json()["id"] == made.json()["id"]
    sent = await client.files.with_raw_response.create(file=("t", b"{}"), purpose="fine-tune")
    assert sent.http_response.status_code == 201
    assert (await http.get(sent.http_response.headers["location"])).status_code == 200


async def test_v1_answers_200_without_a_place(app, speak, http, uploaded):
    body = {"model": BASE, "training_file": await uploaded(speak(app, "v1"))}
    made = await http.post("/openai/v1/fine_tuning/jobs", json=body)
    assert (made.status_code, made.headers.get("location")) == (200, None)


async def test_lists_page_though_the_stable_version_does_not_say_whether_there_is_more(app, http, speak, create):
    client = speak(app, "2024-10-21")
    ids = [(await create(client)).id for _ in range(3)]
    page = (await http.get("/openai/fine_tuning/jobs?api-version=2024-10-21&limit=2")).json()
    assert [job["id"] for job in page["data"]] == [ids[2], ids[1]]
    assert "has_more" not in page
    rest = (await http.get(f"/openai/fine_tuning/jobs?api-version=2024-10-21&after={ids[1]}")).json()
    assert [job["id"] for job in rest["data"]] == [ids[0]]
    assert (await http.get("/openai/v1/fine_tuning/jobs?limit=2")).json()["has_more"] is True


async def test_the_statuses_of_a_waiting_a_running_and_a_paused_job(app, client, version, create):
    job = await create(client)
    progress, stored = app.state.context.store.progress, app.state.context.store.jobs.get(job.id)
    progress.files_are_valid(stored, 10, FileNotes(), 0)
    assert (await client.fine_tuning.jobs.retrieve(job.id)).status == ("queued" if version == "v1" else "pending")
    progress.begin(stored, {"n_epochs": 1}, "Fine-tuning job started", 0)
    assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "running"
    assert (await client.fine_tuning.jobs.pause(job.id)).status == "paused"
    assert (await client.fine_tuning.jobs.resume(job.id)).status == ("queued" if version == "v1" else "pending")
    assert (await client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"


@pytest.mark.parametrize("version", ["2024-10-21", "2025-04-01-preview"])
async def test_events_of_dated_versions_come_oldest_first(app, speak, create, version):
    client = speak(app, version)
    job = await create(client)
    stored = app.state.context.store.jobs.get(job.id)
    app.state.context.store.progress.files_are_valid(stored, 10, FileNotes(["an example twice"]), 0)
    events = (await client.fine_tuning.jobs.list_events(job.id)).data
    assert events[0].message.startswith("Created")
    assert events[-1].message.startswith("Files validated")
    rest = await client.fine_tuning.jobs.list_events(job.id, after=events[0].id, limit=1)
    assert rest.data[0].id == events[1].id


async def test_a_warning_is_called_that(app, client, create):
    job = await create(client)
    stored = app.state.context.store.jobs.get(job.id)
    app.state.context.store.progress.files_are_valid(stored, 10, FileNotes(["an example twice"]), 0)
    levels = {event.level for event in (await client.fine_tuning.jobs.list_events(job.id)).data}
    assert levels == {"info", "warning"}


async def test_a_job_waits_until_its_file_is_processed(resource, clock, speak, lines, version):
    client = speak(resource(file_seconds=30), version)
    file = await client.files.create(file=("t.jsonl", lines(12)), purpose="fine-tune")
    assert file.status == "uploaded"
    with pytest.raises(openai.BadRequestError, match="a job needs it processed"):
        await client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    clock.pass_(30)
    await client.fine_tuning.jobs.create(model=BASE, training_file=file.id)


async def test_each_status_of_a_file_takes_its_share_of_the_time(resource, clock, speak, lines):
    client = speak(resource(file_seconds=30), "v1")
    file = await client.files.create(file=("t.jsonl", lines(12)), purpose="fine-tune")
    seen = []
    for _ in range(4):
        seen.append((await client.files.retrieve(file.id)).status)
        clock.pass_(10)
    assert seen == ["uploaded", "pending", "running", "processed"]


async def test_a_file_that_is_no_jsonl_ends_in_error_and_no_job_takes_it(client, uploaded, lines):
    file = await uploaded(client, lines(12) + b"[1, 2]\n")
    found = await client.files.retrieve(file)
    assert found.status == "error"
    assert found.status_details == "Line 13 is not a JSON object. Every line must hold one."
    with pytest.raises(openai.BadRequestError, match="Line 13"):
        await client.fine_tuning.jobs.create(model=BASE, training_file=file)


async def test_a_suffix_is_letters_digits_hyphens_and_underscores_up_to_40(client, create):
    for wrong in ("a.b", "with space", "x" * 41, "ü"):
        with pytest.raises(openai.BadRequestError, match="suffix"):
            await create(client, suffix=wrong)
    await create(client, suffix="x" * 38 + "_-")


@pytest.mark.parametrize("version", ["2024-10-21", "2025-04-01-preview"])
async def test_dated_versions_refuse_what_they_do_not_know(app, speak, create, version):
    for extra in ({"metadata": {"a": "b"}}, {"hyperparameters": {"n_epochs": "auto"}}, {"x": 1}):
        with pytest.raises(openai.BadRequestError) as refused:
            await create(speak(app, version), **extra)
        assert refused.value.code == "invalidPayload"
        body: Any = refused.value.body
        assert set(body) == {"code", "message", "innererror"}


async def test_v1_takes_metadata_and_does_not_give_it_back(app, speak, create):
    job = await create(speak(app, "v1"), metadata={"team": "flight"})
    assert "metadata" not in job.model_dump(exclude_unset=True)


async def test_minus_one_means_auto(client, create, app):
    job = await create(client, hyperparameters={"n_epochs": -1, "batch_size": 2})
    assert job.hyperparameters.n_epochs == -1
    assert app.state.context.store.jobs.get(job.id).n_epochs == "auto"


async def test_an_ignored_hyperparameter_is_neither_used_nor_given_back(resource, speak, create):
    app = resource(ignored_hyperparameters=frozenset({"batch_size"}))
    job = await create(speak(app, "v1"), hyperparameters={"n_epochs": 2, "batch_size": 8})
    assert job.hyperparameters.model_dump(exclude_unset=True) == {"n_epochs": 2, "learning_rate_multiplier": -1}
    assert app.state.context.store.jobs.get(job.id).batch_size == "auto"


async def test_the_oldest_version_knows_no_training_type(speak, app, create):
    with pytest.raises(openai.BadRequestError, match="trainingType"):
        await create(speak(app, "2024-10-21"), trainingType="GlobalStandard")


@pytest.mark.parametrize("api", ["v1", "2025-04-01-preview"])
async def test_an_open_weight_model_trains_by_global_standard_alone(api, speak, app, uploaded):
    client = speak(app, api)
    file = await uploaded(client)
    for model in ("gpt-oss-20b", "Ministral-3B", "Llama-3.3-70B-Instruct", "Qwen-3-32B"):
        wanted = {"model": model, "training_file": file}
        with pytest.raises(openai.BadRequestError, match="does not support fine-tuning"):
            await client.fine_tuning.jobs.create(**wanted)
        await client.fine_tuning.jobs.create(**wanted, extra_body={"trainingType": "globalStandard"})


async def test_a_region_without_the_model_and_an_unknown_model_are_answered_alike(
    resource, speak, create, uploaded
):
    with pytest.raises(openai.BadRequestError, match="does not support fine-tuning"):
        await create(speak(resource(location="brazilsouth"), "v1"))
    client = speak(resource(), "v1")
    with pytest.raises(openai.BadRequestError, match="does not support fine-tuning"):
        await client.fine_tuning.jobs.create(model="gpt-5", training_file=await uploaded(client))


async def test_the_queue_is_full_for_a_while_and_the_resource_until_a_job_is_deleted(resource, speak, create):
    app = resource(room=JobRoom(waiting=2, jobs=3))
    client = speak(app, "2025-04-01-preview")
    first, second = [await create(client) for _ in range(2)]
    with pytest.raises(openai.RateLimitError, match="its queue has room for 2") as full:
        await create(client)
    assert full.value.response.headers["retry-after"] == "60"
    await client.fine_tuning.jobs.cancel(first.id)
    await create(client)
    with pytest.raises(openai.BadRequestError, match="its quota is 3") as used_up:
        await create(client)
    assert used_up.value.code == "quotaExceeded"
    place = f"/fine_tuning/jobs/{first.id}"
    gone = await client.delete(place, cast_to=type(None), options={"max_retries": 0})
    assert gone is None
    with pytest.raises(openai.NotFoundError):
        await client.fine_tuning.jobs.retrieve(first.id)
    await client.fine_tuning.jobs.cancel(second.id)
    await create(client)


async def test_a_job_that_has_not_ended_is_not_deleted(client, create):
    job = await create(client)
    with pytest.raises(openai.BadRequestError, match="cannot be deleted"):
        await client.delete(f"/fine_tuning/jobs/{job.id}", cast_to=type(None))
    assert (await client.fine_tuning.jobs.retrieve(job.id)).id == job.id


async def test_files_have_a_quota_by_number_size_and_sum(resource, speak, lines):
    for quota, match in [
        ({"files": 0}, "quota is 0"),
        ({"all_bytes": 9}, "exceed 9"),
        ({"file_bytes": 9}, "at most 9"),
    ]:
        client = speak(resource(**quota), "v1")
        with pytest.raises(openai.BadRequestError, match=match):
            await client.files.create(file=("t.jsonl", lines(12)), purpose="fine-tune")


async def test_harmful_training_data_ends_the_job(app, client, create, work, lines, rows):
    row = rows(1)[0]
    row["messages"][0]["content"] = "ftorch-harmful:violence and ftorch-harmful:self_harm"
    job = await create(client, lines(12) + json.dumps(row).encode())
    await work(app, job)
    job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "failed"
    assert job.error.code == "contentFilter"
    assert "harm types: [self_harm, violence]" in job.error.message


async def test_more_than_two_billion_tokens_times_epochs_are_refused(app, speak, create):
    job = await create(speak(app, "v1"))
    stored = app.state.context.store.jobs.get(job.id)
    numbers = Hyperparameters(2, 1, 1.0)
    _check_size(replace(stored, training_tokens=1_000_000_000), numbers)
    with pytest.raises(JobFailedError, match="2,000,000,000"):
        _check_size(replace(stored, training_tokens=1_000_000_001), numbers)
    assert rules_of(replace(stored, dialect="openai")).most_tokens is None


async def test_a_large_file_arrives_in_parts(resource, speak, version, lines, clock):
    client = speak(resource(file_seconds=30), version)
    content = lines(30)
    half = len(content) // 2
    upload = await client.uploads.create(
        bytes=len(content), filename="t.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )
    parts = [
        (await client.uploads.parts.create(upload.id, data=piece)).id for piece in (content[:half], content[half:])
    ]
    done = await client.uploads.complete(upload.id, part_ids=parts)
    assert done.file.status == "uploaded"
    clock.pass_(30)
    assert (await client.files.retrieve(done.file.id)).status == "processed"


async def test_both_apis_of_one_store_show_the_same_job(app, speak, create, connect):
    job = await create(speak(app, "v1"), suffix="shared")
    same = await connect(app).fine_tuning.jobs.retrieve(job.id)
    assert same.status == "validating_files"
    assert same.organization_id == "org-local"


async def test_the_numbers_of_azure_stay_with_the_job_to_its_end(app, speak, create, work):
    client = speak(app, "v1")
    weight = {"method": {"type": "supervised", "supervised": {"hyperparameters": {"prompt_loss_weight": 0.1}}}}
    multiplier = {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "l2_multiplier": 0.3}}}}
    supervised, dpo = await create(client, **weight), await create(client, **multiplier)
    assert dpo.model_dump()["method"]["dpo"]["hyperparameters"]["l2_multiplier"] == 0.3
    await work(app, supervised)
    done = (await client.fine_tuning.jobs.retrieve(supervised.id)).model_dump()
    assert done["status"] == "succeeded"
    assert done["method"]["supervised"]["hyperparameters"]["prompt_loss_weight"] == 0.1


@pytest.mark.parametrize(
    ("version", "extra"),
    [
        ("2024-10-21", {"hyperparameters": {"prompt_loss_weight": 0.1}}),
        ("v1", {"hyperparameters": {"l2_multiplier": 0.1}}),
        ("v1", {"method": {"type": "dpo", "dpo": {"hyperparameters": {"prompt_loss_weight": 0.1}}}}),
        ("v1", {"hyperparameters": {"prompt_loss_weight": 1.5}}),
    ],
)
async def test_a_number_of_azure_that_does_not_fit_is_refused(app, speak, create, version, extra):
    with pytest.raises(openai.BadRequestError, match=r"prompt_loss_weight|l2_multiplier"):
        await create(speak(app, version), **extra)


@pytest.mark.parametrize(("location", "takes"), [("eastus2", True), ("swedencentral", False)])
async def test_data_zones_are_in_the_us_only(resource, speak, create, location, takes):
    client = speak(resource(location=location), "v1")
    if takes:
        assert (await create(client, trainingType="DatazoneStandard")).model_extra["trainingType"]
    else:
        with pytest.raises(openai.BadRequestError, match="does not support fine-tuning"):
            await create(client, trainingType="DatazoneStandard")

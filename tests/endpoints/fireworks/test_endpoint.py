"""Datasets, jobs and models on Fireworks: nothing is made twice under a name that we chose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.contents import content_of
from support.fireworks_host import ACCOUNT, BASE, Dataset
from support.fireworks_wire import Fireworks, preference, quick
from support.rescuing import rescued_from

from orchestrator.dataset.files import inspect_file, sent_name
from orchestrator.endpoints.fireworks import datasets
from orchestrator.endpoints.fireworks.endpoint import FireworksEndpoint
from orchestrator.endpoints.interface import JobRequest, RemoteFile
from orchestrator.errors import AccountNotChosen, KeyRefused, NoJobList, OutcomeUnknown, RequestRefused
from orchestrator.runs.adoption import all_jobs

JOB_ID = "ftorch-01m8ms6twft0csg7c71ng1hm4q"
MODEL = f"accounts/{ACCOUNT}/models/qwen3-8b-ft-drone-7pw2v6vb"


async def uploaded(fireworks: Fireworks, data: Path) -> str:
    name = sent_name(inspect_file(data))
    return (await fireworks.endpoint.upload(content_of(data), name)).id


async def created(fireworks: Fireworks, data: Path, asked: JobRequest) -> JobRequest:
    """The request, with its file on the host, after it was sent."""
    request = replace(asked, training_file=await uploaded(fireworks, data))
    await fireworks.endpoint.create(request)
    return request


def posts_to(ending: str):
    return lambda request: request.method == "POST" and request.url.path.endswith(ending)


# --- The account -------------------------------------------------------------------------------------------------


async def test_the_only_account_of_a_key_is_found_once(fireworks: Fireworks) -> None:
    await fireworks.endpoint.files()
    await fireworks.endpoint.files()
    assert len(fireworks.wire.asked("GET", "/v1/accounts")) == 1
    assert fireworks.endpoint.account["organization"] == ACCOUNT


@pytest.mark.parametrize("accounts", [["one", "two"], []])
async def test_a_key_of_several_accounts_or_none_needs_the_accounts_name(
    fireworks: Fireworks, accounts: list[str]
) -> None:
    fireworks.state.accounts = accounts
    with pytest.raises(AccountNotChosen, match=r'Set account = "…" in \[endpoints.fw\] of ftorch.toml'):
        await fireworks.endpoint.files()


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/inference/v1", "/inference"])
async def test_the_address_of_a_part_of_the_api_is_taken_for_the_host(fireworks: Fireworks, tail: str) -> None:
    config = replace(fireworks.config, base_url=f"https://endpoint{tail}")
    endpoint = type(fireworks.endpoint)(config, fireworks.endpoint._client, fireworks.endpoint.capabilities)
    assert await endpoint.files() == []


def forbidden(request: httpx2.Request) -> httpx2.Response | None:
    said = {"code": 7, "message": "no permission for this account", "details": []}
    return httpx2.Response(403, json=said) if "/accounts/" in request.url.path else None


async def test_an_account_that_the_key_does_not_open_is_no_working_endpoint(fireworks: Fireworks) -> None:
    config = replace(fireworks.config, account="not-mine")
    endpoint = type(fireworks.endpoint)(
        config, fireworks.endpoint._client, fireworks.endpoint.capabilities, quick()
    )
    fireworks.wire.instead.append(forbidden)
    asked = r'no permission for this account \(HTTP 403, PERMISSION_DENIED\); check account = "not-mine" in'
    with pytest.raises((NoJobList, RequestRefused), match=asked):
        await endpoint.check()
    with pytest.raises(RequestRefused, match=asked):
        await endpoint.files()


async def test_a_key_that_may_list_only_its_datasets_is_a_working_endpoint(fireworks: Fireworks) -> None:
    fireworks.wire.instead.append(lambda asked: None if asked.url.path.endswith("datasets") else forbidden(asked))
    assert "doesn't list its jobs" in await fireworks.endpoint.check()


async def test_an_address_that_redirects_is_no_question_of_accounts(fireworks: Fireworks) -> None:
    elsewhere = {"location": "https://other.example/v1/accounts?token=secret"}
    fireworks.wire.instead.append(lambda _asked: httpx2.Response(307, headers=elsewhere))
    with pytest.raises(RequestRefused, match=r"it redirects to https://other.example/v1/accounts;") as error:
        await fireworks.endpoint.files()
    assert not isinstance(error.value, AccountNotChosen)
    assert len(fireworks.wire.exchanges) == 1


async def test_a_signed_address_that_redirects_is_not_followed_and_its_signature_not_shown(
    fireworks: Fireworks,
) -> None:
    elsewhere = {"location": "https://other.example/metrics?sig=secret"}
    fireworks.wire.instead.append(lambda _asked: httpx2.Response(302, headers=elsewhere))
    with pytest.raises(RequestRefused, match=r"storage redirects to https://other.example/metrics, which") as error:
        await fireworks.endpoint.fetch("https://storage/metrics?sig=secret")
    assert "secret" not in str(error.value)
    [asked] = fireworks.wire.exchanges
    assert "authorization" not in asked["headers"]


async def test_a_list_of_jobs_that_ignores_the_page_token_has_an_end(fireworks: Fireworks) -> None:
    await fireworks.endpoint.account_id()
    asked: list[httpx2.Request] = []

    def first_page(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        kind = request.url.path.rpartition("/")[2]
        return httpx2.Response(200, json={kind: [{"name": f"{kind}/one"}], "nextPageToken": f"token-{len(asked)}"})

    fireworks.wire.instead.append(first_page)
    assert [job.id for job in await all_jobs(fireworks.endpoint)] == ["one", "dpoJobs/one"]
    assert len(asked) == 4


# --- Datasets ----------------------------------------------------------------------------------------------------


async def test_a_dataset_is_announced_with_its_number_of_examples_and_filled(
    fireworks: Fireworks, data: Path
) -> None:
    made = await uploaded(fireworks, data)
    found = fireworks.state.datasets[made]
    assert (found.fields["exampleCount"], found.state) == ("3", "READY")
    assert (await fireworks.endpoint.file(made)).status == "processed"
    assert [file.id for file in await fireworks.endpoint.files()] == [made]


async def test_an_upload_whose_answer_is_lost_is_found_and_not_repeated(fireworks: Fireworks, data: Path) -> None:
    fireworks.wire.lost.append(posts_to(":upload"))
    with pytest.raises(OutcomeUnknown):
        await uploaded(fireworks, data)
    [found] = await fireworks.endpoint.find_files(sent_name(inspect_file(data)))
    assert (found.id, found.status) == (next(iter(fireworks.state.datasets)), "processed")


async def test_a_dataset_that_was_announced_and_never_filled_is_filled(fireworks: Fireworks, data: Path) -> None:
    fireworks.wire.dropped.append(posts_to(":upload"))
    with pytest.raises(OutcomeUnknown):
        await uploaded(fireworks, data)
    assert await fireworks.endpoint.find_files(sent_name(inspect_file(data))) == []
    made = await uploaded(fireworks, data)
    assert [*fireworks.state.datasets] == [made]
    assert fireworks.state.datasets[made].state == "READY"


async def test_a_dataset_that_is_there_is_not_sent_again(fireworks: Fireworks, data: Path) -> None:
    first = await uploaded(fireworks, data)
    assert await uploaded(fireworks, data) == first
    assert len(fireworks.wire.asked("POST", ":upload")) == 1


async def test_somebody_elses_dataset_is_neither_taken_nor_filled(fireworks: Fireworks, data: Path) -> None:
    name = sent_name(inspect_file(data))
    made = name.removesuffix(".jsonl")
    fireworks.state.datasets[made] = Dataset({"displayName": "Cats"}, 0.0, state="READY")
    assert await fireworks.endpoint.find_files(name) == []
    with pytest.raises(RequestRefused, match=rf"another dataset under the name {made}"):
        await fireworks.endpoint.upload(content_of(data), name)
    assert fireworks.wire.asked("POST", ":upload") == []


async def test_a_large_file_goes_to_the_signed_address_without_the_key(
    fireworks: Fireworks, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "LARGEST_AT_ONCE", 10)
    made = await uploaded(fireworks, data)
    assert fireworks.state.datasets[made].state == "READY"
    assert fireworks.state.storage == {f"datasets/{made}/{made}.jsonl": data.read_bytes()}
    [put] = [each for each in fireworks.wire.exchanges if each["method"] == "PUT"]
    assert "authorization" not in put["headers"]
    assert put["headers"]["content-length"] == str(data.stat().st_size)


@pytest.mark.parametrize("name", [None, "", "FTORCH-0123", "Cats"])
async def test_a_dataset_under_our_id_is_ours_unless_it_has_another_name(
    fireworks: Fireworks, data: Path, name: str | None
) -> None:
    made = await uploaded(fireworks, data)
    sent = sent_name(inspect_file(data))
    shown = f"{sent[:12].upper()}" if name == "FTORCH-0123" else name
    fireworks.state.datasets[made].fields["displayName"] = shown
    assert [file.id for file in await fireworks.endpoint.find_files(sent)] == ([] if name == "Cats" else [made])


async def test_a_dataset_that_was_filled_and_is_still_being_read_is_not_refused(
    fireworks: Fireworks, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fireworks.wire.lost.append(posts_to(":upload"))
    with pytest.raises(OutcomeUnknown):
        await uploaded(fireworks, data)
    [made] = fireworks.state.datasets
    honest = type(fireworks.endpoint).file
    looks = iter(["uploaded", "uploaded"])

    async def slow(self: FireworksEndpoint, file_id: str) -> RemoteFile:
        return replace(await honest(self, file_id), status=next(looks))

    monkeypatch.setattr(type(fireworks.endpoint), "file", slow)
    name = sent_name(inspect_file(data))
    found = await fireworks.endpoint.upload(content_of(data), name)
    assert (found.id, found.status) == (made, "uploaded")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_dataset_that_is_there_and_not_shown_is_looked_for_again(
    fireworks: Fireworks, data: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    made = await uploaded(fireworks, data)
    sent = fireworks.wire.handle_async_request

    async def hidden(asked: httpx2.Request) -> httpx2.Response:
        said = {"code": 7, "message": "not for you", "details": []}
        is_hidden = asked.method == "GET" and asked.url.path.endswith(made)
        return httpx2.Response(status, json=said, request=asked) if is_hidden else await sent(asked)

    monkeypatch.setattr(fireworks.wire, "handle_async_request", hidden)
    with pytest.raises(OutcomeUnknown, match=f"it has a dataset {made}, but doesn't show it: not for you"):
        await uploaded(fireworks, data)


async def test_a_list_that_ignores_the_page_token_is_read_once(
    fireworks: Fireworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fireworks.endpoint.account_id()
    asked = []

    async def first_page(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        token = f"page-{len(asked) + 1}"
        page = {"models": [{"name": MODEL}, {"name": None}], "nextPageToken": token}
        return httpx2.Response(200, json=page, request=request)

    monkeypatch.setattr(fireworks.wire, "handle_async_request", first_page)
    assert (await fireworks.endpoint.models(), len(asked)) == ([MODEL], 2)


async def test_an_address_that_cant_be_read_is_a_refusal(fireworks: Fireworks) -> None:
    with pytest.raises(RequestRefused, match="can't be read"):
        await fireworks.endpoint.fetch("https://[storage")


@pytest.mark.parametrize("host", ["storage.example", "127.0.0.1:8080"])
async def test_an_address_without_encryption_gets_nothing(fireworks: Fireworks, host: str) -> None:
    with pytest.raises(RequestRefused, match="without encryption"):
        await fireworks.endpoint.fetch(f"http://{host}/metrics")
    assert fireworks.wire.exchanges == []


async def test_what_the_host_finds_wrong_with_a_dataset_is_shown(fireworks: Fireworks, data: Path) -> None:
    fireworks.state.dataset_problem = "line 2: no messages"
    found = await fireworks.endpoint.file(await uploaded(fireworks, data))
    assert (found.status, found.status_details) == ("error", "line 2: no messages")


async def test_a_missing_dataset_can_be_deleted(fireworks: Fireworks, data: Path) -> None:
    made = await uploaded(fireworks, data)
    await fireworks.endpoint.delete_file(made)
    await fireworks.endpoint.delete_file(made)
    assert fireworks.state.datasets == {}


# --- Jobs --------------------------------------------------------------------------------------------------------


async def test_a_job_is_created_under_the_chosen_id_with_fireworks_names(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    request = await created(fireworks, data, asked)
    assert fireworks.state.asked == {
        JOB_ID: {
            "dataset": f"accounts/{ACCOUNT}/datasets/{request.training_file}",
            "displayName": "drone-7pw2v6vb",
            "baseModel": BASE,
            "outputModel": MODEL,
            "epochs": 2,
            "batchSizeSamples": 8,
            "learningRate": 0.0001,
            "loraRank": 16,
            "evalAutoCarveout": False,
        }
    }
    job = await fireworks.endpoint.job(JOB_ID)
    assert (job.id, job.status, job.fine_tuned_model) == (JOB_ID, "validating_files", None)
    assert (job.model, job.training_file, job.suffix) == (BASE, request.training_file, "drone-7pw2v6vb")


async def test_validation_data_is_sent_as_the_evaluation_dataset(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    made = await uploaded(fireworks, data)
    await fireworks.endpoint.create(replace(asked, training_file=made, validation_file=made))
    assert fireworks.state.asked[JOB_ID]["evaluationDataset"] == f"accounts/{ACCOUNT}/datasets/{made}"


async def test_a_create_that_is_repeated_finds_the_job_in_its_place(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    request = await created(fireworks, data, asked)
    again = await fireworks.endpoint.create(request)
    assert (again.id, [*fireworks.state.asked]) == (JOB_ID, [JOB_ID])
    assert fireworks.wire.asked("POST", "/supervisedFineTuningJobs")[-1]["status"] == 409


async def test_a_create_whose_answer_is_lost_is_unknown_until_it_is_looked_up(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    request = replace(asked, training_file=await uploaded(fireworks, data))
    assert await fireworks.endpoint.job_of(request) is None
    fireworks.wire.lost.append(posts_to("/supervisedFineTuningJobs"))
    with pytest.raises(OutcomeUnknown):
        await fireworks.endpoint.create(request)
    found = await fireworks.endpoint.job_of(request)
    assert found is not None
    assert found.id == JOB_ID


async def test_a_job_of_somebody_else_under_our_id_is_never_taken(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    request = replace(await created(fireworks, data, asked), training_file="ftorch-other", suffix="cats")
    said = (
        f"a job {JOB_ID} that this run did not make: its dataset is ftorch-.* and its name is drone-7pw2v6vb, not"
    )
    with pytest.raises(RequestRefused, match=said):
        await fireworks.endpoint.job_of(request)
    with pytest.raises(RequestRefused, match="did not make"):
        await fireworks.endpoint.create(request)
    assert [*fireworks.state.asked] == [JOB_ID]


@pytest.mark.parametrize(
    "changed", [{"training_file": "ds-1"}, {"model": "accounts/fireworks/models/other"}, {"suffix": "DRONE-7"}]
)
async def test_a_job_under_our_id_is_ours_though_the_host_renames_one_thing(
    fireworks: Fireworks, data: Path, asked: JobRequest, changed: dict[str, Any]
) -> None:
    request = replace(await created(fireworks, data, asked), **changed)
    found = await fireworks.endpoint.job_of(request)
    assert found is not None
    assert found.id == JOB_ID


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_conflict_with_a_job_that_is_not_shown_is_no_refusal(
    fireworks: Fireworks, data: Path, asked: JobRequest, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    request = await created(fireworks, data, asked)
    sent = fireworks.wire.handle_async_request

    async def hidden(asked: httpx2.Request) -> httpx2.Response:
        if asked.method == "GET":
            return httpx2.Response(status, html="<html><title>Blocked</title></html>", request=asked)
        return await sent(asked)

    monkeypatch.setattr(fireworks.wire, "handle_async_request", hidden)
    expected = KeyRefused if status == 401 else OutcomeUnknown
    with pytest.raises(expected) as error:
        await fireworks.endpoint.create(request)
    if status != 401:
        assert f"it has a job {JOB_ID}, but doesn't show it" in str(error.value)


async def test_a_web_page_in_place_of_a_job_proves_nothing(
    fireworks: Fireworks, asked: JobRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fireworks.endpoint.account_id()

    async def page(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404, html="<html><title>404 Not Found</title></html>", request=request)

    monkeypatch.setattr(fireworks.wire, "handle_async_request", page)
    with pytest.raises(RequestRefused, match="a web page, not the API, answered"):
        await fireworks.endpoint.job_of(asked)


async def test_a_taken_model_name_is_no_job_of_ours(fireworks: Fireworks, data: Path, asked: JobRequest) -> None:
    request = replace(asked, training_file=await uploaded(fireworks, data))
    fireworks.state.models[MODEL] = {"name": MODEL}
    with pytest.raises(OutcomeUnknown, match="already exists"):
        await fireworks.endpoint.create(request)
    assert await fireworks.endpoint.job_of(request) is None


async def test_training_goes_on_from_an_adapter_and_begins_from_a_base(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    await created(fireworks, data, asked)
    fireworks.train(3)
    onward = replace(asked, model=MODEL, suffix="drone-00000002", token="01NEXT")
    await created(fireworks, data, onward)
    body = fireworks.state.asked["ftorch-01next"]
    assert (body["warmStartFrom"], "baseModel" in body) == (MODEL, False)
    assert body["outputModel"] == f"accounts/{ACCOUNT}/models/qwen3-8b-ft-drone-00000002"
    assert (await fireworks.endpoint.job("ftorch-01next")).model == MODEL


async def test_a_finished_job_names_its_model_its_metrics_and_its_cost(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    await created(fireworks, data, asked)
    assert await fireworks.endpoint.events(JOB_ID) == []
    fireworks.train(3)
    job = await fireworks.endpoint.job(JOB_ID)
    assert (job.status, job.fine_tuned_model, job.cost_usd) == ("succeeded", MODEL, 0.000005)
    [step] = await fireworks.endpoint.events(JOB_ID)
    assert (step.message, step.data) == ("Step 1: train loss 0.5", {"step": 1, "train_loss": 0.5})
    assert await fireworks.endpoint.events(JOB_ID, {step.id}) == []
    assert "SignedUrl" not in str(job.raw)
    assert await fireworks.endpoint.has_model(MODEL)


async def test_dpo_has_its_own_jobs_under_the_same_rules(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    request = await created(fireworks, data, preference(asked))
    assert (await fireworks.endpoint.create(request)).id == f"dpoJobs/{JOB_ID}"
    body = fireworks.state.asked[JOB_ID]
    assert body["lossConfig"] == {"method": "DPO", "dpo": {"beta": 0.2}}
    assert body["trainingConfig"] == {"baseModel": BASE, "epochs": 1, "outputModel": MODEL}
    fireworks.train(3)
    job = await fireworks.endpoint.job(f"dpoJobs/{JOB_ID}")
    assert (job.status, job.fine_tuned_model) == ("succeeded", MODEL)
    assert len(await fireworks.endpoint.events(f"dpoJobs/{JOB_ID}")) == 1


async def test_both_kinds_of_jobs_are_listed_page_by_page(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    fireworks.state.largest_page = 1
    for number in (1, 2):
        await created(fireworks, data, replace(asked, token=f"S{number}", suffix=f"drone-0000000{number}"))
        await created(
            fireworks, data, preference(replace(asked, token=f"D{number}", suffix=f"drone-1000000{number}"))
        )
    found, after, pages = [], None, 0
    while pages == 0 or after:
        page = await fireworks.endpoint.jobs(after)
        found += [job.id for job in page.jobs]
        after, pages = page.next, pages + 1
    assert sorted(found) == ["dpoJobs/ftorch-d1", "dpoJobs/ftorch-d2", "ftorch-s1", "ftorch-s2"]
    assert (pages, page.is_last) == (4, True)


@pytest.mark.parametrize("body", [{}, {"jobs": []}, {"supervisedFineTuningJobs": None}, {"error": "upstream"}])
async def test_what_is_no_list_is_not_an_empty_one(
    fireworks: Fireworks, monkeypatch: pytest.MonkeyPatch, body: dict[str, object]
) -> None:
    await fireworks.endpoint.account_id()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=body, request=request)

    monkeypatch.setattr(fireworks.wire, "handle_async_request", answer)
    with pytest.raises(NoJobList):
        await fireworks.endpoint.jobs()


async def test_a_job_is_cancelled_and_a_finished_one_refuses(
    fireworks: Fireworks, data: Path, asked: JobRequest
) -> None:
    await created(fireworks, data, asked)
    assert (await fireworks.endpoint.cancel(JOB_ID)).status == "cancelled"
    with pytest.raises(RequestRefused, match="JOB_STATE_CANCELLED"):
        await fireworks.endpoint.cancel(JOB_ID)


async def test_a_whole_name_finds_the_job_too(fireworks: Fireworks, data: Path, asked: JobRequest) -> None:
    await created(fireworks, data, asked)
    for name in (JOB_ID, f"accounts/{ACCOUNT}/supervisedFineTuningJobs/{JOB_ID}"):
        assert (await fireworks.endpoint.job(name)).id == JOB_ID


# --- Models ------------------------------------------------------------------------------------------------------


async def test_a_deployment_is_called_by_its_whole_name_and_a_model_by_its_own(fireworks: Fireworks) -> None:
    question = {"messages": [{"role": "user", "content": "Up"}]}
    fireworks.state.deployments["mine"] = {"baseModel": BASE, "state": "READY"}
    assert (await fireworks.endpoint.chat({"model": "mine", **question}, "1"))["choices"]
    called = fireworks.wire.asked("POST", "/inference/v1/chat/completions")[-1]["body"]["model"]
    assert called == f"accounts/{ACCOUNT}/deployments/mine"
    with pytest.raises(RequestRefused, match="not deployed"):
        await fireworks.endpoint.chat({"model": BASE, **question}, "2")


async def test_models_are_listed_and_deleted(fireworks: Fireworks, data: Path, asked: JobRequest) -> None:
    await created(fireworks, data, asked)
    fireworks.train(3)
    assert await fireworks.endpoint.models() == [MODEL]
    await fireworks.endpoint.delete_model(MODEL)
    await fireworks.endpoint.delete_model(MODEL)
    assert await fireworks.endpoint.has_model(MODEL) is False


async def test_a_rescue_keeps_jobs_and_models_and_says_that_no_file_is_returned(
    fireworks: Fireworks, data: Path, asked: JobRequest, tmp_path: Path
) -> None:
    request = await created(fireworks, data, asked)
    fireworks.train(3)
    kept, missing, models = await rescued_from(fireworks.endpoint, tmp_path / "rescued")
    assert {"job", "events"} <= {kind for kind, _ in kept}
    assert missing == {("file", request.training_file): "unsupported"}
    assert models == {MODEL: True}


async def test_a_rescue_goes_on_where_one_kind_of_job_cant_be_listed(
    fireworks: Fireworks, data: Path, asked: JobRequest, tmp_path: Path
) -> None:
    await created(fireworks, data, asked)
    fireworks.wire.instead.append(
        lambda request: httpx2.Response(500, json={"code": 13}) if request.url.path.endswith("dpoJobs") else None
    )
    kept, _, _ = await rescued_from(fireworks.endpoint, tmp_path / "rescued")
    assert ("job", JOB_ID) in kept

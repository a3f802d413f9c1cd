"""A file behind an address: the endpoint fetches it, once, and nobody writes its secret down."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from orchestrator.endpoints.interface import TRAINING
from orchestrator.engine.machine import Wait
from orchestrator.errors import DataFileUnusable
from orchestrator.jobfile.addresses import Address
from orchestrator.runs.states import State
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.store import uploads

URL = "https://acme.blob.core.windows.net/data/train.jsonl?${SAS}"
SHA = "ab" * 32
SECRET = "sv=1&sig=secret"


@pytest.fixture(autouse=True)
def sas(monkeypatch):
    monkeypatch.setenv("SAS", SECRET)


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """What the machine's name server says."""
    known = {"acme.blob.core.windows.net": "20.60.0.1"}

    def asked(host, *_, **__):
        return [(0, 0, 0, "", (known[host], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    return known


@pytest.fixture
def config(config):
    return replace(config, import_variables=("SAS",))


@pytest.fixture
def by_address(make_run, context):
    return make_run(context, state=State.UPLOADING, training_path=URL, training_sha256=SHA)


def recorded(db):
    with db.read() as connection:
        return uploads.find(connection, "fake", TRAINING, SHA)


async def test_the_endpoint_is_asked_to_fetch_it_once_for_all_runs(
    by_address, make_run, context, step, endpoint, db
):
    first = await step(by_address)
    second = await step(make_run(context, state=State.UPLOADING, training_path=URL, training_sha256=SHA))
    [(address, sent_name)] = [detail for kind, detail in endpoint.calls if kind == "import"]
    assert address == f"https://acme.blob.core.windows.net/data/train.jsonl?{SECRET}"
    assert sent_name == "ftorch-abababababababab-train.jsonl"
    assert first.state == second.state == State.CREATING
    assert first.training_file_id == second.training_file_id == recorded(db).file_id
    assert endpoint.count("upload") == 0


async def test_a_lost_answer_is_looked_for_by_name_and_not_asked_again(by_address, step, endpoint, errors, fault):
    endpoint.fault("import", fault(errors.unknown(), lands=True))
    waiting = await step(by_address)
    assert "upload unconfirmed" in waiting.reason
    assert (await step(by_address)).state == State.CREATING
    assert endpoint.count("import") == 1


async def test_without_the_variable_the_run_waits_for_the_user(by_address, step, endpoint, context, monkeypatch):
    monkeypatch.delenv("SAS")
    waiting = await step(by_address)
    assert waiting.state == State.UPLOADING
    assert "the environment variable SAS is not set" in waiting.reason
    assert context.blocked == {by_address.id}
    assert endpoint.calls == []


async def test_a_variable_that_the_configuration_does_not_list_goes_nowhere(
    by_address, context, make_world, step, endpoint, config
):
    other = make_world(owner=context.owner, config=replace(config, import_variables=("OTHER",)))
    waiting = await step(by_address, other)
    assert 'set import_variables = ["OTHER", "SAS"] in [endpoints.fake] of built in, then resume' in waiting.reason
    assert other.blocked == {by_address.id}
    assert endpoint.calls == []


async def test_a_name_that_leads_into_a_private_network_is_not_passed_on_unless_allowed(
    by_address, context, make_world, step, endpoint, config, names
):
    names["acme.blob.core.windows.net"] = "169.254.169.254"
    waiting = await step(by_address)
    assert "points to a private address (169.254.169.254); give a public https:// address, or set" in waiting.reason
    assert endpoint.calls == []
    allowing = make_world(owner=context.owner, config=replace(config, import_private=True))
    assert (await step(waiting, allowing)).state == State.CREATING


async def test_a_refusal_that_quotes_the_address_is_recorded_without_the_secret(by_address, step, endpoint, errors):
    refusal = errors.refused(
        400, message=f"can't fetch https://acme.blob.core.windows.net/data/train.jsonl?{SECRET}"
    )
    endpoint.fault("import", refusal)
    failed = await step(by_address)
    assert failed.state == State.FAILED
    assert "${SAS}" in failed.reason
    assert "secret" not in failed.reason + str(failed.error_message)


async def test_a_file_that_could_not_be_fetched_fails_the_run_with_the_endpoints_words(
    context, endpoint, monkeypatch
):
    file = await endpoint.import_file("x", "y")
    endpoint.raw_files[file.id] |= {"status": "error", "status_details": f"404 for ...?{SECRET}"}

    async def import_file(*_):
        return await endpoint.file(file.id)

    monkeypatch.setattr(endpoint, "import_file", import_file)
    with pytest.raises(DataFileUnusable, match=r"could not process it \(404 for \.\.\.\?\$\{SAS\}\)"):
        await file_on_endpoint(context, Address(URL), SHA)


# --- processing --------------------------------------------------------------------------------------------


async def test_a_job_waits_for_its_files_and_not_for_ever(context, data_file, sha, endpoint, clock):
    endpoint.capabilities = replace(endpoint.capabilities, needs_processed_files=True)
    file_id = await file_on_endpoint(context, data_file, sha)
    endpoint.raw_files[file_id]["status"] = "pending"
    waiting = await file_on_endpoint(context, data_file, sha)
    assert isinstance(waiting, Wait)
    assert waiting.reason == "train.jsonl is being processed: pending"
    clock.pass_(7201)
    with pytest.raises(DataFileUnusable, match=r"still not processed \(pending\) after 2 hours; delete it there"):
        await file_on_endpoint(context, data_file, sha)
    endpoint.raw_files[file_id]["status"] = "processed"
    assert await file_on_endpoint(context, data_file, sha) == file_id


async def test_both_files_go_up_while_the_first_is_being_processed(
    make_run, context, step, endpoint, tmp_path, sha
):
    from orchestrator.dataset.files import inspect_file

    endpoint.capabilities = replace(endpoint.capabilities, needs_processed_files=True)
    validation = tmp_path / "valid.jsonl"
    validation.write_text('{"messages": [1]}\n' * 12)
    upload = endpoint.upload

    async def unprocessed(*arguments, **options):
        file = await upload(*arguments, **options)
        return replace(file, status="pending")

    endpoint.upload = unprocessed
    facts = {"validation_path": str(validation), "validation_sha256": inspect_file(validation).sha256}
    run = make_run(context, state=State.UPLOADING, **facts)
    waiting = await step(run)
    assert (waiting.state, endpoint.count("upload")) == (State.UPLOADING, 2)
    assert (await step(run)).state == State.CREATING

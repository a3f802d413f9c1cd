"""Objects as real endpoints send them, which break their own descriptions, are read without harm."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from orchestrator.endpoints.objects import read_checkpoint, read_event, read_file, read_job, read_result_rows
from orchestrator.runs.jobs import metrics_of

PAYLOADS = json.loads((Path(__file__).parent.parent / "data" / "payloads.json").read_text())
JOBS = ["azure_pending", "azure_nulls", "azure_paused", "empty_error", "null_error", "nebius_running"]


def seen(name):
    return PAYLOADS[name]["value"]


@pytest.mark.parametrize("name", JOBS)
def test_a_recorded_job_is_read_and_kept_whole(name):
    job = read_job(seen(name))
    assert (job.id, job.status, job.raw) == (seen(name)["id"], seen(name)["status"], seen(name))
    assert job.error is None
    assert job.result_files == ()
    assert job.metadata == {}
    assert job.fine_tuned_model is None


def test_an_azure_job_gives_suffix_seed_and_finish():
    job = read_job(seen("azure_pending"))
    assert (job.suffix, job.seed, job.estimated_finish) == ("sarcasm", 1003, 1765471227)


def test_the_suffix_may_have_another_name_and_an_empty_one_is_none():
    assert read_job(seen("empty_error")).suffix == "countdown"
    assert read_job(seen("nebius_running")).suffix is None


@pytest.mark.parametrize("error", [None, {}, [], "", {"code": None, "message": None}, {"code": "", "message": ""}])
def test_an_error_that_says_nothing_is_none(error):
    assert read_job({"id": "x", "error": error}).error is None


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ("The file has 3 invalid lines", None, "The file has 3 invalid lines"),
        (
            {"code": "Failed", "message": "Refused.", "innererror": {"message": "The data are harmful."}},
            "Failed",
            "Refused; The data are harmful.",
        ),
        ({"code": "Failed", "message": None, "innererror": {"code": "HarmfulData"}}, "Failed", "HarmfulData"),
        (
            {"message": "Refused.", "details": [{"target": "line 7", "message": "No assistant."}]},
            None,
            "Refused; line 7: No assistant.",
        ),
    ],
)
def test_the_reason_of_a_failed_job_is_read_where_it_is(error, code, message):
    found = read_job({"id": "x", "status": "failed", "error": error}).error
    assert (found.code, found.message) == (code, message)


@pytest.mark.parametrize("error", [False, 0, ["x"], {"seen": "nothing"}, "none"])
def test_what_is_no_error_is_none(error):
    assert read_job({"id": "x", "status": "running", "error": error}).error is None


@pytest.mark.parametrize("error", [{"code": "bad"}, {"message": "it broke"}])
def test_an_error_that_says_something_is_one(error):
    found = read_job({"id": "x", "error": error}).error
    assert (found.code, found.message) == (error.get("code"), error.get("message"))


def test_a_job_needs_nothing_but_its_id():
    assert read_job({"id": "x"}).status == "unknown"
    with pytest.raises(KeyError):
        read_job({"status": "running"})


def test_values_of_the_wrong_kind_are_left_out_not_believed():
    odd = {
        "id": "x",
        "seed": "many",
        "trained_tokens": [],
        "created_at": {},
        "metadata": "none",
        "result_files": [None],
    }
    job = read_job(odd)
    assert (job.seed, job.trained_tokens, job.created_at, dict(job.metadata), job.result_files) == (
        None, None, None, {}, (),
    )  # fmt: skip


def test_a_time_may_be_written_out():
    assert read_job({"id": "x", "created_at": "2026-01-01T00:00:00Z"}).created_at == 1767225600


def test_a_file_without_a_status_has_none():
    file = read_file(seen("nebius_file"))
    assert (file.status, file.bytes, file.filename) == (None, 657543, "training_data.jsonl")


def test_events_without_ids_get_the_same_one_each_time():
    first, again = ([read_event(raw) for raw in seen("nebius_events")] for _ in range(2))
    assert [event.id for event in first] == [event.id for event in again]
    assert len({event.id for event in first}) == 3


def test_warning_and_warn_are_one_level():
    assert [read_event(raw).level for raw in seen("nebius_events")] == ["info", "info", "warn"]


def test_a_metrics_event_carries_its_numbers():
    event = read_event(seen("metrics_event"))
    assert (event.type, event.data["step"], event.data["train_loss"]) == ("metrics", 300, 0.1499)
    assert read_event({"data": {}}).data is None


def test_a_checkpoint_is_read_with_its_numbers_only():
    checkpoint = read_checkpoint(seen("checkpoint"))
    assert (checkpoint.step, checkpoint.model.rsplit(":", 1)[1]) == (2000, "ckpt-step-2000")
    assert set(checkpoint.metrics) == {"full_valid_loss", "full_valid_mean_token_accuracy"}
    assert read_checkpoint({"id": "c", "metrics": {"step": 7}}).step == 7


@pytest.mark.parametrize("encode", [bytes, base64.b64encode, base64.encodebytes], ids=["plain", "base64", "lines"])
def test_a_result_file_is_read_plain_and_as_base64(encode):
    rows = read_result_rows(encode(seen("openai_result").encode()))
    assert [(row["step"], row["train_loss"], row["valid_loss"]) for row in rows] == [
        ("1", "1.52347", ""),
        ("2", "0.57719", ""),
    ]


def test_a_result_file_with_a_byte_order_mark_is_read():
    text = seen("azure_result").encode("utf-8-sig")
    assert read_result_rows(text) == read_result_rows(base64.b64encode(text)) != []


def test_what_is_no_result_file_has_no_rows():
    noise = random.Random(1).randbytes(500)
    for content in (
        b"",
        b"<html>no</html>",
        noise,
        base64.b64encode(b"something else"),
        b"step\n" + b"x" * 200_000,
    ):
        with pytest.raises(ValueError, match=r"it is empty|it is not a CSV"):
            read_result_rows(content)


def test_columns_are_known_by_the_names_of_each_host(run):
    (openai, _), (azure,) = (
        metrics_of(run, read_result_rows(seen(name).encode())) for name in ("openai_result", "azure_result")
    )
    assert (openai.step, openai.train_accuracy, openai.valid_loss) == (1, 0.0, None)
    assert (azure.train_accuracy, azure.valid_loss, azure.valid_accuracy) == (0.25, 0.8, 0.75)

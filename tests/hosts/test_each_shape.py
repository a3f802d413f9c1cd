"""Every shape in which hosts are known to change, refuse or end a job, one by one."""

from __future__ import annotations

import base64
import json

import pytest
from support.scripted_host import CANCEL, CREATE, JOB, LIST, UPLOAD, Answer, page, refusal

# --- A create whose answer is lost --------------------------------------------------------------------------------


def cut(job):
    job["suffix"] = job["suffix"][:18]


def lower(job):
    job["suffix"] = job["suffix"].lower().replace("_", "-")


def hide_file(job):
    job["training_file"] = None


def rename_file(job):
    job["training_file"] = "managed-by-a-gateway"


def set_clock_back(job):
    job["created_at"] -= 7200


def rename(job):
    job["model"] = "gateway/some-mini-reference"


CHANGES = [cut, lower, rename, hide_file, rename_file, set_clock_back]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_job_with_a_certain_mark_is_found_whatever_else_it_says(host, customer, change):
    host.loses_created(change)
    done = customer.submit(line='suffix = "My_long_drone_suffix"')
    assert (done.code, host.creates, list(host.jobs)) == (0, 1, ["ftjob-0001"])
    assert customer.run()["job_id"] == "ftjob-0001"
    assert done.out.strip() == host.jobs["ftjob-0001"]["fine_tuned_model"]


SHAPES = {
    "an error as 200": {"error": {"message": "upstream timed out", "code": 504}},
    "jobs": {"jobs": []},
    "null": {"object": "list", "data": None},
    "nothing": {},
    "a page": "<html><title>Sign in to WiFi</title></html>",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_what_is_no_list_is_no_proof_that_there_is_no_job(host, customer, shape):
    host.on(LIST, Answer(200, shape))
    host.loses_created()
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (4, 1, "unknown")


def pages_of(host, size, order):
    """A list in this order, on pages of this size, whatever was asked for."""

    def answer(asked):
        return page(order(host.listed(asked)), asked.query.get("after"), size)

    return answer


def oldest_first(jobs):
    return sorted(jobs, key=lambda job: job["created_at"])


def by_id_hash(jobs):
    return sorted(jobs, key=lambda job: job["id"][::-1])


@pytest.mark.parametrize("order", [oldest_first, by_id_hash], ids=["oldest first", "in no order"])
def test_the_job_is_found_on_whatever_page_it_is(host, customer, order):
    for age in range(9):
        stranger = host.make({"model": "m", "training_file": "file-of-another"})
        host.end(stranger["id"], created_at=stranger["created_at"] - 86_400 * 30 * (9 - age))
    host.on(LIST, pages_of(host, 2, order))
    host.loses_created()
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["job_id"]) == (0, 1, "ftjob-0010")


def test_a_conflict_that_never_ends_is_asked_for_three_times(host, customer):
    host.on(CREATE, refusal(409, "A fine-tuning job with this suffix already exists."))
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (4, 3, "unknown")
    assert "A fine-tuning job with this suffix already exists." in done.err


# --- Refusals -----------------------------------------------------------------------------------------------------

NOT_READY = {
    "400": lambda file: refusal(400, f"File '{file}' is still being processed. Please try again later."),
    "404": lambda file: refusal(404, f"The specified file was not found: {file}", "invalid_training_file"),
    "409": lambda file: refusal(409, f"File {file} is not ready", "file_not_ready"),
}


@pytest.mark.parametrize("answer", NOT_READY.values(), ids=list(NOT_READY))
def test_a_new_file_that_is_not_ready_is_waited_for(host, customer, answer):
    host.on(CREATE, lambda asked: answer(asked.fields["training_file"]), times=3)
    done = customer.submit()
    assert (done.code, host.creates, len(host.jobs)) == (0, 4, 1)
    assert host.count(UPLOAD) == 1


NO_CREDIT = {
    "429 by its type": Answer(
        429, {"error": {"message": "Quota exceeded", "type": "insufficient_quota", "code": None}}
    ),
    "429 by its code": refusal(429, "You exceeded your current quota.", "insufficient_quota"),
    "400 of a hard limit": refusal(400, "Billing hard limit has been reached", "billing_hard_limit_reached"),
    "402": Answer(402, {"detail": "Insufficient credits. Top up your balance."}),
    "400 by its code": refusal(400, "Creating this job would exceed your hard limit.", "exceeded_quota"),
}


@pytest.mark.parametrize("answer", NO_CREDIT.values(), ids=list(NO_CREDIT))
def test_no_credit_holds_the_run_until_there_is_some(host, customer, answer):
    host.on(CREATE, answer)
    done = customer.submit()
    assert (len(host.jobs), customer.run()["state"]) == (0, "creating")
    assert done.code != 0
    host.forget_rules()
    assert customer.ftorch("resume").code == 0
    assert (len(host.jobs), customer.run()["state"]) == (1, "succeeded")


OTHER_SHAPES = {
    "detail as text": (Answer(400, {"detail": "n_epochs must be 5 at most"}), "n_epochs must be 5 at most"),
    "detail as list": (Answer(422, {"detail": [{"loc": ["body", "n_epochs"], "msg": "too high"}]}), "too high"),
    "error as text": (Answer(400, {"error": "this model is not fine-tunable"}), "not fine-tunable"),
    "plain text": (Answer(400, "suffix must be at most 18 characters"), "at most 18 characters"),
    "a page": (Answer(403, "<html><body><h1>Blocked by policy 17</h1></body></html>"), "Blocked by policy 17"),
    "errors": (Answer(400, {"errors": [{"message": "training file too small"}]}), "training file too small"),
    "at the top": (Answer(400, {"code": 3, "message": "invalid model", "details": []}), "invalid model"),
}


@pytest.mark.parametrize("answer", OTHER_SHAPES.values(), ids=list(OTHER_SHAPES))
def test_a_refusal_of_any_shape_ends_the_run_with_the_hosts_words(host, customer, answer):
    refused, words = answer
    host.on(CREATE, refused)
    done = customer.submit()
    state = "creating" if "a web page, not the API" in done.err else "failed"  # a network's answer ends no run
    assert (done.code, host.creates, customer.run()["state"]) == (1, 1, state)
    assert words in done.err


@pytest.mark.parametrize("nothing", [None, 0, False, ""], ids=repr)
def test_a_job_without_a_usable_id_is_looked_for(host, customer, nothing):
    host.on(CREATE, lambda asked: Answer(200, {**host.make(asked.fields), "id": nothing}))
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["job_id"]) == (0, 1, "ftjob-0001")


# --- Ends ---------------------------------------------------------------------------------------------------------

GOOD_WORDS = [("completed", "acme/gpt-tuned"), ("SUCCESS", "ft:x:y"), ("JOB_STATE_SUCCEEDED", "tuned-model")]
BAD_WORDS = ["error", "user_error", "FAILED_VALIDATION", "expired", "deleted"]


@pytest.mark.parametrize(("word", "model"), GOOD_WORDS)
def test_a_job_that_ended_well_in_other_words(host, customer, word, model):
    host.on(JOB, lambda asked: host.end(asked.subject, word, fine_tuned_model=model))
    done = customer.submit()
    assert (done.code, done.out.strip(), customer.run()["state"]) == (0, model, "succeeded")


@pytest.mark.parametrize("word", BAD_WORDS)
def test_a_job_that_ended_badly_in_other_words(host, customer, word):
    host.on(JOB, lambda asked: host.end(asked.subject, word))
    done = customer.submit()
    assert (done.code, customer.run()["state"]) == (1, "failed")
    assert word in done.err


REFUSED_CANCELS = {
    "it has ended": refusal(400, "Job has already completed: status succeeded"),
    "it is gone": refusal(404, "Could not find fine tune"),
    "a conflict": refusal(409, "conflict"),
}


@pytest.mark.parametrize("answer", REFUSED_CANCELS.values(), ids=list(REFUSED_CANCELS))
def test_a_refused_cancel_is_no_success(host, customer, answer):
    host.holds = True
    customer.follow("going")
    host.on(CANCEL, answer)
    done = customer.ftorch("cancel", "going", "--yes")
    assert done.code != 0
    assert "can't be cancelled" in done.err
    assert customer.states() == {"going": "queued"}


CSV = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,1.5,0.5,,\n2,1.0,0.7,1.2,0.6\n"
RESULTS = {
    "plain": (Answer(200, CSV), 2),
    "base64": (Answer(200, base64.b64encode(CSV.encode()).decode()), 2),
    "base64 in lines": (Answer(200, base64.encodebytes(CSV.encode()).decode()), 2),
    "gone": (refusal(404, "No such File object"), "No such File object"),
    "empty": (Answer(200, ""), "it is empty"),
    "a page": (Answer(200, "<html>sign in</html>"), "it is not a CSV with the column step"),
    "a list": (Answer(200, [{"step": 1, "train_loss": 1.5}]), "it is not a CSV with the column step"),
    "elsewhere": (
        Answer(302, {}, {"location": "https://blob.example/result.csv?sig=x"}),
        "it redirects to https://blob.example/result.csv; ftorch follows no redirects",
    ),
    "trouble": (refusal(500, "boom"), "boom"),
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=list(RESULTS))
def test_no_result_file_keeps_a_job_from_its_model_and_the_history_keeps_why(host, customer, result):
    answer, found = result
    host.holds = True
    customer.follow("done")
    host.end("ftjob-0001", result_files=["file-result"])
    host.on("GET /files/file-result/content", answer)
    done = customer.ftorch("resume")
    assert (done.code, customer.states()) == (0, {"done": "succeeded"})
    if isinstance(found, int):
        assert len(customer.metrics("done")) == found
        return
    last = json.loads(customer.ftorch("show", "done", "--json").out)["history"][-1]["reason"]
    assert "result file file-result can't be fetched from hosted" in last
    assert found in last
    assert found in done.err
    assert "base_url" not in last

"""A refusal keeps its text, whatever shape the host gives it."""

from __future__ import annotations

import json

import httpx2
import pytest

from orchestrator.endpoints.refusals import LONGEST, read_refusal
from orchestrator.errors import EndpointBusy, EndpointError, EndpointUnreachable, QuotaExhausted, RequestRefused

SHAPES = {
    "OpenAI": ({"error": {"message": "seed is too large", "param": "seed", "code": "bad"}}, "seed is too large"),
    "error is a text": ({"error": "model is not fine-tunable"}, "model is not fine-tunable"),
    "error is a list": ({"error": ["seed is too large", "no such model"]}, "seed is too large; no such model"),
    "FastAPI, a text": ({"detail": "n_epochs must be at most 5"}, "n_epochs must be at most 5"),
    "FastAPI, a list": (
        {"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing", "input": {"a": "b"}}]},
        "body.model: field required",
    ),
    "FastAPI, in an example": (
        {"detail": [{"loc": ["body", 3, "role"], "msg": "unknown"}, {"loc": ["query"], "msg": "too long"}]},
        "body.3.role: unknown; query: too long",
    ),
    "FastAPI, a table": ({"detail": {"code": "no_gpu", "message": "No GPU is free"}}, "No GPU is free"),
    "errors of objects": (
        {"errors": [{"message": "training file too small"}, {"field": "seed", "message": "too large"}]},
        "training file too small; seed: too large",
    ),
    "errors of texts": ({"errors": list("abcdefg")}, "a; b; c; d; e; and 2 more"),
    "JSON:API": (
        {"errors": [{"status": "422", "title": "Bad", "detail": "too big", "source": {"pointer": "/n_epochs"}}]},
        "/n_epochs: too big",
    ),
    "problem+json": (
        {
            "type": "about:blank",
            "title": "Some fields are wrong.",
            "status": 400,
            "errors": {"seed": ["too large"]},
        },
        "Some fields are wrong; seed: too large",
    ),
    "fields alone": ({"n_epochs": ["must be at most 5"], "code": 7}, "n_epochs: must be at most 5"),
    "message at the top": ({"code": 3, "message": "invalid model", "details": []}, "invalid model"),
    "Message": ({"Message": "Forbidden by policy"}, "Forbidden by policy"),
    "messages of a framework": (
        {"statusCode": 400, "error": "Bad Request", "message": ["seed is too large", "no such model"]},
        "seed is too large; no such model",
    ),
    "error beside a sentence": (
        {"error": "invalid_request", "error_description": "The suffix is too long"},
        "The suffix is too long",
    ),
    "error with a pointer on": ({"error": "model too old", "detail": "use gpt-4.1"}, "model too old; use gpt-4.1"),
    "error is null": ({"error": None, "message": "no such file"}, "no such file"),
    "LiteLLM": (
        {
            "error": {
                "message": "litellm.BadRequestError: no provider",
                "type": "None",
                "param": "None",
                "code": "400",
            }
        },
        "litellm.BadRequestError: no provider",
    ),
    "Azure, innererror": (
        {
            "error": {
                "code": "X",
                "message": "Refused.",
                "innererror": {"innererror": {"message": "Data are unsafe."}},
            }
        },
        "Refused; Data are unsafe.",
    ),
    "Azure, innererror with a code": (
        {"error": {"message": "Refused.", "innererror": {"code": "Outer", "innererror": {"code": "HarmfulData"}}}},
        "Refused; HarmfulData",
    ),
    "Azure, details": (
        {"error": {"message": "Refused.", "details": [{"code": "A", "target": "seed", "message": "Too large."}]}},
        "Refused; seed: Too large.",
    ),
    "gRPC, field violations": (
        {"message": "invalid", "details": [{"fieldViolations": [{"field": "epochs", "description": "too many"}]}]},
        "invalid; epochs: too many",
    ),
    "a list of one": ([{"error": {"message": "no such model", "code": 404}}], "no such model"),
    "a text alone": ("no such model", "no such model"),
    "nothing said": ({"error": {"message": None, "code": "InvalidModel"}}, "Bad Request"),
    "an empty table": ({}, "Bad Request"),
    "null": (None, "Bad Request"),
}


def refused(status, body, **headers):
    return httpx2.Response(status, json=body, headers={name.replace("_", "-"): headers[name] for name in headers})


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_refusal_is_told_in_the_hosts_words(shape, failure):
    body, words = SHAPES[shape]
    error = await failure(refused(400, body))
    assert isinstance(error, RequestRefused)
    assert error.facts["message"] == words
    assert str(error).startswith(f"The endpoint staging refused the request: {words} (HTTP 400")


@pytest.mark.parametrize("status", [401, 402, 403, 404, 409, 422, 429, 500])
async def test_the_words_are_told_whatever_the_status(status, failure):
    assert "the words of the host (HTTP" in str(await failure(refused(status, {"detail": "the words of the host"})))


async def test_a_create_and_an_upload_keep_the_words_too(connect, wire, request_):
    wire.answers(refused(422, SHAPES["FastAPI, a list"][0]))
    with pytest.raises(RequestRefused, match=r"body\.model: field required"):
        await (await connect()).create(request_)


PARTICULARS = [
    ({"error": {"code": "bad", "param": "seed", "type": "t", "message": "m"}}, ("bad", "seed", "t")),
    ({"error": {"code": "bad", "target": "seed", "message": "m"}}, ("bad", "seed", None)),
    ({"error": {"code": "None", "param": "null", "type": "", "message": "m"}}, (None, None, None)),
    ({"error": None, "code": "bad", "message": "m"}, ("bad", None, None)),
    ({"error": {"message": "m"}, "code": 5}, ("5", None, None)),
    ({"detail": {"code": "no_gpu", "message": "m"}}, ("no_gpu", None, None)),
    ({"detail": [{"loc": ["body", "seed"], "msg": "m", "type": "int"}]}, (None, "body.seed", "int")),
    ({"errors": [{"code": "bad", "field": "seed", "message": "m"}]}, ("bad", "seed", None)),
    ({"error": "invalid_request", "error_description": "m"}, ("invalid_request", None, None)),
    ({"error": "no such model", "path": "/v1/jobs"}, (None, None, None)),
    ({"error": {"code": {"a": 1}, "param": True, "type": 1.5, "message": "m"}}, (None, None, None)),
]


@pytest.mark.parametrize(("body", "expected"), PARTICULARS)
async def test_code_param_and_type_are_read_where_they_are(body, expected, failure):
    facts = (await failure(refused(400, body))).facts
    assert (facts["code"], facts["param"], facts["type"]) == expected


PAGES = {
    "a title": (
        b"<html><head><title>Access\n denied</title><style>h1 {}</style></head><body><h1>No</h1></body></html>",
        'a web page, not the API, answered: "Access denied"',
    ),
    "no title": (
        b"<!DOCTYPE html><script>var a = '<b>'</script><body><h1>Blocked by policy&nbsp;17</h1><p>Ask IT</body>",
        'a web page, not the API, answered: "Blocked by policy 17 Ask IT"',
    ),
    "nothing in it": (b"<html></html>", "a web page, not the API, answered"),
    "long": (b"<html><p>" + b"y" * 5000, 'a web page, not the API, answered: "' + "y" * 120 + '…"'),
    "a text": (b"suffix must be at most 18 characters\r\n", "suffix must be at most 18 characters"),
    "XML": (b"<?xml version='1.0'?><Error><Code>Denied</Code><Message>No</Message></Error>", "Denied No"),
    "JSON": (b'{"detail": "no such model"}', "no such model"),
    "half of JSON": (b'{"detail": "no such', '{"detail": "no such'),
    "nothing": (b"", "Bad Request"),
    "no text": (b"\x00\x01\x02\xff\xfe", "Bad Request"),
}


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json"])
@pytest.mark.parametrize("page", PAGES)
async def test_pages_and_texts_are_told_in_short(page, content_type, failure):
    body, words = PAGES[page]
    if page == "XML" and "html" in content_type:
        words = f'a web page, not the API, answered: "{words}"'
    error = await failure(httpx2.Response(400, content=body, headers={"content-type": content_type}))
    assert error.facts["message"] == words


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": {"message": "x" * 100_000, "code": "c" * 100_000, "param": "p" * 100_000}}),
        json.dumps({"detail": [{"loc": ["x" * 10_000] * 100, "msg": "y" * 10_000}] * 100}),
        json.dumps({f"field{number}": "z" * 1000 for number in range(1000)}),
        "x" * 1_000_000,
        "<html>" + "<p>words" * 100_000,
        "<html>" + "<a b='" * 100_000,
        "[" * 100_000,
        "[" * 450 + "]" * 450,
        '{"error":' * 450 + "null" + "}" * 450,
        '{"message":' * 100_000,
    ],
    ids=[
        "text",
        "list",
        "fields",
        "plain",
        "page",
        "tags",
        "too many lists",
        "deep",
        "deep tables",
        "too many tables",
    ],
)
async def test_however_much_a_host_says_it_is_told_in_short(body, failure):
    error = await failure(httpx2.Response(400, text=body))
    assert all(len(error.facts[name] or "") <= LONGEST + 1 for name in ("message", "code", "param", "type"))
    assert len(str(error)) <= 2 * LONGEST + 200


KEY = "sk-test/0123456789abcdef"


@pytest.mark.parametrize(
    "before", [0, 110, LONGEST - 10], ids=["whole", "where pages are cut", "where texts are cut"]
)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "{}", "code": "{}", "param": "{}", "type": "{}"}},
        {"detail": [{"loc": ["body", "{}"], "msg": "{}"}]},
        {"errors": ["{}"]},
        "{}",
        "<html><title>{}</title></html>",
    ],
    ids=["error", "detail", "errors", "a text", "a page"],
)
async def test_the_key_is_hidden_in_every_shape(before, body, failure, monkeypatch):
    monkeypatch.setenv("STAGING_KEY", KEY)
    quoting = (body if isinstance(body, str) else json.dumps(body)).replace("{}", "x " * (before // 2) + KEY)
    error = await failure(httpx2.Response(400, text=quoting))
    assert KEY[:8] not in json.dumps(error.facts)
    assert ("x x x" if before else "[key]") in error.facts["message"]


# --- No credit ---------------------------------------------------------------------------------------------------


def said(message, code=None, kind="invalid_request_error"):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


NO_CREDIT = {
    "code": (429, said("You exceeded your quota.", "insufficient_quota")),
    "type alone": (429, said("You exceeded your quota.", None, "insufficient_quota")),
    "billing limit": (400, said("No.", "billing_hard_limit_reached")),
    "exceeded quota": (400, said("No.", "exceeded_quota")),
    "not active": (403, said("Your account is not active.", "billing_not_active")),
    "payment required": (402, {"detail": "Payment Required"}),
    "402 without a body": (402, None),
    "402 as a page": (402, "<html><title>Pay</title></html>"),
    "OpenAI's words": (429, said("You exceeded your current quota, please check your plan and billing details.")),
    "hard limit": (
        400,
        said("Creating this fine-tuning job would exceed your hard limit. Cost of job: USD 12.00."),
    ),
    "billing words": (400, {"error": "Billing hard limit has been reached"}),
    "balance": (400, said("Your credit balance is too low to access the API.")),
    "credits": (403, {"detail": "Insufficient credits. Top up your balance."}),
    "account balance": (403, {"message": "Insufficient account balance"}),
    "spending limit": (
        412,
        {"error": {"message": "Account is suspended, having reached the monthly spending limit"}},
    ),
    "no credits left": (429, {"errors": ["You have no credits left"]}),
}


@pytest.mark.parametrize("form", NO_CREDIT)
async def test_no_credit_is_recognized_in_every_form_and_not_asked_again(form, failure, wire):
    status, body = NO_CREDIT[form]
    error = await failure(refused(status, body))
    assert isinstance(error, QuotaExhausted)
    assert "Add credit, then run: ftorch resume" in str(error)
    assert len(wire.requests) == 1


ACTIVE = "Your organization has reached the maximum of 3 active requests (3 running, 0 pending) for the model."
CAPS = {
    "active jobs": said(ACTIVE, "rate_limit_exceeded"),
    "daily jobs": said("You have reached the limit of 32 fine-tuning jobs per day.", "daily_limit_exceeded"),
    "requests": said("Rate limit reached for requests per minute. Limit: 60.", "rate_limit_exceeded", "requests"),
    "Azure, tokens": {
        "error": {"code": "429", "message": "You have exceeded token rate limit of your pricing tier."}
    },
    "Azure, full": {"error": {"code": "quotaExceeded", "message": "The queue of training jobs is full."}},
    "a text": {"detail": "Too many jobs"},
    "nothing": None,
}


@pytest.mark.parametrize("cap", CAPS)
async def test_a_cap_of_jobs_is_no_lack_of_credit(cap, failure):
    error = await failure(refused(429, CAPS[cap]))
    assert type(error) is EndpointBusy
    assert error.facts["retry_after"] is None


async def test_words_of_a_quota_with_a_time_to_wait_are_a_rate_limit(failure):
    words = "You exceeded your current quota, please check your plan and billing details."
    error = await failure(refused(429, said(words), retry_after="9"))
    assert type(error) is EndpointBusy
    assert error.facts["retry_after"] == 9


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    "words", ["training_file has no balance of classes", "the suffix exceeds the limit of 18", "no quota of seeds"]
)
async def test_other_refusals_are_no_lack_of_credit(words, status, failure):
    assert type(await failure(refused(status, said(words)))) is RequestRefused


# --- Waits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"), [(429, EndpointBusy), (503, EndpointUnreachable), (409, EndpointUnreachable)]
)
async def test_the_wait_is_told_in_milliseconds_before_seconds(status, kind, failure, wire):
    error = await failure(refused(status, {}, retry_after_ms="1500", retry_after="2"))
    assert type(error) is kind
    assert error.facts["retry_after"] == 1.5
    assert wire.slept
    assert min(wire.slept) >= 1.5


@pytest.mark.parametrize("header", ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"])
async def test_a_wait_of_a_day_is_left_to_the_caller(header, failure, wire):
    day = 86_400 if header == "retry-after" else 86_400_000
    error = await failure(httpx2.Response(429, headers={header: str(day)}))
    assert error.facts["retry_after"] == 86_400
    assert (wire.slept, len(wire.requests)) == ([], 1)


def test_reading_never_raises_on_any_json():
    values = [None, True, 1, 1.5, "", "x", [], {}, [[]], [{}], {"a": {}}, {"1": [None]}]
    keys = ("error", "errors", "detail", "details", "message", "code", "param", "innererror", "source", "loc")
    for key in keys:
        for value in values:
            for body in ({key: value}, {"error": {key: value}}, {"errors": [{key: value}]}, [{key: value}]):
                assert read_refusal(json.dumps(body)) is not None


async def test_every_error_can_be_made_again_from_its_facts(failure):
    error = await failure(refused(403, {"detail": "no"}))
    assert isinstance(error, EndpointError)
    assert str(type(error)(**error.facts)) == str(error)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": 5, "message": "job not found", "details": []}, "NOT_FOUND"),
        ({"code": 6, "message": "conflict", "details": []}, "ALREADY_EXISTS"),
        ({"code": 99, "message": "odd", "details": []}, "99"),
        ({"code": 5, "message": "no gateway"}, "5"),
    ],
)
def test_the_number_of_a_gateways_code_is_read_as_its_name(body, code):
    assert read_refusal(json.dumps(body)).code == code

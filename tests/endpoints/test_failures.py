"""Each way a request can fail, and what may be done next."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    QuotaExhausted,
    RequestRefused,
)

PAYLOADS = json.loads((Path(__file__).parent.parent / "data" / "payloads.json").read_text())


def answer(status, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json=body if body is not None else {"error": {"message": "no"}}, headers=named)


async def test_a_refused_key_names_its_variable_and_never_the_key(failure):
    error = await failure(answer(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}))
    assert isinstance(error, KeyRefused)
    assert "STAGING_KEY" in str(error)
    assert "sk-test" not in str(error)


async def test_the_end_of_training_is_a_refusal_with_its_code(failure):
    error = await failure(answer(403, PAYLOADS["wind_down"]["value"]))
    assert isinstance(error, RequestRefused)
    assert (error.facts["code"], error.facts["status"]) == ("training_not_available", 403)
    assert error.facts["message"].startswith("OpenAI is winding down")


async def test_a_body_without_type_and_param_is_read(failure):
    error = await failure(answer(400, PAYLOADS["azure_refusal"]["value"]))
    assert isinstance(error, RequestRefused)
    assert (error.facts["code"], error.facts["param"]) == ("invalidPayload", None)
    assert str(error).endswith("The specified base model does not support fine-tuning. (HTTP 400, invalidPayload)")


@pytest.mark.parametrize("status", [400, 404, 405, 413, 422])
async def test_a_refusal_is_asked_once(status, failure, wire):
    assert isinstance(await failure(answer(status)), RequestRefused)
    assert len(wire.requests) == 1


async def test_a_code_that_is_the_status_is_told_once(failure):
    error = await failure(answer(401, {"error": {"message": "Access denied", "code": "401"}}))
    assert "Access denied (HTTP 401)" in str(error)


async def test_the_id_of_the_request_is_told(failure):
    assert "request req_9" in str(await failure(answer(404, x_request_id="req_9")))


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
async def test_passing_trouble_is_asked_again(status, failure, wire):
    error = await failure(answer(status))
    assert isinstance(error, EndpointUnreachable)
    assert error.facts["sent"] is True
    assert len(wire.requests) == 4


async def test_no_credit_is_not_asked_again(failure, wire):
    error = await failure(answer(429, {"error": {"message": "no credit", "code": "insufficient_quota"}}))
    assert isinstance(error, QuotaExhausted)
    assert len(wire.requests) == 1


async def test_too_many_requests_is_busy(failure):
    error = await failure(answer(429, PAYLOADS["rate_limit"]["value"]))
    assert isinstance(error, EndpointBusy)
    assert error.facts["retry_after"] is None
    assert "Please try again" in str(error)


@pytest.mark.parametrize(
    ("trouble", "sent"),
    [
        (httpx2.ConnectError("refused"), False),
        (httpx2.ConnectTimeout("slow"), False),
        (httpx2.PoolTimeout("full"), False),
        (httpx2.ReadTimeout("slow"), True),
        (httpx2.WriteTimeout("slow"), True),
        (httpx2.ReadError("reset"), True),
        (httpx2.RemoteProtocolError("cut"), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_it_is_known_whether_a_request_can_have_left(trouble, sent, failure):
    error = await failure(trouble)
    assert isinstance(error, EndpointUnreachable)
    assert error.facts["sent"] is sent
    assert ("(base_url = " in str(error)) is not sent


UNREADABLE = {
    "a page for people": (httpx2.Response(200, html="<h1>Maintenance</h1>"), 'answered: "Maintenance"; a proxy'),
    "a page with a title": (
        httpx2.Response(200, html="<html><head><title>Sign in to\nWiFi</title></head></html>"),
        'a web page, not the API, answered: "Sign in to WiFi"; a proxy or a sign-in page may be in between, or '
        "base_url is not the API's address",
    ),
    "half a body": (httpx2.Response(200, content=b'{"id": "ftjob-1", "stat'), "is not JSON, or only part of it"),
    "nothing": (httpx2.Response(200, content=b""), "its answer is empty"),
    "null": (httpx2.Response(200, content=b"null"), "can't be read"),
    "a list": (httpx2.Response(200, content=b"[1]"), "can't be read"),
    "a text": (httpx2.Response(200, content=b'"ok"'), "can't be read"),
    "no id": (httpx2.Response(200, content=b"{}"), "its answer has no id"),
    "not text": (httpx2.Response(200, content=b"\xff\xfe\x00"), "its answer is not UTF-8 text"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_answer_that_can_not_be_read_is_trouble_that_passes(name, failure, wire):
    answer, problem = UNREADABLE[name]
    error = await failure(answer)
    assert isinstance(error, EndpointUnreachable)
    assert problem in str(error)
    assert error.facts["sent"] is True
    assert len(wire.requests) == 4


@pytest.mark.parametrize("charset", ["hex", "zlib", "rot13", "undefined", "idna"])
async def test_a_refusal_in_an_encoding_that_is_none_is_no_answer(charset, failure):
    error = await failure(
        httpx2.Response(400, content=b"abc\xff", headers={"content-type": f"a/b; charset={charset}"})
    )
    assert isinstance(error, EndpointUnreachable)
    assert error.facts["sent"] is True


REDIRECTS = {
    "https://elsewhere.example/v1/x?token=secret#part": "it redirects to https://elsewhere.example/v1/x; set the",
    "http://user:secret@elsewhere.example:8080/": "it redirects to http://elsewhere.example:8080/; set",
    "//elsewhere.example/login": "it redirects to //elsewhere.example/login; set",
    "/login?next=secret": "it redirects to /login; set",
    "http://[secret": "it redirects to an address that can't be read; set",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", REDIRECTS)
async def test_a_redirect_is_not_followed_and_only_its_place_is_shown(location, status, failure, wire):
    error = await failure(httpx2.Response(status, headers={"location": location}))
    assert isinstance(error, RequestRefused)
    assert REDIRECTS[location] in str(error)
    assert "secret" not in str(error.facts)
    assert len(wire.requests) == 1


async def test_a_redirect_without_an_address_is_named(failure):
    assert "it redirects without an address (HTTP 302)" in str(await failure(httpx2.Response(302)))


async def test_a_list_that_is_nowhere_may_be_behind_another_address(connect, config, wire):
    wire.answers(answer(404, {"error": {"message": "Unknown request URL", "code": "unknown_url"}}))
    with pytest.raises(EndpointError, match=r"check base_url = http://staging/v1: it may lack the API's path"):
        await (await connect(replace(config, type="compatible"))).jobs()


async def test_an_unknown_authority_of_certificates_comes_with_the_variable_to_set(failure):
    trouble = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed")
    assert "set SSL_CERT_FILE to their authority's file" in str(await failure(trouble))

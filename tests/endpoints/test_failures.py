"""Each way a request can fail, and what may be done next."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest

from orchestrator.endpoints.failures import retry_after
from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, QuotaExhausted, RequestRefused

PAYLOADS = json.loads((Path(__file__).parent.parent / "data" / "payloads.json").read_text())


@pytest.fixture
async def failure(connect, wire):
    """The error that a reading request ends with after this answer."""

    async def failure(answer):
        wire.answers(answer)
        endpoint = await connect()
        with pytest.raises(
            (EndpointUnreachable, EndpointBusy, KeyRefused, QuotaExhausted, RequestRefused)
        ) as caught:
            await endpoint.job("ftjob-1")
        return caught.value

    return failure


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
    ("header", "seconds"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("soon", None), ("inf", None), ("nan", None), ("1e400", None), ("", None)],
)
def test_retry_after_in_seconds(header, seconds):
    assert retry_after(httpx2.Response(429, headers={"retry-after": header})) == seconds


def test_retry_after_as_a_date():
    later = datetime.now(UTC) + timedelta(seconds=90)
    found = retry_after(httpx2.Response(429, headers={"retry-after": format_datetime(later, usegmt=True)}))
    assert found == pytest.approx(90, abs=2)
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert retry_after(httpx2.Response(429, headers={"retry-after": past})) == 0
    assert retry_after(httpx2.Response(429)) is None


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
    "a page for people": httpx2.Response(200, html="<h1>Maintenance</h1>"),
    "half a body": httpx2.Response(200, content=b'{"id": "ftjob-1", "stat'),
    "nothing": httpx2.Response(200, content=b""),
    "null": httpx2.Response(200, content=b"null"),
    "a list": httpx2.Response(200, content=b"[1]"),
    "a text": httpx2.Response(200, content=b'"ok"'),
    "no id": httpx2.Response(200, content=b"{}"),
    "not text": httpx2.Response(200, content=b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_answer_that_can_not_be_read_is_trouble_that_passes(name, failure, wire):
    error = await failure(UNREADABLE[name])
    assert isinstance(error, EndpointUnreachable)
    assert error.facts["sent"] is True
    assert len(wire.requests) == 4


@pytest.mark.parametrize("status", [400, 500])
async def test_an_error_page_for_people_gives_the_reason_in_short(status, failure):
    error = await failure(httpx2.Response(status, html="<html>" + "x" * 5000 + "</html>"))
    assert len(str(error)) < 300
    assert f"HTTP {status}" in str(error)

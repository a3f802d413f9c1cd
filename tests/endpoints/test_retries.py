"""Repeating what may be repeated, for a bounded time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from orchestrator.endpoints.retries import LONGEST_WAIT, Retries, retry_after
from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, RequestRefused


@pytest.fixture
def attempt():
    """Call something that fails so often; returns the pauses made, the calls, and the last error (or answer)."""

    async def attempt(error, *, failures=99, **settings):
        slept, calls = [], []

        async def sleep(seconds):
            slept.append(seconds)

        async def call():
            calls.append(1)
            if len(calls) <= failures:
                raise error
            return "answer"

        try:
            found = await Retries(sleep=sleep, random=random.Random(2), **settings)("list jobs", call)
        except Exception as raised:
            found = raised
        return slept, len(calls), found

    return attempt


def busy(seconds=None):
    return EndpointBusy(endpoint="x", problem="busy", retry_after=seconds)


async def test_attempts_are_bounded_and_the_last_error_is_raised(attempt):
    error = EndpointUnreachable(endpoint="x", problem="away", sent=True)
    slept, calls, found = await attempt(error, attempts=4)
    assert (len(slept), calls) == (3, 4)
    assert found is error


async def test_an_answer_ends_the_attempts(attempt):
    slept, calls, found = await attempt(busy(), failures=2)
    assert (len(slept), calls, found) == (2, 3, "answer")


async def test_pauses_grow_with_jitter(attempt):
    slept, _, _ = await attempt(busy(), attempts=6, base=1.0, longest=1000)
    assert all(0.5 * 2**n <= pause <= 1.5 * 2**n for n, pause in enumerate(slept))
    assert len({pause / 2**n for n, pause in enumerate(slept)}) == 5


async def test_no_pause_is_longer_than_the_longest(attempt):
    slept, _, _ = await attempt(busy(), attempts=12, base=1.0, longest=8.0)
    assert max(slept) == 8.0


async def test_retry_after_is_obeyed(attempt):
    slept, _, _ = await attempt(busy(11.0), attempts=3)
    assert slept == [11.0, 11.0]


async def test_a_retry_after_beyond_the_longest_is_left_to_the_caller(attempt):
    slept, calls, found = await attempt(busy(21.0), longest=20.0)
    assert (slept, calls) == ([], 1)
    assert found.facts["retry_after"] == 21.0


@pytest.mark.parametrize(
    "error",
    [
        RequestRefused(endpoint="x", problem="no"),
        KeyRefused(endpoint="x", problem="no", api_key_env="K"),
        ValueError("a bug"),
    ],
)
async def test_what_will_not_pass_is_not_repeated(error, attempt):
    slept, calls, found = await attempt(error)
    assert (slept, calls) == ([], 1)
    assert found is error


async def test_each_repetition_is_logged(attempt, caplog):
    caplog.set_level("INFO", "ftorch.endpoints")
    await attempt(busy(), attempts=3)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "list jobs, attempt 1",
        "list jobs, attempt 2",
    ]


# --- How long a host asks us to wait -----------------------------------------------------------------------------


NOW = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)


def date(**later):
    return format_datetime(NOW + timedelta(**later), usegmt=True)


WAITS = [
    ({}, None),
    ({"Retry-After": "7"}, 7),
    ({"Retry-After": " 0.5 "}, 0.5),
    ({"Retry-After": "-3"}, 0),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": ""}, None),
    ({"Retry-After": "inf"}, None),
    ({"Retry-After": "nan"}, None),
    ({"Retry-After": "1e400"}, None),
    ({"Retry-After": "86400"}, 86_400),
    ({"Retry-After": "1e300"}, LONGEST_WAIT),
    ({"Retry-After": "9" * 300}, LONGEST_WAIT),
    ({"Retry-After": date(seconds=90), "Date": DATE}, 90),
    ({"Retry-After": date(days=-1), "Date": DATE}, 0),
    ({"Retry-After": date(days=5000), "Date": DATE}, LONGEST_WAIT),
    ({"Retry-After": "Sat, 28 Nov 2026 14:00:30 -0000", "Date": DATE}, 30),
    ({"Retry-After": "Sat, 99 Nov 2026 14:00:30 GMT", "Date": DATE}, None),
    ({"retry-after-ms": "1500"}, 1.5),
    ({"x-ms-retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
    ({"x-ms-retry-after-ms": "1500", "Retry-After": date(hours=1), "Date": DATE}, 1.5),
    ({"retry-after-ms": "nan", "Retry-After": "2"}, 2),
    ({"retry-after-ms": "inf", "x-ms-retry-after-ms": "700", "Retry-After": "2"}, 0.7),
    ({"retry-after-ms": "soon"}, None),
    ({"retry-after-ms": "-1"}, 0),
    ({"retry-after-ms": "1e308"}, LONGEST_WAIT),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_a_wait_is_read_in_every_form_and_is_bounded(headers, seconds):
    assert retry_after(httpx2.Headers(headers)) == seconds


@pytest.mark.parametrize("answered_at", [{}, {"Date": "yesterday"}], ids=["no Date", "a Date that is none"])
def test_without_the_hosts_clock_a_date_is_compared_with_ours(answered_at):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after(httpx2.Headers({"Retry-After": later, **answered_at})) == pytest.approx(90, abs=2)

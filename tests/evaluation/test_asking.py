"""Asking many questions: bounded, patient, and every reply kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, RequestRefused
from orchestrator.evaluation.asking import Patience, Question, Reply, ask_all

COMPLETION: Mapping[str, Any] = {"choices": []}


def questions(count: int) -> Iterator[Question]:
    for number in range(count):
        yield Question(f"case-{number}", "gpt-4.1-mini", "full", 0, {"messages": []})


class VirtualTime:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Endpoint:
    """Answers, or raises what `fails` gives for the nth request of a case (from 1)."""

    def __init__(self, fails: Callable[[str, int], Exception | None] = lambda case, attempt: None) -> None:
        self.asked: dict[str, int] = {}
        self.at_once = self.most_at_once = 0
        self._fails = fails

    async def ask(self, question: Question) -> Mapping[str, Any]:
        attempt = self.asked[question.case] = self.asked.get(question.case, 0) + 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if error := self._fails(question.case, attempt):
            raise error
        return COMPLETION


async def asked(endpoint: Endpoint, count: int, replies: list[Reply], concurrency: int = 4) -> VirtualTime:
    time = VirtualTime()
    await ask_all(
        questions(count),
        endpoint.ask,
        replies.append,
        concurrency=concurrency,
        patience=Patience(attempts=3, base=1.0, busy=100.0),
        clock=lambda: time.now,
        sleep=time.sleep,
    )
    return time


async def test_each_question_is_asked_once_and_no_more_than_allowed_at_a_time() -> None:
    endpoint, replies = Endpoint(), list[Reply]()
    await asked(endpoint, 50, replies, concurrency=7)
    assert sorted(reply.question.case for reply in replies) == sorted(endpoint.asked)
    assert set(endpoint.asked.values()) == {1}
    assert endpoint.most_at_once == 7
    assert all(reply.completion is COMPLETION and reply.api_error == "" for reply in replies)


async def test_questions_are_drawn_as_they_are_needed() -> None:
    drawn = 0

    def endless() -> Iterator[Question]:
        nonlocal drawn
        for question in questions(1000):
            drawn += 1
            yield question

    def stop(reply: Reply) -> None:
        raise KeyError(reply.question.case)

    with pytest.raises(BaseExceptionGroup):
        await ask_all(endless(), Endpoint().ask, stop, concurrency=3)
    assert drawn <= 3


async def test_passing_trouble_is_asked_again_and_its_seconds_are_not_counted() -> None:
    endpoint = Endpoint(lambda case, attempt: unreachable() if attempt < 3 else None)
    replies: list[Reply] = []
    time = await asked(endpoint, 1, replies)
    assert (endpoint.asked, replies[0].api_error) == ({"case-0": 3}, "")
    assert replies[0].seconds == 0.0
    assert len(time.slept) == 2
    assert time.slept[0] < 2 * time.slept[1]


async def test_a_question_that_always_fails_is_recorded_and_the_others_go_on() -> None:
    endpoint = Endpoint(lambda case, attempt: unreachable() if case == "case-3" else None)
    replies: list[Reply] = []
    await asked(endpoint, 20, replies)
    failed = [reply for reply in replies if reply.api_error]
    assert [reply.question.case for reply in failed] == ["case-3"]
    assert "can't be reached" in failed[0].api_error
    assert len(replies) == 20


async def test_failures_here_and_there_do_not_add_up_to_a_dead_endpoint() -> None:
    endpoint = Endpoint(lambda case, attempt: unreachable() if int(case[5:]) % 2 else None)
    replies: list[Reply] = []
    await asked(endpoint, 40, replies, concurrency=1)
    assert sum(bool(reply.api_error) for reply in replies) == 20


async def test_once_the_asking_has_ended_nothing_is_asked_again() -> None:
    def fails(case: str, attempt: int) -> Exception:
        return key() if case == "case-0" else unreachable()

    endpoint = Endpoint(fails)
    with pytest.raises(KeyRefused):
        await asked(endpoint, 10, [], concurrency=3)
    assert endpoint.asked == {"case-0": 1, "case-1": 1, "case-2": 1}


async def test_a_busy_endpoint_is_left_alone_by_all_for_as_long_as_it_says() -> None:
    busy_until = 130.0
    time = VirtualTime()
    early: list[float] = []

    async def ask(question: Question) -> Mapping[str, Any]:
        if time.now < busy_until:
            early.append(time.now)
            raise EndpointBusy(endpoint="openai", problem="too many requests", retry_after=30.0)
        return COMPLETION

    replies: list[Reply] = []
    await ask_all(questions(40), ask, replies.append, concurrency=4, clock=lambda: time.now, sleep=time.sleep)
    assert [reply.api_error for reply in replies] == [""] * 40
    assert len(early) <= 4


async def test_where_a_busy_endpoint_names_no_time_the_pauses_grow() -> None:
    endpoint = Endpoint(lambda case, attempt: busy(None) if attempt < 6 else None)
    replies: list[Reply] = []
    time = await asked(endpoint, 1, replies, concurrency=1)
    assert replies[0].api_error == ""
    assert len(time.slept) == 5
    assert time.slept[0] <= 1.8
    assert time.slept[-1] >= 8


async def test_an_endpoint_that_stays_busy_ends_the_question_not_the_evaluation() -> None:
    endpoint = Endpoint(lambda case, attempt: busy() if case == "case-0" else None)
    replies: list[Reply] = []
    await asked(endpoint, 5, replies, concurrency=1)
    assert [bool(reply.api_error) for reply in replies] == [True, False, False, False, False]


async def test_a_refused_request_is_recorded_without_asking_again() -> None:
    endpoint = Endpoint(lambda case, attempt: refused(400) if case == "case-1" else None)
    replies: list[Reply] = []
    await asked(endpoint, 3, replies)
    assert endpoint.asked["case-1"] == 1
    assert sum(bool(reply.api_error) for reply in replies) == 1


@pytest.mark.parametrize("fatal", ["model", "key", "dead"])
async def test_what_fails_for_all_questions_ends_the_asking_with_that_error(fatal: str) -> None:
    errors: Mapping[str, Callable[[], Exception]] = {"model": lambda: refused(404), "key": key, "dead": unreachable}
    endpoint = Endpoint(lambda case, attempt: None if case == "case-0" else errors[fatal]())
    replies: list[Reply] = []
    with pytest.raises(type(errors[fatal]())):
        await asked(endpoint, 1000, replies)
    assert replies[0].question.case == "case-0" or fatal == "dead"
    assert len(endpoint.asked) <= 20


async def test_answers_under_way_are_kept_when_the_asking_ends() -> None:
    under_way = asyncio.Event()

    async def ask(question: Question) -> Mapping[str, Any]:
        if question.case == "case-0":
            await under_way.wait()
            raise key()
        under_way.set()
        await asyncio.sleep(0.01)
        return COMPLETION

    replies: list[Reply] = []
    with pytest.raises(KeyRefused):
        await ask_all(questions(100), ask, replies.append, concurrency=3)
    assert sorted(reply.question.case for reply in replies) == ["case-1", "case-2"]


def unreachable() -> EndpointUnreachable:
    return EndpointUnreachable(endpoint="openai", problem="it did not answer in time")


def busy(retry_after: float | None = 10.0) -> EndpointBusy:
    return EndpointBusy(endpoint="openai", problem="too many requests", retry_after=retry_after)


def refused(status: int) -> RequestRefused:
    return RequestRefused(endpoint="openai", problem="no", status=status)


def key() -> KeyRefused:
    return KeyRefused(endpoint="openai", api_key_env="OPENAI_API_KEY", problem="wrong key")


async def test_a_stop_ends_the_drawing_and_keeps_what_is_under_way() -> None:
    stop, replies, asked = asyncio.Event(), list[Reply](), 0

    async def ask(question: Question) -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 5:
            stop.set()
        await asyncio.sleep(0)
        return COMPLETION

    await ask_all(questions(100), ask, replies.append, concurrency=3, stop=stop)
    assert 5 <= len(replies) == asked < 9


async def test_an_endpoint_that_asks_for_a_day_ends_the_asking() -> None:
    replies, slept, asked = list[Reply](), list[float](), 0

    async def ask(question: Question) -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise busy(86_400.0)
        return COMPLETION

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    asking = ask_all(questions(100), ask, replies.append, concurrency=3, sleep=sleep)
    with pytest.raises(EndpointBusy, match="too many requests; it asks to wait 1,440 minutes"):
        await asyncio.wait_for(asking, 5)
    assert (len(replies), slept) == (2, [])
    assert asked <= 5


async def test_a_stop_does_not_wait_for_a_busy_endpoint() -> None:
    stop, replies = asyncio.Event(), list[Reply]()

    async def ask(question: Question) -> Mapping[str, Any]:
        asyncio.get_running_loop().call_soon(stop.set)
        raise EndpointBusy(endpoint="slow", problem="too many", retry_after=300.0)

    await asyncio.wait_for(ask_all(questions(100), ask, replies.append, concurrency=3, stop=stop), 5)
    assert replies == []

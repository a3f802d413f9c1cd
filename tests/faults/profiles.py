"""Hosts that behave as people report them: which marks they change, how they list, and what they never show.

A profile is data. The wire applies it to every request and answer, whatever fault that request meets besides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from faults.exchange import Answer, Exchange

Job = dict[str, Any]
_ONE_JOB = ("create", "job", "cancel", "pause", "unpause")


@dataclass(frozen=True)
class HostProfile:
    """`changes` are written over every job that the host shows; `job` changes it otherwise. `page` makes a list of
    the jobs and of what the page said beside them."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    job: Callable[[Job], Job] = lambda job: job
    page: Callable[[list[Job], dict[str, Any]], dict[str, Any]] = lambda jobs, page: {**page, "data": jobs}
    page_size: int | None = None
    list_status: int = 200
    unreadable_list: bytes | None = None
    is_settleable: bool = True
    """Whether the host shows enough for a lost create to be settled. Where it doesn't, a run may stay unknown."""

    def asked(self, request: Exchange) -> Exchange:
        """The request as the host takes it."""
        if request.route != "list" or self.page_size is None:
            return request
        query = [(key, value) for key, value in parse_qsl(request.query) if key != "limit"]
        return replace(request, query=urlencode([*query, ("limit", str(self.page_size))]))

    def answered(self, request: Exchange, answer: Answer) -> Answer:
        """The answer as the host gives it."""
        if request.route == "list" and f"after={_STRANGER}" in request.query:  # it knows what it listed
            return Answer(200, b'{"object": "list", "data": [], "has_more": false}')
        if answer.status not in (200, 201):
            return answer
        if request.route == "list":
            return self._list(answer)
        if request.route in _ONE_JOB:
            return replace(answer, body=json.dumps(self._shown(json.loads(answer.body))).encode(), headers=_JSON)
        return answer

    def _list(self, answer: Answer) -> Answer:
        if self.list_status != 200:
            return Answer(self.list_status, b'{"detail": "Not Found"}')
        if self.unreadable_list is not None:
            return Answer(200, self.unreadable_list)
        page = json.loads(answer.body)
        if "data" not in page:
            return answer  # of a host whose objects have another shape
        shown = self.page([self._shown(job) for job in page["data"]], page)
        return replace(answer, body=json.dumps(shown).encode(), headers=_JSON)

    def _shown(self, job: Job) -> Job:
        return self.job({**job, **self.changes})


_STRANGER = "ftjob-x"
_JSON = {"content-type": "application/json"}


def _cut(job: Job) -> Job:
    return {**job, "suffix": (job.get("suffix") or "")[:5]}


def _spelled(job: Job) -> Job:
    return {**job, "suffix": (job.get("suffix") or "").upper().replace("-", "_")}


def _renamed_statuses(job: Job) -> Job:
    names = {"succeeded": "completed", "failed": "user_error"}
    return {**job, "status": names.get(job["status"], job["status"])}


def _no_words(job: Job) -> Job:
    """Only the rest of the object tells that it has ended."""
    return {**job, "status": f"JOB_STATE_{len(job['status'])}" if job["status"] == "succeeded" else job["status"]}


def _without_has_more(jobs: list[Job], page: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": jobs}


def _oldest_first(jobs: list[Job], page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": jobs[::-1]}


def _with_strangers(jobs: list[Job], page: dict[str, Any]) -> dict[str, Any]:
    """Jobs that somebody makes by hand from other files stand around ours, one of them without a usable id."""
    stranger = {
        "object": "fine_tuning.job",
        "status": "running",
        "model": "other",
        "training_file": "file-x",
        "seed": 1,
    }
    return {**page, "data": [{**stranger, "id": _STRANGER, "created_at": 1}, *jobs, {**stranger, "id": None}]}


_PROFILES = (
    HostProfile("honest"),
    HostProfile("suffix-cut", job=_cut),
    HostProfile("suffix-spelled-otherwise", job=_spelled),
    HostProfile("model-renamed", {"model": "vendor/Another-Name-Reference"}),
    HostProfile("no-training-file", {"training_file": None}),
    HostProfile("other-training-file", {"training_file": "bGl0ZWxsbV9wcm94eQ"}),
    HostProfile("created-at-0", {"created_at": 0}),
    HostProfile("created-before-time", {"created_at": -1}),
    HostProfile("clock-hours-off", {"created_at": 1_800_000_000 - 6 * 3600}),
    HostProfile("no-hyperparameters", {"hyperparameters": None, "method": None}),
    HostProfile("oldest-first", page=_oldest_first),
    HostProfile("pages-of-one", page_size=1),
    HostProfile("no-has-more", page=_without_has_more),
    HostProfile("strangers", page=_with_strangers),
    HostProfile("other-status-words", job=_renamed_statuses),
    HostProfile("unknown-status-words", job=_no_words),
    HostProfile("no-list-route", list_status=404, is_settleable=False),
    HostProfile("list-forbidden", list_status=403, is_settleable=False),
    HostProfile("list-says-error", unreadable_list=b'{"error": {"message": "upstream"}}', is_settleable=False),
    HostProfile("list-under-jobs", unreadable_list=b'{"jobs": []}', is_settleable=False),
    HostProfile("list-is-null", unreadable_list=b'{"object": "list", "data": null}', is_settleable=False),
    HostProfile("list-is-html", unreadable_list=b"<html>gateway</html>", is_settleable=False),
)
PROFILES: Mapping[str, HostProfile] = {profile.name: profile for profile in _PROFILES}

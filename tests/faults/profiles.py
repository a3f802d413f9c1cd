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
Meddle = Callable[[Exchange, Answer, int], Answer]
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
    has_marks: bool = True
    """Whether a job shows anything that only its run has."""
    on: tuple[str, ...] = ()
    """The dialects whose hosts behave like this; () for all of those whose jobs have OpenAI's shape."""
    meddle: Meddle | None = None
    """What it answers instead, by how often it was asked for this kind of thing."""

    def asked(self, request: Exchange) -> Exchange:
        """The request as the host takes it."""
        if request.route != "list" or self.page_size is None:
            return request
        query = [(key, value) for key, value in parse_qsl(request.query) if key != "limit"]
        return replace(request, query=urlencode([*query, ("limit", str(self.page_size))]))

    def answered(self, request: Exchange, answer: Answer, turn: int = 1) -> Answer:
        """The answer as the host gives it, to the `turn`-th request of this route."""
        if self.meddle is not None:
            answer = self.meddle(request, answer, turn)
        if request.route == "list" and f"after={_STRANGER}" in request.query:  # it knows what it listed
            return Answer(200, b'{"object": "list", "data": [], "has_more": false}')
        if answer.status not in (200, 201):
            return answer
        if request.route == "list":
            return self._list(answer)
        if request.route in _ONE_JOB:
            return _with_body(answer, self._shown(json.loads(answer.body)))
        return answer

    def _list(self, answer: Answer) -> Answer:
        if self.list_status != 200:
            return Answer(self.list_status, b'{"detail": "Not Found"}')
        if self.unreadable_list is not None:
            return Answer(200, self.unreadable_list)
        page = json.loads(answer.body)
        if "data" in page:
            return _with_body(answer, self.page([self._shown(job) for job in page["data"]], page))
        lists = {key: [self._shown(job) for job in jobs] for key, jobs in page.items() if isinstance(jobs, list)}
        return _with_body(answer, {**page, **lists})

    def _shown(self, job: Job) -> Job:
        is_a_job = "id" in job or "name" in job
        return self.job({**job, **self.changes}) if is_a_job else job


_STRANGER = "ftjob-x"
_JSON = {"content-type": "application/json"}


def _with_body(answer: Answer, shown: dict[str, Any]) -> Answer:
    return replace(answer, body=json.dumps(shown).encode(), headers=_JSON)


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


# --- Fireworks: names that we choose ------------------------------------------------------------------------------

_A_WHILE = 4
"""So many looks find a new thing in an earlier state. All of them fit into one settling window."""
_NOT_FOUND = Answer(404, b'{"code": 5, "message": "resource not found", "details": []}')
_NO_PERMISSION = Answer(403, b'{"code": 7, "message": "permission denied", "details": []}')
_GATEWAY_404 = Answer(404, b"<html><title>404 Not Found</title></html>", {"content-type": "text/html"})


def _at_first(route: str, instead: Answer) -> Meddle:
    """The first looks get another answer."""
    return lambda request, answer, turn: instead if request.route == route and turn <= _A_WHILE else answer


def _always(part: str, instead: Answer) -> Meddle:
    """Every address with this in it."""
    return lambda request, answer, _turn: instead if part in request.path else answer


def _conflict_without_words(request: Exchange, answer: Answer, turn: int) -> Answer:
    """There is a job of that name, which the host neither says in so many words nor shows yet."""
    if request.route == "create" and answer.status == 409:
        return Answer(409, b'{"code": 6, "message": "conflict", "details": []}')
    return _at_first("job", _NO_PERMISSION)(request, answer, turn)


def _display_name_cut(job: Job) -> Job:
    return {**job, "displayName": (job.get("displayName") or "")[:5].upper()}


def _unheard_of_states(job: Job) -> Job:
    names = {"JOB_STATE_COMPLETED": "JOB_STATE_ARCHIVED", "JOB_STATE_RUNNING": "JOB_STATE_WARMING_UP"}
    return {**job, "state": names.get(job["state"], job["state"])}


def _model_named_late(field_name: str, *ended: str) -> Meddle:
    """A job that has ended names its model only some looks later."""

    def meddle(request: Exchange, answer: Answer, turn: int) -> Answer:
        if request.route != "job" or answer.status != 200 or turn > 2 * _A_WHILE:
            return answer
        job = json.loads(answer.body)
        return _with_body(answer, {**job, field_name: None}) if {*ended} & {*job.values()} else answer

    return meddle


def _dataset_name_changed(request: Exchange, answer: Answer, _turn: int) -> Answer:
    if request.route != "file" or answer.status != 200:
        return answer
    return _with_body(answer, {**json.loads(answer.body), "displayName": "FTORCH-1DC"})


def _filled_long_ago(request: Exchange, answer: Answer, turn: int) -> Answer:
    """A filled dataset is shown as being uploaded for longer than it settles, and can't be filled again."""
    if request.route == "file" and answer.status == 200 and turn <= _LONGER_THAN_IT_SETTLES:
        return _with_body(answer, {**json.loads(answer.body), "state": "UPLOADING"})
    return answer


_LONGER_THAN_IT_SETTLES = 20


# --- Together: a suffix, and perhaps a seed -----------------------------------------------------------------------


def _without_seed(change: Callable[[Job], Job]) -> Callable[[Job], Job]:
    return lambda job: {key: value for key, value in change(job).items() if key != "random_seed"}


def _suffix_cut_everywhere(job: Job) -> Job:
    """Also in the model's name."""
    given, name = job.get("suffix") or "", str(job.get("model_output_name"))
    return {**job, "suffix": given[:5], "model_output_name": name.replace(given, given[:5]) if given else name}


def _goes_on(jobs: list[Job], page: dict[str, Any]) -> dict[str, Any]:
    """A list that says that it is not all of it, and not how to read on."""
    return {**page, "data": jobs, "has_more": True}


def _suffix_not_told(job: Job) -> Job:
    return {**job, "suffix": None, "model_output_name": job["id"]}


_FIREWORKS, _TOGETHER = ("fireworks",), ("together",)
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
    HostProfile("fireworks-name-cut", job=_display_name_cut, on=_FIREWORKS),
    HostProfile("fireworks-name-not-told", {"displayName": None}, on=_FIREWORKS),
    HostProfile("fireworks-base-renamed", {"baseModel": "accounts/fireworks/models/other"}, on=_FIREWORKS),
    HostProfile("fireworks-dataset-renamed", {"dataset": "accounts/drone-team/datasets/ds-1"}, on=_FIREWORKS),
    HostProfile("fireworks-unheard-of-states", job=_unheard_of_states, on=_FIREWORKS),
    HostProfile("fireworks-job-404-at-first", meddle=_at_first("job", _NOT_FOUND), on=_FIREWORKS),
    HostProfile("fireworks-job-403-at-first", meddle=_at_first("job", _NO_PERMISSION), on=_FIREWORKS),
    HostProfile("fireworks-job-html-at-first", meddle=_at_first("job", _GATEWAY_404), on=_FIREWORKS),
    HostProfile("fireworks-conflict-without-words", meddle=_conflict_without_words, on=_FIREWORKS),
    HostProfile(
        "fireworks-model-late", meddle=_model_named_late("outputModel", "JOB_STATE_COMPLETED"), on=_FIREWORKS
    ),
    HostProfile("fireworks-dataset-404-at-first", meddle=_at_first("file", _NOT_FOUND), on=_FIREWORKS),
    HostProfile("fireworks-dataset-name-changed", meddle=_dataset_name_changed, on=_FIREWORKS),
    HostProfile("fireworks-dataset-slow", meddle=_filled_long_ago, on=_FIREWORKS),
    HostProfile("fireworks-metrics-500", meddle=_always("/storage/", Answer(500, b"oops")), on=_FIREWORKS),
    HostProfile("together-seed-not-told", job=_without_seed(lambda job: job), on=_TOGETHER),
    HostProfile("together-suffix-cut", job=_without_seed(_suffix_cut_everywhere), has_marks=False, on=_TOGETHER),
    HostProfile("together-suffix-spelled-otherwise", job=_without_seed(_spelled), on=_TOGETHER),
    HostProfile("together-no-marks", job=_without_seed(_suffix_not_told), has_marks=False, on=_TOGETHER),
    HostProfile("together-list-goes-on", page=_goes_on, is_settleable=False, on=_TOGETHER),
    HostProfile("together-model-late", meddle=_model_named_late("model_output_name", "completed"), on=_TOGETHER),
    HostProfile("together-events-500", meddle=_always("/events", Answer(500, b"oops")), on=_TOGETHER),
    HostProfile("together-no-price", meddle=_always("/estimate-price", Answer(500, b"oops")), on=_TOGETHER),
)
PROFILES: Mapping[str, HostProfile] = {profile.name: profile for profile in _PROFILES}

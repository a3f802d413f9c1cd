"""Answers of Fireworks and Together with any JSON value in any place: what can't be read is left out or refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.together_host import BASE

from orchestrator.endpoints.fireworks.deployments import _read, _shapes_in
from orchestrator.endpoints.fireworks.names import PREFERENCE, SUPERVISED
from orchestrator.endpoints.fireworks.objects import read_dataset, read_fireworks_job, read_metrics
from orchestrator.endpoints.together.objects import (
    metric_events,
    read_quote,
    read_together_checkpoint,
    read_together_event,
    read_together_file,
    read_together_job,
    read_tokenized,
)
from orchestrator.runs.jobs import metrics_of, move_to_status
from orchestrator.runs.states import State, state_of

ODD = [
    *("1e400", "-1e400", "NaN", "1" + "0" * 400, "1e300", '"' + "9" * 400 + '"', "9223372036854775808", "-1", "0"),
    *(
        "1.5",
        "true",
        "null",
        '""',
        "[]",
        "{}",
        "[1]",
        '{"a": 1}',
        '"x"',
        '"http://[x"',
        "[{}]",
        "[null]",
        r'"\u0000"',
    ),
]
SECONDS = "2026-11-29T12:00:00Z"
JOB = {
    "name": "accounts/a/supervisedFineTuningJobs/x",
    "state": "JOB_STATE_COMPLETED",
    "status": {"code": "OK", "message": ""},
    "createTime": SECONDS,
    "completedTime": SECONDS,
    "baseModel": "accounts/fireworks/models/b",
    "outputModel": "accounts/a/models/m",
    "dataset": "accounts/a/datasets/d",
    "displayName": "x",
    "epochs": 1,
    "learningRate": 0.1,
    "estimatedCost": {"currencyCode": "USD", "units": "1", "nanos": 5},
}
_PREFERENCE = {**JOB, "trainingConfig": {"baseModel": "b", "outputModel": "o", "epochs": 1}}
_TOGETHER = {
    "id": "ft-1",
    "status": "completed",
    "updated_at": SECONDS,
    "total_price": 100,
    "token_count": 10,
    "model": BASE,
    "model_output_name": "a/Q/b:x:ft-123456",
    "random_seed": 1,
    "training_method": {"dpo_beta": 0.1},
    "training_type": {"lora_r": 8},
    "progress": {"estimate_available": True, "seconds_remaining": 60},
}
_SHAPES = {"deploymentShapeVersions": [{"name": "n", "snapshot": {"acceleratorType": "NVIDIA_X"}}]}
_QUOTE = {
    "estimated_total_price": 1.0,
    "allowed_to_proceed": True,
    "user_limit": 9,
    "estimated_train_token_count": 9,
}
_PREVIEW = {"rows": [{"input_ids": [1], "labels": [1], "tokens": ["a"], "truncated": False}]}


def _metrics(events: list[Any]) -> None:
    for metric in metrics_of(_Run(), [event.data for event in events]):  # type: ignore[arg-type]
        assert abs(metric.step) < 2**63


class _Run:
    id = "r"


def _of_fireworks(row: Any) -> None:
    _metrics(read_metrics(json.dumps(row).encode(), SECONDS))


def _of_together(answer: Any) -> None:
    _metrics(list(metric_events(answer, 0.0)))


def _money(answer: Any) -> None:
    quote = read_quote(answer)
    assert quote.usd is not None
    assert 0 <= quote.usd < float("inf")


READERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "job": (JOB, lambda raw: move_to_status(read_fireworks_job(raw, SUPERVISED))),
    "preference job": (_PREFERENCE, lambda raw: move_to_status(read_fireworks_job(raw, PREFERENCE))),
    "dataset": ({"name": "d", "displayName": "x", "state": "UPLOADING", "status": {"code": "OK"}}, read_dataset),
    "deployment": ({"name": "d", "state": "READY", "acceleratorType": "N_X", "maxReplicaCount": 1}, _read),
    "shapes": (_SHAPES, _shapes_in),
    "metrics": ({"step": 1, "data": {"train/loss": 0.5}}, _of_fireworks),
    "flat metrics": ({"step": 1, "loss": 0.5}, _of_fireworks),
    "Together's job": (_TOGETHER, lambda raw: move_to_status(read_together_job(raw))),
    "Together's file": (
        {"id": "f", "processing_status": "COMPLETED", "validation_report": {}},
        read_together_file,
    ),
    "Together's event": ({"created_at": SECONDS, "level": "info", "message": "x", "step": 1}, read_together_event),
    "Together's metrics": ({"metrics": [{"train/global_step": 1, "train/loss": 0.5}]}, _of_together),
    "Together's checkpoint": ({"step": 1, "object_name": "m"}, read_together_checkpoint),
    "Together's price": (_QUOTE, _money),
    "Together's preview": (_PREVIEW, read_tokenized),
}
UNREADABLE = (KeyError, TypeError, ValueError)
"""What the connection makes an AnswerUnreadable of."""
READ_LATER = ("metrics", "flat metrics", "deployment", "shapes")
"""What is read where nothing does so."""


@pytest.mark.parametrize("what", READERS)
def test_no_value_in_any_place_is_more_than_unreadable(what: str) -> None:
    whole, read = READERS[what]
    for place in _places(whole):
        for odd in ODD:
            changed = _with(whole, place, json.loads(odd))
            try:
                read(changed)
            except UNREADABLE:
                assert what not in READ_LATER or place == ("name",), (place, odd)


def _places(value: Any, begin: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*begin, key)
        yield from _places(value[key], (*begin, key))


def _with(whole: Any, place: tuple[Any, ...], odd: Any) -> Any:
    changed = json.loads(json.dumps(whole))
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = odd
    return changed


@pytest.mark.parametrize(
    ("state", "said", "expected"),
    [
        ("JOB_STATE_ARCHIVED", {}, State.COLLECTING),
        ("JOB_STATE_ARCHIVED", {"status": {"code": "INTERNAL", "message": "out of memory"}}, State.FAILED),
        ("JOB_STATE_WARMING_UP", {"completedTime": None}, None),
        ("JOB_STATE_WARMING_UP", {"completedTime": None, "status": {"code": "INTERNAL"}}, None),
        ("JOB_STATE_COMPLETED", {"status": {"code": "INTERNAL"}}, State.COLLECTING),
    ],
)
def test_the_end_of_a_job_in_an_unknown_state_is_told_by_the_rest(
    state: str, said: dict[str, Any], expected: State | None
) -> None:
    job = read_fireworks_job({**JOB, "state": state, **said}, SUPERVISED)
    assert state_of(job) is expected
    assert (job.fine_tuned_model is not None) == (expected is State.COLLECTING)

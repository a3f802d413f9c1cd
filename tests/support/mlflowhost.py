"""The part of MLflow's REST API that exports use, in memory: shapes, limits and refusals as MLflow 3.17.2 answered
them with its SQL store."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.webhost import LOST, Answer, Asked, WebHost, web_host

PREFIX = "/api/2.0/mlflow/"
_NAME = re.compile(r"[/\w.\- :]*")
_MOST = {"metrics": 1000, "params": 100, "tags": 100}


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message)
        self.answer: Answer = (status, {"error_code": code, "message": message})


@dataclass
class Run:
    info: dict[str, Any]
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.info["run_id"])

    def points(self, key: str) -> list[tuple[int, float]]:
        return sorted((each["step"], each["value"]) for each in self.metrics if each["key"] == key)

    @property
    def content(self) -> tuple[Any, ...]:
        """All but what the server draws."""
        info = {key: value for key, value in self.info.items() if key != "run_id"}
        tags = {key: value for key, value in self.tags.items() if key != "mlflow.parentRunId"}
        metrics = sorted((each["key"], each["step"], each["value"], each["timestamp"]) for each in self.metrics)
        return sorted(info.items()), sorted(self.params.items()), sorted(tags.items()), metrics


class MlflowHost(WebHost):
    """`lose_before` and `lose_after` are numbers of requests without an answer: not carried out, or carried out."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, Run] = {}
        self.lose_before: set[int] = set()
        self.lose_after: set[int] = set()
        self.is_down = False
        self.key: str | None = None
        """What the Authorization header must be."""
        self._numbers = itertools.count(1)

    def tagged(self, tag: str, value: str) -> list[Run]:
        return [run for run in self.runs.values() if run.tags.get(tag) == value]

    @property
    def content(self) -> list[tuple[Any, ...]]:
        return sorted(run.content for run in self.runs.values())

    def _answer(self, asked: Asked) -> Answer:
        number = len(self.asked)
        if self.is_down or number in self.lose_before:
            return LOST
        if self.key is not None and asked.headers.get("Authorization") != self.key:
            return 401, {"message": f"no access with {asked.headers.get('Authorization')}"}
        try:
            found = 200, self._carry_out(asked.path.removeprefix(PREFIX), {**asked.query, **(asked.body or {})})
        except Refusal as refusal:
            found = refusal.answer
        return LOST if number in self.lose_after else found

    def _carry_out(self, path: str, given: dict[str, Any]) -> dict[str, Any]:
        method = getattr(self, f"_{path.replace('/', '_').replace('-', '_')}")
        found: dict[str, Any] = method(given)
        return found

    # --- experiments -------------------------------------------------------------------------------------------

    def _experiments_get_by_name(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["experiment_name"] not in self.experiments:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment")
        return {"experiment": self.experiments[given["experiment_name"]]}

    def _experiments_create(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["name"] in self.experiments:
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "Experiment already exists")
        made = {"experiment_id": str(next(self._numbers)), "name": given["name"], "lifecycle_stage": "active"}
        self.experiments[given["name"]] = made
        return {"experiment_id": made["experiment_id"]}

    # --- runs --------------------------------------------------------------------------------------------------

    def _runs_create(self, given: dict[str, Any]) -> dict[str, Any]:
        info = {
            "run_id": f"{next(self._numbers):032x}",
            "experiment_id": given["experiment_id"],
            "run_name": given["run_name"],
            "status": "RUNNING",
            "start_time": given["start_time"],
            "lifecycle_stage": "active",
        }
        tags = {**_pairs(given["tags"], "tags"), "mlflow.runName": given["run_name"]}
        self.runs[info["run_id"]] = Run(info, tags=tags)
        return self._runs_get(info)

    def _runs_get(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"run": _object(self._run(given))}

    def _runs_search(self, given: dict[str, Any]) -> dict[str, Any]:
        [(tag, value)] = re.findall(r"^tags\.`([^`]+)` = '([^']*)'$", given["filter"])
        ours = [run for run in self.tagged(tag, value) if run.info["experiment_id"] in given["experiment_ids"]]
        return {"runs": [_object(run) for run in ours]} if ours else {}

    def _runs_log_batch(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self._active(given)
        for kind, most in _MOST.items():
            if len(given.get(kind, [])) > most:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"can contain at most {most} {kind}")
        params = _pairs(given.get("params", []), "params")
        if any(run.params.get(key, value) != value for key, value in params.items()):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "Changing param values is not allowed.")
        for metric in given.get("metrics", []):
            _require_name(metric["key"], "metrics")
        run.params |= params
        run.tags |= _pairs(given.get("tags", []), "tags")
        run.metrics += given.get("metrics", [])  # its file store keeps those that are sent twice
        return {}

    def _runs_update(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self._active(given)
        run.info |= {key: given[key] for key in ("status", "end_time", "run_name") if key in given}
        run.tags["mlflow.runName"] = run.info["run_name"]
        return {"run_info": run.info}

    def _runs_delete_tag(self, given: dict[str, Any]) -> dict[str, Any]:
        if self._active(given).tags.pop(given["key"], None) is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", "No tag with name")
        return {}

    def _metrics_get_history(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [each for each in self._run(given).metrics if each["key"] == given["metric_key"]]
        start = int(given.get("page_token") or 0)
        end = start + int(given["max_results"])
        token = {"next_page_token": str(end)} if end < len(found) else {}
        return {"metrics": found[start:end], **token} if found else {}

    def _run(self, given: dict[str, Any]) -> Run:
        if given["run_id"] not in self.runs:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", "Run not found")
        return self.runs[given["run_id"]]

    def _active(self, given: dict[str, Any]) -> Run:
        run = self._run(given)
        if run.info["lifecycle_stage"] != "active":
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The run must be in the 'active' state.")
        return run


def _object(run: Run) -> dict[str, Any]:
    latest = {each["key"]: each for each in sorted(run.metrics, key=lambda each: each["step"])}
    data = {
        "metrics": list(latest.values()),
        "params": [{"key": key, "value": value} for key, value in run.params.items()],
        "tags": [{"key": key, "value": value} for key, value in run.tags.items()],
    }
    return {"info": run.info, "data": {key: value for key, value in data.items() if value}}


def _pairs(given: list[dict[str, str]], kind: str) -> dict[str, str]:
    for each in given:
        _require_name(each["key"], kind)
    return {each["key"]: each["value"] for each in given}


def _require_name(name: str, kind: str) -> None:
    is_plain = _NAME.fullmatch(name) and posixpath.normpath(name) == name and not name.startswith(("/", ".."))
    if not is_plain or name == "." or len(name) > 250:
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Invalid value {name} in {kind}")


@contextmanager
def mlflow_host() -> Iterator[MlflowHost]:
    host = MlflowHost()
    with web_host(host):
        yield host

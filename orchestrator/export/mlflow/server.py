"""An MLflow tracking server: the few requests of its REST API that exports need.

Signing in is as in MLflow's own clients: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and
MLFLOW_TRACKING_PASSWORD.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import ExperimentDeleted, TrackerRefuses, TrackerUnreachable
from orchestrator.export.content import Point
from orchestrator.export.mlflow.names import MOST_METRICS, MOST_PARAMS, MOST_TAGS, chunks
from orchestrator.webclient import WebClient, WebProblem

TIMEOUT_SECONDS = 10.0
TOKEN, USERNAME, PASSWORD = "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_NOT_THERE, _EXISTS = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
_PAGE = 5000
_MOST_STEPS = 10_000_000


@dataclass
class RemoteRun:
    """A run as the server has it, as far as it was read."""

    id: str
    name: str
    status: str
    ended: int | None
    """In milliseconds since the epoch."""
    is_deleted: bool = False
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    """The keys of its metrics."""


class MlflowServer:
    """Raises TrackerUnreachable if there is no usable answer, and TrackerRefuses if a request is refused."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._headers = _sign_in()
        try:
            self._client = WebClient(TIMEOUT_SECONDS, quotes=not self._headers)
        except WebProblem as problem:
            raise TrackerUnreachable(tracker=self.uri, problem=problem) from None

    def close(self) -> None:
        self._client.close()

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is created if there is none. Raises ExperimentDeleted."""
        found = self._experiment(name)
        if found is None:
            try:
                return str(self._post("experiments/create", {"name": name})["experiment_id"])
            except TrackerRefuses as error:
                found = self._experiment(name) if error.facts["code"] == _EXISTS else None
                if found is None:
                    raise
        if found.get("lifecycle_stage") == "deleted":
            raise ExperimentDeleted(name=name, tracker=self.uri)
        return str(found["experiment_id"])

    def _experiment(self, name: str) -> Mapping[str, Any] | None:
        try:
            answer = self._get("experiments/get-by-name", experiment_name=name)
        except TrackerRefuses as error:
            if error.facts["code"] == _NOT_THERE:
                return None
            raise
        found: Mapping[str, Any] = answer["experiment"]
        return found

    def find(self, experiment: str, tag: str, value: str) -> RemoteRun | None:
        """The oldest run of the experiment with this value of a tag, deleted or not."""
        body = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{tag}` = '{value}'",
            "run_view_type": "ALL",
            "max_results": 100,
        }
        found = self._post("runs/search", body).get("runs", [])
        oldest = sorted(found, key=lambda run: int(run["info"].get("start_time") or 0))
        kept = [run for run in oldest if run["info"].get("lifecycle_stage") != "deleted"] or oldest
        return _run_of(kept[0]) if kept else None

    def create(
        self, experiment: str, name: str, started: float, user: str | None, tags: Mapping[str, str]
    ) -> RemoteRun:
        """A new run. An answer that is lost leaves it unclear whether there is one: then look for its tag."""
        body = {
            "experiment_id": experiment,
            "run_name": name,
            "user_id": user or "",
            "start_time": _milliseconds(started),
            "tags": _pairs(tags),
        }
        return _run_of(self._post("runs/create", body)["run"])

    def run(self, run_id: str) -> RemoteRun | None:
        """The run of this id; None if the server has none."""
        try:
            return _run_of(self._get("runs/get", run_id=run_id)["run"])
        except TrackerRefuses as error:
            if error.facts["code"] == _NOT_THERE:
                return None
            raise

    def steps(self, run_id: str, key: str) -> set[int]:
        """The steps at which the server has a value of this metric."""
        found: set[int] = set()
        token = ""
        while len(found) < _MOST_STEPS:
            more = {"page_token": token} if token else {}
            answer = self._get("metrics/get-history", run_id=run_id, metric_key=key, max_results=str(_PAGE), **more)
            found |= {int(metric.get("step") or 0) for metric in answer.get("metrics", [])}
            token = answer.get("next_page_token") or ""
            if not token:
                break
        return found

    def log(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add these to the run, in as many requests as the server's limits need. Sending again changes nothing."""
        for some in chunks(_pairs(params or {}), MOST_PARAMS):
            self._post("runs/log-batch", {"run_id": run_id, "params": some})
        for some in chunks(_pairs(tags or {}), MOST_TAGS):
            self._post("runs/log-batch", {"run_id": run_id, "tags": some})
        for measured in chunks(points, MOST_METRICS):
            metrics = [
                {"key": each.key, "value": each.value, "step": each.step, "timestamp": _milliseconds(each.at)}
                for each in measured
            ]
            self._post("runs/log-batch", {"run_id": run_id, "metrics": metrics})

    def update(self, run_id: str, name: str, status: str, ended: int | None) -> None:
        """Set the run's name and status; `ended` in milliseconds since the epoch."""
        end = {} if ended is None else {"end_time": ended}
        self._post("runs/update", {"run_id": run_id, "run_name": name, "status": status, **end})

    def delete_tag(self, run_id: str, key: str) -> None:
        try:
            self._post("runs/delete-tag", {"run_id": run_id, "key": key})
        except TrackerRefuses as error:
            if error.facts["code"] != _NOT_THERE:
                raise

    # --- requests ----------------------------------------------------------------------------------------------

    def _get(self, path: str, **params: str) -> Mapping[str, Any]:
        return self._ask("GET", path, params=params)

    def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._ask("POST", path, body=body)

    def _ask(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        address = f"{self.uri}/api/2.0/mlflow/{path}"
        try:
            answer = json.loads(self._client.request(method, address, headers=self._headers, **content) or b"{}")
        except WebProblem as problem:
            raise self._error(problem, path) from None
        except (ValueError, RecursionError) as error:
            raise TrackerUnreachable(tracker=self.uri, problem="its answer is not JSON; is it MLflow?") from error
        if not isinstance(answer, dict):
            raise TrackerUnreachable(tracker=self.uri, problem="its answer is no JSON object; is it MLflow?")
        return answer

    def _error(self, problem: WebProblem, path: str) -> TrackerUnreachable | TrackerRefuses:
        if problem.status in (401, 403):
            said = f"{problem}; set {TOKEN}, or {USERNAME} and {PASSWORD}"
            return TrackerUnreachable(tracker=self.uri, problem=said)
        if problem.status is None or problem.status == 429 or problem.status >= 500:
            return TrackerUnreachable(tracker=self.uri, problem=problem)
        if not problem.code:
            return TrackerUnreachable(tracker=self.uri, problem=f"{problem}; is it an MLflow server?")
        return TrackerRefuses(tracker=self.uri, problem=f"{problem} ({path})", code=problem.code)


def _sign_in() -> dict[str, str]:
    token, user = os.environ.get(TOKEN, "").strip(), os.environ.get(USERNAME, "").strip()
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        pair = f"{user}:{os.environ.get(PASSWORD, '').strip()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _run_of(raw: Mapping[str, Any]) -> RemoteRun:
    info, data = raw["info"], raw.get("data", {})
    return RemoteRun(
        id=str(info["run_id"]),
        name=str(info.get("run_name") or ""),
        status=str(info.get("status") or ""),
        ended=int(info["end_time"]) if info.get("end_time") else None,
        is_deleted=info.get("lifecycle_stage") == "deleted",
        params={each["key"]: each.get("value", "") for each in data.get("params", [])},
        tags={each["key"]: each.get("value", "") for each in data.get("tags", [])},
        metrics={each["key"] for each in data.get("metrics", [])},
    )


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)

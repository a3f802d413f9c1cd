"""Ray's Jobs API over REST, as far as it is needed here
(https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.server.launchers.interface import LaunchError, UnreachableError
from orchestrator.server.launchers.settings import RaySettings

if TYPE_CHECKING:
    import httpx2

TIMEOUT_SECONDS = 15.0
"""A head that was killed may leave requests without an answer."""
_SHOWN = 300
"""Characters of Ray's own words in an error."""


@dataclass(frozen=True)
class Resources:
    """What a cluster has, free or not, by name ("CPU", "GPU")."""

    whole: Mapping[str, float] = field(default_factory=dict)
    nodes: Sequence[Mapping[str, float]] = ()


class TokenRefusedError(LaunchError):
    """The token is missing or wrong: somebody may put it right."""


class RayJobs:
    """Each method is one request, never repeated. They raise UnreachableError for an answer that says nothing about
    the job, and LaunchError for one that won't change."""

    def __init__(self, settings: RaySettings, transport: httpx2.BaseTransport | None = None) -> None:
        self._settings = settings
        self._transport = transport

    def version(self) -> str:
        """Ray's version. Raises LaunchError if something else answers at this address."""
        status, answer = self._asked("GET", "/api/version")
        if status == 200 and isinstance(answer, dict) and "ray_version" in answer:
            return str(answer["ray_version"])
        if status >= 500:
            raise UnreachableError(f"Ray at {self._settings.address} answered HTTP {status}")
        raise LaunchError(
            f"{self._settings.address} is not the address of a Ray dashboard: {_said(status, answer)}. Give the "
            "one that `ray start --head` prints, by default with port 8265."
        )

    def resources(self) -> Resources:
        """All resources of the cluster and of each node; empty where it doesn't say."""
        status, answer = self._asked("GET", "/api/cluster_status")
        try:
            report = answer["data"]["clusterStatus"]["loadMetricsReport"] if status == 200 else {}
            nodes = (report.get("usageByNode") or {}).values()
            return Resources(_totals(report.get("usage") or {}), tuple(_totals(usage) for usage in nodes))
        except (AttributeError, KeyError, TypeError, ValueError, IndexError):
            return Resources()

    def submit(self, body: Mapping[str, Any]) -> str:
        """Start a job. Returns what Ray says if it leaves open whether the job was started, and an empty text
        otherwise: HTTP 500 is also the answer for a submission_id that is taken."""
        status, answer = self._asked("POST", "/api/jobs/", body)
        if 400 <= status < 500:
            raise LaunchError(f"Ray refused the job: {_said(status, answer)}")
        return _said(status, answer) if status == 500 else ""

    def job(self, key: str) -> Mapping[str, Any] | None:
        """The job of this submission_id; None if the head knows none."""
        status, answer = self._asked("GET", f"/api/jobs/{key}")
        if status == 200 and isinstance(answer, dict) and "status" in answer:
            return answer
        if status == 404 and "does not exist" in str(answer):
            return None
        raise UnreachableError(f"Ray at {self._settings.address} answered: {_said(status, answer)}")

    def stop(self, key: str) -> None:
        """Ask for the end of a job; one that is unknown or has ended is no error."""
        self._asked("POST", f"/api/jobs/{key}/stop")

    def logs(self, key: str) -> str:
        """What a job printed; empty if the head knows none."""
        status, answer = self._asked("GET", f"/api/jobs/{key}/logs")
        return str(answer.get("logs", "")) if status == 200 and isinstance(answer, dict) else ""

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """The status, and the answer: JSON, or else text."""
        import httpx2

        client = httpx2.Client(
            base_url=self._settings.address.rstrip("/"),
            timeout=TIMEOUT_SECONDS,
            transport=self._transport,
            trust_env=False,
        )
        try:
            with client:
                answer = client.request(method, path, json=body, headers=self._headers())
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"Ray at {self._settings.address} can't be reached: {reason}") from error
        if answer.status_code in (401, 403):
            raise TokenRefusedError(self._token_advice(answer.status_code))
        try:
            return answer.status_code, json.loads(answer.content)
        except ValueError:
            return answer.status_code, answer.text

    def _headers(self) -> dict[str, str]:
        token = os.environ.get(self._settings.token_env or "", "")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _token_advice(self, status: int) -> str:
        name, place = self._settings.token_env, f"Ray at {self._settings.address}"
        if name is None:
            return (
                f"{place} wants a token (HTTP {status}). Put it into an environment variable and name that: "
                'token_env = "RAY_AUTH_TOKEN".'
            )
        state = "refused the token in" if os.environ.get(name) else "wants a token, and there is none in"
        return f"{place} {state} the environment variable {name} (HTTP {status})."


def _totals(usage: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: float(pair[1]) for name, pair in usage.items()}


def _said(status: int, answer: Any) -> str:
    text = " ".join(str(answer).split())
    return f"HTTP {status}: {text[-_SHOWN:]}" if text else f"HTTP {status}"

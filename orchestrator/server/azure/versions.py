"""The API versions of the data plane, and the form of their objects.

The contents of each were read from the authoring descriptions in Azure/azure-rest-api-specs and from answers
recorded in microsoft-foundry/fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.server.settings import Profile
from orchestrator.server.store.records import JobStatus

_HABITS = Profile(list_ends=False, events_newest_first=False, metadata=False)
_ENDS = {status: status.value for status in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)}
_AT_WORK = {JobStatus.RUNNING: "running", JobStatus.PAUSED: "paused"}
_DATED = {JobStatus.VALIDATING_FILES: "created", JobStatus.QUEUED: "pending", **_AT_WORK, **_ENDS}


@dataclass(frozen=True)
class ApiVersion:
    """One version of the data plane."""

    name: str
    profile: Profile
    statuses: Mapping[JobStatus, str]
    method: Literal["none", "type", "whole"]
    """What jobs report of their method: nothing, its type next to flat hyperparameters, or all of it."""
    takes_auto: bool
    """Whether a hyperparameter may be "auto"; otherwise it is left out to mean that."""
    made: int
    """The status of the response to a request that created an object; 201 has a Location."""

    @property
    def is_dated(self) -> bool:
        return self.name != "v1"


V1 = ApiVersion(
    name="v1",
    profile=Profile(metadata=False),
    statuses={JobStatus.VALIDATING_FILES: "pending", JobStatus.QUEUED: "queued", **_AT_WORK, **_ENDS},
    method="whole",
    takes_auto=True,
    made=200,
)
STABLE = ApiVersion(
    name="2024-10-21",
    profile=replace(_HABITS, has_more=False),
    statuses=_DATED,
    method="none",
    takes_auto=False,
    made=201,
)
PREVIEW = ApiVersion(
    name="2025-04-01-preview",
    profile=_HABITS,
    statuses=_DATED,
    method="type",
    takes_auto=False,
    made=201,
)
DATED = (STABLE, PREVIEW)

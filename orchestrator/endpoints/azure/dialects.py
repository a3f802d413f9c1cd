"""The versions of Azure's API: a version is sent only the fields that it knows.

From Microsoft's descriptions of the authoring API, 2024-10-21 and 2025-04-01-preview (Azure/azure-rest-api-specs),
and from what Microsoft's notebooks send to `/openai/v1/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from orchestrator.dataset.basemodels import Method

_METHODS_SINCE = "2025-04-01"
"""The first api-version whose jobs have a method, and which can pause them."""


@dataclass(frozen=True)
class Dialect:
    """One version of the API. It is "v1", or the date that every request carries as `api-version`."""

    api: str
    method_field: Literal["whole", "type", "absent"]
    """How a job's method is sent: with its hyperparameters inside; by its type, with the hyperparameters next to
    it; or not at all."""
    methods: frozenset[Method]
    training_type: bool
    """Jobs have a `trainingType`."""
    pause: bool
    pages_of_files: bool
    """The list of files has pages."""

    @property
    def is_v1(self) -> bool:
        return self.api == "v1"


def dialect_of(api: str) -> Dialect:
    """The dialect of an endpoint's `api` key: "v1", or the date of an api-version."""
    if api == "v1":
        every: frozenset[Method] = frozenset({"supervised", "dpo", "reinforcement"})
        return Dialect(api, "whole", every, training_type=True, pause=True, pages_of_files=True)
    if api >= _METHODS_SINCE:
        return Dialect(
            api, "type", frozenset({"supervised", "dpo"}), training_type=True, pause=True, pages_of_files=True
        )
    return Dialect(api, "absent", frozenset({"supervised"}), training_type=False, pause=False, pages_of_files=False)


def resource_url(base_url: str) -> str:
    """The address of the resource or of its project: the portal and the SDKs also show it followed by the API's
    path."""
    return re.sub(r"/openai(/v1)?$", "", base_url.rstrip("/"))


def is_project(base_url: str | None) -> bool:
    """Whether this is the address of a Foundry project, which Microsoft's pages on the SDKs give since 2025."""
    return "/api/projects/" in (base_url or "")

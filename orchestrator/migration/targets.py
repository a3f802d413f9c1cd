"""Where a successor is to be trained, as typed: `ENDPOINT` or `ENDPOINT:MODEL`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.config import Workspace
from orchestrator.errors import SuccessorTwice, SuccessorUnreadable
from orchestrator.jobfile import Override, overrides_of


@dataclass(frozen=True)
class Target:
    """An endpoint, and the base model to train there; None for the job file's."""

    endpoint: str
    model: str | None
    written: str
    """As typed."""
    label: str = ""
    """Its name in tables: the endpoint, with the model where several are trained there."""

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The setting of the job file that it replaces, if any."""
        found = overrides_of((), self.model)
        return tuple(replace(each, option=f"--to {self.written}") for each in found)


def targets_of(written: Sequence[str], workspace: Workspace) -> list[Target]:
    """The targets in the order typed. Raises UnknownEndpoint, SuccessorUnreadable and SuccessorTwice."""
    found: list[Target] = []
    for text in written:
        target = _target(text, workspace)
        workspace.endpoint(target.endpoint)
        if any((each.endpoint, each.model) == (target.endpoint, target.model) for each in found):
            raise SuccessorTwice(found=text)
        found.append(target)
    return [replace(each, label=_label(each, found)) for each in found]


def _label(target: Target, among: Sequence[Target]) -> str:
    here = [each for each in among if each.endpoint == target.endpoint]
    if len(here) == 1 or target.model is None:
        return target.endpoint
    short = _last_part(target.model)
    is_clear = [_last_part(each.model or "") for each in here].count(short) == 1
    return f"{target.endpoint}:{short if is_clear else target.model}"


def _last_part(model: str) -> str:
    """`Llama-3.1-8B` of `meta-llama/Llama-3.1-8B`, or of a folder."""
    return model.rstrip("/").rpartition("/")[2]


def _target(text: str, workspace: Workspace) -> Target:
    """An endpoint's own name may have a colon, and so may a model's."""
    if text in workspace.endpoints:
        return Target(text, None, text)
    endpoint, colon, model = text.partition(":")
    if not endpoint.strip() or (colon and not model.strip()):
        raise SuccessorUnreadable(found=text)
    return Target(endpoint.strip(), model.strip() or None, text)

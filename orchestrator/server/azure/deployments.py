"""The deployments of the resource as they stand by the clock: being made, answering, expiring, being deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server.azure.catalogue import DEVELOPER, BaseModel, find_model, offered_in, quota_text
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.settings import AzureSettings
from orchestrator.server.store import Store
from orchestrator.server.store.records import Deployment

_STANDING_CAPACITY = 1000


class State(StrEnum):
    """What the management API calls `provisioningState`."""

    CREATING = "Creating"
    """Asked for; it does not answer yet."""
    SUCCEEDED = "Succeeded"
    """Made. It answers soon, which is not the same."""
    DELETING = "Deleting"
    """Deleted; its name can't be used yet."""


class Deployments:
    """The deployments of one resource."""

    def __init__(self, store: Store, settings: AzureSettings, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    def all(self) -> Sequence[Deployment]:
        """Those that are there or being deleted, oldest first."""
        self._expire()
        return self._store.deployments.since(self._now() - self._settings.deleting_seconds)

    def find(self, name: str) -> Deployment | None:
        """The deployment of this name, unless there is none or its deletion is through."""
        return next((each for each in self.all() if each.name == name), None)

    def state(self, deployment: Deployment) -> State:
        """Where it stands now."""
        if deployment.deleted_at is not None:
            return State.DELETING
        made = self._now() >= deployment.created_at + self._settings.deploying_seconds
        return State.SUCCEEDED if made else State.CREATING

    def put(self, wanted: Deployment) -> bool:
        """Make or change a deployment; True where it is new.

        Raises AzureError 409 where the name is still being deleted or belongs to another model, 400 where that
        would exceed a quota.
        """
        found = self.find(wanted.name)
        if found is not None and found.deleted_at is not None:
            raise _conflict(f"The deployment {wanted.name} is being deleted. Try again later.")
        if found is not None and found.model != wanted.model:
            raise _conflict(f"The deployment {wanted.name} serves {found.model}; delete it first.")
        self._store.deployments.put(wanted, lambda others: self._check_quota(wanted, others))
        return found is None

    def delete(self, name: str) -> bool:
        """Delete the deployment; False where there is none."""
        self._expire()
        return self._store.deployments.delete(name, self._now())

    def serving(self, name: str) -> Deployment:
        """The deployment that answers by this name now.

        Raises AzureError 404 where there is none or it is being made, 429 shortly before it answers.
        """
        found = self.find(name)
        if found is None:
            return self._standing(name)
        if found.deleted_at is not None or not self._is_there(found.model):
            raise _not_found()
        ready = found.created_at + self._settings.deploying_seconds + self._settings.warming_seconds
        left = ready - self._now()
        if left > self._settings.warming_seconds / 2:
            raise _not_found()
        if left > 0:
            raise AzureError(429, "429", "The deployment is not ready for requests yet.", retry_after=left)
        self._store.deployments.used(name, self._now())
        return found

    def used(self, sku: str, model: BaseModel) -> int:
        """The capacity that deployments of models tuned from this one have together, by sku."""
        return _capacity([each for each in self.all() if each.deleted_at is None], sku, model)

    def _standing(self, name: str) -> Deployment:
        """A deployment of a base model under its own name, as somebody would have made it in the portal."""
        offered = offered_in(self._settings.location)
        model = next((each for each in offered if name in (each.family, each.name)), None)
        if model is None:
            raise _not_found()
        made = (0.0, 0.0, None, None, "GlobalStandard", _STANDING_CAPACITY)
        return Deployment(name, *made, model.format, model.name, model.version, None)

    def _is_there(self, model: str) -> bool:
        return not is_fine_tuned(model) or self._store.models.get(model) is not None

    def _check_quota(self, wanted: Deployment, others: Sequence[Deployment]) -> None:
        model = find_model(wanted.model)
        if model is None or not is_fine_tuned(wanted.model):
            return
        tuned = [each for each in others if is_fine_tuned(each.model)]
        most = self._settings.deployments
        if len(tuned) >= most:
            message = f"The account has {len(tuned)} deployments of fine-tuned models; its quota is {most}."
            raise AzureError(400, "InsufficientQuota", message)
        used, limit = _capacity(tuned, wanted.sku, model), self._settings.capacity
        if used + wanted.capacity > limit:
            raise AzureError(400, "InsufficientQuota", _no_capacity(wanted, model, used, limit))

    def _expire(self) -> None:
        """Delete what nobody called for too long, and developer deployments whose day is over."""
        for each in self._store.deployments.since(self._now()):
            end = self._end(each)
            if each.deleted_at is None and end is not None and end <= self._now():
                self._store.deployments.delete(each.name, end)

    def _end(self, deployment: Deployment) -> float | None:
        if not is_fine_tuned(deployment.model):
            return None
        idle = max(deployment.created_at, deployment.last_used_at or 0) + self._settings.idle_seconds
        if deployment.sku != DEVELOPER:
            return idle
        return min(idle, deployment.created_at + self._settings.developer_seconds)


def _capacity(deployments: Sequence[Deployment], sku: str, model: BaseModel) -> int:
    counted = [each for each in deployments if each.sku == sku and is_fine_tuned(each.model)]
    return sum(each.capacity for each in counted if find_model(each.model) is model)


def _no_capacity(wanted: Deployment, model: BaseModel, used: int, limit: int) -> str:
    quota = quota_text(wanted.sku, model)
    return (
        f"This operation requires {wanted.capacity} new capacity in quota {quota}, which is bigger than the "
        f"current available capacity {limit - used}. Its current usage is {used} and its limit is {limit}."
    )


def _conflict(message: str) -> AzureError:
    return AzureError(409, "RequestConflict", message)


def _not_found() -> AzureError:
    message = "The API deployment for this resource does not exist. If it was made just now, wait a few minutes."
    return AzureError(404, "DeploymentNotFound", message)

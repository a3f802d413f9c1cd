"""Deployments on Fireworks: what makes a tuned model answer, charged by the hour and the processor.

By https://docs.fireworks.ai/fine-tuning/deploying-loras, read in November 2026, a tuned model answers only through
a deployment: its adapter is merged into the base model there. The hardware comes from a shape that Fireworks has
validated for the model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.capabilities import capabilities_of
from orchestrator.endpoints.fireworks.control import ControlPlane, is_missing
from orchestrator.endpoints.fireworks.names import OWNER, last
from orchestrator.endpoints.fireworks.objects import read_name
from orchestrator.endpoints.management import RemoteDeployment, Room, WantedDeployment, gpus_of
from orchestrator.endpoints.objects import Json, read_file, whole
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import DeploymentRefused, EndpointBusy, RequestRefused

_KIND = "deployments"
_DEFAULT_SHAPE = "default"
_STATES: Mapping[str, str] = {
    "STATE_UNSPECIFIED": "Creating",
    "CREATING": "Creating",
    "READY": "Succeeded",
    "UPDATING": "Updating",
    "DELETING": "Deleting",
    "FAILED": "Failed",
}
"""Azure's word for each state of a deployment. One that is DELETED is not there."""
_QUICKEST_END = "300s"
"""The shortest time without requests after which Fireworks stops a deployment and charges nothing."""


@asynccontextmanager
async def open_deployments(config: EndpointConfig) -> AsyncIterator[FireworksDeployments]:
    """Connect to the account. Raises EndpointNotUsable."""
    from orchestrator.endpoints.clients import client_of, http_client

    async with http_client(config) as http, client_of(config, http) as client:
        retries = Retries(total=config.timeout_seconds)
        yield FireworksDeployments(ControlPlane(config, client, capabilities_of(config), retries))


class FireworksDeployments:
    """An open connection; see `management.Management` for the methods' guarantees."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def get(self, name: str) -> RemoteDeployment | None:
        path = await self._plane.place(_KIND, name)
        try:
            found = await self._plane.read("get deployment", path, _read)
        except RequestRefused as error:
            if is_missing(error):
                return None
            raise _refused(error) from error
        return None if _is_gone(found) else found

    async def all(self) -> list[RemoteDeployment]:
        listed = [_read(raw) for raw in await self._plane.every("list deployments", _KIND)]
        return [each for each in listed if not _is_gone(each)]

    async def room(self, model: str) -> Room | None:
        """Fireworks says it only when a deployment is requested."""
        return None

    async def put(self, wanted: WantedDeployment) -> None:
        body = _body(wanted, await self._shape_for(wanted.model, wanted.sku))
        try:
            await self._plane.make(
                "request deployment", await self._plane.place(_KIND), body, {"deploymentId": wanted.name}
            )
        except (EndpointBusy, RequestRefused) as error:
            raise _refused(error) from error

    async def delete(self, name: str) -> None:
        # Only a hard deletion makes the name free. What uses it is checked here, by ftorch.
        path = await self._plane.place(_KIND, name)
        await self._plane.remove("remove deployment", path, {"hard": "true", "ignoreChecks": "true"})

    async def sku_for(self, model: str) -> str | None:
        """By the deployment that Fireworks would make: nothing is made."""
        body = {"baseModel": model, "deploymentShape": _DEFAULT_SHAPE}
        path = await self._plane.place(_KIND)
        try:
            return await self._plane.write("ask for hardware", path, _sku, body, {"validateOnly": "true"})
        except (EndpointBusy, RequestRefused) as error:
            raise _refused(error) from error

    async def answers(self, model: str) -> bool:
        """Shared base models may be served to everyone."""
        if not model.startswith(f"accounts/{OWNER}/"):
            return False
        found = await self._plane.read("look for a model", f"/v1/{model}", dict)
        return bool(found.get("supportsServerless"))

    async def _shape_for(self, model: str, sku: str) -> str:
        """The shape with this hardware: the default one, or another that Fireworks has validated for the model.
        Raises DeploymentRefused if there is none."""
        usual = await self.sku_for(model)
        if sku == usual or gpus_of(sku) is None:
            return _DEFAULT_SHAPE
        shapes = await self._shapes(model)
        for name, offered in shapes:
            if offered == sku:
                return name
        known = ", ".join(dict.fromkeys([str(usual), *(offered for _, offered in shapes)]))
        raise _refused(
            self._plane.refusal(f"it has no {sku} for {model}, but {known}; choose one of these as --sku")
        )

    async def _shapes(self, model: str) -> list[tuple[str, str]]:
        account = await self._plane.account_id()
        request = {"parent": f"accounts/{account}", "deployment": {"baseModel": model}}
        path = await self._plane.place("deploymentShapeVersions:match")
        return await self._plane.write("list shapes", path, _shapes_in, {"createDeploymentRequest": request})


def _body(wanted: WantedDeployment, shape: str) -> dict[str, Any]:
    body = {
        "baseModel": wanted.model,
        "deploymentShape": shape,
        "displayName": wanted.name,
        "minReplicaCount": 0,
        "maxReplicaCount": wanted.capacity,
    }
    return {**body, "autoscalingPolicy": {"scaleToZeroWindow": _QUICKEST_END}} if wanted.temporary else body


def _read(raw: Json) -> RemoteDeployment:
    name = last(read_name(raw))
    state = str(raw.get("state") or "STATE_UNSPECIFIED")
    return RemoteDeployment(
        name=name,
        model=str(raw.get("baseModel") or ""),
        state=_STATES.get(state, state.capitalize()),
        sku=_sku(raw),
        capacity=whole(raw.get("maxReplicaCount")),
        created_at=read_file({"id": name, "created_at": raw.get("createTime")}).created_at,
    )


def _is_gone(found: RemoteDeployment) -> bool:
    return found.state == "Deleted"


def _sku(raw: Json) -> str | None:
    """Such as 1xH200_141GB, of NVIDIA_H200_141GB."""
    kind = str(raw.get("acceleratorType") or "")
    if not kind or kind == "ACCELERATOR_TYPE_UNSPECIFIED":
        return None
    return f"{raw.get('acceleratorCount') or 1}x{kind.partition('_')[2]}"


def _shapes_in(raw: Json) -> list[tuple[str, str]]:
    listed = raw.get("deploymentShapeVersions")
    shapes = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    found = [(each.get("name"), each.get("snapshot")) for each in shapes]
    named = [(str(name), _sku(shot)) for name, shot in found if name and isinstance(shot, dict)]
    return [(name, sku) for name, sku in named if sku]


def _refused(error: EndpointBusy | RequestRefused) -> EndpointBusy | DeploymentRefused:
    """A full quota is no passing limit, whatever its status says."""
    if "quota" in str(error.facts["message"]).lower():
        problem = f"{error.facts['problem']}; remove a deployment, or ask Fireworks for more processors"
        return DeploymentRefused(**{**error.facts, "problem": problem})
    return error if isinstance(error, EndpointBusy) else DeploymentRefused(**error.facts)

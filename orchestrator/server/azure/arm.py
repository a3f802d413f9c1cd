"""The management API of the resource: what azure-mgmt-cognitiveservices asks of deployments, quota and models."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server import requests
from orchestrator.server.apierror import ApiError
from orchestrator.server.azure.catalogue import (
    DEVELOPER,
    SKUS,
    BaseModel,
    find_model,
    has_sku,
    is_offered,
    offered_in,
    quota_text,
)
from orchestrator.server.azure.deployments import Deployments, State
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.context import Context
from orchestrator.server.requests import WHOLE, OpenBody, Text
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store import Store
from orchestrator.server.store.records import Deployment, FineTunedModel

Json = dict[str, Any]

PROVIDER = "Microsoft.CognitiveServices"
_ACCOUNT = f"/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/accounts/{{account}}"
_SUBSCRIPTION = f"/{{subscription}}/providers/{PROVIDER}"
_REGION = f"{_SUBSCRIPTION}/locations/{{region}}"
_DEPLOYMENT = f"{_ACCOUNT}/deployments/{{name}}"


def arm_body(error: ApiError) -> Json:
    """An error in the form of the management API."""
    code = error.azure_code if isinstance(error, AzureError) else "BadRequest"
    return {"error": {"code": code, "message": error.message}}


class Management:
    """Answers for one resource, under /subscriptions."""

    def __init__(self, core: Context, settings: AzureSettings, deployments: Deployments) -> None:
        self._core = core
        self._store = core.store
        self._settings = settings
        self._deployments = deployments

    def routes(self) -> list[BaseRoute]:
        """What is served, for the account and for its region."""
        return [
            Route(_ACCOUNT, self._show_account, methods=["GET"]),
            Route(f"{_ACCOUNT}/usages", self._list_usages, methods=["GET"]),
            Route(f"{_ACCOUNT}/models", self._list_account_models, methods=["GET"]),
            Route(f"{_ACCOUNT}/deployments", self._list, methods=["GET"]),
            Route(_DEPLOYMENT, self._get, methods=["GET"]),
            Route(_DEPLOYMENT, self._put, methods=["PUT"]),
            Route(_DEPLOYMENT, self._delete, methods=["DELETE"]),
            Route(f"{_REGION}/usages", self._list_usages, methods=["GET"]),
            Route(f"{_REGION}/models", self._list_models, methods=["GET"]),
            Route(f"{_REGION}/modelCapacities", self._list_capacities, methods=["GET"]),
            Route(f"{_SUBSCRIPTION}/modelCapacities", self._list_capacities, methods=["GET"]),
            Route(f"{_REGION}/operationsStatuses/{{operation}}", self._operation, methods=["GET"]),
        ]

    def _show_account(self, request: Request) -> Response:
        self._check_scope(request)
        endpoint = f"{request.url.scheme}://{request.url.netloc}/"
        return JSONResponse(account_object(self._settings, endpoint))

    def _list(self, request: Request) -> Response:
        self._check_scope(request)
        return JSONResponse({"value": [self._shown(each) for each in self._deployments.all()]})

    def _get(self, request: Request) -> Response:
        self._check_scope(request)
        return JSONResponse(self._shown(self._found(request.path_params["name"])))

    async def _put(self, request: Request) -> Response:
        self._check_scope(request)
        body = await requests.read(request, DeploymentBody)
        return await run_in_threadpool(self._make, request, body)

    def _make(self, request: Request, body: DeploymentBody) -> Response:
        name, now = request.path_params["name"], self._core.settings.now()
        is_new = self._deployments.put(read(name, body, self._store, self._settings, now))
        shown = self._shown(self._found(name))
        return JSONResponse(shown, 201 if is_new else 200, self._progress(request, "put", name))

    def _delete(self, request: Request) -> Response:
        self._check_scope(request)
        name = request.path_params["name"]
        if not self._deployments.delete(name):
            return Response(status_code=204)
        headers = self._progress(request, "delete", name)
        return Response(status_code=202, headers={**headers, "location": headers["azure-asyncoperation"]})

    def _operation(self, request: Request) -> Response:
        """The progress of a request to create or delete a deployment."""
        self._check_scope(request)
        operation = request.path_params["operation"]
        kind, _, name = operation.partition("-")
        found = self._deployments.find(name)
        state = None if found is None else self._deployments.state(found)
        status = _deletion(state) if kind == "delete" else (state or "Failed")
        return JSONResponse({"id": request.url.path, "name": operation, "status": status}, headers=self._pause())

    def _list_usages(self, request: Request) -> Response:
        self._check_scope(request)
        limit = self._settings.capacity
        usages = [
            usage_object(sku, model, self._deployments.used(sku, model), limit)
            for model in offered_in(self._settings.location)
            for sku in SKUS
        ]
        return JSONResponse({"value": usages})

    def _list_capacities(self, request: Request) -> Response:
        """What is left for one version of a model, in the only region there is."""
        self._check_scope(request)
        asked = request.query_params
        for name in ("modelFormat", "modelName", "modelVersion"):
            if not asked.get(name):
                raise _invalid(f"The query parameter '{name}' is missing.")
        at = self._settings
        if request.path_params.get("region", at.location).casefold() != at.location.casefold():
            return JSONResponse({"value": []})
        wanted = (asked["modelFormat"], asked["modelName"], asked["modelVersion"])
        found = [each for each in offered_in(at.location) if (each.format, each.family, each.version) == wanted]
        skus = [sku for sku in SKUS if has_sku(at.location, sku)]
        return JSONResponse({"value": [self._room(model, sku) for model in found for sku in skus]})

    def _room(self, model: BaseModel, sku: str) -> Json:
        left = max(0, self._settings.capacity - self._deployments.used(sku, model))
        return capacity_object(sku, model, left, self._settings)

    def _list_models(self, request: Request) -> Response:
        self._check_scope(request)
        return JSONResponse({"value": region_models(request.path_params["region"])})

    def _list_account_models(self, request: Request) -> Response:
        self._check_scope(request)
        shown = [base_object(model) for model in offered_in(self._settings.location)]
        for model in self._store.models.all():
            base = find_model(model.name)
            shown += [tuned_object(model, base)] if base is not None else []
        return JSONResponse({"value": shown})

    def _found(self, name: str) -> Deployment:
        found = self._deployments.find(name)
        if found is None:
            raise AzureError(404, "ResourceNotFound", f"The deployment '{name[:100]}' was not found.")
        return found

    def _shown(self, deployment: Deployment) -> Json:
        named = self._store.models.checkpoint_id(deployment.model) or deployment.model
        state = self._deployments.state(deployment)
        return deployment_object(replace(deployment, model=named), state, self._settings)

    def _progress(self, request: Request, kind: str, name: str) -> dict[str, str]:
        """Where to ask for the progress, and when."""
        at = self._settings
        region = f"/subscriptions/{at.subscription}/providers/{PROVIDER}/locations/{at.location}"
        place = request.url.replace(path=f"{region}/operationsStatuses/{kind}-{name}")
        return {"azure-asyncoperation": str(place), **self._pause()}

    def _pause(self) -> dict[str, str]:
        # Without it, Microsoft's library asks again after 30 seconds.
        return {"retry-after": str(max(1, math.ceil(self._settings.deploying_seconds / 10)))}

    def _check_scope(self, request: Request) -> None:
        """Refuse a request without a version, or for an unknown resource."""
        if "api-version" not in request.query_params:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise AzureError(400, "MissingApiVersionParameter", message)
        named, at = request.path_params, self._settings
        if named["subscription"].casefold() != at.subscription.casefold():
            message = f"The subscription '{named['subscription'][:100]}' could not be found."
            raise AzureError(404, "SubscriptionNotFound", message)
        group, account = named.get("group", at.resource_group), named.get("account", at.account)
        if group.casefold() != at.resource_group.casefold():
            raise AzureError(404, "ResourceGroupNotFound", f"Resource group '{group[:100]}' could not be found.")
        if account.casefold() != at.account.casefold():
            code = "ParentResourceNotFound" if "name" in named else "ResourceNotFound"
            raise AzureError(404, code, f"The Resource '{PROVIDER}/accounts/{account[:100]}' was not found.")


def _deletion(state: State | None) -> str:
    return state.value if state is State.DELETING else "Succeeded"


# --- Reads the request that creates a deployment --------------------------------------------------------------


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_CAPACITY = 100_000


class Sku(OpenBody):
    """How it is billed, and its thousand tokens per minute."""

    name: Literal["Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier"]
    capacity: Annotated[int, Field(ge=1, le=_MOST_CAPACITY), WHOLE] = 1


class DeployedModel(OpenBody):
    """The model that answers."""

    format: Text
    name: Text
    version: Text | None = None
    source: Text | None = None


class Properties(OpenBody):
    """The part of the body with the model."""

    model: DeployedModel | None = None


class DeploymentBody(OpenBody):
    """PUT …/deployments/{name}."""

    sku: Sku | None = None
    properties: Properties | None = None


def read(name: str, body: DeploymentBody, store: Store, settings: AzureSettings, now: float) -> Deployment:
    """The requested deployment; ApiError 400 if it is not possible."""
    if not _NAME.fullmatch(name):
        raise _invalid(f"The name '{name[:100]}' must be up to 64 letters, digits, '-', '_' and '.'.")
    sku, model = body.sku, None if body.properties is None else body.properties.model
    if sku is None or model is None:
        raise _invalid("A deployment needs 'sku' and 'properties.model'.")
    wanted = Deployment(
        name=name,
        created_at=now,
        changed_at=now,
        deleted_at=None,
        last_used_at=None,
        sku=sku.name,
        capacity=sku.capacity,
        model_format=model.format,
        model=store.models.of_checkpoint(model.name) or model.name,
        model_version=model.version or _newest(model.name),
        model_source=model.source,
    )
    if store.models.checkpoint_id(model.name):
        raise _unsupported(wanted)  # a checkpoint is deployed by its id
    _check_model(wanted, store, settings)
    return wanted


def _newest(model: str) -> str:
    base = find_model(model)
    return "1" if base is None or is_fine_tuned(model) else base.version


def _check_model(wanted: Deployment, store: Store, settings: AzureSettings) -> None:
    base, is_tuned = find_model(wanted.model), is_fine_tuned(wanted.model)
    is_there = not is_tuned or store.models.get(wanted.model) is not None
    if (
        base is None
        or base.format != wanted.model_format
        or not is_offered(base, settings.location)
        or not is_there
    ):
        raise _unsupported(wanted)
    if wanted.model_source not in (None, account_id(settings)):
        raise _invalid(f"There is no account {wanted.model_source} to take the model from.")
    if not has_sku(settings.location, wanted.sku):
        raise _invalid(f"The sku {wanted.sku} is not available for this model in {settings.location}.")
    if wanted.sku == DEVELOPER and not is_tuned:
        raise _invalid(f"The sku {DEVELOPER} is only for fine-tuned models.")


def _unsupported(wanted: Deployment) -> AzureError:
    named = f"Format:{wanted.model_format},Name:{wanted.model},Version:{wanted.model_version}"
    message = f"The model '{named}' of account deployment is not supported."
    return AzureError(400, "DeploymentModelNotSupported", message)


def _invalid(message: str) -> AzureError:
    return AzureError(400, "InvalidResourceProperties", message)


# --- The JSON objects of the management API (Microsoft.CognitiveServices, 2025-09-01) -------------------------


def account_id(settings: AzureSettings) -> str:
    """The resource's full id."""
    group = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
    return f"{group}/providers/{PROVIDER}/accounts/{settings.account}"


def account_object(settings: AzureSettings, endpoint: str) -> Json:
    return {
        "id": account_id(settings),
        "name": settings.account,
        "type": f"{PROVIDER}/accounts",
        "location": settings.location,
        "kind": "AIServices",
        "sku": {"name": "S0"},
        "properties": {
            "endpoint": endpoint,
            "provisioningState": "Succeeded",
            "disableLocalAuth": settings.signed_in_only,
        },
    }


def deployment_object(deployment: Deployment, state: State, settings: AzureSettings) -> Json:
    times = {"createdAt": deployment.created_at, "lastModifiedAt": deployment.changed_at}
    return {
        "id": f"{account_id(settings)}/deployments/{deployment.name}",
        "name": deployment.name,
        "type": f"{PROVIDER}/accounts/deployments",
        "sku": {"name": deployment.sku, "capacity": deployment.capacity},
        "properties": {
            "model": _deployed_model(deployment),
            "provisioningState": state.value,
            "currentCapacity": deployment.capacity,
            "rateLimits": [{"key": "token", "renewalPeriod": 60, "count": deployment.capacity * 1000}],
        },
        "systemData": {name: _time(seconds) for name, seconds in times.items()},
    }


def usage_object(sku: str, model: BaseModel, used: int, limit: int) -> Json:
    """How much of a quota for fine-tuned models is used, in thousand tokens per minute."""
    name = {"value": _quota(sku, model), "localizedValue": quota_text(sku, model)}
    return {"name": name, "currentValue": used, "limit": limit, "unit": "Count"}


def capacity_object(sku: str, model: BaseModel, left: int, settings: AzureSettings) -> Json:
    """What is left for deployments of models tuned from this one; of the model itself, as much as anybody needs."""
    kind = f"{PROVIDER}/locations/models/skuCapacities"
    named = (
        f"locations/{settings.location}/models/{model.format}.{model.family}.{model.version}/skuCapacities/{sku}"
    )
    return {
        "id": f"/subscriptions/{settings.subscription}/providers/{PROVIDER}/{named}",
        "type": kind,
        "name": sku,
        "location": settings.location,
        "properties": {
            "model": _named(model),
            "skuName": sku,
            "availableCapacity": settings.capacity,
            "availableFinetuneCapacity": left,
        },
    }


def region_models(region: str) -> list[Json]:
    """The base models that can be deployed there."""
    return [{"kind": "AIServices", "skuName": "S0", "model": base_object(model)} for model in offered_in(region)]


def base_object(model: BaseModel) -> Json:
    skus = [{"name": sku, "usageName": _quota(sku, model)} for sku in SKUS]
    more = {"capabilities": {"fineTune": "true"}, "skus": skus, "lifecycleStatus": "GenerallyAvailable"}
    return {**_named(model), **more}


def tuned_object(model: FineTunedModel, base: BaseModel) -> Json:
    return {"format": base.format, "name": model.name, "version": "1", "baseModel": _named(base)}


def _quota(sku: str, model: BaseModel) -> str:
    return f"OpenAI.{sku}.{model.family}-finetune"


def _named(model: BaseModel) -> Json:
    return {"format": model.format, "name": model.family, "version": model.version}


def _deployed_model(deployment: Deployment) -> Json:
    shown = {
        "format": deployment.model_format,
        "name": deployment.model,
        "version": deployment.model_version,
        "source": deployment.model_source,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")

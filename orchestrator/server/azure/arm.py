"""The management API of the resource: what azure-mgmt-cognitiveservices asks of deployments, quota and models."""

from __future__ import annotations

import math
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.server import requests
from orchestrator.server.apierror import ApiError
from orchestrator.server.azure import armobjects, deploymentspec
from orchestrator.server.azure.armobjects import PROVIDER, Json
from orchestrator.server.azure.catalogue import SKUS, find_model, offered_in
from orchestrator.server.azure.deployments import Deployments, State
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.settings import AzureSettings
from orchestrator.server.context import Context
from orchestrator.server.fields import Fields
from orchestrator.server.store.records import Deployment

_ACCOUNT = f"/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/accounts/{{account}}"
_REGION = f"/{{subscription}}/providers/{PROVIDER}/locations/{{region}}"
_DEPLOYMENT = f"{_ACCOUNT}/deployments/{{name}}"


def arm_body(error: ApiError) -> Json:
    """An error as the management API words it."""
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
        """What is served, of the account and of its region."""
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
            Route(f"{_REGION}/operationsStatuses/{{operation}}", self._operation, methods=["GET"]),
        ]

    def _show_account(self, request: Request) -> Response:
        self._check_scope(request)
        endpoint = f"{request.url.scheme}://{request.url.netloc}/"
        return JSONResponse(armobjects.account_object(self._settings, endpoint))

    def _list(self, request: Request) -> Response:
        self._check_scope(request)
        return JSONResponse({"value": [self._shown(each) for each in self._deployments.all()]})

    def _get(self, request: Request) -> Response:
        self._check_scope(request)
        return JSONResponse(self._shown(self._found(request.path_params["name"])))

    async def _put(self, request: Request) -> Response:
        self._check_scope(request)
        body = Fields(await requests.json_object(request))
        return await run_in_threadpool(self._make, request, body)

    def _make(self, request: Request, body: Fields) -> Response:
        name, now = request.path_params["name"], self._core.settings.now()
        is_new = self._deployments.put(deploymentspec.read(name, body, self._store, self._settings, now))
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
        """How far a request to make or delete a deployment is."""
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
            armobjects.usage_object(sku, model, self._deployments.used(sku, model), limit)
            for model in offered_in(self._settings.location)
            for sku in SKUS
        ]
        return JSONResponse({"value": usages})

    def _list_models(self, request: Request) -> Response:
        self._check_scope(request)
        return JSONResponse({"value": armobjects.region_models(request.path_params["region"])})

    def _list_account_models(self, request: Request) -> Response:
        self._check_scope(request)
        shown = [armobjects.base_object(model) for model in offered_in(self._settings.location)]
        for model in self._store.models.all():
            base = find_model(model.name)
            shown += [armobjects.tuned_object(model, base)] if base is not None else []
        return JSONResponse({"value": shown})

    def _found(self, name: str) -> Deployment:
        found = self._deployments.find(name)
        if found is None:
            raise AzureError(404, "ResourceNotFound", f"The deployment '{name[:100]}' was not found.")
        return found

    def _shown(self, deployment: Deployment) -> Json:
        named = self._store.models.checkpoint_id(deployment.model) or deployment.model
        state = self._deployments.state(deployment)
        return armobjects.deployment_object(replace(deployment, model=named), state, self._settings)

    def _progress(self, request: Request, kind: str, name: str) -> dict[str, str]:
        """Where to ask how far it is, and when."""
        at = self._settings
        region = f"/subscriptions/{at.subscription}/providers/{PROVIDER}/locations/{at.location}"
        place = request.url.replace(path=f"{region}/operationsStatuses/{kind}-{name}")
        return {"azure-asyncoperation": str(place), **self._pause()}

    def _pause(self) -> dict[str, str]:
        # Without it, Microsoft's library asks again after 30 seconds.
        return {"retry-after": str(max(1, math.ceil(self._settings.deploying_seconds / 10)))}

    def _check_scope(self, request: Request) -> None:
        """Refuse a request without a version, or about what is not there."""
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

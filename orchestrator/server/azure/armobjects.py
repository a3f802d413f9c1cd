"""The JSON objects of the management API (Microsoft.CognitiveServices, 2025-09-01)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestrator.server.azure.catalogue import SKUS, BaseModel, offered_in, quota_text
from orchestrator.server.azure.deployments import State
from orchestrator.server.azure.settings import AzureSettings
from orchestrator.server.store.records import Deployment, FineTunedModel

Json = dict[str, Any]

PROVIDER = "Microsoft.CognitiveServices"


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
    """How much of a quota for fine-tuned models is used, in thousand tokens a minute."""
    name = {"value": _quota(sku, model), "localizedValue": quota_text(sku, model)}
    return {"name": name, "currentValue": used, "limit": limit, "unit": "Count"}


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

"""Reads the request that makes a deployment."""

from __future__ import annotations

import re

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.server.azure.armobjects import account_id
from orchestrator.server.azure.catalogue import DEVELOPER, SKUS, find_model, is_offered
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.settings import AzureSettings
from orchestrator.server.fields import Fields
from orchestrator.server.store import Store
from orchestrator.server.store.records import Deployment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_CAPACITY = 100_000


def read(name: str, body: Fields, store: Store, settings: AzureSettings, now: float) -> Deployment:
    """The deployment that is asked for; ApiError 400 where there can't be one like that."""
    if not _NAME.fullmatch(name):
        raise _invalid(f"The name '{name[:100]}' must be up to 64 letters, digits, '-', '_' and '.'.")
    sku, properties = body.table("sku"), body.table("properties")
    model = properties.table("model") if properties is not None else None
    if sku is None or model is None:
        raise _invalid("A deployment needs 'sku' and 'properties.model'.")
    sku.required("name")
    model.required("format", "name")
    asked = model.text("name") or ""
    wanted = Deployment(
        name=name,
        created_at=now,
        changed_at=now,
        deleted_at=None,
        last_used_at=None,
        sku=sku.choice("name", SKUS) or "",
        capacity=sku.integer("capacity", 1, _MOST_CAPACITY) or 1,
        model_format=model.text("format") or "",
        model=store.models.of_checkpoint(asked) or asked,
        model_version=model.text("version") or _newest(asked),
        model_source=model.text("source"),
    )
    if store.models.checkpoint_id(asked):
        raise _unsupported(wanted)  # a checkpoint goes by its id
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
    if wanted.sku == DEVELOPER and not is_tuned:
        raise _invalid(f"The sku {DEVELOPER} is for fine-tuned models alone.")


def _unsupported(wanted: Deployment) -> AzureError:
    named = f"Format:{wanted.model_format},Name:{wanted.model},Version:{wanted.model_version}"
    message = f"The model '{named}' of account deployment is not supported."
    return AzureError(400, "DeploymentModelNotSupported", message)


def _invalid(message: str) -> AzureError:
    return AzureError(400, "InvalidResourceProperties", message)

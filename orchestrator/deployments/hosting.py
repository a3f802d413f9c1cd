"""What a deployment costs, how long it has been unused, and when its host removes it automatically.

By Microsoft's page "Deploy a fine-tuned model": hosting is charged by the hour, used or not; a deployment without
requests for 15 days is deleted, and one of DeveloperTier after 24 hours; the model stays. Fireworks charges for
each processor while it runs.
"""

from __future__ import annotations

from orchestrator.config import EndpointConfig
from orchestrator.dataset.hosting import usd_per_day
from orchestrator.dataset.pricing import gpu_cost, hosting_cost
from orchestrator.endpoints.management import gpus_of, rules_of
from orchestrator.store.deployments import Deployment

HOUR, DAY = 3600.0, 86_400.0
IDLE_SECONDS = DAY
"""The age from which an unused deployment gets a warning."""
_DEVELOPER_LIFE = DAY


def cost_per_day(config: EndpointConfig, model: str, sku: str) -> float | None:
    """US dollars of hosting per day; None if the price is unknown. Calls are charged as well."""
    per_hour = cost_per_hour(config, model, sku)
    return None if per_hour is None else usd_per_day(per_hour)


def cost_per_hour(config: EndpointConfig, model: str, sku: str) -> float | None:
    """The same per hour."""
    if (gpus := gpus_of(sku)) is not None:
        return gpu_cost(config.type, gpus[1], float(gpus[0]), prices=config.prices)
    return hosting_cost(config.type, model, 1.0, tier=sku, prices=config.prices)


def cost_so_far(config: EndpointConfig, deployment: Deployment, now: float) -> float | None:
    """US dollars of hosting since it is charged; None if the price is unknown."""
    charged = charged_between(deployment, now)
    return 0.0 if charged is None else hosting_of(config, deployment, charged[1] - charged[0])


def charged_between(deployment: Deployment, now: float) -> tuple[float, float] | None:
    """From when until when hosting is charged: since Azure called it provisioned; if that was not seen, since it
    was requested, since it may be charged. None if it was never requested."""
    since = deployment.requested_at if deployment.provisioned_at is None else deployment.provisioned_at
    if since is None or deployment.model is None:
        return None
    return since, max(since, deployment.finished_at or now)


def hosting_of(config: EndpointConfig, deployment: Deployment, seconds: float) -> float | None:
    """US dollars for this much time of hosting; None if the price is unknown."""
    per_hour = cost_per_hour(config, str(deployment.model), deployment.sku)
    return None if per_hour is None else per_hour * seconds / HOUR


def unused_since(deployment: Deployment) -> float | None:
    """When ftorch last sent it a request; None if it was never requested. Others' requests are not seen."""
    return deployment.last_used_at or deployment.deployed_at or deployment.requested_at


def ends_at(config: EndpointConfig, deployment: Deployment) -> float | None:
    """When the host removes it automatically, judging by ftorch's own requests; None if it doesn't, or if it is not
    deployed."""
    life = rules_of(config).idle_life
    if deployment.provisioned_at is None or deployment.is_over or life is None:
        return None
    if deployment.sku == "DeveloperTier":
        return deployment.provisioned_at + _DEVELOPER_LIFE
    return (unused_since(deployment) or deployment.provisioned_at) + life


def is_idle(deployment: Deployment, now: float, seconds: float = IDLE_SECONDS) -> bool:
    """Whether ftorch has not used an existing deployment for that long; one made elsewhere is its owner's."""
    since = None if deployment.made_elsewhere else unused_since(deployment)
    return not deployment.is_over and since is not None and now - since >= seconds

"""What a job file for Fireworks must say, and what its user should know before paying."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import is_of_known_family
from orchestrator.dataset.pricing import gpu_cost

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile  # loads pydantic, which commands without a plan do not need

_MODEL = re.compile(r"accounts/[a-z0-9-]+/models/[a-z0-9-]+")
_USUAL_GPU, _ITS_NAME = "H200_141GB", "H200"


def problem_with(job: JobFile, config: EndpointConfig) -> str | None:
    """Why Fireworks can't train it, with the next step; None if it can, as far as that is known."""
    if not _MODEL.fullmatch(job.model):
        short = job.model.rpartition("/")[2].lower()
        is_likely = re.fullmatch(r"[a-z0-9-]+", short) and not is_of_known_family(job.model)
        guess = short if is_likely else "qwen3-8b"
        return (
            f'models there are called accounts/ACCOUNT/models/NAME, not "{job.model}"; write the name from '
            f'Fireworks\' library of models, such as model = "accounts/fireworks/models/{guess}"'
        )
    return None


def fireworks_notices(config: EndpointConfig, job: JobFile) -> list[str]:
    """Sentences to show before a submission."""
    per_hour = gpu_cost(config.type, _USUAL_GPU, 1.0, prices=config.prices)
    cost = "" if per_hour is None else f", such as ${per_hour:.2f} for one {_ITS_NAME}"
    return [
        f"The tuned model will answer only while it is deployed, charged by the hour and processor{cost}: ftorch "
        "evaluate deploys it for as long as it asks, ftorch deployments create RUN until you remove it."
    ]

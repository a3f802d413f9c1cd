"""Models that were named by hand: whether they are there, before anything is asked of any."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from orchestrator.endpoints.interface import Endpoint
from orchestrator.errors import NoSuchModel
from orchestrator.evaluation.plan import Plan
from orchestrator.jobfile.evaluation import BASE, CHECKPOINTS, TUNED

_WORDS = (BASE, TUNED, CHECKPOINTS)


async def require_models(endpoint: Endpoint, plan: Plan, known: Collection[str] = ()) -> None:
    """Look up the names in `models` that still have questions, but for those `known` to be there.

    Raises NoSuchModel for one that the endpoint says it has not; where it does not tell, its first answer will.
    """
    for name in plan.settings.models:
        if name in _WORDS or name in known or name not in plan.unanswered:
            continue
        if await endpoint.has_model(name) is False:
            near = get_close_matches(name, [*_WORDS, *await endpoint.models()], n=1, cutoff=0.5)
            advice = f'Did you mean "{near[0]}"?' if near else "Leave it out, or give a name that it lists."
            raise NoSuchModel(endpoint=endpoint.name, model=name, advice=advice)

"""What every route needs: the store, the settings, the scheduler and the loaded models."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from orchestrator.server.basemodels import BaseModels
from orchestrator.server.completion import LoadedModels
from orchestrator.server.dialect import Dialect
from orchestrator.server.scheduler import Scheduler
from orchestrator.server.settings import Profile, Settings
from orchestrator.server.store import Store


@dataclass(frozen=True)
class Context:
    """One endpoint, assembled."""

    store: Store
    settings: Settings
    dialect: Dialect
    scheduler: Scheduler
    base_models: BaseModels
    models: LoadedModels

    @property
    def profile(self) -> Profile:
        """The dialect of the API that this request used."""
        return self.dialect.profile

    @property
    def now(self) -> int:
        """The time in whole Unix seconds, as in objects."""
        return int(self.settings.now())


def context(request: Request) -> Context:
    """The endpoint that received this request."""
    found: Context = request.app.state.context
    return found

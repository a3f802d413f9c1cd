"""When recorded models end: as their endpoint said, or as it was announced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from orchestrator.dataset.basemodels import base_model, tuned_until
from orchestrator.ledger import Ledger
from orchestrator.store import endings as store


@dataclass(frozen=True)
class Endings:
    """Looks up the day (UTC) on which a model ends."""

    recorded: Mapping[tuple[str, str], date]
    """By endpoint and model."""
    types: Mapping[str, str]
    """The types of the endpoints, by name."""

    def of(self, endpoint: str, model: str | None) -> date | None:
        """The earliest day that the endpoint gave for the model or for its base; without one, the day announced for
        the endpoint's type; None if none is known."""
        if model is None:
            return None
        said = [self.recorded.get((endpoint, name)) for name in (model, base_model(model))]
        known = [day for day in said if day is not None]
        return min(known) if known else tuned_until(self.types.get(endpoint, ""), model)


def endings(ledger: Ledger) -> Endings:
    """What is known of the recorded endpoints' models."""
    types = {name: config.type for name, config in ledger.workspace.endpoints.items()}
    with ledger.database.read() as connection:
        return Endings(store.recorded(connection), types)


def today() -> date:
    """In UTC, as endpoints count their days."""
    return datetime.now(UTC).date()

"""The runs that a run continues: its base model is another recorded run's model or checkpoint."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.modelorigin import exported_from
from orchestrator.store import lineage
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Ancestor:
    """A run, and the model of it from which the next run was trained."""

    run: Run
    model: str
    step: int | None
    """The checkpoint's step; None for the run's final model."""


def parent_of(connection: Connection, run: Run) -> Ancestor | None:
    """The recorded run whose model or checkpoint this run was trained from; None if there is none.

    It is on the same endpoint or account, and older: of hosts that keep a model's name when they train it, the
    newest older run counts. The base of an open-weights run may be a folder that `ftorch models export` wrote.
    """
    model = base_of(run)
    older = (each for each in lineage.makers(connection, model) if _is_before(each, run) and shares(each, run))
    maker = next(older, None)
    return as_made(connection, maker, model) if maker else None


def ancestors(connection: Connection, run: Run) -> list[Ancestor]:
    """The run's parent, the parent's parent, and so on. Each is older than the one before, so this ends."""
    found: list[Ancestor] = []
    current = parent_of(connection, run)
    while current is not None:
        found.append(current)
        current = parent_of(connection, current.run)
    return found


def maker_of(connection: Connection, endpoint: str, model: str) -> Ancestor | None:
    """The newest run of this endpoint that made the model or checkpoint; None if none is recorded."""
    made = lineage.makers(connection, model)
    maker = next((each for each in made if each.endpoint == endpoint), None)
    return as_made(connection, maker, model) if maker else None


def as_made(connection: Connection, maker: Run, model: str) -> Ancestor:
    """The run with its model or checkpoint of this id; its last checkpoint may share the id of its final model."""
    step = None if model == maker.fine_tuned_model else lineage.step_of(connection, maker.id, model)
    return Ancestor(maker, model, step)


def base_of(run: Run) -> str:
    """The model that a run was trained from: for a folder that was exported from a model, that model."""
    return base_at(run.model, run.base_folder)


def base_at(model: str, folder: str | None) -> str:
    """The model that a base model's name means, or its folder, if it was exported from a fine-tuned model."""
    return (exported_from(Path(folder)) if folder else None) or model


def known_as(connection: Connection, run: Run, models: Collection[str]) -> set[str]:
    """The names under which the run's models are trained further: their ids, and for open weights the names of
    folders that they were exported to."""
    if run.base_folder is None:
        return set(models)
    others = (each for each in lineage.local_bases(connection) if each.base_folder)
    return {*models, *(each.model for each in others if base_of(each) in models)}


def shares(run: Run, other: Run) -> bool:
    """Whether a model of one run means the same model to the other: same endpoint, account, or this machine."""
    return (
        run.endpoint == other.endpoint
        or (run.account is not None and run.account == other.account)
        or run.endpoint_type == other.endpoint_type == "local"
    )


def _is_before(run: Run, other: Run) -> bool:
    return run.created_at < other.created_at

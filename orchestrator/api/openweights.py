"""Finding a fine-tuned open-weights model on this machine: its adapter, its base model, and its run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import PROJECT_FILE, EndpointConfig
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.endpoints.local import STORE
from orchestrator.endpoints.localweights import Adapter, StoredModel, find_model, is_trained_on, read_adapter
from orchestrator.endpoints.openweights import known_models
from orchestrator.errors import (
    BaseModelChanged,
    BaseModelGone,
    HasNoOpenWeights,
    NoModelHere,
    NothingToEvaluate,
    NoTunedModel,
    SeveralModels,
    WeightsElsewhere,
    WeightsGone,
)
from orchestrator.evaluation.subjects import candidates, find_subject
from orchestrator.jobfile.tables import TUNED
from orchestrator.ledger import Ledger
from orchestrator.modelfolders import problem_with
from orchestrator.store import records
from orchestrator.store.runs import Run

_LOCAL = "local"
_ON_A_HOST = "If that host runs ftorch serve, run this command there, in its project."
_NO_WEIGHTS = "That service gives out no weights. Train an open-weights model on the endpoint local instead."


@dataclass(frozen=True)
class Trained:
    """A fine-tuned open-weights model of the local endpoint."""

    model: StoredModel
    adapter: Adapter
    base: Path
    """The folder of the base model that the adapter was trained on."""
    run: Run | None
    """The run that trained it; None if another client of `ftorch serve` did."""
    config: EndpointConfig
    """The endpoint whose settings serve it."""

    @property
    def python(self) -> str:
        """The Python that serves it and merges its weights."""
        return str(self.config.python or sys.executable)


def find_trained(ledger: Ledger, key: str) -> Trained:
    """The model of a job file, a run's id or name, or a model or checkpoint id.

    Raises NoModelHere, NoTunedModel, SeveralModels, WeightsElsewhere, HasNoOpenWeights, WeightsGone,
    BaseModelGone, BaseModelChanged, and what `find_subject` raises for a job file.
    """
    model, config = _find(ledger, key)
    if not model.is_open_weights:
        raise HasNoOpenWeights(model=model.name, trainer=model.trainer)
    adapter = read_adapter(model)
    base = _base_folder(model, config, ledger.workspace.home)
    if not is_trained_on(adapter, base):
        raise BaseModelChanged(folder=base, model=model.name)
    return Trained(model, adapter, base, _run_of(ledger, model.name), config)


def _find(ledger: Ledger, key: str) -> tuple[StoredModel, EndpointConfig]:
    """The model, and the endpoint whose settings serve it."""
    store = ledger.workspace.home / STORE
    if is_fine_tuned(key) and (known := find_model(store, key)):
        return known, ledger.workspace.endpoint(_LOCAL)
    run = _newest_run(ledger, key)
    name = run.fine_tuned_model or ""
    if run.endpoint_type != _LOCAL:
        advice = _NO_WEIGHTS if run.endpoint_type in ("openai", "azure") else _ON_A_HOST
        raise WeightsElsewhere(model=name, endpoint=run.endpoint, advice=advice)
    found = find_model(store, name)
    if found is None:
        raise WeightsGone(model=name, path=store, problem="the local endpoint no longer has this model")
    return found, ledger.workspace.endpoint(run.endpoint)


def _newest_run(ledger: Ledger, key: str) -> Run:
    """The run that the key names, with a model."""
    try:
        subject = find_subject(ledger, [key])
        found = candidates(subject, [TUNED], ledger)
    except NothingToEvaluate:
        raise NoModelHere(key=key) from None
    except NoTunedModel as error:
        facts = error.facts
        lacking = f"{facts['what']} has no fine-tuned model on {facts['endpoint']} yet"
        raise NoTunedModel(f"{lacking}. Train it first: {facts['command']}", **facts) from None
    if len(found) != 1:
        raise SeveralModels(key=subject.name, count=len(found))
    return subject.runs[0]


def _base_folder(model: StoredModel, config: EndpointConfig, home: Path) -> Path:
    """Where the base model is now: where it was in training, or where its name leads since."""
    recorded = model.base_folder or Path()
    problem = problem_with(recorded)
    if problem is None:
        return recorded
    named = known_models(config, home).get(model.base)
    if named is not None and problem_with(named) is None:
        return named
    raise BaseModelGone(name=model.base, folder=recorded, problem=problem, file=PROJECT_FILE)


def _run_of(ledger: Ledger, model: str) -> Run | None:
    local = [config.name for config in ledger.workspace.endpoints.values() if config.type == _LOCAL]
    with ledger.database.read() as connection:
        found = (records.run_of_model(connection, name, model) for name in local)
        run_id = next((each for each in found if each), None)
    return ledger.run(run_id) if run_id else None

"""From a trial to the recipe of its run, without looking at the data files again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.dataset.pricing import CostEstimate, training_cost
from orchestrator.endpoints.openweights import OpenWeights
from orchestrator.jobfile import JobFile
from orchestrator.runs.plan import FileFacts, Recipe, training_type
from orchestrator.store.sweeps import RecordedSweep
from orchestrator.sweeps.trials import Trial, trial_job


@dataclass(frozen=True)
class DataFacts:
    """The check results of a data file; its tokens by the base model that counts them."""

    sha256: str
    examples: int
    tokens: Mapping[str, int | None]


@dataclass(frozen=True)
class PlannedTrial:
    """A trial, what its run will be recorded with, and its expected cost."""

    trial: Trial
    recipe: Recipe
    cost: CostEstimate

    @property
    def name(self) -> str:
        """`trial 3`; one that is still to be drawn has no number."""
        return f"trial {self.trial.number}" if self.trial.number else "a trial that may be drawn"

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex): the same after a crash, an edit of other things, or a new order of the points."""
        return hashlib.sha256(f"{self.recipe.fingerprint}:{self.trial.repeat}".encode()).hexdigest()


class Recipes:
    """Makes the trials of one sweep from the known facts about its data files."""

    def __init__(
        self,
        job: JobFile,
        config: EndpointConfig,
        files: Mapping[str, DataFacts],
        bases: Mapping[str, OpenWeights] | None = None,
    ) -> None:
        self.job = job
        self.config = config
        self.files = files
        """By the path in the job file."""
        self.bases = bases or {}
        """The open-weights models on this machine, by name."""
        self._costs: dict[tuple[str, str, object], CostEstimate] = {}

    def plan(self, trial: Trial) -> PlannedTrial:
        job = trial_job(self.job, trial)
        cost, data = self._cost(job), job.data
        training = self._facts(job, data.training_file)
        validation = self._facts(job, data.validation_file) if data.validation_file else None
        weights = self.bases.get(job.model)
        return PlannedTrial(trial, Recipe(job, self.config, training, validation, cost.usd, weights), cost)

    def _facts(self, job: JobFile, path: str) -> FileFacts:
        known = self.files[path]
        absolute = (job.source.parent / path).absolute()
        return FileFacts(absolute, known.sha256, known.examples, known.tokens.get(job.model))

    def _cost(self, job: JobFile) -> CostEstimate:
        key = (job.data.training_file, job.model, job.method.n_epochs)
        if key not in self._costs:
            known = self.files[job.data.training_file]
            self._costs[key] = training_cost(
                self.config.type,
                job.model,
                known.tokens.get(job.model),
                job.method.n_epochs,
                known.examples,
                method=job.method.type,
                tier=training_type(job, self.config),
                prices=self.config.prices,
            )
        return self._costs[key]


def spec_of(recipes: Recipes, interval: int | None) -> dict[str, Any]:
    """Stored with the sweep, so that any process can continue it."""
    files = {path: asdict(facts) for path, facts in recipes.files.items()}
    spec = {"document": dict(recipes.job.document), "files": files, "interval": interval}
    bases = {name: {"folder": str(each.folder), "mark": each.mark} for name, each in recipes.bases.items()}
    return {**spec, "bases": bases} if bases else spec


def recipes_of(sweep: RecordedSweep, job: JobFile, config: EndpointConfig) -> Recipes:
    """The recipes of a recorded sweep."""
    files = {path: DataFacts(**facts) for path, facts in sweep.spec["files"].items()}
    bases = {
        name: OpenWeights(name, Path(each["folder"]), each["mark"])
        for name, each in sweep.spec.get("bases", {}).items()
    }
    return Recipes(job, config, files, bases)

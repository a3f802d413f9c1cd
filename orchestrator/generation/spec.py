"""The spec of a generation: everything that determines its examples, except the teacher's answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.generation.calls import Function, Target
from orchestrator.generation.cells.cells import Cells, enumerate_cells
from orchestrator.generation.checks.screening import Against
from orchestrator.generation.failures import Failure, targets_like
from orchestrator.generation.targets import Targets
from orchestrator.generation.words import PROMPTS
from orchestrator.jobfile.generate import Generate

_PATHS = ("training", "validation", "evaluation")
_NO_IDENTITY = ("max_cost_usd", "max_concurrency", "endpoint", "tools")
"""Settings that do not change the examples."""


@dataclass(frozen=True)
class Outputs:
    """The files that a generation writes, as absolute paths."""

    training: Path
    validation: Path | None = None
    evaluation: Path | None = None
    replace: bool = False
    """Replace existing files."""
    append_bytes: int | None = None
    """The size of the training file that rows are appended to; None for a new file."""
    append_sha256: str = ""
    """SHA-256 of those bytes."""
    append_lines: int = 0
    """Number of lines in those bytes."""

    @property
    def provenance(self) -> Path:
        """The file beside the training file that gives the origin of each line."""
        return self.training.with_name(f"{self.training.name.removesuffix('.jsonl')}.provenance.jsonl")

    @property
    def all(self) -> list[Path]:
        return [path for path in (self.training, self.validation, self.evaluation, self.provenance) if path]


@dataclass(frozen=True)
class Spec:
    """Settings, functions and files of a generation."""

    settings: Generate
    functions: tuple[Function, ...]
    outputs: Outputs
    origin: str
    """The source of the functions."""
    endpoint: str
    """The teacher's endpoint; "" for template requests."""
    batch: bool = False
    """Send questions through the endpoint's Batch API."""
    failures: tuple[Failure, ...] = ()
    """If not empty, make only examples like these failed cases."""

    @cached_property
    def by_name(self) -> Mapping[str, Function]:
        return {each.name: each for each in self.functions}

    @cached_property
    def cells(self) -> Cells:
        """Every cell of the functions called in the examples."""
        settings = self.settings
        asked = [each for each in self.functions if each.name != settings.rejection_tool]
        return enumerate_cells(asked, most_full=settings.full_up_to, seed=settings.seed, parallel=settings.parallel)

    @cached_property
    def targets(self) -> Targets | Sequence[Target]:
        if self.failures:
            return targets_like(self.failures, self.cells, self.by_name, self.settings)
        return Targets(self.cells, self.functions, self.settings)

    @property
    def count(self) -> int:
        """The number of targets."""
        return self.targets.counts.all if isinstance(self.targets, Targets) else len(self.targets)

    @property
    def screened_against(self) -> list[Against]:
        """Files whose requests must not be repeated: those of the settings, and the file to append to."""
        own = Against(self.outputs.training, self.outputs.append_lines)
        return [*(Against(Path(path)) for path in self.settings.against), *([own] if own.lines else [])]

    @cached_property
    def tools_sha256(self) -> str:
        """SHA-256 of the functions' definitions as JSON with sorted keys."""
        return hashlib.sha256(canonical([each.definition for each in self.functions])).hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of everything that makes two generations the same."""
        document = self.document()
        kept = {key: value for key, value in document["settings"].items() if key not in _NO_IDENTITY}
        outputs = {key: value for key, value in document["outputs"].items() if key in _PATHS}
        outputs["appends"] = self.outputs.append_bytes is not None  # not the size: the file grows by the new rows
        return hashlib.sha256(
            canonical({**document, "settings": kept, "outputs": outputs, "origin": ""})
        ).hexdigest()

    def document(self) -> dict[str, Any]:
        """The spec as JSON, as recorded."""
        outputs = {
            key: str(value) if isinstance(value, Path) else value for key, value in asdict(self.outputs).items()
        }
        return {
            "settings": self.settings.model_dump(),
            "functions": [dict(each.definition) for each in self.functions],
            "outputs": outputs,
            "origin": self.origin,
            "endpoint": self.endpoint,
            "batch": self.batch,
            "prompts": PROMPTS,
            "failures": [asdict(each) for each in self.failures],
        }


def spec_of(document: Mapping[str, Any]) -> Spec:
    """The spec from its recorded JSON."""
    outputs: Mapping[str, Any] = document["outputs"]
    paths: dict[str, Any] = {key: Path(value) for key, value in outputs.items() if key in _PATHS and value}
    rest = {key: value for key, value in outputs.items() if key not in _PATHS}
    return Spec(
        Generate(**document["settings"]),
        tuple(function_of(definition) for definition in document["functions"]),
        Outputs(**paths, **rest),
        document["origin"],
        document["endpoint"],
        document["batch"],
        tuple(Failure(**each) for each in document["failures"]),
    )


def function_of(definition: Mapping[str, Any]) -> Function:
    """The function in a `tools` entry that was checked before."""
    inner = definition["function"]
    schema = inner.get("parameters") or {"type": "object", "properties": {}}
    return Function(inner["name"], inner.get("description") or "", schema, definition)

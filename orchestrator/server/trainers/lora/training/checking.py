"""Whether every row of a training's files can be trained on. Torch is not imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.training.examples import Example
from orchestrator.server.trainers.lora.training.rows import Refused, read_examples

SHOWN_ROWS = 5


def check(job: Job) -> Mapping[str, Any]:
    """What the check found: `tokens` of one epoch and `notes`, or `refused`, a message, and `role`, the file's.

    Raises what `open_renderer` raises.
    """
    renderer = job_renderer(job)
    training = _survey(Path(job.training), job, renderer)
    if training.refused or not training.rows:
        return {"refused": training.complaint("training file", job.base_name), "role": "training_file"}
    if job.validation is not None:
        validation = _survey(Path(job.validation), job, renderer)
        if validation.refused:
            return {"refused": validation.complaint("validation file", job.base_name), "role": "validation_file"}
    return {"tokens": training.tokens, "notes": [training.note(renderer)]}


def job_renderer(job: Job) -> Renderer:
    """The renderer of the job's base model; a fine-tuned parent brings the template that it was trained with."""
    template = None if job.parent is None else Path(job.parent) / "chat_template.jinja"
    return open_renderer(Path(job.base_folder), template)


@dataclass
class _Survey:
    """The rows of one file, counted."""

    rows: int = 0
    tokens: int = 0
    targets: int = 0
    longest: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, found: Example | Refused) -> None:
        if isinstance(found, Refused):
            self.refused.append(found)
            return
        self.rows += 1
        self.tokens += found.tokens
        self.targets += sum(sequence.targets for sequence in found.sequences)
        self.longest = max(self.longest, *(len(sequence.ids) for sequence in found.sequences))

    def complaint(self, file: str, model: str) -> str:
        if not self.refused:
            return f"The {file} has no rows. Upload a file with examples."
        shown = " ".join(f"Line {row.line:,}: {row.reason}." for row in self.refused[:SHOWN_ROWS])
        more = f" {len(self.refused) - SHOWN_ROWS:,} more rows." if len(self.refused) > SHOWN_ROWS else ""
        return f"The {file} has rows that {model} can't be trained on. {shown}{more}"

    def note(self, renderer: Renderer) -> str:
        return (
            f"{self.rows:,} rows with {self.tokens:,} tokens, of which {self.targets:,} are learned; the longest "
            f"has {self.longest:,}. Template: {renderer.template.source}"
        )


def _survey(path: Path, job: Job, renderer: Renderer) -> _Survey:
    survey = _Survey()
    for found in read_examples(path, job.method, renderer):
        survey.add(found)
    return survey

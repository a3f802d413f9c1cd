"""What the server needs from a trainer. A trainer is added as one class here and one entry in `trainers.NAMES`.

A trainer knows nothing about HTTP, jobs or the store: it reads the training's files, reports steps and checkpoints,
and leaves weights in folders. It runs in a process of the job, and may start others there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from orchestrator.server.launchers.settings import RaySettings

Row = Mapping[str, Any]
"""One parsed line of a training file: a conversation (`messages`, optional `tools` or `functions`), or a preference
(`input`, `preferred_output`, `non_preferred_output`)."""

Auto = Literal["auto"]
Method = Literal["supervised", "dpo"]


@dataclass(frozen=True)
class Requested:
    """The hyperparameters of a job as its creator wrote them."""

    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"
    beta: float | Auto | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Those that only some trainers have, such as `lora_rank`."""


@dataclass(frozen=True)
class Hyperparameters:
    """The resolved hyperparameters of one training: no "auto" left."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float | None = None
    """How closely preference rows keep to the parent model; None if there are none."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The trainer's own, such as `lora_rank`, with its defaults filled in."""


@dataclass(frozen=True)
class Base:
    """An open-weights model on this machine: its name in job files, and its folder in Hugging Face's format."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Machine:
    """How trainers use this machine."""

    folder: Path
    """For their locks and logs."""
    python: str
    """The Python that trains and serves; the server itself never loads a machine-learning library."""
    serving: Literal["transformers", "vllm"] = "transformers"
    """What answers with open weights."""
    vllm_url: str | None = None
    """The vLLM server to use; None starts one."""
    constrained: bool = True
    """Whether calls are decoded under the schemas of the offered tools."""
    ray: RaySettings | None = None
    """The cluster that trains open weights; None for child processes of this machine."""

    @property
    def storage(self) -> Path | None:
        """Where the folders of trainings must be, so that all machines find them; None for the store's own."""
        return self.ray.storage if self.ray is not None else None

    def as_argument(self) -> str:
        """The machine as one argument of a program."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_argument(cls, text: str) -> Machine:
        """The machine of such an argument."""
        fields = json.loads(text)
        if fields["ray"] is not None:
            fields["ray"] = RaySettings(**{**fields["ray"], "storage": Path(fields["ray"]["storage"])})
        return cls(**{**fields, "folder": Path(fields["folder"])})


@dataclass(frozen=True)
class Step:
    """One optimizer step, as measured.

    Losses are mean negative log-likelihoods in nats per decision or learned token (for preference rows, per pair);
    accuracies are in 0..1. `valid_*` is measured on a small rotating slice of the validation rows, `full_valid_*`
    on all of them at the end of an epoch; None if there is no validation file or no measurement at this step.
    """

    step: int
    total_steps: int
    epoch: int
    train_loss: float
    train_accuracy: float
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_accuracy: float | None = None


@dataclass(frozen=True)
class Training:
    """What to train, and from where."""

    training: Path
    """The training file, as uploaded."""
    validation: Path | None
    method: Method
    hyperparameters: Hyperparameters
    seed: int
    folder: Path
    """Belongs to this training alone and survives a crash: the trainer keeps here what it needs to continue."""
    base: Base | None = None
    """None for a trainer that has its own."""
    parent: Path | None = None
    """The weights of the fine-tuned model to start from; None for the base model."""


@dataclass(frozen=True)
class Checked:
    """What a trainer found in the files before it trains on them."""

    tokens: int | None = None
    """The tokens of one epoch by the model's own tokenizer; None if the trainer has none."""
    notes: Sequence[str] = ()
    """What the job's owner should know."""


class RowsRefusedError(Exception):
    """The trainer can't train on these files; the message names the file, the line and the next step."""

    def __init__(self, message: str, role: Literal["training_file", "validation_file"] = "training_file") -> None:
        super().__init__(message)
        self.role = role


class TrainingFailedError(Exception):
    """The training ended with an error that the job's owner can do something about; the message says what."""


class Report(Protocol):
    """What a trainer tells while it trains. Any method may raise to end the training from inside."""

    def step(self, step: Step) -> None:
        """After every optimizer step."""

    def checkpoint(self, step: Step, weights: Path) -> None:
        """At the end of an epoch, with a folder that `Trainer.load` accepts. The folder is moved away.

        A step that was reported before a crash may be reported again.
        """

    def note(self, message: str) -> None:
        """Something that the job's owner should know."""

    def waiting(self) -> None:
        """Nothing new; called at least every second while there is nothing else to report."""


@dataclass(frozen=True)
class Question:
    """What a model is asked.

    `tools` are function objects (`{"name", "description", "parameters"}`, each key but name optional). `choice` is
    "auto", "none" (text only), "required" (some call), or the name of the one function to call.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    choice: str = "auto"
    parallel: bool = True
    max_tokens: int | None = None
    temperature: float = 0.0
    """0 picks the most probable token."""
    top_p: float = 1.0
    seed: int | None = None
    stops: Sequence[str] = ()


@dataclass(frozen=True)
class ToolCall:
    """One call: `arguments` is an object, not yet JSON text."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer of a model: text, or calls (then `content` is None, or the text before the calls)."""

    content: str | None
    calls: tuple[ToolCall, ...] = ()
    is_cut: bool = False
    """Whether `max_tokens` or the context ended it. A call that was cut is part of `content`, as text."""
    prompt_tokens: int | None = None
    """By the model's own tokenizer; None if it has none."""
    completion_tokens: int | None = None


class AnswerError(Exception):
    """The model could not be asked, or its answer not be read; the message says what happened and what to do."""


class Model(Protocol):
    """A base or fine-tuned model that answers."""

    def answer(self, question: Question) -> Answer:
        """Answer a conversation. Raises AnswerError."""


class Trainer(Protocol):
    name: str

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        """The values of "auto" with this many training examples, and the trainer's own options.

        Raises ValueError, with a sentence, for an option that the trainer doesn't have, or a value it can't use.
        """

    def check(self, training: Training) -> Checked:
        """Read the files as the training would. Raises RowsRefusedError and TrainingFailedError."""

    def train(self, training: Training, report: Report) -> Path:
        """Train and return the folder of the final weights, which `load` accepts and the caller moves away.

        Continues what an earlier call left in `training.folder`. On a CPU the weights are the same either way.
        Raises TrainingFailedError.
        """

    def load(self, weights: Path | None, base: Base | None) -> Model:
        """The model of these weights; None is the base model. Raises AnswerError."""

    def close(self) -> None:
        """End the processes that loaded models have started."""

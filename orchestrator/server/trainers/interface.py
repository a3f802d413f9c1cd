"""What the server needs from a trainer. A trainer is added as one class here and one entry in `trainers.NAMES`.

A trainer knows nothing about HTTP, jobs or the store: it gets parsed training rows, reports steps and checkpoints,
and returns weights as bytes. It runs in a separate child process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Row = Mapping[str, Any]
"""One parsed line of a training file: a conversation (`messages`, optional `tools` or `functions`), or a preference
(`input`, `preferred_output`, `non_preferred_output`)."""

Auto = Literal["auto"]


@dataclass(frozen=True)
class Hyperparameters:
    """The resolved hyperparameters of one training: no "auto" left."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float | None = None
    """How closely preference rows keep to the parent model; None if there are none."""


@dataclass(frozen=True)
class Step:
    """One optimizer step, as measured.

    Losses are mean negative log-likelihoods in nats per decision (for preference rows, per pair); accuracies are in
    0..1. `valid_*` is measured on a small rotating slice of the validation rows at every step, `full_valid_*` on
    all of them at the end of an epoch; None if there is no validation file or no measurement at this step.
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

    training: Sequence[Row]
    validation: Sequence[Row]
    hyperparameters: Hyperparameters
    seed: int
    parent: bytes | None = None
    """Weights of the fine-tuned model to start from; None for the base model."""
    resume: bytes | None = None
    """The last checkpoint of this same training, after a crash; None to start at step 1."""


@dataclass(frozen=True)
class ToolCall:
    """One call: `arguments` is an object, not yet JSON text."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer of a model: text, or calls (then `content` is None)."""

    content: str | None
    calls: tuple[ToolCall, ...] = ()


class Model(Protocol):
    """A base or fine-tuned model that answers."""

    def answer(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        choice: str = "auto",
        parallel: bool = True,
    ) -> Answer:
        """Answer a conversation.

        `tools` are function objects (`{"name", "description", "parameters"}`, each key but name optional).
        `choice` is "auto", "none" (text only), "required" (some call), or the name of the one function to call.
        """


class Trainer(Protocol):
    name: str

    def resolve(
        self,
        examples: int,
        n_epochs: int | Auto = "auto",
        batch_size: int | Auto = "auto",
        learning_rate_multiplier: float | Auto = "auto",
        beta: float | Auto | None = None,
    ) -> Hyperparameters:
        """The values of "auto" with this many training examples."""

    def train(
        self,
        training: Training,
        on_step: Callable[[Step], None],
        on_checkpoint: Callable[[Step, bytes], None],
    ) -> bytes:
        """Train and return the final weights. Deterministic for the same `training`, resumed or not.

        `on_step` is called after every optimizer step, `on_checkpoint` at the end of every epoch with weights
        that `load` and `Training.resume` both accept.
        """

    def load(self, weights: bytes | None) -> Model:
        """The model of these weights; None is the base model."""

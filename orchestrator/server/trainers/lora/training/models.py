"""A base model with its adapter, ready to train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from orchestrator.server.trainers.interface import TrainingFailedError
from orchestrator.server.trainers.lora.bases import configuration
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.precision import Precision
from orchestrator.server.trainers.lora.training.attention import NAME, use_shared_attention
from orchestrator.server.trainers.lora.training.inputs import Inputs, Tensor

SHOWN_MODULES = 20


class LanguageModel:
    """A causal language model of which only the adapter learns."""

    def __init__(self, peft_model: Any, precision: Precision) -> None:
        self.peft = peft_model
        self.precision = precision
        self.learned: dict[str, Any] = {
            name: parameter for name, parameter in peft_model.named_parameters() if parameter.requires_grad
        }
        """The adapter's parameters, by name, in float32."""
        self._sources: Tensor | None = None
        for module in peft_model.modules():
            # Otherwise each adapter copies its input in float32, which takes a fifth more time and memory.
            if hasattr(module, "cast_input_dtype_enabled"):
                module.cast_input_dtype_enabled = False
        peft_model.get_base_model().get_output_embeddings().register_forward_pre_hook(self._at_sources)

    def logits(self, inputs: Inputs) -> Tensor:
        """(targets, vocabulary), in float32: what the model predicts at the sources, and nowhere else.

        The output layer of a small model with a large vocabulary takes a third of the time, and most tokens aren't
        learned.
        """
        self._sources = inputs.sources
        is_mixed = self.precision.base != torch.float32
        try:
            with torch.autocast(self.precision.device, self.precision.base, enabled=is_mixed):
                output = self.peft(
                    input_ids=inputs.ids,
                    attention_mask=self._mask(inputs),
                    position_ids=inputs.positions,
                    use_cache=False,
                    **({"causal_rows": inputs.causal} if self.attention == NAME and inputs.causal else {}),
                )
        finally:
            self._sources = None
        return output.logits[0].float()

    @property
    def can_checkpoint(self) -> bool:
        return bool(self.peft.get_base_model().supports_gradient_checkpointing)

    def checkpoint_activations(self) -> None:
        """From now on keep each layer's input only, and compute the rest again on the way back.

        Raises TrainingFailedError if the model has no way to do that.
        """
        base = self.peft.get_base_model()
        if not self.can_checkpoint:
            raise TrainingFailedError(
                f"{type(base).__name__} models have no gradient checkpointing: set gradient_checkpointing to false."
            )
        # The newer name.
        enable = getattr(base, "activation_checkpointing_enable", None) or base.gradient_checkpointing_enable
        enable({"use_reentrant": False})

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Without dropout and gradients."""
        self.peft.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.peft.train()

    def _at_sources(self, _: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden, *others = inputs
        if self._sources is None:
            return inputs
        return (hidden.flatten(0, 1)[self._sources][None], *others)

    def _mask(self, inputs: Inputs) -> Tensor | None:
        if inputs.sees is None or self.attention in ("sdpa", NAME):
            return inputs.sees
        dtype = self.precision.base
        return torch.zeros_like(inputs.sees, dtype=dtype).masked_fill(~inputs.sees, torch.finfo(dtype).min)

    @property
    def attention(self) -> str:
        """The implementation of attention: NAME, or "sdpa" or "eager" for models that have only that."""
        return str(self.peft.get_base_model().config._attn_implementation)


def load_model(job: Job, precision: Precision) -> LanguageModel:
    """The job's base model with a new adapter, or with the parent's.

    The same seed gives the same adapter. Raises TrainingFailedError if the folder holds no causal language model,
    or the adapter doesn't fit.
    """
    base = _load_base(Path(job.base_folder), precision)
    use_shared_attention(base)
    torch.manual_seed(job.seed)
    try:
        peft_model = _with_parent(base, Path(job.parent)) if job.parent else _with_adapter(base, job)
    except ValueError as error:
        raise TrainingFailedError(_unfitting(base, job, error)) from error
    peft_model.train()
    return LanguageModel(peft_model.to(precision.device), precision)


def attends_to_all(folder: Path, longest: int) -> bool:
    """Whether every layer of the model attends to every earlier token in sequences of up to `longest` tokens."""
    config = configuration(folder)
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    kinds = set(config.get("layer_types") or ())
    if kinds - {"full_attention", "sliding_attention"}:
        return False
    return window is None or longest <= window


def _load_base(folder: Path, precision: Precision) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": precision.base, "local_files_only": True}
    if precision.quantized:
        options |= {"quantization_config": _nf4(precision), "device_map": {"": precision.device}}
    try:
        return AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainingFailedError(f"The base model in {folder} can't be loaded: {first[0]}") from error


def _nf4(precision: Precision) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=precision.base,
    )


def _with_adapter(base: Any, job: Job) -> Any:
    from peft import LoraConfig, get_peft_model

    options = job.options
    targets = options["lora_targets"]
    config = LoraConfig(
        r=options["lora_rank"],
        lora_alpha=options["lora_alpha"],
        lora_dropout=options["lora_dropout"],
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


def _with_parent(base: Any, parent: Path) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(base, str(parent), is_trainable=True)


def _unfitting(base: Any, job: Job, error: ValueError) -> str:
    if job.parent is not None:
        return f"The adapter of the model to start from doesn't fit {job.base_name}: {error}"
    names = sorted({name.rpartition(".")[2] for name, module in base.named_modules() if _is_linear(module)})
    return (
        f"lora_targets {_listed(job.options['lora_targets'])} names nothing in {job.base_name}. It has "
        f"{_listed(names[:SHOWN_MODULES])}."
    )


def _is_linear(module: Any) -> bool:
    return isinstance(module, torch.nn.Linear)


def _listed(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else ", ".join(names)

"""A base model in memory, and the adapters that it wears in turn."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from orchestrator.server.trainers.interface import AnswerError
from orchestrator.server.trainers.lora.precision import Precision
from orchestrator.server.trainers.lora.serving.reading import CausalModel, Prefixes, Reader, Rows, Single

MOST_ADAPTERS = 16
"""Adapters that stay in memory: some megabytes each."""
ROWS = {"cuda": 64, "cpu": 16}
"""The most answers that are written at once."""
PREFIX_BYTES = 2 << 30
"""The most that remembered beginnings take, or a quarter of what a batch may take."""
SHARE = {"cuda": 0.6, "cpu": 0.25}
"""The part of the free memory that the keys and values of a batch may take."""
UNKNOWN_MEMORY = 4 << 30
"""Where the system doesn't say how much is free."""


class HostedBase:
    """A base model, and how much of it fits in memory."""

    def __init__(self, folder: Path, precision: Precision) -> None:
        """Raises OSError or ValueError for a folder that holds no causal language model."""
        model = _loaded(folder, precision)
        self.model = CausalModel(model.to(precision.device).eval())
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        self.most_rows = ROWS[precision.device]
        share = int(_free_bytes(precision.device) * SHARE[precision.device])
        self.most_tokens = max(1, share // _token_bytes(model))
        """The most tokens, read and to be written, that the rows of a batch may have together."""
        self.prefixes = Prefixes(min(PREFIX_BYTES, share // 4))
        self._worn: Path | None = None
        self._peft: Any = None
        self._names: OrderedDict[Path, str] = OrderedDict()
        self._loaded = 0

    def reader(self) -> Reader:
        """Reads rows with the adapter that is worn."""
        if not self.model.is_batched:
            return Single(self.model)
        return Rows(self.model, self.prefixes, self._worn, self.most_rows)

    def wear(self, weights: Path | None) -> None:
        """Answer as this adapter from now on; None is the base model. Raises AnswerError."""
        self._worn = weights
        if weights is None:
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
            return
        if weights not in self._names:
            self._load(weights)
        self._names.move_to_end(weights)
        self._peft.base_model.enable_adapter_layers()
        self._peft.base_model.set_adapter(self._names[weights], inference_mode=True)

    def drop(self, weights: Path) -> None:
        """Free the memory of an adapter."""
        name = self._names.pop(weights, None)
        if name is not None:
            self._peft.delete_adapter(name)

    def _load(self, weights: Path) -> None:
        name = f"adapter_{self._loaded}"
        self._loaded += 1
        try:
            self._add(weights, name)
        except Exception as error:  # the libraries raise many kinds, of files that anybody may have changed
            if self._peft is not None and name in self._peft.peft_config:
                self._peft.delete_adapter(name)
            first = (str(error).strip() or type(error).__name__).split("\n")[0]
            raise AnswerError(f"The adapter in {weights} can't be loaded: {first}") from error
        self._as_base(name)
        self._names[weights] = name
        while len(self._names) > MOST_ADAPTERS:
            self.drop(next(iter(self._names)))

    def _add(self, weights: Path, name: str) -> None:
        from peft import PeftConfig, PeftModel

        if self._peft is None:
            config = PeftConfig.from_pretrained(str(weights))
            config.inference_mode = True
            self._peft = PeftModel(self.model.model, config, name, autocast_adapter_dtype=False)
        # Trained adapters compute in the numbers of the base: autocast has them do so in training too.
        self._peft.load_adapter(str(weights), name, autocast_adapter_dtype=False)

    def _as_base(self, name: str) -> None:
        dtype = self.model.model.dtype
        for path, parameter in self._peft.named_parameters():
            if f".{name}." in path or path.endswith(f".{name}"):
                parameter.data = parameter.data.to(dtype)


def _loaded(folder: Path, precision: Precision) -> Any:
    logging.disable_progress_bar()
    model, about = AutoModelForCausalLM.from_pretrained(
        folder, dtype=precision.base, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    missing = sorted(about["missing_keys"])
    if missing:
        # The library would fill them with random numbers.
        kind = type(model).__name__
        raise ValueError(f"its files lack {len(missing):,} tensors of a {kind}, such as {missing[0]}")
    return model


def _token_bytes(model: Any) -> int:
    """What the keys and values of one token take, as the configuration says."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def _free_bytes(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    for pages in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN_MEMORY

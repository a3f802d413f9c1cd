"""Feeds tokens to a causal language model and keeps what it has read.

`Rows` reads several rows at once and remembers long beginnings. `Single` reads one row with the library's own
cache, for models whose layers keep something other than all keys and values (sliding windows, recurrent states).
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from orchestrator.server.trainers.lora.serving.rowcache import Read, RowCache

Owner = Path | None
"""The adapter that read a prompt; None is the base model."""
ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
"""What the library calls layers that keep nothing but keys and values."""
ALIKE = 0.98
"""The least cosine of two vectors of scores that differ by rounding only."""
LONG = 64
"""A row with more unread tokens is first read alone, up to its last token, and remembered for others like it."""
PIECE = 2048
"""The most tokens read at once: bounds what the activations of a long prompt take."""


class Reader(Protocol):
    """The rows of one batch."""

    most_rows: int

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read the prompts as further rows; the scores of each row's next token, [prompts, vocabulary], float32."""

    def read(self, chunks: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read the next tokens of each row, at least one; the scores of each row's next token."""

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""


class CausalModel:
    """A causal language model of transformers, called the same way for all its versions."""

    def __init__(self, model: Any) -> None:
        self.model = model
        names = inspect.signature(model.forward).parameters
        # transformers renames `past_key_values` to `cache` within its fifth major version.
        self._cache = "cache" if "cache" in names else "past_key_values"
        layers = DynamicCache(config=model.config).layers
        kinds = set(getattr(model.config, "layer_types", None) or ())
        self.attends = all(isinstance(layer, DynamicLayer) for layer in layers) and kinds <= ATTENTION
        """Whether all layers attend to tokens, and none keeps a recurrent state."""
        is_plain = bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
        self.nothing = Read((), 0)
        """A row that begins."""
        self.is_batched = is_plain and _use_grouped_attention(model) and _reads_alike(self)
        """Whether `Rows` can be used: every layer keeps the keys and values of all tokens."""

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def read(self, ids: torch.Tensor, cache: Any, **more: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """The scores after the last column, [rows, vocabulary] in float32, and what was read by then.

        `cache` is what was read before; None for nothing, in the model's own form.
        """
        output = self.model(input_ids=ids, use_cache=True, logits_to_keep=1, **{self._cache: cache}, **more)
        return output.logits[:, -1].float(), output[self._cache]


def _reads_alike(model: CausalModel) -> bool:
    """Whether rows that are read together get the scores that each gets alone.

    Models place tokens and use masks in ways that no configuration says.
    """
    prompts = [[1, 2, 3, 4, 5, 6, 7], [3, 2, 1]]
    with torch.inference_mode():
        alone = torch.cat([Single(model).start([prompt]) for prompt in prompts])
        try:
            model.nothing = _nothing(model)
            together = Rows(model, Prefixes(0), None, len(prompts)).start(prompts)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
            return False
    return bool((nn.cosine_similarity(alone, together) > ALIKE).all())


def _nothing(model: CausalModel) -> Read:
    """A row of no tokens, with the layers that the model makes."""
    cache = DynamicCache(config=model.model.config)
    model.read(torch.tensor([[1]], device=model.device), cache)
    return Read([(layer.keys, layer.values) for layer in cache.layers], 1).first(0)


# --- Attention in which query heads share keys ------------------------------------------------------------------


GROUPED = "ftorch_grouped"


def _use_grouped_attention(model: Any) -> bool:
    """Have the model call `grouped_attention`; False if it can't take the masks of `RowCache`."""
    if model.config._attn_implementation not in ("sdpa", GROUPED):
        return False
    AttentionInterface.register(GROUPED, grouped_attention)
    AttentionMaskInterface.register(GROUPED, sdpa_mask)
    model.set_attn_implementation(GROUPED)
    return True


def grouped_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """PyTorch's attention, with the query heads that share a key head as further queries of that head.

    The library repeats the keys for each query head or lets PyTorch do so: six times slower on a CPU.
    """
    rows, heads, tokens, width = query.shape
    shared = key.shape[1]
    is_special = any(more.get(name) is not None for name in ("softcap", "s_aux", "position_bias"))
    if attention_mask is None or heads == shared or is_special:
        attended: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
        return attended
    folded = query.reshape(rows, shared, heads // shared * tokens, width)
    mask = attention_mask[:, :, :, : key.shape[2]].repeat(1, 1, heads // shared, 1)
    output = nn.scaled_dot_product_attention(folded, key, value, attn_mask=mask, scale=scaling)
    return output.reshape(rows, heads, tokens, -1).transpose(1, 2).contiguous(), None


# --- Beginnings that were read before ---------------------------------------------------------------------------


class Prefixes:
    """What was read of prompts, the most recently used within a bound of bytes.

    Prompts have an owner: what one adapter read is of no use to another.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._read: OrderedDict[int, tuple[Owner, np.ndarray, Read]] = OrderedDict()
        self._next = 0

    @property
    def bytes(self) -> int:
        """The memory they take."""
        return sum(read.bytes for _, _, read in self._read.values())

    def longest(self, owner: Owner, ids: Sequence[int]) -> Read | None:
        """What was read of the longest common beginning, one token short of the prompt at most; None if it is
        short."""
        common = self._common(owner, np.asarray(ids))
        best = max(common, key=lambda key: common[key], default=None)
        if best is None or common[best] < LONG:
            return None
        self._read.move_to_end(best)
        return self._read[best][2].first(min(common[best], len(ids) - 1))

    def add(self, owner: Owner, ids: Sequence[int], read: Read) -> None:
        """Remember a prompt in place of its known beginnings; forgets the least recently used beyond the bound."""
        prompt = np.asarray(ids)
        for key, common in self._common(owner, prompt).items():
            if common == len(self._read[key][1]):
                del self._read[key]
        self._read[self._next] = (owner, prompt, read)
        self._next += 1
        while self.bytes > self._most:
            self._read.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._read.clear()

    def _common(self, owner: Owner, prompt: np.ndarray) -> dict[int, int]:
        known = ((key, ids) for key, (each, ids, _) in self._read.items() if each == owner)
        return {key: _common(prompt, ids) for key, ids in known}


def _common(one: np.ndarray, other: np.ndarray) -> int:
    length = min(len(one), len(other))
    differs = np.nonzero(one[:length] != other[:length])[0]
    return int(differs[0]) if len(differs) else length


# --- Readers ----------------------------------------------------------------------------------------------------


class Rows:
    """Reads several rows at once."""

    def __init__(self, model: CausalModel, prefixes: Prefixes, owner: Owner, most_rows: int) -> None:
        self.most_rows = most_rows
        self._model = model
        self._prefixes = prefixes
        self._owner = owner
        self._cache: RowCache | None = None

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        begun = [self._begun(prompt) for prompt in prompts]
        cache = RowCache(begun)
        scores = self._feed(cache, [prompt[each.tokens :] for prompt, each in zip(prompts, begun, strict=True)])
        if self._cache is None:
            self._cache = cache
        else:
            self._cache.join(cache)
        return scores

    def read(self, chunks: Sequence[Sequence[int]]) -> torch.Tensor:
        assert self._cache is not None
        return self._feed(self._cache, chunks)

    def keep(self, rows: Sequence[int]) -> None:
        if self._cache is not None:
            self._cache = self._cache if rows else None
        if self._cache is not None and len(rows) < len(self._cache.tokens):
            self._cache.keep(rows)

    def _feed(self, cache: RowCache, chunks: Sequence[Sequence[int]]) -> torch.Tensor:
        positions, mask = cache.expect([len(chunk) for chunk in chunks])
        longest = positions.shape[1]
        padded = [[0] * (longest - len(chunk)) + list(chunk) for chunk in chunks]
        ids = torch.tensor(padded, device=self._model.device)
        scores, _ = self._model.read(ids, cache, attention_mask=mask, position_ids=positions)
        return scores

    def _begun(self, prompt: Sequence[int]) -> Read:
        """What is known of a prompt, and of a long one all but its last token."""
        known = self._prefixes.longest(self._owner, prompt) or self._model.nothing
        if len(prompt) - known.tokens > LONG:
            known = self._read_alone(prompt[:-1], known)
            self._prefixes.add(self._owner, prompt[:-1], known)
        return known

    def _read_alone(self, prompt: Sequence[int], known: Read) -> Read:
        cache = DynamicCache(config=self._model.model.config)
        if known.tokens:
            for number, (keys, values) in enumerate(known.layers):
                cache.update(keys, values, number)
        _in_pieces(self._model, prompt[known.tokens :], cache, PIECE)
        return Read([(layer.keys, layer.values) for layer in cache.layers], len(prompt))


class Single:
    """Reads one row."""

    most_rows = 1

    def __init__(self, model: CausalModel) -> None:
        self._model = model
        self._cache: Any = None
        # A layer with a recurrent state continues it one token at a time.
        self._piece = PIECE if model.attends else 1

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        scores, self._cache = _in_pieces(self._model, prompts[0], None, len(prompts[0]))
        return scores

    def read(self, chunks: Sequence[Sequence[int]]) -> torch.Tensor:
        scores, self._cache = _in_pieces(self._model, chunks[0], self._cache, self._piece)
        return scores

    def keep(self, rows: Sequence[int]) -> None:
        if not rows:
            self._cache = None


def _in_pieces(model: CausalModel, ids: Sequence[int], cache: Any, piece: int) -> tuple[torch.Tensor, Any]:
    """The scores after the last of these tokens of one row, and what was read by then."""
    for start in range(0, len(ids), piece):
        scores, cache = model.read(torch.tensor([list(ids[start : start + piece])], device=model.device), cache)
    return scores, cache

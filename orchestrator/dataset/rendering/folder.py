"""The files of a model folder in Hugging Face's format that say how conversations are written and encoded.

The rules are those of transformers: `tokenizer_config.json` names the special tokens, `chat_template.jinja` goes
before the template in it, and `generation_config.json` lists the tokens at which generation stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.dataset.rendering.encoding import read_tokenizer
from orchestrator.errors import ModelFolderUnusable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
_NO_LENGTH = 1_000_000_000
"""transformers writes a huge number where a tokenizer has no limit."""


@dataclass(frozen=True)
class ModelFolder:
    """What a model's folder says."""

    path: Path
    tokenizer: Tokenizer
    template: tuple[str, str] | None
    """The chat template and the name of its file; None if there is none."""
    special_tokens: Mapping[str, str]
    """The variables that name tokens in templates, such as `bos_token`."""
    context_length: int | None
    stop_tokens: frozenset[int]
    pad_token: int


def read_folder(path: Path) -> ModelFolder:
    """Read a model's folder; its weights are not looked at. Raises ModelFolderUnusable and RenderingMissing."""
    if not path.is_dir():
        raise ModelFolderUnusable(path=path, problem="there is no such folder")
    tokenizer = _tokenizer(path)
    model = _json(path, "config.json", needed=True)
    generation, settings = _json(path, "generation_config.json"), _json(path, "tokenizer_config.json")
    named = {**_json(path, "special_tokens_map.json"), **settings}
    special_tokens = {name: text for name in _NAMED_TOKENS if (text := _token_text(named.get(name)))}
    stops = _stop_tokens(tokenizer, model, generation, special_tokens)
    if not stops:
        raise ModelFolderUnusable(path=path, problem="no file in it names an eos token, so nothing ends an answer")
    return ModelFolder(
        path,
        tokenizer,
        _template(path, settings),
        special_tokens,
        _context_length(model, settings),
        stops,
        _pad_token(tokenizer, model, special_tokens, stops),
    )


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return read_tokenizer(path / "tokenizer.json")
    except FileNotFoundError:
        raise ModelFolderUnusable(path=path, problem="it has no tokenizer.json") from None
    except (OSError, ValueError) as error:
        raise ModelFolderUnusable(path=path, problem=f"tokenizer.json can't be read: {error}") from None


def _json(path: Path, name: str, *, needed: bool = False) -> dict[str, Any]:
    try:
        value = json.loads((path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if needed:
            raise ModelFolderUnusable(path=path, problem=f"it has no {name}") from None
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFolderUnusable(path=path, problem=f"{name} can't be read: {error}") from None
    if not isinstance(value, dict):
        raise ModelFolderUnusable(path=path, problem=f"{name} holds no JSON object")
    return value


def _template(path: Path, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """A model may have several templates by name; the one for tools goes first, then the default."""
    for name in ("additional_chat_templates/tool_use.jinja", "chat_template.jinja"):
        try:
            return (path / name).read_text(encoding="utf-8"), name
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ModelFolderUnusable(path=path, problem=f"{name} can't be read: {error}") from None
    text = settings.get("chat_template")
    if isinstance(text, list):
        named = {each.get("name"): each.get("template") for each in text if isinstance(each, Mapping)}
        text = named.get("tool_use") or named.get("default")
    return (text, "tokenizer_config.json") if isinstance(text, str) and text else None


def _token_text(value: Any) -> str | None:
    """A token is written as text, or as an object with its content."""
    content = value.get("content") if isinstance(value, Mapping) else value
    return content if isinstance(content, str) else None


def _stop_tokens(
    tokenizer: Tokenizer, model: Mapping[str, Any], generation: Mapping[str, Any], special_tokens: Mapping[str, str]
) -> frozenset[int]:
    named = tokenizer.token_to_id(special_tokens["eos_token"]) if "eos_token" in special_tokens else None
    return frozenset((*_ids(generation.get("eos_token_id")), *_ids(model.get("eos_token_id")), *_ids(named)))


def _ids(value: Any) -> Iterator[int]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int) and not isinstance(each, bool):
            yield each


def _pad_token(
    tokenizer: Tokenizer, model: Mapping[str, Any], special_tokens: Mapping[str, str], stops: frozenset[int]
) -> int:
    """The model's own, or a stop token: padding is never attended to or learned."""
    named = tokenizer.token_to_id(special_tokens["pad_token"]) if "pad_token" in special_tokens else None
    return next(iter((*_ids(named), *_ids(model.get("pad_token_id")))), min(stops))


def _context_length(model: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    """In tokens, as the model's positions allow; else as its tokenizer says."""
    inner = model.get("text_config")
    for holder in (model, inner if isinstance(inner, Mapping) else {}):
        for name in _LENGTHS:
            if isinstance(length := holder.get(name), int) and length > 0:
                return length
    length = settings.get("model_max_length")
    return length if isinstance(length, int) and 0 < length < _NO_LENGTH else None

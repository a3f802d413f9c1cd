"""Chat templates of ours, for models whose own writes no tools: Hermes calls between the model's own turn tokens.

A template of ours is used for conversations with tools. For all others it holds the model's own template unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class OwnTemplate:
    text: str
    source: str
    """For a sentence, with the SHA-256 of our part."""


@dataclass(frozen=True)
class _Turns:
    """How a family writes turns."""

    name: str
    tokens: tuple[str, ...]
    """All of them have to be special tokens of the model."""
    before: str
    """Before a turn's text; ROLE is replaced."""
    after: str
    starts: str = ""
    """Before the first turn: an expression."""
    assistant: str = "assistant"
    has_system: bool = True


_FAMILIES = (
    _Turns("ChatML", ("<|im_start|>", "<|im_end|>"), "<|im_start|>ROLE\n", "<|im_end|>\n"),
    _Turns(
        "Llama 3",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|start_header_id|>ROLE<|end_header_id|>\n\n",
        "<|eot_id|>",
        starts="bos_token",
    ),
    _Turns(
        "Gemma",
        ("<start_of_turn>", "<end_of_turn>"),
        "<start_of_turn>ROLE\n",
        "<end_of_turn>\n",
        starts="bos_token",
        assistant="model",
        has_system=False,
    ),
    _Turns("Phi-3", ("<|user|>", "<|assistant|>", "<|end|>"), "<|ROLE|>\n", "<|end|>\n"),
)


def own_template(original: str, specials: Collection[str]) -> OwnTemplate | None:
    """Our template for a model with these special tokens, around its own one; None if no family fits."""
    turns = next((each for each in _FAMILIES if all(token in specials for token in each.tokens)), None)
    if turns is None:
        return None
    ours = _header(turns) + _body()
    digest = hashlib.sha256(ours.encode("utf-8")).hexdigest()[:12]
    source = f"ftorch's {turns.name} template with tools (SHA-256 {digest}…)"
    return OwnTemplate(_around(ours, original) if original else ours, source)


def _body() -> str:
    return (files(__package__) / "hermes.jinja").read_text(encoding="utf-8")


def _header(turns: _Turns) -> str:
    settings: dict[str, str | bool] = {
        "before": turns.before,
        "after": turns.after,
        "assistant": turns.assistant,
        "has_system": turns.has_system,
    }
    lines = [f"{{%- set turn_{name} = {_literal(value)} %}}\n" for name, value in settings.items()]
    start = f"{{{{- {turns.starts} }}}}\n" if turns.starts else ""
    return "".join([*lines, start])


def _literal(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"' + value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def _around(ours: str, original: str) -> str:
    """Ours for conversations with tools, else the original, blank for blank. Jinja drops one newline at its end."""
    return f"{{%- if tools %}}\n{ours}{{%- else +%}}{original.removesuffix(chr(10))}{{%+ endif %}}"

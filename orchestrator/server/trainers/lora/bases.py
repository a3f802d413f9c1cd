"""The folder of a base model: what it consists of, and how it is recognised again."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

_SMALL = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
"""Files that are read whole; those that are missing are left out."""
_LONGEST_HEADER = 100 << 20
"""The limit of the safetensors format for the description of its tensors."""
_SAMPLES, _SAMPLE_BYTES = 64, 4096
"""Of each file of weights, this many blocks are read, evenly spaced: models of the same shape differ in them."""


def base_fingerprint(folder: Path) -> str:
    """A SHA-256 (hex) of the model in `folder`, without reading all of its weights.

    It covers configuration, tokenizer and template whole, and of each `*.safetensors` file its name, size, header
    and samples of its content. Takes milliseconds. Raises OSError if a file can't be read, ValueError if there are
    no weights, or if a file of weights is cut short.
    """
    digest = hashlib.sha256()
    for name in _SMALL:
        if (folder / name).exists():
            _add(digest, name, (folder / name).read_bytes())
    files = weight_files(folder)
    if not files:
        raise ValueError(f"{folder} has no *.safetensors file")
    for path in files:
        _add(digest, path.name, str(path.stat().st_size).encode(), *_contents(path))
    return digest.hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The files of the model's weights, by name."""
    return sorted(folder.glob("*.safetensors"))


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in the model's files. Raises as `base_fingerprint` does."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        header = json.loads(_header(path))
        shapes |= {name: tuple(about["shape"]) for name, about in header.items() if name != "__metadata__"}
    return shapes


def configuration(folder: Path) -> dict[str, Any]:
    """The model's config.json; of a model with several parts, that of the language model."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    return {**config, **config.get("text_config", {})}


def _add(digest: Any, *parts: str | bytes) -> None:
    """Each part with its length, so that no two lists of parts give the same bytes."""
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)


def _contents(path: Path) -> list[bytes]:
    header, size = _header(path), path.stat().st_size
    with path.open("rb") as file:
        samples = []
        for number in range(_SAMPLES):
            file.seek(size * number // _SAMPLES)
            samples.append(file.read(_SAMPLE_BYTES))
        file.seek(-min(size, _SAMPLE_BYTES), os.SEEK_END)
        return [header, *samples, file.read()]


def _header(path: Path) -> bytes:
    """The description of the tensors, in JSON: safetensors writes its length (8 bytes, little-endian) before it."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_LONGEST_HEADER, path.stat().st_size):
            raise ValueError(f"{path} is no whole safetensors file")
        return file.read(length)

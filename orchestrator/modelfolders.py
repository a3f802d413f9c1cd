"""Open-weights models on this machine: folders in Hugging Face's format, and the user's Hugging Face cache.

Nothing is downloaded, and no library is loaded: a folder is judged by its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import ModelFolderUnusable, ModelNotDownloaded

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "*.safetensors"
"""What a folder must have: the architecture, the tokenizer, and weights that can't run code."""
_INDEX = "model.safetensors.index.json"
"""Lists the files of weights that are cut into several."""
_ADAPTER = "adapter_config.json"

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
"""Names of base models: they become one part of `ft:NAME:…`, so they have no colon."""
LONGEST_NAME = 96
"""By Hugging Face's rule for repository names."""
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_PATH_BEGINNINGS = ("/", "~/", ".")


def is_path(text: str) -> bool:
    """Whether the text can only be a folder, not a model's name."""
    return text.startswith(_PATH_BEGINNINGS) or text == "~"


def is_hub_id(text: str) -> bool:
    """Whether the text has the form of a Hugging Face id, `ORGANISATION/NAME`."""
    return _HUB_ID.fullmatch(text) is not None and len(text) <= LONGEST_NAME


def is_model_name(text: str) -> bool:
    """Whether a base model may have this name."""
    return MODEL_NAME.fullmatch(text) is not None and len(text) <= LONGEST_NAME


def name_of(path: str) -> str:
    """The name of the model in a folder: the last part of its path, with a dash for other characters."""
    last = os.path.basename(os.path.normpath(expanded(path)))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._")[:LONGEST_NAME] or "model"


def expanded(path: str) -> Path:
    """The path with the user's home folder in place of a tilde."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises for an unknown user


def find_folder(text: str, start: Path) -> Path:
    """The folder of a usable model: a path relative to `start`, or an id that is looked up in the user's cache.

    Raises ModelFolderUnusable and ModelNotDownloaded.
    """
    folder = start / expanded(text)
    if is_path(text) or not is_hub_id(text) or folder.is_dir():
        return _usable(folder)
    cached = cached_folder(text)
    if cached is None:
        raise ModelNotDownloaded(name=text, cache=hub_cache())
    return _usable(cached, advice=f"; download it again: hf download {text}")


def models_below(text: str) -> dict[str, Path]:
    """The models that a folder is or holds, by name; an id means the one in the user's cache.

    Raises ModelFolderUnusable if there is none, or if one can't be used, and ModelNotDownloaded.
    """
    folder = expanded(text)
    if not folder.exists() and is_hub_id(text):
        return {text: find_folder(text, Path())}
    if (folder / CONFIG).is_file() or not folder.is_dir():
        return {name_of(os.path.abspath(folder)): _usable(folder)}
    found = {name_of(path.parent.name): _usable(path.parent) for path in sorted(folder.glob(f"*/{CONFIG}"))}
    if not found:
        raise ModelFolderUnusable(path=folder, problem=f"neither it nor a folder in it has a {CONFIG}")
    return found


def _usable(folder: Path, advice: str = "") -> Path:
    if problem := problem_with(folder):
        raise ModelFolderUnusable(path=os.path.abspath(folder), problem=f"{problem}{advice}")
    return folder.resolve()


def problem_with(folder: Path) -> str | None:
    """Why the folder is no usable model, continuing a sentence about it; None if it is one."""
    if not folder.is_dir():
        return "it is not a folder" if folder.exists() else "it does not exist"
    if not (folder / CONFIG).is_file():
        is_adapter = (folder / _ADAPTER).is_file()
        return "it holds a LoRA adapter, not a base model" if is_adapter else f"it has no {CONFIG}"
    if not (folder / TOKENIZER).is_file():
        return f"it has no {TOKENIZER}"
    if not any(folder.glob(WEIGHTS)):
        other = next((name for name in ("pytorch_model.bin", "*.gguf") if any(folder.glob(name))), None)
        return f"it has no {WEIGHTS}" + (f" ({other} is not read)" if other else "")
    missing = next((name for name in _listed_weights(folder) if not (folder / name).is_file()), None)
    return f"{missing} is missing, which {_INDEX} lists" if missing else None


def _listed_weights(folder: Path) -> list[str]:
    """The files that the folder's index lists, by name; none without a readable index."""
    try:
        listed = json.loads((folder / _INDEX).read_bytes())["weight_map"]
        return sorted({str(name) for name in listed.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


# --- Telling models apart ----------------------------------------------------------------------------------------


_BLOCK_BYTES = 64 << 10
_BLOCKS = 8


def content_mark(folder: Path) -> str:
    """SHA-256 (hex) that tells the contents of model folders apart, at whatever path they are.

    It covers the configuration, the tokenizer with its chat template, and of each file of weights its name, size
    and eight blocks of 64 KiB: reading gigabytes would take minutes. Raises ModelFolderUnusable if a file can't be
    read.
    """
    found = hashlib.sha256()
    try:
        for part in _telling_parts(folder):
            found.update(hashlib.sha256(part).digest())
    except OSError as error:
        raise ModelFolderUnusable(path=folder, problem=f"{error.filename}: {error.strerror}") from error
    return found.hexdigest()


def _telling_parts(folder: Path) -> Iterator[bytes]:
    small = [folder / name for name in (CONFIG, TOKENIZER, "tokenizer_config.json", "chat_template.jinja")]
    for path in filter(Path.is_file, small):
        yield path.name.encode()
        yield path.read_bytes()
    for path in sorted(folder.glob(WEIGHTS)):
        size = path.stat().st_size
        yield f"{path.name} {size}".encode()
        with path.open("rb") as file:
            for number in range(_BLOCKS):
                file.seek(max(0, size - _BLOCK_BYTES) * number // (_BLOCKS - 1))
                yield file.read(_BLOCK_BYTES)


# --- The user's Hugging Face cache -------------------------------------------------------------------------------


def hub_cache() -> Path:
    """Where Hugging Face's tools keep what they download: $HF_HUB_CACHE, else hub/ in $HF_HOME, by default
    ~/.cache/huggingface (https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables)."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{caches}/huggingface").expanduser() / "hub"


def cached_folder(hub_id: str) -> Path | None:
    """The folder of the downloaded main revision of a model; None if there is none.

    The layout is that of https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
    """
    model = hub_cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        revision = (model / "refs" / "main").read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    folder = model / "snapshots" / revision
    return folder if re.fullmatch(r"[0-9a-f]{7,64}", revision) and folder.is_dir() else None


def cached_ids() -> list[str]:
    """The ids of the models in the user's cache, sorted."""
    try:
        names = sorted(os.listdir(hub_cache()))
    except OSError:
        return []
    ids = [name.removeprefix("models--").replace("--", "/", 1) for name in names if name.startswith("models--")]
    return [hub_id for hub_id in ids if is_hub_id(hub_id) and cached_folder(hub_id)]

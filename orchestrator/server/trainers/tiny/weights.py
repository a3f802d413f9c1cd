"""Weights as one file: a magic word and version, a JSON header, then keys and values as arrays, all compressed."""

from __future__ import annotations

import json
import os
import sys
import zlib
from array import array
from dataclasses import asdict, dataclass, field
from pathlib import Path

from orchestrator.errors import UnreadableWeights
from orchestrator.server.trainers.tiny.decisions import Rows
from orchestrator.server.trainers.tiny.memory import Memory

MAGIC = b"tiny1\n"
FILE = "model.tiny"
SMALLEST = 1e-4
"""Weights closer to zero are not stored: they are most of the bytes and don't change the answers."""


@dataclass
class Weights:
    """The whole model: the learned weights, the memory, and the progress of its training."""

    rows: Rows = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    step: int = 0


def read(folder: Path) -> Weights:
    """The weights in this folder. Raises UnreadableWeights, FileNotFoundError."""
    return decoded((folder / FILE).read_bytes())


def write(content: bytes, folder: Path) -> Path:
    """Write encoded weights into this folder, in place of what it held, and return it. A kill at any moment leaves
    the old weights, the new ones, or a folder without weights if there were none."""
    folder.mkdir(mode=0o700, exist_ok=True)
    unfinished = folder / f"{FILE}.part"
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / FILE)
    return folder


def encoded(weights: Weights) -> bytes:
    """The bytes of these weights. Values are rounded to 32 bits: decode them to continue exactly like a resumed
    training."""
    keys, values = array("I"), array("f")
    sizes = []
    for name, row in sorted(weights.rows.items()):
        kept = sorted(key for key, value in row.items() if abs(value) >= SMALLEST)
        sizes.append([name, len(kept)])
        keys.extend(kept)
        values.extend(row[key] for key in kept)
    header = {"step": weights.step, "memory": asdict(weights.memory), "rows": sizes}
    text = json.dumps(header).encode()
    body = len(text).to_bytes(8, "little") + text + _little(keys).tobytes() + _little(values).tobytes()
    return MAGIC + zlib.compress(body, 6)


def decoded(content: bytes) -> Weights:
    """The weights of these bytes; raises UnreadableWeights if they are not this trainer's or are damaged."""
    if not content.startswith(MAGIC):
        raise UnreadableWeights(found=content[: len(MAGIC)])
    try:
        body = zlib.decompress(content[len(MAGIC) :])
        size = int.from_bytes(body[:8], "little")
        header = json.loads(body[8 : 8 + size])
        memory = Memory(**header["memory"])
        return Weights(_rows(header["rows"], body[8 + size :]), memory, header["step"])
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise UnreadableWeights(found=content[: len(MAGIC)]) from error


def _rows(sizes: list[tuple[str, int]], content: bytes) -> Rows:
    total = sum(size for _, size in sizes)
    keys, values = array("I"), array("f")
    keys.frombytes(content[: 4 * total])
    values.frombytes(content[4 * total : 8 * total])
    keys, values = _little(keys), _little(values)
    rows, at = {}, 0
    shared: dict[int, int] = {}  # one object per key, however many rows have it: half the memory
    for name, size in sizes:
        found = (shared.setdefault(key, key) for key in keys[at : at + size])
        rows[name] = dict(zip(found, values[at : at + size], strict=True))
        at += size
    return rows


def _little(numbers: array) -> array:  # type: ignore[type-arg]
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers

"""Where a training computes, and with which numbers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from orchestrator.server.trainers.interface import TrainingFailedError

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
"""What /proc/cpuinfo calls processors that multiply bfloat16 numbers, on x86-64 and on ARM."""


@dataclass(frozen=True)
class Precision:
    """The numbers of the base model; adapters and their optimizer are always in fp32."""

    device: str
    """"cuda" or "cpu"."""
    base: Any
    """A torch.dtype."""
    quantized: bool

    @property
    def name(self) -> str:
        return "nf4" if self.quantized else str(self.base).removeprefix("torch.")

    @property
    def bytes_per_weight(self) -> float:
        return 0.53 if self.quantized else float(self.base.itemsize)


def chosen_precision(asked: str, quantization: str) -> Precision:
    """bfloat16 where the GPU or the processor computes with it, else float32.

    Raises TrainingFailedError for what was asked for and isn't supported here, ModuleNotFoundError (bitsandbytes).
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    has_bf16 = _gpu_has_bf16() if device == "cuda" else processor_has_bf16()
    if asked == "bf16" and not has_bf16:
        place = "GPU" if device == "cuda" else "processor"
        raise TrainingFailedError(
            f'precision is "bf16", and this machine\'s {place} doesn\'t compute with bfloat16. Set it to "fp32" or '
            '"auto".'
        )
    if quantization == "nf4" and find_spec("bitsandbytes") is None:
        raise ModuleNotFoundError("nf4 needs bitsandbytes", name="bitsandbytes")
    base = torch.bfloat16 if has_bf16 and asked != "fp32" else torch.float32
    return Precision(device, base, quantization == "nf4")


def processor_has_bf16(information: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 numbers; emulated, they would be slower than float32.

    False on systems other than Linux, which have no such file.
    """
    try:
        lines = information.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())


def _gpu_has_bf16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))

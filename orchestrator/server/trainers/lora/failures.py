"""What a training fails of, for people: missing packages and memory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from orchestrator.installation import extra_command, packages_of

MEMORY_ADVICE = (
    "Set gradient_checkpointing to true, shorten the longest rows, or choose a smaller base model; on a GPU, "
    'quantization = "nf4" makes the base model four times smaller.'
)


def needs_packages(python: str, module: str) -> str:
    """What to install for a module that the trainer's Python doesn't have."""
    return f"The trainer's Python, {python}, has no {module}. Run: {install_command(python, module)}"


def install_command(python: str, module: str) -> str:
    """The command that installs what a module needs where the trainers run."""
    if module == "bitsandbytes":
        return _pip(python, ["bitsandbytes"])
    if python == sys.executable:
        return extra_command("lora")
    return _pip(python, packages_of("lora") or ["ftorch[lora]"])


def _pip(python: str, packages: Sequence[str]) -> str:
    return shlex.join([python, "-m", "pip", "install", *packages])

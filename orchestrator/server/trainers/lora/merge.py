"""The program that merges an adapter into its base model, in the trainer's Python.

    PYTHON -m orchestrator.server.trainers.lora.merge BASE ADAPTER TARGET

It writes the model's weights (safetensors), configuration and generation settings into the folder TARGET. The
weights keep the precision of the base model's files. The program ends with status 0, with 1 and a sentence as the
last line of its output, or with MISSING and the name of a package that is not installed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from orchestrator.errors import FtorchError
from orchestrator.server.trainers.lora.lifeline import end_with_parent

MISSING = 3
"""The exit status if a package is missing."""
GENERATION = "generation_config.json"
SHARD = "5GB"
"""The most bytes of one file of weights."""


def main(base: str, adapter: str, target: str) -> int:
    """Merge; returns the exit status."""
    end_with_parent()
    try:
        merge(Path(base), Path(adapter), Path(target))
    except ModuleNotFoundError as error:
        print(error.name)
        return MISSING
    except MemoryError:
        print("The machine has too little memory.")
        return 1
    except (OSError, ValueError, KeyError, RuntimeError, FtorchError) as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}")
        return 1
    return 0


def merge(base: Path, adapter: Path, target: Path) -> None:
    """Add the adapter's weights to the base model's and write the sums.

    The products are computed in float32 and rounded to the precision of the base model, as PEFT does. Raises
    ValueError if a sum is not finite.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, GenerationConfig

    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", local_files_only=True)
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    merged.generation_config = GenerationConfig()  # the library can't write every one that it reads
    merged.save_pretrained(target, max_shard_size=SHARD)
    (target / GENERATION).write_text(json.dumps(generation_settings(base, adapter), indent=2) + "\n")


def generation_settings(base: Path, adapter: Path) -> dict[str, Any]:
    """The base model's own, with every token that ends an answer: some models' own leave out the end of a turn."""
    from orchestrator.dataset.rendering.renderer import open_renderer

    own = json.loads((base / GENERATION).read_bytes()) if (base / GENERATION).is_file() else {}
    stops = open_renderer(base, adapter / "chat_template.jinja").stop_tokens
    return {**own, "eos_token_id": sorted(stops)}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

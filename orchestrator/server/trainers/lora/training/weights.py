"""The folder of trained weights: an adapter in PEFT's format, the template, and what they were made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.dataset.rendering.renderer import Renderer
from orchestrator.server.trainers.interface import TrainingFailedError
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.training.models import LanguageModel


def weight_folder(model: LanguageModel, job: Job, renderer: Renderer, step: int) -> dict[str, bytes]:
    """The files of a weights folder after this step.

    The same weights give the same bytes: safetensors writes several metadata keys in random order, so there is one.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    # The embeddings themselves never change, whatever adapters they have.
    tensors = get_peft_model_state_dict(model.peft, save_embedding_layers=False)
    adapter = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    return {
        "adapter_model.safetensors": save(adapter, {"format": "pt"}),
        "adapter_config.json": _json(_adapter_config(model, job)),
        "chat_template.jinja": renderer.template.text.encode(),
        "model.json": _json(_model(job, renderer, step)),
    }


def check_parent(job: Job) -> None:
    """Raises TrainingFailedError if the job's parent is no adapter of the job's base model."""
    if job.parent is None:
        return
    try:
        parent = json.loads((Path(job.parent) / "model.json").read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingFailedError(
            f"The fine-tuned model to start from can't be read: {error}. It may have been deleted."
        ) from error
    if parent["base"]["fingerprint"] != job.fingerprint:
        raise TrainingFailedError(
            f"The fine-tuned model to start from was trained on {parent['base']['name']}, and its files are not "
            f"those of {job.base_name} in {job.base_folder}. Put the old files back, or start from the base model."
        )


def parent_note(model: LanguageModel, job: Job) -> str | None:
    """What differs from the job's options because the parent's adapter is continued; None if nothing does."""
    config = model.peft.peft_config["default"]
    found = {"lora_rank": config.r, "lora_alpha": config.lora_alpha}
    differing = {name: value for name, value in found.items() if job.options[name] != value}
    if job.parent is None or not differing:
        return None
    values = ", ".join(f"{name} {value:g}" for name, value in differing.items())
    return f"The adapter of the model to start from is continued as it is: {values}"


def _adapter_config(model: LanguageModel, job: Job) -> dict[str, Any]:
    config = model.peft.peft_config["default"].to_dict()
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
    return {**plain, "inference_mode": True, "base_model_name_or_path": job.base_folder}


def _model(job: Job, renderer: Renderer, step: int) -> dict[str, Any]:
    numbers = job.hyperparameters
    template = renderer.template
    return {
        "base": {"name": job.base_name, "folder": job.base_folder, "fingerprint": job.fingerprint},
        "template": {"source": template.source, "sha256": template.sha256, "family": template.family},
        "method": job.method,
        "hyperparameters": {
            "n_epochs": numbers.n_epochs,
            "batch_size": numbers.batch_size,
            "learning_rate_multiplier": numbers.learning_rate_multiplier,
            "beta": numbers.beta,
            **numbers.options,
        },
        "seed": job.seed,
        "training_file_sha256": job.training_sha256,
        "step": step,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, default=str).encode() + b"\n"

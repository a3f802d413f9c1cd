"""What ftorch sends to Together, in Together's words.

By the description in https://github.com/togethercomputer/openapi (openapi.yaml of 28 April 2026) and the requests
of its SDK `together` 3.1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.endpoints.interface import JobRequest
from orchestrator.endpoints.together import DEFAULT_EPOCHS

_NUMBERS = ("n_epochs", "batch_size", "learning_rate", "packing")
_PRICED = ("model", "training_file", "validation_file", "n_epochs", "n_evals", "training_method", "training_type")


def job_body(request: JobRequest) -> dict[str, Any]:
    """The body of a request for a job. "auto" is left out: Together then chooses."""
    numbers = {key: value for key, value in request.method["hyperparameters"].items() if value != "auto"}
    fields = {
        "model": request.model,
        "training_file": request.training_file,
        "suffix": request.suffix,
        "random_seed": request.seed,
        "training_method": _training_method(request.method["type"], numbers),
        "training_type": _training_type(numbers),
        "max_seq_length": numbers.get("max_length"),
        **{key: numbers.get(key) for key in _NUMBERS},
        **_validation(request, numbers),
    }
    return {key: value for key, value in fields.items() if value is not None}


def price_body(request: JobRequest) -> dict[str, Any]:
    """The body of a request for the price of that job."""
    body = job_body(request)
    return {key: body[key] for key in _PRICED if key in body}


def preview_body(model: str, file_id: str, rows: int) -> dict[str, Any]:
    """The body of a request for the first rows of an uploaded file as tokens, with what is learned of them."""
    return {
        "model": model,
        "training_file": file_id,
        "training_method": "sft",
        "train_on_inputs": False,
        "top_k": rows,
    }


def _validation(request: JobRequest, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Together evaluates only as often as `n_evals` says, by default never: here once for each epoch."""
    if request.validation_file is None:
        return {}
    return {"validation_file": request.validation_file, "n_evals": numbers.get("n_epochs", DEFAULT_EPOCHS)}


def _training_method(method: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Only answers are learned, as on OpenAI."""
    if method == "dpo":
        return {"method": "dpo", **({"dpo_beta": numbers["beta"]} if "beta" in numbers else {})}
    return {"method": "sft", "train_on_inputs": False}


def _training_type(numbers: Mapping[str, Any]) -> dict[str, Any] | None:
    """The adapter, if a rank is given; otherwise Together trains one with the model's default rank. Without an
    alpha it is twice the rank, as in Together's SDK."""
    rank = numbers.get("lora_rank")
    if rank is None:
        return None
    targets = numbers.get("lora_targets")
    fields = {
        "type": "Lora",
        "lora_r": rank,
        "lora_alpha": numbers.get("lora_alpha", 2 * rank),
        "lora_dropout": numbers.get("lora_dropout"),
        "lora_trainable_modules": ",".join(targets) if isinstance(targets, list) else targets,
    }
    return {key: value for key, value in fields.items() if value is not None}

"""What `--json` prints: plain objects, times in ISO 8601 and UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.config import EndpointConfig
from orchestrator.ledger import RunDetails
from orchestrator.reports.plans import preview_object
from orchestrator.reports.text import iso
from orchestrator.store.records import Checkpoint, Event, Metric, Model
from orchestrator.store.runs import Run, Transition

if TYPE_CHECKING:
    from orchestrator.dataset.addresses import ImportedFile
    from orchestrator.evaluation.preview import Preview
    from orchestrator.runs.plan import CheckedFile, Plan  # loads pydantic, which status does not need


def run_object(run: Run, last: Metric | None = None) -> dict[str, Any]:
    """One element of `status --json`."""
    return {
        "run": run.id,
        "name": run.name,
        "sweep": run.sweep_id,
        "endpoint": run.endpoint,
        "model": run.model,
        "state": run.state,
        "reason": run.reason,
        "remote_status": run.remote_status,
        "job_id": run.job_id,
        "fine_tuned_model": run.fine_tuned_model,
        "step": last.step if last else None,
        "total_steps": last.total_steps if last else None,
        "train_loss": last.train_loss if last else None,
        "valid_loss": last.valid_loss if last else None,
        "estimated_cost_usd": run.estimated_cost_usd,
        "cost_usd": run.cost_usd,
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "finished_at": iso(run.finished_at),
    }


def details_object(details: RunDetails) -> dict[str, Any]:
    """What `show --json` prints."""
    run = details.run
    return {
        **run_object(run, details.metrics[-1] if details.metrics else None),
        "job_file": run.job_file,
        "suffix": run.suffix,
        "seed": run.seed,
        "metadata": dict(run.metadata),
        "method": run.method["type"],
        "hyperparameters": dict(run.hyperparameters),
        "resolved_hyperparameters": dict(run.resolved_hyperparameters),
        "files": [file for file in _files(details) if file["path"]],
        "examples": run.examples,
        "tokens_per_epoch": run.tokens_per_epoch,
        "trained_tokens": run.trained_tokens,
        "error": {"code": run.error_code, "message": run.error_message, "param": run.error_param}
        if run.error_message or run.error_code
        else None,
        "history": [_transition_object(transition) for transition in details.history],
        "checkpoints": [_checkpoint_object(checkpoint) for checkpoint in details.checkpoints],
        "metrics": [_metric_object(metric) for metric in details.metrics],
    }


def _files(details: RunDetails) -> list[dict[str, Any]]:
    run = details.run
    files = {
        "training": (run.training_path, run.training_sha256, run.training_file_id),
        "validation": (run.validation_path, run.validation_sha256, run.validation_file_id),
    }
    return [
        {"role": role, "path": path, "sha256": sha256, "file_id": file_id, "check": _check_object(details, role)}
        for role, (path, sha256, file_id) in files.items()
    ]


def _check_object(details: RunDetails, role: str) -> dict[str, Any] | None:
    check = details.data_checks.get(role)
    if check is None:
        return None
    return {
        "examples": check.examples,
        "tokens": check.tokens,
        "variant": check.variant,
        "findings": dict(check.findings),
        "checked_at": iso(check.checked_at),
    }


def _transition_object(transition: Transition) -> dict[str, Any]:
    return {
        "from": transition.from_state,
        "to": transition.to_state,
        "reason": transition.reason,
        "at": iso(transition.at),
    }


def _checkpoint_object(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"step": checkpoint.step, "model": checkpoint.model, "metrics": dict(checkpoint.metrics)}


def _metric_object(metric: Metric) -> dict[str, Any]:
    return {
        "step": metric.step,
        "total_steps": metric.total_steps,
        "train_loss": metric.train_loss,
        "train_accuracy": metric.train_accuracy,
        "valid_loss": metric.valid_loss,
        "valid_accuracy": metric.valid_accuracy,
        "full_valid_loss": metric.full_valid_loss,
        "full_valid_accuracy": metric.full_valid_accuracy,
    }


def event_object(event: Event) -> dict[str, Any]:
    """One line of `logs --json`."""
    return {
        "at": iso(event.created_at),
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": event.data,
    }


def model_object(model: Model) -> dict[str, Any]:
    """One element of `models --json`."""
    return {
        "model": model.model,
        "run": model.run_id,
        "endpoint": model.endpoint,
        "base_model": model.base_model,
        "created_at": iso(model.created_at),
    }


def endpoint_object(config: EndpointConfig) -> dict[str, Any]:
    """One element of `endpoints --json`. It holds the name of the key's variable, never the key."""
    return {
        "name": config.name,
        "type": config.type,
        "base_url": config.base_url,
        "api": config.api if config.type == "azure" else None,
        "auth": config.auth if config.type == "azure" else None,
        "api_key_env": config.api_key_env,
        "max_active": config.max_active,
        "usable": config.problem is None,
        "problem": config.problem,
        "source": config.source,
    }


def plan_object(plan: Plan, evaluation: Preview | None = None) -> dict[str, Any]:
    """What `submit --dry-run --json` prints."""
    return {
        "name": plan.job.name,
        "endpoint": plan.config.name,
        "model": plan.job.model,
        "method": plan.job.method.type,
        "hyperparameters": plan.job.method.hyperparameters,
        "files": [
            *(checked_file_object(checked) for checked in plan.files),
            *(_import_object(imported) for imported in plan.imports),
        ],
        "epochs": plan.cost.epochs,
        "epochs_assumed": plan.cost.epochs_assumed,
        "estimated_cost_usd": plan.cost.usd,
        "max_cost_usd": plan.job.limits.max_cost_usd,
        "notices": list(plan.notices),
        "evaluation": preview_object(evaluation),
    }


def _import_object(imported: ImportedFile) -> dict[str, Any]:
    return {"role": imported.role, "address": str(imported.address), "bytes": imported.size}


def checked_file_object(checked: CheckedFile) -> dict[str, Any]:
    """A data file of a plan."""
    return {
        "role": checked.role,
        "path": str(checked.file.path),
        "sha256": checked.file.sha256,
        "bytes": checked.file.size,
        "examples": checked.report.examples,
        "tokens": checked.report.tokens,
        "variant": checked.variant,
        "warnings": [finding.message for finding in checked.report.warnings],
        "findings": dict(sorted(checked.report.counts.items())),
    }

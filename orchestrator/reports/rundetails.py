"""Everything about one run, for `show`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.bookkeeping.endings import today
from orchestrator.bookkeeping.lineage import Lineage
from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.azure.dialects import resource_url
from orchestrator.endpoints.fireworks.names import chat_address
from orchestrator.endpoints.management import called_name
from orchestrator.engine.worker import process_of
from orchestrator.ledger import RunDetails
from orchestrator.reports.bookkeeping import note_object, submission_object, submission_text, tags_text
from orchestrator.reports.findings import tallies
from orchestrator.reports.lineage import lineage_facts
from orchestrator.reports.runs import loss_cell, run_object, state_cell, state_style, why
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, row
from orchestrator.reports.text import (
    as_set,
    count,
    duration,
    ending,
    iso,
    loss,
    moment,
    money,
    plural,
    print_wrapped,
    printable,
    sparkline,
)
from orchestrator.runs.jobs import sent_suffix
from orchestrator.store.records import Checkpoint, Metric
from orchestrator.store.runs import Run, Transition

_CURVE_WIDTH = 60
_BESIDE_THE_CURVE = 61
"""The characters of a curve's longest name and its three figures, with the space between."""
_SERVE_PORT = 8000
_HASH_SHOWN = 12
"""Characters of a hash for people; `--json` has all."""


def print_details(
    details: RunDetails,
    config: EndpointConfig | None,
    console: Console,
    lineage: Lineage | None = None,
    ends: date | None = None,
) -> None:
    """`config` is the run's endpoint as it is configured now; None where it is not configured any more. `ends` is
    the day on which its model ends."""
    run = details.run
    heading = Text(f"run {run.id}  {printable(run.name)}  ", style="bold")
    console.print(heading.append(run.state, style=state_style(run.state)))
    console.print(f"  {printable(why(run, time.time()))}\n")
    console.print(run_facts(details, config, ends))
    _print_files(details, console, lineage_facts(lineage) if lineage else ())
    _print_notes(details, console)
    _print_curve(details.metrics, console)
    _print_checkpoints(details, console)
    _print_history(details, console)
    if run.fine_tuned_model and run.deleted_at is None:
        _print_call(run, details.deployment.name if details.deployment else None, config, console)


def details_object(details: RunDetails, ends: date | None = None) -> dict[str, Any]:
    """What `show --json` prints; `ends` is the day on which its model ends."""
    run = details.run
    return {
        **run_object(run, details.metrics[-1] if details.metrics else None, details.tags, ends),
        "job_file": run.job_file,
        "base_folder": run.base_folder,
        "suffix": run.suffix,
        "seed": run.seed,
        "metadata": dict(run.metadata),
        "method": run.method["type"],
        "hyperparameters": dict(run.hyperparameters),
        "resolved_hyperparameters": dict(run.resolved_hyperparameters),
        "files": [file for file in run_files(details) if file["path"]],
        "examples": run.examples,
        "tokens_per_epoch": run.tokens_per_epoch,
        "trained_tokens": run.trained_tokens,
        "error": {"code": run.error_code, "message": run.error_message, "param": run.error_param}
        if run.error_message or run.error_code
        else None,
        "submission": submission_object(details.submission) if details.submission else None,
        "notes": [note_object(note) for note in details.notes],
        "archived_at": iso(run.archived_at),
        "deleted_at": iso(run.deleted_at),
        "history": [_transition_object(transition) for transition in details.history],
        "checkpoints": [_checkpoint_object(checkpoint) for checkpoint in details.checkpoints],
        "metrics": [_metric_object(metric) for metric in details.metrics],
    }


# --- The facts ------------------------------------------------------------------------------------------------


def run_facts(details: RunDetails, config: EndpointConfig | None, ends: date | None = None) -> Table:
    """What is known of a run in a line each: names and values."""
    run = details.run
    rows = [
        ("model", run.fine_tuned_model),
        ("shutdown date", f"{ends}: it {ending(ends, today())}" if ends else None),
        ("base model", run.model),
        ("folder", run.base_folder),
        (
            "endpoint",
            run.endpoint if run.endpoint == run.endpoint_type else f"{run.endpoint} ({run.endpoint_type})",
        ),
        ("job", f"{run.job_id} ({run.remote_status})" if run.job_id else None),
        ("method", run.method["type"]),
        ("hyperparameters", _hyperparameters(run)),
        ("seed", _seed(run, config)),
        ("suffix", _suffix(run, config)),
        ("metadata", ", ".join(f"{key}={value}" for key, value in run.metadata.items())),
        ("tokens", _tokens(run)),
        ("cost", _cost(run)),
        ("time", duration((run.finished_at or time.time()) - run.created_at)),
        ("requested", f"{run.requested_action} (not carried out yet)" if run.requested_action else None),
        ("create request", _creation(details)),
        ("error", _error(run)),
        ("job file", run.job_file),
        ("submitted", submission_text(details.submission) if details.submission else None),
        ("tags", tags_text(details.tags)),
        ("archived", moment(run.archived_at) if run.archived_at else None),
        ("deleted", moment(run.deleted_at) if run.deleted_at else None),
    ]
    return _facts_of((name, printable(value)) for name, value in rows if value)


def _hyperparameters(run: Run) -> str:
    resolved = run.resolved_hyperparameters
    parts = []
    for name, asked in run.hyperparameters.items():
        used = resolved.get(name)
        changed = used is not None and used not in (asked, -1)
        parts.append(f"{name} {as_set(asked)}" + (f" → {as_set(used)}" if changed else ""))
    return ", ".join(parts)


def _seed(run: Run, config: EndpointConfig | None) -> str:
    if config is not None and not capabilities_of(config).seed:
        return f"drawn by {run.endpoint}"
    return f"{run.seed}{'' if run.seed_given else ' (chosen by ftorch)'}"


def _suffix(run: Run, config: EndpointConfig | None) -> str | None:
    """Both the user's and the one in the endpoint's own lists, where they differ."""
    if config is None or not run.creation_attempts:
        return run.suffix
    sent = sent_suffix(run, capabilities_of(config))
    if sent == run.suffix:
        return sent
    return f"{run.suffix}, sent as {sent}" if run.suffix else f"sent as {sent}"


def _tokens(run: Run) -> str:
    counted = f"{count(run.tokens_per_epoch)} per epoch (counted by ftorch)" if run.tokens_per_epoch else ""
    trained = f"{count(run.trained_tokens)} trained" if run.trained_tokens is not None else ""
    return ", ".join(part for part in (counted, trained) if part)


def _cost(run: Run) -> str:
    if run.cost_usd is not None:
        source = "as the endpoint says" if (run.remote_job or {}).get("cost_usd") else "from the trained tokens"
        return f"{money(run.cost_usd)} {source} (estimated {money(run.estimated_cost_usd)})"
    return "unknown" if run.estimated_cost_usd is None else f"{money(run.estimated_cost_usd)} (estimated)"


def _creation(details: RunDetails) -> str | None:
    run = details.run
    if not run.creation_attempts:
        return None
    # Each request is a transition; `creation_attempts` counts only those with an unknown outcome.
    sent = sum(each.to_state == "creating" for each in details.history)
    times = plural(max(sent, run.creation_attempts), "attempt")
    if not run.creation_open:
        outcome = "answered" if run.job_id else "refused" if run.is_over else "refused for now"
        return f"{outcome}, {times}, token {run.creation_token}"
    since = moment(run.creation_attempted_at or run.updated_at)
    return (
        f"unconfirmed since {since}, {times}, token {run.creation_token}: the request may have arrived, and its "
        "answer is not recorded. ftorch looks for the job on the endpoint. It repeats the request, with the same "
        "token, only if no job appears within the settling window (settling_seconds)."
    )


def _error(run: Run) -> str | None:
    if not (run.error_message or run.error_code):
        return None
    param = f" ({run.error_param})" if run.error_param else ""
    return f"{run.error_code or 'error'}{param}: {run.error_message or 'no message'}"


# --- Files, curves, checkpoints, history, and how to call the model -------------------------------------------


def _print_files(details: RunDetails, console: Console, origin: Iterable[tuple[str, str]]) -> None:
    """The files, and in the same table what the run comes from and what was made of it."""
    run = details.run
    rows = []
    files = [("training", run.training_path, run.training_sha256, run.training_file_id)]
    if run.validation_path:
        files.append(("validation", run.validation_path, run.validation_sha256 or "", run.validation_file_id))
    for role, path, sha256, file_id in files:
        identity = f"sha256 {sha256[:_HASH_SHOWN]}…" if sha256 else "sha256 unknown: uploaded elsewhere"
        if path.startswith(("https://", "http://")):
            identity = "the endpoint fetches it; ftorch has not seen its bytes"
        lines = [printable(_near(path)), identity, file_id or "not uploaded yet", *_data_check(details, role)]
        rows.append((f"{role} file", "\n".join(lines)))
    console.print(_facts_of([*rows, *((name, printable(value)) for name, value in origin)]))


def _data_check(details: RunDetails, role: str) -> list[str]:
    check = details.data_checks.get(role)
    if check is None:
        return []
    definitions = "" if check.variant is None else f", tool definitions: {check.variant}"
    found = ", ".join(tallies(check.findings)) or "clean"
    held = f"{count(check.examples)} examples, {count(check.tokens)} tokens{definitions}"
    return [held, f"checked {moment(check.checked_at)}: {found}"]


def _near(path: str) -> str:
    """Relative to the current directory where it is below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _print_notes(details: RunDetails, console: Console) -> None:
    if not details.notes:
        return
    console.print("\nNotes", style="bold")
    rows = [(f"{moment(note.at)} {note.user}", note.text) for note in details.notes]
    console.print(_facts_of((printable(head), "\n".join(map(printable, text.splitlines()))) for head, text in rows))


def _print_curve(metrics: Sequence[Metric], console: Console) -> None:
    if not metrics:
        return
    console.print("\nLoss", style="bold")
    full = [(metric.step, metric.full_valid_loss) for metric in metrics if metric.full_valid_loss is not None]
    width = max(1, min(_CURVE_WIDTH, console.width - _BESIDE_THE_CURVE))
    curves: dict[str, list[float | None]] = {
        "training": [metric.train_loss for metric in metrics],
        "validation": [metric.valid_loss for metric in metrics],
        "validation, whole file": [value for _, value in full],
    }
    rows = [_curve(name, values, width) for name, values in curves.items()]
    console.print(_grid(("", "", "first", "last", "lowest"), [each for each in rows if each]))
    if full:
        epochs = ", ".join(f"{loss(value)} (step {step})" for step, value in full)
        print_wrapped(f"whole validation file: {epochs}", console, indent="  ")


def _curve(name: str, values: Sequence[float | None], width: int) -> Row | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return row(name, sparkline(known, width), loss_cell(known[0]), loss_cell(known[-1]), loss_cell(min(known)))


def _print_checkpoints(details: RunDetails, console: Console) -> None:
    if not details.checkpoints:
        return
    console.print("\nCheckpoints", style="bold")
    rows = []
    for checkpoint in details.checkpoints:
        value = checkpoint.metrics.get("full_valid_loss", checkpoint.metrics.get("valid_loss"))
        step = Number(str(checkpoint.step), value=checkpoint.step)
        rows.append(row(step, loss_cell(value), printable(checkpoint.model)))
    console.print(_grid(("step", "validation loss", "model"), rows))


def _print_history(details: RunDetails, console: Console) -> None:
    if not details.history:
        return
    console.print("\nHistory", style="bold")
    rows, last = [], None
    for transition in details.history:
        if transition.owner and last and transition.owner != last:
            rows.append(row("", "", Cell(printable(f"– {_process(transition.owner)} continued –"), Meaning.MUTED)))
        last = transition.owner or last
        rows.append(row(moment(transition.at), state_cell(transition.to_state), printable(transition.reason)))
    columns = [Column(key="at", fit=Fit.CROP), Column(key="state", fit=Fit.CROP), Column(key="why", fit=Fit.BELOW)]
    console.print(Table(columns, rows, has_headings=False, gap=(2, 2)))


def _process(owner: str) -> str:
    """`process 4711 on laptop`."""
    machine, number = process_of(owner)
    return f"process {number} on {machine}" if number else machine


def _print_call(run: Run, deployment: str | None, config: EndpointConfig | None, console: Console) -> None:
    console.print("\nTo call it", style="bold")
    for line in call_lines(run, deployment, config):
        console.print(f"  {line}", soft_wrap=True)


def call_lines(run: Run, deployment: str | None, config: EndpointConfig | None) -> list[str]:
    """Commands and Python that call the model. Where it needs a deployment, it is called only by the name of
    that."""
    name = called_name(run.fine_tuned_model, deployment) if deployment else run.fine_tuned_model or ""
    lines = []
    if config is not None and capabilities_of(config).needs_deployment and deployment is None:
        lines.append(
            f"ftorch deployments create {run.id}    # prints the name to use; hosting is charged from then on"
        )
        name = "NAME"
    if config is not None and capabilities_of(config).needs_dedicated:
        name = config.dedicated.get(name, "NAME")
        lines += ["# NAME: a dedicated endpoint that you start there, charged by the minute"] * (name == "NAME")
    if config is not None and config.type == "local":
        lines.append(f"ftorch serve --port {_SERVE_PORT}    # in another shell, then:")
    call = f"client.chat.completions.create(model={printable(name)!r}, messages=[…], tools=[…])"
    return [*lines, f"client = {_client(config)}", call]


def _client(config: EndpointConfig | None) -> str:
    if config is None:
        return "openai.OpenAI(…)"
    if config.type == "local":
        return f'openai.OpenAI(base_url="http://127.0.0.1:{_SERVE_PORT}/v1", api_key="local")'
    key = f'os.environ["{config.api_key_env}"]' if config.api_key_env else '"none"'
    if config.auth == "entra":
        key = 'get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")'
    address = config.base_url or ""
    if config.type == "azure":
        address = f"{resource_url(address)}/openai/v1/"
    if config.type == "fireworks":
        address = chat_address(address)
    return f'openai.OpenAI(base_url="{printable(address)}", api_key={key})'


def _grid(headings: Iterable[str], rows: Sequence[Row]) -> Table:
    *first, last = headings
    columns = [*(Column(heading, fit=Fit.LINE) for heading in first), Column(last, fit=Fit.BELOW)]
    return Table(columns, rows, headings=Meaning.MUTED, gap=(2, 2))


def _facts_of(rows: Iterable[tuple[str, str]]) -> Table:
    columns = [Column(key="name", fit=Fit.CROP), Column(key="value", fit=Fit.BELOW)]
    return Table(columns, [row(name, value) for name, value in rows], has_headings=False, gap=(2, 2))


# --- Their objects --------------------------------------------------------------------------------------------


def run_files(details: RunDetails) -> list[dict[str, Any]]:
    """Its training and its validation file for programs, the path of a missing one being None."""
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
        "process": _process(transition.owner) if transition.owner else None,
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

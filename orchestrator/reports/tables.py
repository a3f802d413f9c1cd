"""Tables for the terminal: runs, models, endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from orchestrator.config import EndpointConfig
from orchestrator.reports.formats import ago, duration, loss, printable
from orchestrator.runs.ledger import is_followed
from orchestrator.store.records import Metric, Model
from orchestrator.store.runs import Run

STYLES: Mapping[str, str] = {
    "pending": "dim",
    "uploading": "cyan",
    "creating": "cyan",
    "queued": "cyan",
    "running": "bold blue",
    "paused": "yellow",
    "collecting": "blue",
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "dim",
    "pruned": "dim yellow",
}
"""Of a run's states, and of a trial that its sweep's rule cancelled."""
AT_WORK = ("running", "collecting", "creating", "uploading", "queued", "paused")
"""The states of runs that are seen first where there is no room for all."""


_FULL_WIDTH = 110
"""From this many characters on, every column of the status table has room."""


def status_table(runs: Sequence[Run], last: Mapping[str, Metric], now: float, width: int) -> Table:
    """One line for each run: where it stands, how far it is, and its model id or what it waits for."""
    wide = width >= _FULL_WIDTH
    more = ("ENDPOINT", "LOSS", "VALID", "UPDATED") if wide else ()
    table = _table("RUN", "NAME", "STATE", "STEP", *more)
    table.add_column("MODEL, OR WHY", overflow="fold", ratio=1)
    for run in runs:
        metric = last.get(run.id)
        cells: list[str | Text] = [
            run.id,
            printable(run.name),
            Text(run.state, style=STYLES.get(run.state, "")),
            steps(metric),
        ]
        if wide:
            training = loss(metric.train_loss if metric else None)
            cells += [printable(run.endpoint), training, loss(validation_loss(metric)), ago(run.updated_at, now)]
        table.add_row(*cells, printable(run.fine_tuned_model or why(run, now)))
    return table


def why(run: Run, now: float) -> str:
    """What the run waits for, when that is looked at again, and whether anybody does."""
    if run.is_over:
        return run.reason
    if run.state == "paused":
        return f"{run.reason}; ftorch unpause {run.id} lets it go on"
    if not is_followed(run, now):
        return f"{run.reason}; nobody follows it now: ftorch resume"
    if run.creation_open and run.due_at is not None:
        return f"{run.reason} (next look in {duration(run.due_at - now)})"
    return run.reason


def steps(metric: Metric | None) -> str:
    """`412/777`."""
    if metric is None:
        return "–"
    return f"{metric.step}/{metric.total_steps}" if metric.total_steps else str(metric.step)


def validation_loss(metric: Metric | None) -> float | None:
    """On the whole validation file where that was measured, else on a part of it."""
    if metric is None:
        return None
    return metric.full_valid_loss if metric.full_valid_loss is not None else metric.valid_loss


def summary(counts: Mapping[str, int], shown: int) -> str:
    """`12 runs: 1 running, 11 succeeded`, and how to see the rest."""
    total = sum(counts.values())
    parts = ", ".join(f"{counts[state]} {state}" for state in STYLES if counts.get(state))
    rest = f"; the newest {shown} are shown, --all shows every one" if shown < total else ""
    return f"{total} run{'s' if total != 1 else ''}: {parts}{rest}"


def models_table(models: Iterable[Model], now: float) -> Table:
    table = _table("RUN", "ENDPOINT", "BASE MODEL", "CREATED")
    table.add_column("MODEL", overflow="fold", ratio=1)
    for model in models:
        base, name = printable(model.base_model), printable(model.model)
        table.add_row(model.run_id, printable(model.endpoint), base, ago(model.created_at, now), name)
    return table


def endpoints_table(configs: Iterable[EndpointConfig]) -> Table:
    table = _table("NAME", "TYPE", "KEY FROM", "AT ONCE")
    table.add_column("ADDRESS", overflow="fold")
    table.add_column("USABLE", overflow="fold", ratio=1)
    for config in configs:
        table.add_row(
            config.name,
            f"{config.type} {config.api}" if config.type == "azure" else config.type,
            "Entra ID" if config.auth == "entra" else config.api_key_env or "–",
            str(config.max_active),
            printable(config.base_url or "in this process"),
            Text("yes", style="green") if config.problem is None else printable(f"no: {config.problem}"),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table

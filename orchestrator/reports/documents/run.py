"""The document of a run: curves, what was asked and used, files, cost, history, and how to call its model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from orchestrator.api.reporting import RunRecord
from orchestrator.bookkeeping.endings import today
from orchestrator.config import EndpointConfig
from orchestrator.reports.charts.curves import accuracy_chart, loss_chart
from orchestrator.reports.documents.document import (
    Block,
    Code,
    Document,
    Folded,
    Moment,
    Paragraph,
    Section,
    Timeline,
    some,
)
from orchestrator.reports.documents.lineage import evaluations_section, lineage_section
from orchestrator.reports.rundetails import call_lines, run_facts, run_files
from orchestrator.reports.runs import loss_cell, state_cell, steps, validation_loss, why
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, facts, row
from orchestrator.reports.text import as_set, count, duration, ending, loss, money, plural, printable
from orchestrator.store.labels import Note
from orchestrator.store.records import Event, Metric
from orchestrator.store.runs import Run

_ELSEWHERE = ("model", "base model", "hyperparameters", "cost")
"""Facts of `show` that are in other sections."""


def run_document(record: RunRecord) -> Document:
    """Everything recorded about a run."""
    details, run, lineage = record.details, record.details.run, record.lineage
    is_deleted = run.deleted_at is not None
    summary = facts((name, value) for name, value in _summary(record) if name not in _ELSEWHERE)
    calling = call_lines(run, details.deployment.name if details.deployment else None, record.config)
    return Document(
        kind="run",
        title=f"Run {run.name}: {'deleted' if is_deleted else run.state}",
        lead=_lead(record),
        models=_models(run),
        warnings=rehearsal(record.config, run.model, is_open_weights=run.base_folder is not None),
        sections=some(
            Section("summary", "Summary", [summary]),
            Section("curves", "Loss and accuracy", _curves(record)),
            Section("checkpoints", "Checkpoints", _checkpoints(record)),
            *([evaluations_section(lineage)] if lineage else []),
            Section("hyperparameters", "Hyperparameters", _hyperparameters(run)),
            Section("files", "Files", list(_files(record))),
            Section("cost", "Cost", [_cost(run)]),
            *([lineage_section(lineage)] if lineage else []),
            Section("notes", "Notes", _notes(details.notes)),
            Section("history", "History", [timeline(record)] if details.history else []),
            Section("events", "Events of the endpoint", _events(record)),
            Section(
                "call",
                "How to call it",
                [Code("\n".join(calling))] if run.fine_tuned_model and not is_deleted else [],
            ),
        ),
        records=partial(metrics_table, details.metrics),
        paths=_paths(record),
    )


def _summary(record: RunRecord) -> Iterator[tuple[str, Cell | str]]:
    run = record.details.run
    yield "run", run.id
    yield "state", state_cell("deleted" if run.deleted_at is not None else run.state)
    yield "created", utc(run.created_at)
    for each in run_facts(record.details, record.config, record.ends).rows:
        yield each.cells[0].text, each.cells[1].text


def _lead(record: RunRecord) -> str:
    run, last = record.details.run, record.details.metrics[-1] if record.details.metrics else None
    if run.state != "succeeded":
        return why(run, time.time())
    found = validation_loss(last) if last else None
    said = f", validation loss {loss(found)}" if found is not None else ""
    cost = money(run.cost_usd) if run.cost_usd is not None else "an unknown amount"
    charged = "" if run.endpoint_type == "local" else f" for {cost}"
    took = duration((run.finished_at or run.updated_at) - run.created_at)
    ends = f" Its model {ending(record.ends, today())}, on {record.ends}." if record.ends else ""
    return f"Trained on {run.endpoint} in {took}{charged}{said}.{ends}"


def _models(run: Run) -> list[tuple[str, str]]:
    tuned = [("tuned", run.fine_tuned_model)] if run.fine_tuned_model else []
    return [*tuned, ("base", run.model)]


def _paths(record: RunRecord) -> list[str]:
    run = record.details.run
    files = (run.job_file, run.training_path, run.validation_path, run.base_folder)
    models = record.lineage.run.models if record.lineage and record.lineage.run else ()
    judged = (each.evaluation.file_path for model in models for each in model.evaluations or ())
    return [*filter(None, files), *judged]


def rehearsal(config: EndpointConfig | None, model: str, *, is_open_weights: bool) -> list[str]:
    """A warning if a stand-in was trained in place of the model."""
    if config is None or config.type != "local" or is_open_weights:
        return []
    trained = f"a tiny model on this machine was trained in place of {model}"
    return [f"Rehearsal: {trained}, so the figures say nothing about it."]


# --- Curves and checkpoints -----------------------------------------------------------------------------------


def _curves(record: RunRecord) -> list[Block]:
    details = record.details
    if not details.metrics:
        nothing = "was measured" if details.run.is_over else "is measured yet"
        return [Paragraph(f"No training step {nothing}.", Meaning.MUTED)]
    charts = (loss_chart(details.metrics, details.checkpoints), accuracy_chart(details.metrics))
    last = details.metrics[-1]
    found = f"Last measured step: {steps(last)}, training loss {loss(last.train_loss)}."
    return [*(chart for chart in charts if not chart.is_empty), Paragraph(found, Meaning.MUTED)]


def _checkpoints(record: RunRecord) -> list[Block]:
    columns = [
        Column("step", fit=Fit.LINE, is_number=True),
        Column("validation loss", fit=Fit.LINE, is_number=True),
        Column("model", fit=Fit.FOLD),
    ]
    rows = []
    for each in record.details.checkpoints:
        value = each.metrics.get("full_valid_loss", each.metrics.get("valid_loss"))
        step = Number(f"{each.step:,}", value=each.step)
        rows.append(row(step, loss_cell(value), Cell(each.model, ref=f"model:{each.model}")))
    return [Table(columns, rows)] if rows else []


def metrics_table(metrics: Sequence[Metric]) -> Table:
    """A row for each measured step."""
    names = (
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_accuracy",
        "full_valid_loss",
        "full_valid_accuracy",
    )
    columns = [Column(key=key, is_number=True) for key in ("step", "total_steps", *names)]
    return Table(
        columns,
        [Row([_number(getattr(metric, column.key)) for column in columns]) for metric in metrics],
    )


def _number(value: float | None) -> Number:
    return Number("–" if value is None else f"{value:.6g}", value=value)


# --- What was asked and what it cost --------------------------------------------------------------------------


def _hyperparameters(run: Run) -> list[Block]:
    resolved = run.resolved_hyperparameters
    names = dict.fromkeys((*run.hyperparameters, *resolved))
    columns = [Column("", "name"), Column("asked"), Column("used")]
    rows = [row(name, _setting(run.hyperparameters.get(name)), _setting(resolved.get(name))) for name in names]
    note = [] if resolved else ["The endpoint has not reported which values it used."]
    return [Table(columns, rows, notes=note)] if rows else []


def _setting(given: object) -> str:
    return "–" if given is None else as_set(given)


def _files(record: RunRecord) -> Iterator[Block]:
    for file in run_files(record.details):
        if file["path"]:
            check = file["check"]
            rows: list[tuple[str, Cell | str]] = [
                ("file", Cell(file["path"], ref=f"data:{record.details.run.id}/{file['role']}")),
                ("sha256", file["sha256"] or "unknown: not read by ftorch"),
                ("id on the endpoint", file["file_id"] or "not uploaded yet"),
            ]
            if check:
                tokens = "" if check["tokens"] is None else f", {count(check['tokens'])} tokens per epoch"
                rows.append(("holds", f"{plural(check['examples'], 'example')}{tokens}"))
                rows.append(("tool definitions", check["variant"] or "none, or mixed"))
                rows.append(("findings", _findings(check["findings"])))
            yield replace(facts(rows), title=f"{file['role'].capitalize()} file")


def _findings(found: dict[str, int]) -> str:
    return ", ".join(f"{number:,} × {code}" for code, number in found.items()) or "none"


def _cost(run: Run) -> Table:
    amounts = [
        ("estimated before training", run.estimated_cost_usd),
        ("from the trained tokens", run.cost_usd),
        ("limit of the job file (max_cost_usd)", run.max_cost_usd),
    ]
    rows = [row(name, Number(money(usd), value=usd, unit="USD")) for name, usd in amounts]
    rows.append(row("trained tokens", Number(count(run.trained_tokens), value=run.trained_tokens, unit="tokens")))
    return Table([Column(key="name"), Column(key="value")], rows, has_headings=False)


def _notes(notes: Sequence[Note]) -> list[Block]:
    columns = [Column("time", fit=Fit.LINE), Column("user", fit=Fit.LINE), Column("note", fit=Fit.FOLD)]
    return [Table(columns, [row(utc(each.at), each.user, each.text) for each in notes])] if notes else []


# --- History and events ---------------------------------------------------------------------------------------


def timeline(record: RunRecord) -> Timeline:
    """The run's states, each with its reason and how long it lasted."""
    run, history = record.details.run, record.details.history
    ends = [*(each.at for each in history[1:]), run.finished_at if run.is_over else time.time()]
    moments = []
    for each, end in zip(history, ends, strict=True):
        is_last = each is history[-1]
        lasted = "" if end is None or (is_last and run.is_over) else duration(end - each.at)
        so_far = f"{lasted} so far" if is_last and lasted else lasted
        moments.append(Moment(each.at, state_cell(each.to_state), each.reason, so_far))
    return Timeline(moments)


def _events(record: RunRecord) -> list[Block]:
    if not record.events:
        return []
    columns = [Column("time", fit=Fit.LINE), Column("level", fit=Fit.LINE), Column("message", fit=Fit.FOLD)]
    table = Table(columns, [_event(each) for each in record.events])
    left = record.all_events - len(record.events)
    last = f"The last {len(record.events):,} of {plural(record.all_events, 'event')}"
    return [Folded(last if left else plural(record.all_events, "event"), [table])]


def _event(event: Event) -> Row:
    is_bad = event.level.lower() in ("error", "critical", "fatal")
    is_doubtful = event.level.lower() in ("warn", "warning")
    meaning = Meaning.ERROR if is_bad else Meaning.WARNING if is_doubtful else Meaning.NONE
    return row(utc(event.created_at), Cell(event.level, meaning), printable(event.message))


def utc(then: float | None) -> str:
    """Date and time with the zone: a report is read elsewhere too."""
    return "–" if then is None else datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

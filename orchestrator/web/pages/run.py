"""A run: its report, kept up to date, with what can be done about it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.api.reporting import run_record
from orchestrator.endpoints import capabilities_of
from orchestrator.ledger import Ledger, RunDetails
from orchestrator.reports.documents.run import run_document
from orchestrator.store.runs import Run
from orchestrator.web.links import query, run_link, sweep_link
from orchestrator.web.page import Asked, Moved, Page
from orchestrator.web.rendering import NOTHING, Html, document_parts, render

_FIRST = "curves"
"""The section that people look at first."""


def run(asked: Asked) -> Page:
    """Raises NoSuchRun and AmbiguousRun, and Moved for a name or the beginning of an id."""
    key = asked.path["run"]
    record = run_record(asked.ledger, key)
    found = record.details.run
    if key != found.id:
        raise Moved(run_link(found.id))
    document = run_document(record)
    document = replace(document, sections=sorted(document.sections, key=lambda each: each.key != _FIRST))
    above = {
        "notices": render("notices", notices=asked.notices(f"run:{found.id}")),
        "actions": _actions(found, asked),
        "tags": _tags(record.details, asked),
        "contents": render("contents", sections=document.sections),
    }
    return Page(document.title, document_parts(document, above), _trail(asked.ledger, found), place="Runs")


def _actions(found: Run, asked: Asked) -> Html:
    if asked.settings.is_read_only:
        return NOTHING
    config = asked.ledger.workspace.endpoints.get(found.endpoint)
    can_pause = config is not None and capabilities_of(config).pause
    address, secret = run_link(found.id), asked.settings.form_secret
    return render("run/actions", run=found, address=address, can_pause=can_pause, form_secret=secret)


def _tags(details: RunDetails, asked: Asked) -> Html:
    """With their forms, unless the page may only be read."""
    run, settings = details.run, asked.settings
    tags = [(key, value, f"/runs{query(tag=f'{key}={value}')}") for key, value in details.tags.items()]
    can_change = not settings.is_read_only and run.deleted_at is None
    return render(
        "run/tags", tags=tags, address=run_link(run.id), can_change=can_change, form_secret=settings.form_secret
    )


def _trail(ledger: Ledger, found: Run) -> list[tuple[str, str]]:
    if found.sweep_id is None:
        return [("Runs", "/runs")]
    sweep, _ = ledger.sweep(found.sweep_id)
    return [("Sweeps", "/sweeps"), (sweep.name, sweep_link(sweep.id))]

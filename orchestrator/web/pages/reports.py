"""A sweep, an evaluation, and runs side by side: their reports, with what can be done about them."""

from __future__ import annotations

from orchestrator.api.reporting import comparison_record, evaluation_record, sweep_record
from orchestrator.errors import NoSuchEvaluation, NoSuchSweep
from orchestrator.ledger import Ledger
from orchestrator.reports.documents.comparison import comparison_document
from orchestrator.reports.documents.evaluation import evaluation_document
from orchestrator.reports.documents.sweep import sweep_document
from orchestrator.store.evaluations import Evaluation
from orchestrator.sweeps.overview import Overview
from orchestrator.web.links import link, sweep_link
from orchestrator.web.page import Asked, Moved, Page
from orchestrator.web.rendering import NOTHING, Html, document_parts, render

_MOST = 8
"""Runs side by side."""


def sweep(asked: Asked) -> Page:
    """Raises NoSuchSweep, and Moved for a name."""
    key = asked.path["sweep"]
    record = sweep_record(asked.ledger, key)
    if record is None:
        raise NoSuchSweep(name=key, place="", advice="See: ftorch sweep list")
    found = record.overview
    if key != found.sweep.id:
        raise Moved(sweep_link(found.sweep.id))
    document = sweep_document(record)
    above = {
        "notices": render("notices", notices=asked.notices(f"sweep:{found.sweep.id}")),
        "actions": _sweep_actions(found, asked),
        "contents": render("contents", sections=document.sections),
    }
    return Page(document.title, document_parts(document, above), [("Sweeps", "/sweeps")], place="Sweeps")


def _sweep_actions(found: Overview, asked: Asked) -> Html:
    if asked.settings.is_read_only or found.is_over:
        return NOTHING
    return render("sweep/actions", address=sweep_link(found.sweep.id))


def evaluation(asked: Asked) -> Page:
    """Raises NoSuchEvaluation and AmbiguousEvaluation, and Moved for the beginning of an id."""
    key = asked.path["evaluation"]
    above = [("Evaluations", "/evaluations")]
    record = evaluation_record(asked.ledger, key)
    if record is None:
        found = _unfinished(asked.ledger, key)
        title = f"Evaluation {found.name}: {found.state}"
        return Page(title, {"head": render("unfinished", title=title, found=found)}, above, place="Evaluations")
    found = record.results.evaluation
    if key != found.id:
        raise Moved(str(link(f"evaluation:{found.id}")))
    document = evaluation_document(record.results, record.answers)
    parts = document_parts(document, {"contents": render("contents", sections=document.sections)})
    return Page(document.title, parts, above, place="Evaluations", is_live=False)


def _unfinished(ledger: Ledger, key: str) -> Evaluation:
    known = ledger.evaluations()
    found = next((each for each in known if each.id == key), None)
    if found is None:
        raise NoSuchEvaluation(key=key, known=", ".join(each.id for each in known[:6]) or "none")
    return found


def compare(asked: Asked) -> Page:
    """The runs of the address, `?run=ID&run=ID`. Raises NotComparable and AmbiguousRun."""
    keys = list(dict.fromkeys(asked.query.getlist("run")))[:_MOST]
    if len(keys) < 2:
        return Page("Compare runs", {"head": render("compare")}, [("Runs", "/runs")], place="Runs")
    document = comparison_document(comparison_record(asked.ledger, keys))
    parts = document_parts(document, {"contents": render("contents", sections=document.sections)})
    return Page(document.title, parts, [("Runs", "/runs")], place="Runs")

"""Documents for programs: every section with its tables, rows and points."""

from __future__ import annotations

from typing import Any

from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.charts.parallel import Parallel
from orchestrator.reports.comparison import share_object
from orchestrator.reports.documents.document import (
    Block,
    Code,
    Document,
    Folded,
    Paragraph,
    Section,
    Shares,
    Timeline,
)
from orchestrator.reports.table import Table
from orchestrator.reports.text import iso


def document_object(document: Document) -> dict[str, Any]:
    """The whole document; what a cell measures is a number, in the unit that its column or its text names."""
    return {
        "kind": document.kind,
        "title": document.title,
        "lead": document.lead,
        "models": [{"label": label, "model": model} for label, model in document.models],
        "warnings": list(document.warnings),
        "sections": [_section(section) for section in document.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    return {"key": section.key, "title": section.title, "blocks": [_block(block) for block in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Table():
            return {"type": "table", "title": block.title, "rows": block.to_dicts(), "notes": list(block.notes)}
        case Chart():
            return {"type": "chart", **block.to_dict()}
        case Parallel():
            return {"type": "parallel", **block.to_dict()}
        case Timeline():
            moments = [
                {"at": iso(each.at), "state": each.state.text, "reason": each.reason} for each in block.moments
            ]
            return {"type": "timeline", "moments": moments}
        case Shares():
            shares = [{"name": name, **share_object(found)} for name, found in block.shares]
            return {"type": "shares", "title": block.title, "low_is_good": block.is_better_low, "shares": shares}
        case Code():
            return {"type": "code", "text": block.text}
        case Paragraph():
            return {"type": "paragraph", "text": block.text}
        case Folded():
            return {"type": "folded", "summary": block.summary, "blocks": [_block(each) for each in block.blocks]}

"""Reports as parts of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.reports.documents.document import Document, Section
from orchestrator.reports.documents.html import head_html, section_html
from orchestrator.web.html import Html
from orchestrator.web.links import link


def document_parts(document: Document, above: Mapping[str, Html]) -> dict[str, Html]:
    """The head of a report, what the page adds to it, and its sections."""
    return {"head": Html(head_html(document)), **above, **section_parts(document.sections)}


def section_parts(sections: Iterable[Section]) -> dict[str, Html]:
    """Sections by key. What they say is escaped where they are written."""
    return {each.key: Html(section_html(each, link, is_live=True)) for each in sections}

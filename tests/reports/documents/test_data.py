"""The document of a data file: findings with their places, and what its calls show."""

from __future__ import annotations

import json
from pathlib import Path

from reports.documents.pages import self_contained
from support.project import make_project

from orchestrator.api.reporting import data_record
from orchestrator.reports.documents.data import data_document
from orchestrator.reports.documents.html import page


def test_a_clean_file_shows_its_tokens_and_functions(tmp_path: Path) -> None:
    path = make_project(tmp_path / "p").root / "jobs" / "train.jsonl"
    found = self_contained(page(data_document(data_record(path))))
    for text in ("12 examples", "prompt tokens", "light_room", "› room", "12 of 12", "Examples by their number"):
        assert text in found.text, text


def test_findings_have_their_lines_and_fixes(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows = [{"messages": [{"role": "user", "content": f"<i>ask</i> {number}"}]} for number in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    document = data_document(data_record(path))
    found = self_contained(page(document))
    assert "FT1" in found.text
    assert found.tags["i"] == 0
    assert found.tags["details"] >= 2
    assert str(tmp_path) not in found.text
    assert document.records is not None
    assert len(document.records().rows) >= 2

"""A document in every form: nothing that files, endpoints and models say is markup, a formula or a control."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from orchestrator.errors import MatplotlibMissing, NothingToDraw, ReportWouldReplace, UnknownReportFormat
from orchestrator.evaluation.metrics import Proportion
from orchestrator.reports.charts import png
from orchestrator.reports.charts.chart import Axis, Chart, Line
from orchestrator.reports.charts.parallel import Course, Parallel, dimension
from orchestrator.reports.documents.document import (
    Block,
    Code,
    Document,
    Folded,
    Moment,
    Paragraph,
    Section,
    Shares,
    Timeline,
)
from orchestrator.reports.documents.files import FORMATS, require_writable, write_document
from orchestrator.reports.documents.markdown import markdown
from orchestrator.reports.table import Cell, Column, Table, marked, row

HOSTILE = "=cmd()|<script>alert(1)</script>`*_x_*[a](b)\u202e\x1b[31m\ud800\n# next"
CHART = Chart(HOSTILE, Axis("step"), Axis("loss"), [Line(HOSTILE, [(1, 2.0), (2, 1.0)])])


def hostile() -> Document:
    table = Table([Column(HOSTILE), Column("b")], [row(HOSTILE, marked([(HOSTILE, True)]))], HOSTILE, [HOSTILE])
    blocks: list[Block] = [
        table,
        CHART,
        Parallel(
            HOSTILE, [dimension(HOSTILE, [HOSTILE]), dimension("loss", [1.0])], [Course(HOSTILE, [HOSTILE, 1.0], 0)]
        ),
        Timeline([Moment(0.0, Cell(HOSTILE), HOSTILE, HOSTILE)]),
        Shares(HOSTILE, [(HOSTILE, Proportion(1, 2, 2, None))]),
        Code(HOSTILE),
        Paragraph(HOSTILE),
        Folded(HOSTILE, [table]),
    ]
    section = Section("all", HOSTILE, blocks)
    return Document("run", HOSTILE, HOSTILE, [section], [(HOSTILE, HOSTILE)], [HOSTILE], lambda: table)


@pytest.mark.parametrize("ending", FORMATS)
def test_hostile_texts_are_harmless_in_every_form(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"report{ending}"
    write_document(hostile(), path)
    if ending == ".png":
        assert path.read_bytes().startswith(b"\x89PNG")
        return
    text = path.read_bytes().decode()
    assert not {"\u202e", "\x1b", "\ud800"} & set(text)
    if ending in (".html", ".svg"):
        assert "<script" not in text
        assert "&lt;script&gt;" in text
    if ending == ".csv":
        rows = list(csv.reader(io.StringIO(text)))
        assert all(cell.startswith("'=") for line in rows[1:] for cell in line)
    if ending == ".json":
        assert json.loads(text)["sections"][0]["blocks"][0]["rows"]


def test_nothing_is_markup_in_markdown() -> None:
    lines = markdown(hostile()).splitlines()
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    assert len(fences) == 2
    outside = lines[: fences[0]] + lines[fences[1] + 1 :]
    prose = [line for line in outside if not line.startswith("- ") or "`" not in line]
    assert not [line for line in prose if "<script" in line.replace("\\<script", "")]
    assert [line for line in outside if line.startswith("# ")] == [lines[0]]
    table = [line for line in outside if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table if "---" not in line} == {3, 7}


def test_a_list_or_heading_that_a_text_begins_is_text() -> None:
    made = Document(
        "run", "t", "1. first", [Section("s", "s", [Paragraph("- a"), Paragraph("# b"), Paragraph("1.5 c")])]
    )
    assert markdown(made).splitlines()[2:] == ["1\\. first", "", "## s", "", "\\- a", "", "\\# b", "", "1\\.5 c"]


def test_names_with_underscores_stay_readable() -> None:
    assert "valid_loss of my_file" in markdown(Document("run", "valid_loss of my_file", "", []))


def test_an_unknown_ending_names_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownReportFormat, match=r"\.html, \.md, \.csv, \.json, \.svg, \.png"):
        require_writable(tmp_path / "report.pdf", force=False)


@pytest.mark.parametrize(
    ("name", "refused"), [("a.json", True), ("a.csv", True), ("a.md", True), ("a.HTML", False)]
)
def test_a_file_that_may_be_data_is_not_replaced(tmp_path: Path, name: str, refused: bool) -> None:
    path = tmp_path / name
    path.write_text("mine")
    if refused:
        with pytest.raises(ReportWouldReplace):
            require_writable(path, force=False)
    require_writable(path, force=refused)


def test_a_document_without_a_chart_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(NothingToDraw):
        write_document(Document("run", "t", "", []), tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()


def test_only_png_needs_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "find_spec", lambda _: None)
    document = Document("run", "t", "", [Section("s", "s", [CHART])])
    write_document(document, tmp_path / "a.svg")
    with pytest.raises(MatplotlibMissing, match=r"Run:\s+.* -m pip install 'matplotlib>="):
        write_document(document, tmp_path / "a.png")
    assert [each.name for each in tmp_path.iterdir()] == ["a.svg"]


def test_a_logarithmic_chart_is_drawn_as_a_picture() -> None:
    chart = Chart("c", Axis("x", is_log=True), Axis("y", is_log=True), [Line("_$a$ 模", [(1, 2.0), (1000, 5e5)])])
    assert png.png(chart).startswith(b"\x89PNG")

"""One table, four outputs: each shows the same, and none of them runs what a cell says."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from reports.conftest import Screen, text_of

from orchestrator.reports.table import Bar, Cell, Column, Fit, Meaning, Number, Row, Table, heading_row, row
from orchestrator.reports.text import stdout

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e\ud800&"


def small() -> Table:
    return Table(
        [Column("MODEL", fit=Fit.FOLD), Column("COST", key="cost_usd", is_number=True), Column("", "verdict")],
        [
            row("base", Number("$1.50", value=1.5, unit="USD"), ""),
            row("tuned", Number("unknown", unit="USD"), Cell("better", Meaning.GOOD, note=", by far")),
        ],
        title="Costs",
        notes=["… and 2 more"],
    )


class Elements(HTMLParser):
    """The elements in their order, each with its attributes, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def classes(self, tag: str) -> list[str | None]:
        return [attributes.get("class") for name, attributes in self.found if name == tag]


def test_programs_get_numbers_and_none_for_what_is_not_known() -> None:
    rows = small().to_dicts()
    assert rows == [
        {"model": "base", "cost_usd": 1.5, "verdict": ""},
        {"model": "tuned", "cost_usd": None, "verdict": "better, by far"},
    ]
    assert json.loads(small().to_json()) == rows


def test_every_column_has_a_key_of_its_own() -> None:
    columns = [Column(), Column("p95"), Column("seconds: median"), Column("P95"), Column()]
    assert Table(columns, []).keys == ["name", "p95", "seconds_median", "p95_4", "column_5"]


def test_a_heading_over_rows_becomes_a_column_for_programs() -> None:
    rows = [heading_row("recall"), row("  tuned", "1"), heading_row("F1"), row("b")]
    table = Table([Column(), Column("p")], rows)
    assert table.to_dicts() == [
        {"group": "recall", "name": "tuned", "p": "1"},
        {"group": "F1", "name": "b", "p": ""},
    ]
    assert table.to_csv().splitlines()[:2] == ["group,name,p", "recall,tuned,1"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_runs_no_cell(start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    table = Table([Column("a"), Column("b", key=text)], [row("x", text), heading_row(text), row("a", "b")])
    lines = list(csv.reader(io.StringIO(table.to_csv(), newline="")))
    assert [len(line) for line in lines] == [3, 3, 3]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for line in lines for cell in line)


def test_a_spreadsheet_gets_negative_numbers_as_numbers() -> None:
    table = Table([Column("a")], [row(Number("-1", value=-1.0)), row(Number("–"))])
    assert table.to_csv() == 'a\n-1.0\n""\n'


def test_a_page_shows_texts_as_texts_and_meanings_as_classes() -> None:
    table = Table(
        [Column(HOSTILE, is_number=True), Column("x")],
        [heading_row(HOSTILE), Row([Cell(HOSTILE), Cell(HOSTILE, Meaning.BAD, note=HOSTILE)], Meaning.GOOD)],
        title=HOSTILE,
        notes=[HOSTILE],
        footer=row(HOSTILE),
    )
    page = Elements(table.to_html())
    assert "img" not in {tag for tag, _ in page.found}
    assert all(each.isprintable() or each == "\n" for each in "".join(page.texts))
    assert page.classes("td") == ["bad", None]
    assert page.classes("tr") == [None, "group", "good", None]
    assert [tag for tag, _ in page.found].count("caption") == 1
    assert "caption" not in {tag for tag, _ in Elements(table.to_html(has_caption=False)).found}


def test_a_page_heads_each_row_by_its_first_cell() -> None:
    page = Elements(small()._repr_html_())
    scopes = [attributes.get("scope") for tag, attributes in page.found if tag == "th"]
    assert scopes == ["col", "col", "row", "row"]
    assert page.texts[:2] == ["\n", "Costs"]


def test_a_bar_is_drawn_and_is_a_share_for_programs(screen: Screen) -> None:
    table = Table([Column("done")], [row(Bar(done=1, total=4)), row(Bar(done=0, total=0))])
    assert [each["done"] for each in table.to_dicts()] == [0.25, 0.0]
    assert ("progress", {"max": "4", "value": "1"}) in Elements(table.to_html()).found
    console = screen()
    console.print(table)
    assert "━" in text_of(console)[1]


def test_a_terminal_sets_numbers_to_the_right_and_notes_below(screen: Screen) -> None:
    console = screen(60)
    console.print(small())
    assert text_of(console) == [
        "MODEL     COST",
        "base     $1.50",
        "tuned  unknown  better, by far",
        "… and 2 more",
    ]


@pytest.mark.parametrize(
    ("fit", "shown"),
    [
        (Fit.LINE, ["one two…"]),
        (Fit.CROP, ["one two-"]),
        (Fit.FOLD, ["one", "two-and-", "three"]),
        (Fit.WORDS, ["one", "two-and…"]),
    ],
)
def test_a_terminal_cuts_or_wraps_as_the_column_says(screen: Screen, fit: Fit, shown: list[str]) -> None:
    console = screen(8)
    console.print(Table([Column("", fit=fit)], [row("one two-and-three")], has_headings=False))
    assert text_of(console) == shown


def test_an_id_that_does_not_fit_is_on_the_next_line_whole(screen: Screen) -> None:
    columns = [Column("RUN"), Column("STATE"), Column("MODEL / REASON", fit=Fit.BELOW, takes_rest=True)]
    model = "ft:gpt-4.1-mini-2025-04-14:local:drone:tgXjWptP"
    table = Table(
        columns, [row("a1", "succeeded", model), row("b2", "running", "a slot is free"), row("c3", "new")]
    )
    narrow, wide = screen(54), screen(90)
    narrow.print(table)
    assert text_of(narrow) == [
        "RUN  STATE      MODEL / REASON",
        "a1   succeeded",
        f"     {model}",
        "b2   running    a slot is free",
        "c3   new",
    ]
    wide.print(table)
    assert text_of(wide)[1] == f"a1   succeeded  {model}"


def test_a_column_of_ids_becomes_the_last_where_the_table_is_too_wide(screen: Screen) -> None:
    columns = [Column("", fit=Fit.LINE), Column("MODEL", fit=Fit.BELOW), Column("a long\nLOSS", is_number=True)]
    model = "ft:gpt-4.1-mini-2025-04-14:local:drone:tgXjWptP"
    table = Table(columns, [row("1", model, "0.123"), heading_row("others"), row("2", "base", "1.5")])
    narrow, wide = screen(50), screen(70)
    narrow.print(table)
    assert text_of(narrow) == [
        "   a long",
        "     LOSS  MODEL",
        "1   0.123",
        f"   {model}",
        "others",
        "2     1.5  base",
    ]
    wide.print(table)
    assert text_of(wide)[2] == f"1       {model}   0.123"


def test_an_id_wider_than_the_terminal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    model = f"ft:{'x' * 300}"
    stdout().print(Table([Column("RUN"), Column("MODEL", fit=Fit.BELOW)], [row("a1", model)]))
    assert capsys.readouterr().out.splitlines() == ["RUN  MODEL", "a1", model]

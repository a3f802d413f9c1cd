"""The page of an evaluation: whole in itself, and safe whatever models and files say."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.recording import BASE, SHA256, TUNED, record_evaluation

from orchestrator.errors import OutputUnwritable
from orchestrator.evaluation.ownership import Terms, ownership_of
from orchestrator.evaluation.results import results_of
from orchestrator.evaluation.versus import changes_against_base
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports import html
from orchestrator.reports.evaluation import REHEARSAL
from orchestrator.reports.html import page_of, write_page

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\ud800{{ 7 * 7 }}"
RIGHT = {
    (BASE, "full"): [1, 2, 3],
    (BASE, "no-tools"): [1],
    (TUNED, "full"): range(2, 11),
    (TUNED, "no-tools"): range(2, 9),
}
_VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """What a browser would find: tags that are open at the end, texts, attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def written(ledger: Ledger, terms: Terms | None = None, **recorded: object) -> str:
    results = results_of(ledger, record_evaluation(ledger, RIGHT, **recorded))  # type: ignore[arg-type]
    owned = ownership_of(ledger, results, terms) if terms else None
    return page_of(results, owned, changes_against_base(ledger, results))


def test_the_page_is_well_formed_and_asks_for_nothing_from_elsewhere(ledger: Ledger) -> None:
    text = written(ledger, Terms((100, 1000), 365, training_usd=3.0))
    page = Page(text)
    assert page.open == []
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    assert all(address.startswith("#") for address in page.addresses)
    assert "url(http" not in text
    assert "default-src 'none'" in text


def test_the_page_says_what_came_out_and_how_it_was_measured(ledger: Ledger) -> None:
    page = Page(written(ledger, Terms((100, 1000), 365, training_usd=3.0), rejection_tools=["decline"]))
    for text in (
        "call accuracy",
        "3 of 10, 30% (11-60)",
        "▲",
        "Cost of ownership",
        "US dollars per 30-day month, by requests per day",
        "Tools mixed up",
        "Broken: 1 answer right with the base only",
        "Fixed: 7 answers right with this model only",
        "wrong tool: expected land, found climb",
        SHA256,
        BASE,
        TUNED,
        "version 1 of the rules",
        "decline",
        "1970-01-01 00:16:40 UTC",
        "exact McNemar test",
    ):
        assert text in page.text or text == "▲", text
    assert page.tags["svg"] == 1


def test_without_terms_the_page_has_no_cost_of_ownership(ledger: Ledger) -> None:
    assert "Cost of ownership" not in Page(written(ledger)).text


def test_the_page_of_the_endpoint_that_ships_says_that_it_is_a_rehearsal(ledger: Ledger) -> None:
    page = Page(written(ledger, endpoint="local", endpoint_type="local"))
    assert REHEARSAL in page.text
    assert REHEARSAL not in Page(written(ledger, id="eval0002")).text


@pytest.mark.parametrize("place", ["request", "found", "name", "label"])
def test_what_comes_from_outside_stays_text(ledger: Ledger, place: str) -> None:
    hostile = HOSTILE.replace("\ud800", "") if place == "name" else HOSTILE  # no column of text takes that
    recorded = {place: hostile} if place != "label" else {"labels": {BASE: "base", TUNED: hostile}}
    text = written(ledger, Terms((100,), 365, training_usd=3.0), **recorded)
    page = Page(text)
    assert page.open == []
    assert page.tags["script"] == 0
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not {"\u202e", "\x1b", "\ud800"} & set(text)
    text.encode()


def test_long_lists_of_changes_are_cut_and_it_is_said(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MOST_CHANGED", 2)
    page = Page(written(ledger))
    assert "Fixed: 7 answers right with this model only" in page.text
    assert "The first 2 are listed" in page.text
    assert page.text.count("expected land, found climb") == 2 + 1 + 2 + 1


def test_without_matplotlib_the_page_has_all_but_the_drawing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(written(ledger, Terms((100,), 365, training_usd=3.0)))
    assert page.tags["svg"] == 0
    assert "pip install 'matplotlib>=" in page.text
    assert "US dollars per 30-day month" in page.text


def test_a_page_takes_the_place_of_the_one_before(ledger: Ledger, tmp_path: Path) -> None:
    results = results_of(ledger, record_evaluation(ledger, RIGHT))
    path = tmp_path / "reports" / "drone.html"
    write_page(results, None, changes_against_base(ledger, results), path)
    path.write_text("an older page")
    write_page(results, None, changes_against_base(ledger, results), path)
    assert path.read_text().rstrip().endswith("</html>")
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(OutputUnwritable):
        write_page(results, None, changes_against_base(ledger, results), tmp_path / "reports")

"""The document of an evaluation: the verdict first, and safe whatever models and files say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from reports.documents.pages import self_contained
from support.recording import BASE, SHA256, TUNED, record_evaluation

from orchestrator.evaluation.ownership import Terms, ownership_of
from orchestrator.evaluation.results import results_of
from orchestrator.evaluation.versus import answers_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.documents import evaluation as module
from orchestrator.reports.documents.document import Document
from orchestrator.reports.documents.evaluation import evaluation_document, marked_apart
from orchestrator.reports.documents.html import page
from orchestrator.reports.evaluation import REHEARSAL

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\ud800{{ 7 * 7 }}"
RIGHT = {
    (BASE, "full"): [1, 2, 3],
    (BASE, "no-tools"): [1],
    (TUNED, "full"): range(2, 11),
    (TUNED, "no-tools"): range(2, 9),
}


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def document(ledger: Ledger, terms: Terms | None = None, right=RIGHT, **recorded: object) -> Document:
    results = results_of(ledger, record_evaluation(ledger, right, **recorded))  # type: ignore[arg-type]
    owned = ownership_of(ledger, results, terms) if terms else None
    return evaluation_document(results, answers_of(ledger, results), owned)


def written(ledger: Ledger, terms: Terms | None = None, **recorded: object) -> str:
    return page(document(ledger, terms, **recorded))


def test_it_says_what_came_out_and_how_it_was_measured(ledger: Ledger) -> None:
    text = written(ledger, Terms((100, 1000), 365, training_usd=3.0), rejection_tools=["decline"])
    found = self_contained(text)
    for said in (
        "call accuracy",
        "3 of 10, 30% (11-60)",
        "Cost of ownership",
        "US dollars per 30 days, by requests per day",
        "Tools mixed up",
        "Broken by tuned full: 1 answer right with the base only",
        "Fixed by tuned full: 7 answers right with this model only",
        "Still wrong with tuned full: 0 answers wrong with the base too",
        SHA256,
        BASE,
        TUNED,
        "version 1 of the rules",
        "decline",
        "1970-01-01 00:16:40 UTC",
        "exact McNemar test",
    ):
        assert said in found.text, said
    assert found.tags["figure"] == 1


def test_the_verdict_and_the_models_come_first(ledger: Ledger) -> None:
    made = document(ledger)
    assert made.sections[0].key == "verdict"
    assert [model for _, model in made.models] == [BASE, TUNED]
    text = page(made)
    assert text.index(TUNED) < text.index('id="verdict"') < text.index('id="metrics"') < text.index('id="cases"')


def test_without_terms_there_is_no_cost_of_ownership(ledger: Ledger) -> None:
    assert "Cost of ownership" not in self_contained(written(ledger)).text


def test_a_rehearsal_is_said(ledger: Ledger) -> None:
    assert document(ledger, endpoint="local", endpoint_type="local").warnings == [REHEARSAL]
    assert document(ledger, id="eval0002").warnings == []


def test_a_model_without_a_base_has_all_its_wrong_answers(ledger: Ledger) -> None:
    found = self_contained(page(document(ledger, right={(TUNED, "full"): range(1, 8)})))
    assert "Wrong with tuned: 3 answers" in found.text
    assert "Broken" not in found.text


def test_the_words_that_differ_are_marked(ledger: Ledger) -> None:
    text = written(ledger)
    assert '<td class="said"><mark>land</mark></td><td class="said"><mark>climb</mark></td>' in text
    expected, found = marked_apart('{"lat": 52.25, "unit": "m"}', '{"lat": 52.5, "unit": "m"}')
    assert [part for part in expected.parts if part[1]] == [("52.25", True)]
    assert [part for part in found.parts if part[1]] == [("52.5", True)]
    assert (expected.text, found.text) == ('{"lat": 52.25, "unit": "m"}', '{"lat": 52.5, "unit": "m"}')


@pytest.mark.parametrize("place", ["request", "found", "name", "label"])
def test_what_comes_from_outside_stays_text(ledger: Ledger, place: str) -> None:
    hostile = HOSTILE.replace("\ud800", "") if place == "name" else HOSTILE  # no column of text takes that
    recorded = {place: hostile} if place != "label" else {"labels": {BASE: "base", TUNED: hostile}}
    text = written(ledger, Terms((100,), 365, training_usd=3.0), **recorded)
    found = self_contained(text)
    assert "<script>" in found.text
    assert "alert(1)" in found.text
    assert not {"\u202e", "\x1b", "\ud800"} & set(text)


def test_long_lists_are_cut_and_say_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LISTED", 2)
    found = self_contained(written(ledger))
    assert "Fixed by tuned full: 7 answers" in found.text
    assert "The first 2 are listed" in found.text
    assert found.tags["mark"] == 2 * (1 + 2 + 1 + 2 + 2)


def test_an_evaluation_of_5000_cases_stays_under_2_megabytes(ledger: Ledger) -> None:
    right = {(BASE, "full"): range(1, 2000), (TUNED, "full"): range(1500, 4000)}
    text = page(document(ledger, right=right, cases=5000, request="go up " * 60, found="climb " * 60))
    assert len(text.encode()) <= 2_000_000
    self_contained(text)

"""Advice for a misspelt name."""

from __future__ import annotations

from orchestrator.spelling import did_you_mean, nearest


def test_the_nearest_name_is_put_into_the_sentence_unchanged() -> None:
    assert did_you_mean("statsu", ["status", "submit"]) == "Did you mean status?"
    assert did_you_mean("a{0}c", ["a{0}b"], '; did you mean "{}"?') == '; did you mean "a{0}b"?'


def test_what_is_not_near_is_not_advised() -> None:
    assert did_you_mean("xyz", ["status"], otherwise="See: ftorch --help") == "See: ftorch --help"
    assert nearest("statsu", ["status"], cutoff=0.99) is None
    assert nearest("statsu", iter(["submit", "status"])) == "status"

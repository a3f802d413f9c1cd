"""Match rules: what they accept, and what is refused when they are read."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.evaluation import MakeCase, call

from orchestrator.evaluation.scorer import score
from orchestrator.evaluation.scoring.rules import InvalidCase, parse_rules
from orchestrator.evaluation.scoring.verdicts import Level

PLACE = {"place": "Roma"}


@pytest.mark.parametrize(
    ("rule", "expected", "right", "wrong"),
    [
        ("casefold", "Straße", "STRASSE", "Strase"),
        ({"rule": "casefold"}, "Roma", "ROMA", "R.oma"),
        ({"regex": "[A-Z][a-z]+"}, "Roma", "Milano", "Roma!"),
        ({"regex": "a|ab"}, "a", "ab", "abb"),
        ({"one_of": ["Milano"]}, "Roma", "Milano", "Torino"),
        ("any", "Roma", 7, None),
        ("schema", "Roma", "Torino", 7),
    ],
)
def test_a_rule_takes_the_place_of_equality(
    make_case: MakeCase, rule: Any, expected: Any, right: Any, wrong: Any
) -> None:
    case = make_case(("book_table", {"place": expected}), match={"place": rule})
    assert score(case, call("book_table", place=expected)).right(Level.TYPED)
    assert score(case, call("book_table", place=right)).right(Level.TYPED)
    if wrong is None:
        assert not score(case, call("book_table")).right(Level.LENIENT)
    else:
        assert not score(case, call("book_table", place=wrong)).right(Level.TYPED)


@pytest.mark.parametrize(
    ("rule", "expected", "right", "wrong"),
    [
        ({"tolerance": 0.5}, 10, [9.5, 10.5, 10], [10.51, 9, "10"]),
        ({"relative_tolerance": 0.1}, 200, [180, 220], [179, 221]),
        ({"tolerance": 1, "relative_tolerance": 0.1}, 5, [6, 4.5], [6.5, True]),
    ],
)
def test_a_number_may_be_off_by_the_tolerance(
    make_case: MakeCase, rule: Any, expected: Any, right: list[Any], wrong: list[Any]
) -> None:
    case = make_case(("book_table", {**PLACE, "budget": expected}), match={"budget": rule})
    assert all(score(case, call("book_table", **PLACE, budget=value)).right() for value in right)
    assert not any(score(case, call("book_table", **PLACE, budget=value)).right(Level.LENIENT) for value in wrong)


def test_an_unordered_list_has_the_same_items_as_often(make_case: MakeCase) -> None:
    case = make_case(("book_table", {**PLACE, "dishes": ["soup", "soup", "fish"]}), match={"dishes": "unordered"})
    assert score(case, call("book_table", **PLACE, dishes=["fish", "soup", "soup"])).level is Level.TYPED
    assert score(case, call("book_table", **PLACE, dishes=["Fish", "soup", "soup"])).level is Level.LENIENT
    assert score(case, call("book_table", **PLACE, dishes=["fish", "fish", "soup"])).level is None


def test_an_exact_argument_is_not_compared_leniently(make_case: MakeCase) -> None:
    case = make_case(("book_table", {"place": "BRK.B"}), match={"place": "exact"})
    assert score(case, call("book_table", place="BRK.B")).right()
    assert not score(case, call("book_table", place="brkb")).right(Level.LENIENT)


def test_an_optional_argument_may_be_left_out_but_not_be_wrong(make_case: MakeCase) -> None:
    case = make_case(("book_table", {**PLACE, "guests": 2}), match={"guests": {"tolerance": 1, "optional": True}})
    assert score(case, call("book_table", **PLACE)).right()
    assert score(case, call("book_table", **PLACE, guests=3)).right()
    assert not score(case, call("book_table", **PLACE, guests=4)).right(Level.LENIENT)


def test_no_rule_makes_a_required_argument_optional(make_case: MakeCase) -> None:
    case = make_case(("book_table", PLACE), match={"place": {"optional": True}})
    assert not score(case, call("book_table")).right(Level.LENIENT)


def test_a_rule_for_an_argument_that_is_not_expected_lets_it_be_given(make_case: MakeCase) -> None:
    case = make_case(("book_table", PLACE), match={"note": "schema"})
    assert score(case, call("book_table", **PLACE, note="by the window")).right()
    assert not score(case, call("book_table", **PLACE, note=3)).right(Level.LENIENT)


def test_rules_reach_into_objects_and_lists(make_case: MakeCase) -> None:
    case = make_case(
        ("book_table", {**PLACE, "dishes": ["soup", "fish"], "when": {"day": "Mon", "hour": 20}}),
        match={"dishes.*": "casefold", "when.hour": {"tolerance": 1}},
    )
    near = {**PLACE, "dishes": ["SOUP", "Fish"], "when": {"day": "Mon", "hour": 19.5}}
    assert score(case, call("book_table", **near)).level is Level.TYPED
    assert not score(case, call("book_table", **{**near, "when": {"day": "Mon", "hour": 18}})).right(Level.LENIENT)


def test_anything_goes_for_the_one_argument_and_the_schema_holds_for_the_others(make_case: MakeCase) -> None:
    case = make_case(("book_table", {**PLACE, "seat": "inside"}), match={"seat": "any", "guests": "schema"})
    assert score(case, call("book_table", **PLACE, seat="on the roof")).right()
    assert not score(case, call("book_table", **PLACE, seat="roof", guests=0)).right(Level.LENIENT)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"place": "fuzzy"}, ['"match.place"', '"fuzzy"', "casefold"]),
        ({"place": {"fuzzy": 1}}, ['"match.place"', '"fuzzy"']),
        ({"place": 3}, ['"match.place"', "a word or an object"]),
        ({"place": {}}, ["one rule"]),
        ({"place": {"regex": "a", "one_of": ["b"]}}, ["one rule"]),
        ({"place": {"regex": "(a"}}, ["unclosed group"]),
        ({"place": {"regex": "(?=a)"}}, ["look-around"]),
        ({"place": {"regex": r"(a)\1"}}, ["backreferences"]),
        ({"place": {"regex": "(a{1000}){1000}"}}, ["size limit"]),
        ({"place": {"regex": "a" * 1001}}, ["1,000"]),
        ({"place": {"regex": 3}}, ["must be a string"]),
        ({"place": {"tolerance": -1}}, ["of at least 0"]),
        ({"place": {"tolerance": True}}, ["of at least 0"]),
        ({"place": {"one_of": []}}, ["a list"]),
        ({".".join("a" * 5000): "exact"}, ['"match.a.a.', "more than 64 levels deep"]),
        ({"place": {"rule": "any", "optional": 1}}, ["true or false"]),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_key(written: Any, words: list[str]) -> None:
    with pytest.raises(InvalidCase) as caught:
        parse_rules(written)
    assert all(word in caught.value.problem for word in words), caught.value.problem


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*)*x", r"(\w+\s?)+!"])
def test_no_pattern_takes_long_whatever_the_answer(make_case: MakeCase, pattern: str) -> None:
    case = make_case(("book_table", PLACE), match={"note": {"regex": pattern}})
    start = time.perf_counter()
    assert not score(case, call("book_table", **PLACE, note="a" * 99_000 + "?")).right()
    assert time.perf_counter() - start < 1


def test_a_text_beyond_what_is_searched_does_not_match(make_case: MakeCase) -> None:
    case = make_case(("book_table", PLACE), match={"note": {"regex": "a*"}})
    assert score(case, call("book_table", **PLACE, note="a" * 100_000)).right()
    assert not score(case, call("book_table", **PLACE, note="a" * 100_001)).right()

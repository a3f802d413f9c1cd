"""One answer against its case: the level it reaches, the first difference, and the decision."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.evaluation import MakeCase, call, calls

from orchestrator.evaluation.answers import Answer
from orchestrator.evaluation.scorer import score
from orchestrator.evaluation.scoring.arguments import accepts_leniently, compare_arguments
from orchestrator.evaluation.scoring.expectations import Rejections
from orchestrator.evaluation.scoring.verdicts import ArgumentCounts, Decision, Level, Mistake, Verdict

BOOKING = ("book_table", {"place": "Da Mario", "guests": 4})


def mistake(verdict: Verdict) -> Mistake | None:
    return verdict.difference.mistake if verdict.difference else None


# --- levels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ({"guests": 4, "place": "Da Mario"}, Level.EXACT),
        ({"place": "Da Mario", "guests": 4.0}, Level.TYPED),
        ({"place": "Da Mario", "guests": 4, "smoking": False}, Level.TYPED),
        ({"place": "Da Mario", "guests": 4, "note": None}, Level.TYPED),
        ({"place": "da mario.", "guests": 4}, Level.LENIENT),
        ({"place": "Da Marco", "guests": 4}, None),
        ({"place": "Da Mario", "guests": "4"}, None),
        ({"place": "Da Mario", "guests": True}, None),
        ({"place": "Da Mario", "guests": 4, "smoking": 0}, None),
    ],
)
def test_an_answer_reaches_the_strictest_level_at_which_it_is_right(
    make_case: MakeCase, arguments: dict[str, Any], level: Level | None
) -> None:
    verdict = score(make_case(BOOKING), call("book_table", **arguments))
    assert verdict.level == level
    assert [verdict.right(other) for other in Level] == {
        Level.EXACT: [True, True, True],
        Level.TYPED: [False, True, True],
        Level.LENIENT: [False, False, True],
        None: [False, False, False],
    }[level]


def test_a_value_outside_an_enum_is_right_leniently_and_a_schema_violation_else(make_case: MakeCase) -> None:
    case = make_case(("book_table", {"place": "Roma", "seat": "terrace"}))
    verdict = score(case, call("book_table", place="Roma", seat="Terrace"))
    assert (verdict.level, mistake(verdict)) == (Level.LENIENT, Mistake.SCHEMA_VIOLATION)


def test_a_default_that_is_expected_may_be_left_out_but_not_a_required_argument(make_case: MakeCase) -> None:
    case = make_case(("book_table", {"place": "Roma", "smoking": False}))
    assert score(case, call("book_table", place="Roma")).level is Level.TYPED
    assert mistake(score(case, call("book_table", smoking=False))) is Mistake.MISSING_ARGUMENT


def test_lists_keep_their_order_and_objects_do_not(make_case: MakeCase) -> None:
    case = make_case(
        ("book_table", {"place": "Roma", "dishes": ["soup", "fish"], "when": {"day": "Mon", "hour": 8}})
    )
    swapped = {"place": "Roma", "dishes": ["soup", "fish"], "when": {"hour": 8, "day": "Mon"}}
    assert score(case, call("book_table", **swapped)).level is Level.EXACT
    assert not score(case, call("book_table", **{**swapped, "dishes": ["fish", "soup"]})).right(Level.LENIENT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text("aB. ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
json_objects = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


@given(expected=json_objects, found=json_objects)
def test_what_is_right_at_one_level_is_right_at_the_next(expected: Any, found: Any) -> None:
    exact = json.dumps(expected, sort_keys=True) == json.dumps(found, sort_keys=True)
    typed = compare_arguments(expected, found, None, None, valid=True).mismatch is None
    lenient = accepts_leniently(expected, found, None, None, valid=True)
    assert exact <= typed <= lenient


# --- first differences -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (call("cancel_table", place="Da Mario"), Mistake.WRONG_TOOL, "expected book_table, found cancel_table"),
        (call("fly", to="Rome"), Mistake.WRONG_TOOL, "expected book_table, found fly"),
        (calls(("book_table", '{"place": ')), Mistake.INVALID_JSON, "ends too early"),
        (calls(("book_table", "[1]")), Mistake.INVALID_JSON, "an array instead of an object"),
        (call("book_table", guests=4), Mistake.MISSING_ARGUMENT, 'missing argument place: "Da Mario"'),
        (call("book_table", place="Da Mario", guests=4, seat="inside"), Mistake.EXTRA_ARGUMENT, "argument seat"),
        (call("book_table", place="Da Mario", guests=4, wine=1), Mistake.HALLUCINATED_ARGUMENT, "argument wine"),
        (call("book_table", place="Da Mario", guests="4"), Mistake.WRONG_TYPE, 'guests: expected 4, found "4"'),
        (call("book_table", place="Da Mario", guests=4.5), Mistake.WRONG_TYPE, "guests: expected 4, found 4.5"),
        (call("book_table", place="Da Mario", guests=0), Mistake.SCHEMA_VIOLATION, "guests: expected 4, found 0"),
        (call("book_table", place="Da Mario", guests=5), Mistake.WRONG_VALUE, "guests: expected 4, found 5"),
        (calls(BOOKING, BOOKING), Mistake.WRONG_NUMBER_OF_CALLS, "expected 1, found 2"),
        (Answer(text="Which day?"), Mistake.DID_NOT_CALL, "book_table"),
        (Answer(refused=True), Mistake.REFUSAL, "book_table"),
    ],
)
def test_the_first_difference_names_the_mistake_and_its_place(
    make_case: MakeCase, answer: Answer, kind: Mistake, words: str
) -> None:
    verdict = score(make_case(BOOKING), answer)
    assert mistake(verdict) is kind
    assert words in str(verdict.difference)
    assert not verdict.right(Level.LENIENT)


def test_a_missing_argument_comes_before_a_wrong_one(make_case: MakeCase) -> None:
    verdict = score(make_case(BOOKING), call("book_table", place="Roma"))
    assert mistake(verdict) is Mistake.MISSING_ARGUMENT


def test_a_difference_inside_an_object_or_list_has_its_whole_path(make_case: MakeCase) -> None:
    case = make_case(("book_table", {"place": "Roma", "dishes": ["soup", "fish"], "when": {"day": "Mon"}}))
    late = {"place": "Roma", "dishes": ["soup", "fish"], "when": {"day": "Sun"}}
    assert 'argument when.day: expected "Mon", found "Sun"' in str(
        score(case, call("book_table", **late)).difference
    )
    other = {"place": "Roma", "dishes": ["soup", "meat"], "when": {"day": "Mon"}}
    assert "argument dishes[1]:" in str(score(case, call("book_table", **other)).difference)


def test_of_several_calls_the_first_unmet_one_is_named(make_case: MakeCase) -> None:
    case = make_case(("cancel_table", {"place": "Roma"}), BOOKING)
    answer = calls(("book_table", {"place": "Da Mario", "guests": 5}), ("cancel_table", {"place": "Roma"}))
    assert "call 2, argument guests: expected 4, found 5" in str(score(case, answer).difference)


def test_whatever_a_model_writes_is_scored_and_printable(make_case: MakeCase) -> None:
    hostile = [
        "\x1b[31m",
        "\ud800",
        "[" * 5000,
        '{"a":' * 400 + "1" + "}" * 400,
        '{"place": 1e999}',
        "NaN",
        "",
        "\0",
    ]
    for text in hostile:
        for answer in (calls(("book_table", text)), call("book_table", place=text), call(text, place=text)):
            verdict = score(make_case(BOOKING), answer)
            assert not verdict.right(Level.LENIENT)
            assert str(verdict.difference).isprintable()


# --- several calls -----------------------------------------------------------------------------------------------


def test_calls_come_in_any_order_unless_the_case_wants_one(make_case: MakeCase) -> None:
    pair = (("cancel_table", {"place": "Roma"}), BOOKING)
    swapped = calls(*reversed(pair))
    assert score(make_case(*pair), swapped).level is Level.EXACT
    verdict = score(make_case(*pair, ordered=True), swapped)
    assert (verdict.level, mistake(verdict)) == (None, Mistake.WRONG_TOOL)


def test_each_call_finds_the_expected_one_that_leaves_room_for_the_others(make_case: MakeCase) -> None:
    case = make_case(
        ("book_table", {"place": "Roma", "budget": 1}),
        ("book_table", {"place": "Roma", "budget": 2}),
        match=[{"budget": {"tolerance": 1}}, {}],
    )
    # 2.0 fits both expected calls, 0.5 only the first: first come, first served would fail.
    answer = calls(
        ("book_table", {"place": "Roma", "budget": 2.0}), ("book_table", {"place": "Roma", "budget": 0.5})
    )
    assert score(case, answer).level is Level.TYPED


def test_a_call_that_is_made_twice_is_not_two_calls(make_case: MakeCase) -> None:
    case = make_case(("cancel_table", {"place": "Roma"}), ("cancel_table", {"place": "Milano"}))
    twice = calls(("cancel_table", {"place": "Roma"}), ("cancel_table", {"place": "Roma"}))
    assert not score(case, twice).right(Level.LENIENT)


def test_thousands_of_calls_are_judged_at_once(make_case: MakeCase) -> None:
    verdict = score(make_case(BOOKING), calls(*[BOOKING] * 5000))
    assert mistake(verdict) is Mistake.WRONG_NUMBER_OF_CALLS


# --- accepted answers --------------------------------------------------------------------------------------------


def test_any_accepted_answer_is_right_and_the_nearest_one_tells_the_difference(make_case: MakeCase) -> None:
    case = make_case(
        BOOKING,
        accept=[
            {"name": "cancel_table", "arguments": {"place": "Roma"}},
            {"role": "assistant", "content": "When?"},
        ],
    )
    assert score(case, call("cancel_table", place="Roma")).level is Level.EXACT
    assert score(case, Answer(text="For which day?")).level is Level.EXACT
    assert "guests: expected 4, found 5" in str(
        score(case, call("book_table", place="Da Mario", guests=5)).difference
    )


# --- text and rejection ------------------------------------------------------------------------------------------


def test_a_text_must_contain_what_the_case_asks_for_in_any_case(make_case: MakeCase) -> None:
    case = make_case("We open at noon.", must_contain=["noon"])
    assert score(case, Answer(text="At NOON, every day.")).right(Level.EXACT)
    assert mistake(score(case, Answer(text="At one."))) is Mistake.WRONG_TEXT
    assert mistake(score(case, call("book_table", place="Roma"))) is Mistake.CALLED_NEEDLESSLY
    assert mistake(score(case, Answer(refused=True))) is Mistake.REFUSAL


def test_a_rejection_by_a_tool_is_right_with_any_arguments_the_tool_allows(make_case: MakeCase) -> None:
    case = make_case(("decline", {"why": "no boats"}), rejection_tools=frozenset({"decline"}))
    right = score(case, call("decline", why="we have no boats"))
    assert (right.level, right.rejected) == (Level.EXACT, True)
    assert mistake(score(case, call("decline", why=1))) is Mistake.SCHEMA_VIOLATION
    assert mistake(score(case, calls(("decline", "{")))) is Mistake.INVALID_JSON
    assert mistake(score(case, Answer(text="Sorry"))) is Mistake.DID_NOT_CALL
    assert mistake(score(case, calls(("decline", {}), ("decline", {})))) is Mistake.WRONG_NUMBER_OF_CALLS
    acted = score(case, calls(("decline", {}), ("book_table", {"place": "Roma"})))
    assert (mistake(acted), acted.decision) == (Mistake.CALLED_NEEDLESSLY, Decision.ACTED_NEEDLESSLY)


def test_a_rejection_in_text_takes_any_text_and_a_refusal(make_case: MakeCase) -> None:
    case = make_case("I can't rent you a boat.", expect="rejection")
    for answer in (Answer(text="No boats here."), Answer(refused=True)):
        verdict = score(case, answer)
        assert (verdict.level, verdict.rejected, verdict.decision) == (
            Level.EXACT,
            True,
            Decision.RIGHTLY_DID_NOT_ACT,
        )


# --- decisions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "decision", "rejected"),
    [
        (call("book_table", place="wrong"), Decision.RIGHT_TOOL, False),
        (call("cancel_table", place="Da Mario"), Decision.WRONG_TOOL, False),
        (Answer(text="When?"), Decision.DID_NOT_ACT, False),
        (Answer(refused=True), Decision.DID_NOT_ACT, True),
        (call("decline"), Decision.DID_NOT_ACT, True),
    ],
)
def test_rejecting_is_not_acting(make_case: MakeCase, answer: Answer, decision: Decision, rejected: bool) -> None:
    verdict = score(make_case(BOOKING), answer, Rejections(frozenset({"decline"})))
    assert (verdict.decision, verdict.rejected) == (decision, rejected)


def test_where_the_file_rejects_in_text_a_text_rejects(make_case: MakeCase) -> None:
    assert score(make_case(BOOKING), Answer(text="No"), Rejections(in_text=True)).rejected
    assert not score(make_case(BOOKING), Answer(text="No"), Rejections(frozenset({"decline"}))).rejected


def test_an_api_error_is_neither_right_nor_wrong(make_case: MakeCase) -> None:
    said = f"{'refused ' * 30}(HTTP 400, unsupported_value, request req_22cea9ac)"
    assert score(make_case(BOOKING), Answer(api_error=said)).difference.found == said
    assert score(make_case(BOOKING), Answer(api_error=said * 9)).difference.found.endswith("…")
    verdict = score(make_case(BOOKING), Answer(api_error="503 overloaded"))
    assert verdict.is_api_error
    assert (verdict.level, mistake(verdict), verdict.arguments) == (None, Mistake.API_ERROR, ArgumentCounts())


# --- counts ------------------------------------------------------------------------------------------------------


def test_arguments_are_counted_call_by_call(make_case: MakeCase) -> None:
    case = make_case(("cancel_table", {"place": "Roma"}), BOOKING)
    answer = calls(("book_table", {"place": "Da Mario", "guests": 5, "wine": 1}), ("fly", {"to": "Rome"}))
    verdict = score(case, answer)
    assert verdict.arguments == ArgumentCounts(right=1, expected=3, answered=4)
    assert (verdict.calls.calls, verdict.calls.declared, verdict.calls.hallucinated) == (2, 1, 1)
    assert verdict.calls.hallucinated_arguments == 1


def test_what_may_as_well_be_left_out_is_not_counted(make_case: MakeCase) -> None:
    case = make_case(("book_table", {"place": "Roma", "smoking": False}))
    verdict = score(case, call("book_table", place="Roma", note=None))
    assert verdict.arguments == ArgumentCounts(right=1, expected=1, answered=1)


def test_without_declared_tools_nothing_is_hallucinated(make_case: MakeCase) -> None:
    case = make_case(BOOKING, tools=None)
    verdict = score(case, call("book_table", place="Da Mario", guests=4, wine=2))
    assert (verdict.calls.hallucinated, verdict.calls.hallucinated_arguments) == (0, 0)
    assert mistake(verdict) is Mistake.EXTRA_ARGUMENT

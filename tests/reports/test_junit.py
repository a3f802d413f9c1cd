"""JUnit XML, read as CI systems read it: what was counted, what failed and why, whatever the answers contain."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, parse

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.evaluation import recorded

from orchestrator.errors import OutputUnwritable
from orchestrator.evaluation.results import Results, results_of
from orchestrator.evaluation.scores import read_scored
from orchestrator.evaluation.wronganswers import WrongAnswer, WrongAnswers
from orchestrator.jobfile import Gate
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.junit import JUnitCase, JUnitSuite, Problem, evaluation_suites, write_junit
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import DONE, Evaluation

BASE, TUNED = "gpt-4.1-mini", "ft:gpt-4.1-mini:greet"


def evaluation(samples: int = 1) -> Evaluation:
    models = [{"model": BASE, "label": "base"}, {"model": TUNED, "label": "tuned"}]
    return Evaluation(
        id="eval0001",
        name="drone.v2",
        job_file=None,
        run_id=None,
        endpoint="local",
        endpoint_type="local",
        file_path="/somewhere/jobs/cases.jsonl",
        file_sha256="b" * 64,
        settings={"models": models, "variants": ["full"], "samples": samples},
        state=DONE,
        scored_with=1,
        created_at=1_760_000_000.0,
    )


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    """The base is right on cases 1 and 2, the tuned model on case 1; its case 3 has no answer."""
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as found:
        levels = {BASE: ["typed", "typed", None], TUNED: ["typed", None, "api"]}
        with found.database.write() as connection:
            store.add(connection, evaluation())
            store.add_scores(
                connection,
                [
                    recorded("eval0001", model, number, level)
                    for model, given in levels.items()
                    for number, level in enumerate(given, 1)
                ],
            )
        yield found


def written(ledger: Ledger, path: Path, results: Results | None = None, gate: Gate | None = None) -> Element:
    results = results or results_of(ledger, evaluation())
    answer = WrongAnswer("case-2", 2, 0, "Land!", "land()", "climb()", "wrong tool", base_was_right=True)
    wrong = [WrongAnswers(results.series[1], 1, [answer])]
    scored = partial(read_scored, ledger, results.evaluation.id)
    write_junit(evaluation_suites(results, scored, wrong, Path("/somewhere"), gate=gate), path)
    return parse(path).getroot()


def test_each_answer_is_a_case_and_a_wrong_one_says_what_was_expected(ledger: Ledger, tmp_path: Path) -> None:
    [suite] = written(ledger, tmp_path / "report.xml").findall("testsuite")
    assert suite.get("name") == "drone.v2: tuned (full)"
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert (suite.get("time"), suite.get("timestamp")) == ("1.500", "2025-10-09T08:53:20")
    right, wrong, unanswered = suite.findall("testcase")
    assert [each.get("name") for each in (right, wrong, unanswered)] == ["case-1", "case-2", "case-3"]
    assert {each.get("classname") for each in (right, wrong)} == {"drone_v2.tuned (full)"}
    assert list(right) == []
    [failure] = wrong
    assert failure.get("message") == "wrong tool: expected land, found climb (the base was right)"
    assert (failure.text or "").split("\n") == [
        "jobs/cases.jsonl:2",
        *("request: Land!", "expected: land()", "got: climb()", "reason: wrong tool"),
    ]
    [error] = unanswered
    assert (error.tag, error.get("type")) == ("error", "no answer")


def test_properties_have_the_model_and_each_metric_with_that_of_the_base(ledger: Ledger, tmp_path: Path) -> None:
    root = written(ledger, tmp_path / "report.xml")
    found = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert (found["model"], found["base_model"]) == (TUNED, BASE)
    assert (found["accuracy"], found["accuracy_cases"], found["base_accuracy"]) == ("0.5000", "2", "0.6667")
    assert found["accuracy_ci95"] == "0.0945 to 0.9055"


def test_the_gate_is_a_case_that_fails_if_the_gate_is_not_met(ledger: Ledger, tmp_path: Path) -> None:
    high, low = (Gate(metric="accuracy", min=least) for least in (0.9, 0.2))
    root = written(ledger, tmp_path / "report.xml", gate=high)
    suite = root.findall("testsuite")[-1]
    [case] = suite.findall("testcase")
    assert (case.get("name"), case.get("classname")) == ("gate: accuracy", "drone_v2.gate")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "tuned (full): accuracy is 0.500, below 0.9"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "1")
    root = written(ledger, tmp_path / "report.xml", gate=low)
    assert root.find("testsuite[2]/testcase/failure") is None


def test_answers_to_a_question_asked_twice_have_different_names(ledger: Ledger, tmp_path: Path) -> None:
    again = replace(recorded("eval0001", TUNED, 1), sample=1)
    with ledger.database.write() as connection:
        store.add_scores(connection, [again])
    root = written(ledger, tmp_path / "report.xml", results_of(ledger, evaluation(samples=2)))
    names = [each.get("name") for each in root.iter("testcase")]
    assert names.count("case-1 (sample 1)") == names.count("case-1 (sample 2)") == 1


def test_a_wrong_answer_beyond_those_given_in_full_is_still_a_failure(ledger: Ledger, tmp_path: Path) -> None:
    results = results_of(ledger, evaluation())
    scored = partial(read_scored, ledger, "eval0001")
    wrong = [WrongAnswers(results.series[1], 1, [])]
    write_junit(evaluation_suites(results, scored, wrong, Path("/elsewhere")), tmp_path / "report.xml")
    failure = parse(tmp_path / "report.xml").getroot().find(".//failure")
    assert failure is not None
    assert (failure.text or "").startswith("cases.jsonl:2\n")
    assert "reason: wrong tool: expected land, found climb" in (failure.text or "")


ANYTHING = st.text(st.characters(codec=None), max_size=40)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(*[ANYTHING] * 4)
def test_any_text_gives_a_well_formed_file_without_control_characters(
    tmp_path: Path, name: str, message: str, text: str, value: str
) -> None:
    case = JUnitCase(name, "greet.tuned", 1.0, Problem("wrong", message, text))
    path = tmp_path / "report.xml"
    write_junit([JUnitSuite(name, lambda: [case], {name: value}, file=value)], path, name=message)
    failure = parse(path).getroot().find(".//failure")
    assert failure is not None
    for each in (failure.get("message") or "", *(failure.text or "").split("\n")):
        assert all(character.isprintable() or character.isspace() or ord(character) > 0xA0 for character in each)
    assert "\x1b" not in path.read_text()


def test_a_text_that_looks_like_xml_stays_a_text(tmp_path: Path) -> None:
    hostile = '"/></failure></testcase><testcase name="forged"/><!-- ]]> &lt;\x00\x1b[2J\ud800￾'
    case = JUnitCase(hostile, hostile, None, Problem(hostile, hostile, hostile))
    write_junit([JUnitSuite(hostile, lambda: [case], {hostile: hostile})], tmp_path / "report.xml")
    root = parse(tmp_path / "report.xml").getroot()
    assert len(list(root.iter("testcase"))) == 1
    assert (root.findtext(".//failure") or "").startswith('"/></failure></testcase><testcase name="forged"/>')


def test_an_older_report_stays_whole_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text("older")

    def broken() -> Iterator[JUnitCase]:
        yield JUnitCase("first", "suite")
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="No space"):
        write_junit([JUnitSuite("suite", broken)], path)
    assert path.read_text() == "older"
    assert [each.name for each in tmp_path.iterdir()] == ["report.xml"]
    with pytest.raises(OutputUnwritable, match="folder"):
        write_junit([], tmp_path)


def test_only_attributes_that_jenkins_knows_are_written(ledger: Ledger, tmp_path: Path) -> None:
    """These are the attributes that junit-10.xsd knows of each element that is written."""
    root = written(ledger, tmp_path / "report.xml", gate=Gate(metric="accuracy", min=0.9))
    known = {
        "testsuites": {"name", "tests", "failures", "errors", "time"},
        "testsuite": {*("name", "tests", "failures", "errors", "skipped", "time"), *("timestamp", "file")},
        "properties": set(),
        "property": {"name", "value"},
        "testcase": {"name", "classname", "time"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
    }
    for element in root.iter():
        assert set(element.attrib) <= known[element.tag], element.tag

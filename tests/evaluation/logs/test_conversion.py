"""A whole log: what goes into the cases, what into training, and what nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.logs import Row, answer, asked, exchange, rows_of, write_log

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.profile.leaks import leaks_between
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.errors import DataFileUnreadable, LogOutputTaken, NothingInLog
from orchestrator.evaluation.casefile import check_cases
from orchestrator.evaluation.logs import LogConversion, Outputs, convert_log
from orchestrator.evaluation.logs.conversion import KnownFiles

WOODS = ("oak", "elm", "fir", "ash", "yew", "box", "bay", "fig", "gum", "nut")
ROOMS = [" ".join(f"{wood}{number}" for wood in WOODS) for number in range(60)]


def convert(log: Path, known: KnownFiles | None = None, **options: Any) -> LogConversion:
    outputs = Outputs(log.with_name("cases.jsonl"), log.with_name("training.jsonl"))
    return convert_log(log, outputs, known=known, **options)


def paraphrased(rooms: list[str], words: str = "Light the {0} {1}") -> list[Row]:
    """Each request twice, in other words with the same right answer."""
    return [
        exchange(words.format(room, end), "roof", correction={"name": "light_room", "arguments": {"room": room}})
        for room in rooms
        for end in ("now", "soon")
    ]


def prompts(path: Path) -> Prompts:
    return check_file(path, method=None, purpose="evaluation", count_tokens=False).survey.prompts


def test_both_files_pass_their_checks_and_share_no_request(tmp_path: Path) -> None:
    done = convert(write_log(tmp_path / "log.jsonl", paraphrased(ROOMS)))
    cases, training = tmp_path / "cases.jsonl", tmp_path / "training.jsonl"
    assert done.count("evaluation") + done.count("training") == len(rows_of(cases) + rows_of(training)) == 120
    assert 30 <= done.count("evaluation") <= 42
    assert check_cases(cases).slices == {"corrected": done.count("evaluation")}
    assert check_file(training, method="supervised", purpose="training").ok
    assert list(leaks_between(prompts(training), prompts(cases))) == []


def test_no_case_is_nearly_a_training_example_where_a_template_makes_all_alike(tmp_path: Path) -> None:
    words = "Would you be so kind as to switch on the big light that hangs in {0} {1}"
    done = convert(write_log(tmp_path / "log.jsonl", paraphrased([f"room{number}" for number in range(60)], words)))
    assert done.count("evaluation") > 0
    assert list(leaks_between(prompts(tmp_path / "training.jsonl"), prompts(tmp_path / "cases.jsonl"))) == []


def test_the_same_log_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        log = write_log(tmp_path / str(number) / "log.jsonl", paraphrased(ROOMS))
        convert(log, seed=seed)
        found.append(log.with_name("cases.jsonl").read_text())
    assert found[0] == found[1] != found[2]


def test_one_output_takes_everything(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", paraphrased(ROOMS[:3]))
    done = convert_log(log, Outputs(tmp_path / "cases.jsonl", None))
    assert done.count("evaluation") == 6
    assert not (tmp_path / "training.jsonl").exists()


def test_what_known_files_hold_is_not_written_again_and_never_on_the_other_side(tmp_path: Path) -> None:
    log = paraphrased(ROOMS[:4])
    first, second, third, fourth = log[0], log[2], log[4], log[6]

    def line(row: Row, room: str) -> Row:
        return {**row["request"], "messages": [*row["request"]["messages"], answer(room)]}

    kept = ("messages", "tools")
    training = write_log(
        tmp_path / "t.jsonl",
        [{key: line(first, ROOMS[0])[key] for key in kept}, {key: line(third, "cellar")[key] for key in kept}],
    )
    cases = write_log(tmp_path / "e.jsonl", [{key: line(second, ROOMS[1])[key] for key in kept}])
    validation = write_log(tmp_path / "v.jsonl", [{key: line(fourth, ROOMS[3])[key] for key in kept}])
    known: KnownFiles = {training: "training", cases: "evaluation", validation: "validation"}
    done = convert(write_log(tmp_path / "log.jsonl", log), known)
    reasons = {row.line: row.problem for row in done.left_out}
    assert f"it is already in {training}, on line 1" in reasons[1]
    assert f"it is already in {cases}, on line 1" in reasons[3]
    assert f"line 2 of {training} answers the same request differently" in reasons[5]
    assert f"it is already in {validation}, on line" in reasons[7]
    assert reasons[8] == "the validation file has nearly the same request"
    assert log[1]["request"]["messages"][0]["content"] in {
        row["messages"][0]["content"] for row in rows_of(tmp_path / "training.jsonl")
    }, "the paraphrase of a training example is one too"
    assert log[3]["request"]["messages"][0]["content"] in {
        row["messages"][0]["content"] for row in rows_of(tmp_path / "cases.jsonl")
    }, "the paraphrase of a case is one too"


def test_what_is_left_out_is_named_by_line(tmp_path: Path) -> None:
    hall = {"name": "light_room", "arguments": {"room": "hall"}}
    rows: list[Row | str] = [
        exchange("the hall", "hall", rating="good"),
        exchange("the hall", "hall", rating="good"),
        exchange("the bath", "roof", rating="bad"),
        exchange("the loft", "loft", rating="good"),
        exchange("the loft", "loft", correction=hall),
        "no JSON",
    ]
    done = convert(write_log(tmp_path / "log.jsonl", rows))
    assert (done.requests, done.left_out_count, done.count("training")) == (6, 5, 1)
    assert [row.line for row in done.left_out] == [2, 3, 4, 5, 6]
    problems = [row.problem for row in done.left_out]
    assert problems[0] == "it repeats line 1"
    assert problems[1].startswith("the answer was rated bad")
    assert problems[2] == "line 5 has the same request with a different right answer"
    assert problems[3] == "line 4 has the same request with a different right answer"
    assert problems[4].startswith("it is not valid JSON")


def test_a_log_in_one_json_array_is_counted_by_place(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    rows = [exchange("the hall", "hall", rating="good"), exchange("the bath", "roof", rating="bad")]
    log.write_text(json.dumps(rows))
    done = convert(log)
    assert done.count("training") == 1
    assert [row.line for row in done.left_out] == [2]


def test_ids_that_come_twice_are_told_apart(tmp_path: Path) -> None:
    rows = [exchange(f"the {room}", room, rating="good", id="chat-1") for room in ("hall", "bath", "loft")]
    convert_log(write_log(tmp_path / "log.jsonl", rows), Outputs(tmp_path / "cases.jsonl", None))
    assert [row["id"] for row in rows_of(tmp_path / "cases.jsonl")] == ["chat-1", "log-2", "log-3"]


def test_addresses_and_keys_are_warned_of(tmp_path: Path) -> None:
    rows = [exchange("the hall, says ann@acme-corp.com", "hall", rating="good")]
    done = convert(write_log(tmp_path / "log.jsonl", rows))
    assert [finding.code for finding in done.warnings] == ["FT632"]


def test_nothing_is_replaced_and_nothing_usable_writes_nothing(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [{"request": asked("the hall")}])
    with pytest.raises(NothingInLog, match="line 1: the answer has no rating"):
        convert(log)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    (tmp_path / "cases.jsonl").write_text("mine")
    with pytest.raises(LogOutputTaken, match=r"cases\.jsonl already exists"):
        convert(log)
    (tmp_path / "log.csv").write_text("prompt,answer\n1,2\n")
    (tmp_path / "cases.jsonl").unlink()
    with pytest.raises(DataFileUnreadable, match="it is CSV, but a log must be JSON"):
        convert(tmp_path / "log.csv")

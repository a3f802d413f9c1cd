"""What a chat shows: calls whole and legible, results short, nothing that steers a terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from orchestrator.chat.conversation import Fate, Outcome, Reply
from orchestrator.reports.chat import answer_text, doubts, print_call, print_outcome, visible
from orchestrator.tools.calls import Call, ready
from orchestrator.tools.functions import tool_of


def note(text: str) -> None: ...


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False, markup=False, emoji=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def outcome(fate: Fate, text: str = "", problem: str = "", arguments: str = "{}") -> Outcome:
    return Outcome(Call("1", "note", arguments), fate, text, problem=problem)


def test_a_call_is_shown_whole_with_every_character_legible(console: Console) -> None:
    hidden = "pay " + "x" * 5000 + "\u202e\u200b\x1b[2K\n[red]"
    print_call(ready(Call("1", "note", json.dumps({"text": hidden})), [tool_of(note)]), console)
    text = shown(console)
    assert "x" * 5000 in text
    assert r"\u202e\u200b\u001b[2K\n[red]" in text


def test_results_are_shown_in_part_and_on_one_line(console: Console) -> None:
    print_outcome(outcome(Fate.EXECUTED, "a\n" + "b" * 5000), console, with_traceback=False)
    text = shown(console)
    assert text.count("\n") == 1
    assert "a\\nbbb" in text
    assert text.endswith("… (5,002 characters in total)\n")


def test_a_call_that_could_not_be_checked_is_shown_as_it_was_written(console: Console) -> None:
    refused = outcome(Fate.REFUSED, problem="the arguments are not valid JSON", arguments='{"a": \x1b')
    print_outcome(refused, console, with_traceback=True)
    assert shown(console) == '  note {"a": \\u001b\n  → not executed: the arguments are not valid JSON\n'


def test_an_answer_keeps_its_lines_and_loses_its_control_characters() -> None:
    assert answer_text(Reply("one\n\x1b]0;two\x07\nthree", ())) == "one\n ]0;two \nthree"
    assert visible("ü – 日本 🙂") == "ü – 日本 🙂"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply("", ()), ["the answer is empty"]),
        (Reply("no", (), refused=True), ["the model refused, or the endpoint's content filter stopped it"]),
        (Reply("It is", (), cut=True), ["the answer is cut: it reached the token limit"]),
        (Reply("", (outcome(Fate.REJECTION),)), []),
        (Reply("fine", ()), []),
    ],
)
def test_what_is_no_full_answer_is_said(reply: Reply, said: list[str]) -> None:
    assert doubts(reply) == said

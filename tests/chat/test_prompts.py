"""Where prompts come from: a file of lines, JSONL, or the argument itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.chat.prompts import Prompts, given_prompts, prompts_in
from orchestrator.errors import PromptsUnusable


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_wins_over_a_text(folder: Path) -> None:
    assert given_prompts("fly home") == Prompts(("fly home",), "")
    (folder / "fly home").write_text("one\n\n two \n")
    assert given_prompts("fly home") == Prompts(("one", "two"), "fly home")
    assert given_prompts("x" * 5000).source == ""


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Up"},
        {"messages": [{"role": "user", "content": "Down"}, {"role": "user", "content": "Up"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Up"}]}, {"role": "assistant"}]},
        {"input": {"messages": [{"role": "user", "content": "Up"}]}, "preferred_output": []},
        "Up",
    ],
)
def test_jsonl_gives_a_prompt_or_the_last_user_message(row: Any) -> None:
    assert prompts_in(json.dumps(row).encode(), "p.jsonl").texts == ("Up",)
    if isinstance(row, dict):
        assert prompts_in(b"\xef\xbb\xbf" + json.dumps(row).encode(), "-").texts == ("Up",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b" \n", "standard input can't be used: it is empty"),
        (b"\xff", "it is not UTF-8 text"),
        (b'{"prompt": "a"}\nb', "line 2 is not JSON"),
        (b'{"prompt": "a"}\n{"messages": [{"role": "system"}]}', "line 2 has neither a prompt nor a user message"),
    ],
)
def test_what_can_not_be_used_is_said(content: bytes, problem: str) -> None:
    with pytest.raises(PromptsUnusable, match=problem):
        prompts_in(content, "-")


@pytest.mark.parametrize(("given", "problem"), [("gone.txt", "there is no such file"), (" ", "it is empty")])
def test_a_misspelt_file_is_not_sent_as_a_prompt(given: str, problem: str) -> None:
    with pytest.raises(PromptsUnusable, match=problem):
        given_prompts(given)
    assert given_prompts("write to gone.txt").texts == ("write to gone.txt",)

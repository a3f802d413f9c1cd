"""`ftorch ask` with a model that was really trained: base beside tuned, checked and never executed."""

from __future__ import annotations

import json
import shutil

import pytest
from support.project import Project

PROMPT = "Switch on the light in the hall"


def test_base_and_tuned_stand_below_each_prompt(trained: Project) -> None:
    done = trained.ftorch("ask", "greet", PROMPT)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith(PROMPT)
    assert [line.split()[0] for line in lines[1:3]] == ["base", "tuned"]
    assert lines[2] == '  tuned  light_room(room="hall")'
    assert lines[-1].startswith("1 prompt. base: ")
    for shown in ("light_room (from jobs/train.jsonl)", "1 prompt from the argument, 2 models: 2 requests"):
        assert shown in done.err
    assert "2 requests, " in done.err.splitlines()[-1]


def test_everything_is_in_the_json(trained: Project) -> None:
    (trained.root / "p.jsonl").write_text('{"prompt": "Hi"}\n' + json.dumps({"prompt": PROMPT}) + "\n")
    found = json.loads(trained.ftorch("ask", "jobs/greet.toml", "p.jsonl", "--no-base", "--json").out)
    assert [each["label"] for each in found["models"]] == ["tuned"]
    assert [each["prompt"] for each in found["prompts"]] == ["Hi", PROMPT]
    [call] = found["prompts"][1]["answers"][0]["calls"]
    assert call == {
        "name": "light_room",
        "arguments": {"room": "hall"},
        "call": 'light_room(room="hall")',
        "invalid": None,
    }
    assert (found["prompts_from"], found["summary"]["prompts"]) == ("p.jsonl", 2)


def test_calls_that_break_their_definition_are_marked_and_counted(trained: Project) -> None:
    parameters = {"type": "object", "properties": {"room": {"enum": ["bath"]}}, "required": ["room"]}
    tools = [{"name": "light_room", "description": "Switch the light of a room on", "parameters": parameters}]
    (trained.root / "tools.json").write_text(json.dumps(tools))
    done = trained.ftorch("ask", "greet", PROMPT, "--no-base", "--tools", "tools.json", "--json")
    [answer] = json.loads(done.out)["prompts"][0]["answers"]
    invalid = [call["invalid"] for call in answer["calls"] if call["arguments"] != {"room": "bath"}]
    assert all("room is" in problem for problem in invalid)
    assert "differs from its definition in training" in done.err


def test_before_training_the_base_model_is_asked_alone(trained: Project) -> None:
    shutil.copy(trained.root / "jobs" / "greet.toml", trained.root / "jobs" / "fresh.toml")
    path = trained.root / "jobs" / "fresh.toml"
    path.write_text(path.read_text().replace('name = "greet"', 'name = "fresh"'))
    done = trained.ftorch("ask", "jobs/fresh.toml", PROMPT)
    assert (done.code, "tuned" in done.out, "light_room(" in done.out) == (0, False, True)
    assert "Not trained yet: only the base model is asked." in done.err
    refused = trained.ftorch("ask", "jobs/fresh.toml", PROMPT, "--no-base")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.endswith("Train it first: ftorch submit jobs/fresh.toml\n")


def test_a_moved_training_file_is_said_with_the_way_out(trained: Project) -> None:
    moved = trained.root / "jobs" / "train.jsonl"
    moved.rename(trained.root / "elsewhere.jsonl")
    try:
        done = trained.ftorch("ask", "greet", PROMPT)
        assert "was moved or deleted, so no tool definitions are sent. To send them: --tools" in done.err
        again = trained.ftorch("ask", "greet", PROMPT, "--tools", "elsewhere.jsonl")
        assert 'tuned  light_room(room="hall")' in again.out
    finally:
        (trained.root / "elsewhere.jsonl").rename(moved)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nobody", "Hi"), 2, 'no run "nobody"'),
        (("greet", "gone.txt"), 2, "The prompts in gone.txt can't be used: there is no such file"),
        (
            ("greet", "Hi", "--drop", "names"),
            2,
            '"names" is not one of descriptions, parameters, tools or tool:NAME',
        ),
        (("greet", "Hi", "--drop", "tools", "--variant", "full"), 2, "give either --drop or --variant"),
        (("greet", "Hi", "--drop", "tool:dark_room"), 2, 'no tool "dark_room"'),
        (("gpt-4.1", "Hi", "--endpoint", "local", "--base"), 2, "The base model of gpt-4.1 is not known"),
    ],
)
def test_mistakes_end_before_anything_is_asked(
    arguments: tuple[str, ...], code: int, said: str, trained: Project
) -> None:
    done = trained.ftorch("ask", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_where_it_costs_money_somebody_has_to_agree(trained: Project) -> None:
    done = trained.ftorch("ask", "gpt-4.1-mini", "Hi", "--endpoint", "openai", OPENAI_API_KEY="sk-x")
    assert (done.code, done.out) == (4, "")
    assert "1 prompt from the argument, 1 model: 1 request, about 8 prompt tokens, about $" in done.err
    assert "add --yes" in done.err


def test_chat_shows_calls_of_the_training_definitions(trained: Project) -> None:
    done = trained.ftorch("chat", "greet", "--ask", PROMPT)
    assert (done.code, done.out) == (0, 'light_room(room="hall")\n'), done.err
    assert "Calls are shown and not executed" in done.err

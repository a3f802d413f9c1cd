"""Prompts, limits, stops and answers of a model, by its tokenizer and template alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.randommodel import write_tokenizer

from orchestrator.errors import ParserFailed
from orchestrator.server.trainers.interface import Answer, AnswerError, Question, ToolCall
from orchestrator.server.trainers.lora.serving import dialogue as dialogues
from orchestrator.server.trainers.lora.serving.dialogue import MOST_TOKENS, Dialogue, conversation

LAND = {"name": "land", "parameters": {"type": "object", "properties": {}}}
CALL = '<tool_call>\n{"name": "land", "arguments": {}}\n</tool_call>'
HELLO = [{"role": "user", "content": "Hello"}]


def write_model(folder: Path, **config: Any) -> Path:
    size = write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps({"eos_token_id": size - 2, **config}))
    return folder


@pytest.fixture
def dialogue(tmp_path: Path) -> Dialogue:
    return Dialogue(write_model(tmp_path / "model", max_position_embeddings=2000), None)


def answered(dialogue: Dialogue, text: str, *, is_cut: bool = False, **more: Any) -> Answer:
    question = Question(HELLO, **{"tools": [LAND], **more})
    return dialogue.answer(question, text, is_cut=is_cut, prompt=5, written=7)


def test_text_and_calls_are_read(dialogue) -> None:
    assert answered(dialogue, "Hello") == Answer("Hello", prompt_tokens=5, completion_tokens=7)
    both = answered(dialogue, f"Going down.\n{CALL}")
    assert (both.content, both.calls) == ("Going down.", (ToolCall("land", {}),))


def test_without_functions_a_call_is_text(dialogue) -> None:
    assert answered(dialogue, CALL, tools=()).content == CALL
    assert answered(dialogue, CALL, choice="none").content == CALL


def test_one_call_is_kept_without_parallel(dialogue) -> None:
    assert len(answered(dialogue, f"{CALL}\n{CALL}").calls) == 2
    assert len(answered(dialogue, f"{CALL}\n{CALL}", parallel=False).calls) == 1


def test_a_call_that_the_model_broke_is_text(dialogue) -> None:
    broken = CALL.replace("{}}", "{")
    assert answered(dialogue, broken) == Answer(broken, prompt_tokens=5, completion_tokens=7)
    cut = answered(dialogue, CALL[:30], is_cut=True)
    assert (cut.content, cut.calls, cut.is_cut) == (CALL[:30], (), True)


def test_a_parser_that_fails_is_no_fault_of_the_model(dialogue, monkeypatch) -> None:
    def broken(*_: Any) -> Any:
        raise ParserFailed(reason="a bug")

    monkeypatch.setattr(dialogues, "parse_answer", broken)
    with pytest.raises(
        AnswerError, match=r"The parser for hermes could not .* a fault of ftorch, not of the model\. a bug"
    ):
        answered(dialogue, "Hello")


def test_a_stop_text_ends_an_answer_before_its_first_call_only(dialogue) -> None:
    stopped = answered(dialogue, "One. Two.\nThree.", stops=["Three", "."], is_cut=True)
    assert (stopped.content, stopped.is_cut) == ("One", False)
    assert answered(dialogue, CALL, stops=["\n", "}"]).calls
    assert dialogue.end(Question(HELLO, [LAND], stops=["x"]), f"{CALL}x") is None
    assert dialogue.end(Question(HELLO, stops=["x"]), f"{CALL}x") == len(CALL)


def test_an_answer_has_the_limit_that_was_asked_its_own_or_the_context(dialogue) -> None:
    assert dialogue.limit(100, 50) == 50
    assert dialogue.limit(100, None) == MOST_TOKENS
    assert dialogue.limit(1900, None) == dialogue.limit(1900, 500) == 100
    with pytest.raises(AnswerError, match=r"The prompt has 2,000 tokens, and the model takes 2,000"):
        dialogue.limit(2000, 5)


def test_a_model_without_a_context_length_has_limits_too(tmp_path) -> None:
    endless = Dialogue(write_model(tmp_path / "endless"), None)
    assert endless.limit(10**6, None) == MOST_TOKENS
    assert endless.limit(10**6, 5000) == 5000


def test_training_rows_and_requests_give_the_same_prompt(dialogue) -> None:
    row = conversation(HELLO, [{"type": "function", "function": LAND}], None)
    assert dialogue.prompt(row) == dialogue.prompt(Question(HELLO, [LAND]))
    alone = conversation(HELLO, [{"type": "function", "function": LAND}], False)
    assert (
        dialogue.prompt(alone) == dialogue.prompt(Question(HELLO, [LAND], parallel=False)) != dialogue.prompt(row)
    )


def test_the_template_of_the_weights_is_used(tmp_path) -> None:
    base, weights = write_model(tmp_path / "base"), tmp_path / "weights"
    weights.mkdir()
    with pytest.raises(AnswerError, match=r"chat_template\.jinja"):
        Dialogue(base, weights)
    text = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    (weights / "chat_template.jinja").write_text(text)
    trained = Dialogue(base, weights)
    assert trained.text(trained.prompt(Question(HELLO))) == "[Hello]"


def test_a_folder_that_is_no_model_is_named(tmp_path) -> None:
    with pytest.raises(AnswerError, match="there is no such folder"):
        Dialogue(tmp_path / "nowhere", None)


def test_a_message_that_the_template_refuses_is_an_error(dialogue) -> None:
    with pytest.raises(AnswerError, match="has no known role"):
        dialogue.prompt(Question([{"role": "nobody", "content": "x"}]))

"""Rows that can't be trained on are named before the training begins, by the program that needs no torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server.trainers.interface import Method, RowsRefusedError, Training, TrainingFailedError
from orchestrator.server.trainers.lora.trainer import LoraTrainer

pytest.importorskip("tokenizers")

CONTEXT = 60


@pytest.fixture
def training(training: Training, model: Path) -> Training:
    """Its base model has a token for each byte, and holds CONTEXT of them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={text: number for number, text in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(model / "tokenizer.json"))
    names = {"eos_token": special[2], "pad_token": special[2], "unk_token": special[0]}
    (model / "tokenizer_config.json").write_text(json.dumps(names))
    config = {"hidden_size": 4, "max_position_embeddings": CONTEXT, "eos_token_id": 2, "model_type": "llama"}
    (model / "config.json").write_text(json.dumps(config))
    return training


def written(training: Training, rows: list[dict[str, Any]], method: Method = "supervised") -> Training:
    training.training.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return replace(training, method=method)


def row(question: str, answer: str, weight: int = 1) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer, "weight": weight}]
    return {"messages": messages}


def test_good_rows_are_counted_by_the_models_own_tokens(training: Training) -> None:
    found = LoraTrainer().check(written(training, [row("hi", "yes"), row("ho", "no")]))
    first = ["<", "user\nhi", ">", "\n", "<", "assistant\nyes", ">"]  # < and > for the tokens around a message
    second = ["<", "user\nho", ">", "\n", "<", "assistant\nno", ">"]
    assert found.tokens == len("".join(first + second))
    assert "2 rows" in found.notes[0]


def test_a_row_that_the_context_does_not_hold_is_named(training: Training) -> None:
    rows = [row("hi", "yes"), row("x" * CONTEXT, "no")]
    with pytest.raises(
        RowsRefusedError, match=r"Line 2: it has \d+ tokens, and the model's context holds 60\."
    ) as found:
        LoraTrainer().check(written(training, rows))
    assert found.value.role == "training_file"


def test_a_row_that_teaches_nothing_is_named(training: Training) -> None:
    with pytest.raises(RowsRefusedError, match="Line 1: it has no token that is learned"):
        LoraTrainer().check(written(training, [row("hi", "yes", weight=0), row("hi", "yes")]))


def test_a_row_of_the_validation_file_is_named_as_one(training: Training, tmp_path: Path) -> None:
    validation = tmp_path / "validation.jsonl"
    validation.write_text(json.dumps(row("x" * CONTEXT, "no")) + "\n")
    good = written(training, [row("hi", "yes")])
    with pytest.raises(RowsRefusedError, match="The validation file has rows") as found:
        LoraTrainer().check(replace(good, validation=validation))
    assert found.value.role == "validation_file"


def test_of_many_rows_the_first_are_shown_and_the_rest_counted(training: Training) -> None:
    with pytest.raises(RowsRefusedError, match=r"Line 5: .*\. 3 more rows\."):
        LoraTrainer().check(written(training, [row("x" * CONTEXT, "no")] * 8))


def test_both_answers_of_a_preference_count(training: Training) -> None:
    pair = {
        "input": {"messages": [{"role": "user", "content": "hi"}]},
        "preferred_output": [{"role": "assistant", "content": "yes"}],
        "non_preferred_output": [{"role": "assistant", "content": "no"}],
    }
    supervised = [LoraTrainer().check(written(training, [row("hi", answer)])).tokens for answer in ("yes", "no")]
    assert LoraTrainer().check(written(training, [pair], "dpo")).tokens == sum(supervised)


def test_a_template_that_is_broken_fails_the_training_and_is_named(training: Training, model: Path) -> None:
    (model / "chat_template.jinja").write_text("{% for message in messages %}")
    with pytest.raises(TrainingFailedError, match="The chat template in"):
        LoraTrainer().check(written(training, [row("hi", "yes")]))

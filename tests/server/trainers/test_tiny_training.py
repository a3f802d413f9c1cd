"""Fine-tuning the tiny trainer: it learns, its numbers do what they say, and it repeats itself exactly."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.trainers import HERE, StoppedError, ask, loaded, tiny

from orchestrator.errors import UnreadableWeights
from orchestrator.server.trainers import NAMES, trainer
from orchestrator.server.trainers.interface import Hyperparameters, Model, Requested
from orchestrator.server.trainers.tiny.weights import FILE, decoded, write

ROOT = Path(__file__).parents[3]
PROCESS = """
import hashlib, json, sys
from orchestrator.server.trainers.interface import Hyperparameters
from support.trainers import loaded, train
rows = json.load(sys.stdin)
trained = train(rows, rows[:5], Hyperparameters(2, 3, 1.0), seed=9)
weights = (trained.weights / "model.tiny").read_bytes()
print(hashlib.sha256(weights + repr(trained.steps).encode()).hexdigest())
"""


def _right(model: Model, cases: list[Any], tools: list[Any]) -> tuple[int, int]:
    """How many tools and how many whole calls are right."""
    answers = [ask(model, [{"role": "user", "content": text}], tools) for text, _ in cases]
    names = sum([c.name for c in a.calls] == [call.name] for a, (_, call) in zip(answers, cases, strict=True))
    return names, sum(answer.calls == (call,) for answer, (_, call) in zip(answers, cases, strict=True))


def test_a_fine_tuned_model_beats_its_base_by_a_wide_margin_on_unseen_requests(base, model, unseen, tools):
    base_tools, base_calls = _right(base, unseen, tools)
    tuned_tools, tuned_calls = _right(model, unseen, tools)
    assert tuned_tools >= base_tools + len(unseen) // 3
    assert tuned_calls >= base_calls + len(unseen) // 3
    assert tuned_calls >= 0.8 * len(unseen)


def test_the_base_model_is_real_zero_shot(base, tools):
    answer = ask(base, [{"role": "user", "content": "switch the lamp off, brightness 20 percent"}], tools)
    assert [(c.name, c.arguments) for c in answer.calls] == [("set_lamp", {"status": "off", "brightness": 20})]


def test_the_base_model_answers_in_text_when_no_tool_shares_a_word(base, tools):
    answer = ask(base, [{"role": "user", "content": "sing something cheerful"}], tools)
    assert answer.content
    assert not answer.calls


def test_an_empty_training_leaves_the_base_model(train, base, unseen, tools):
    untouched = loaded(train([]).weights)
    for text, _ in unseen:
        asked = [{"role": "user", "content": text}]
        assert ask(untouched, asked, tools) == ask(base, asked, tools)


def test_the_loss_falls_from_epoch_to_epoch(trained):
    assert trained.epoch_loss(1) > 2 * trained.epoch_loss(2)
    assert trained.epoch_loss(3) < trained.epoch_loss(2)
    assert trained.steps[-1].train_accuracy == 1.0


def test_steps_are_numbered_and_validation_is_measured(trained, taught):
    assert [step.step for step in trained.steps] == list(range(1, 3 * len(taught) + 1))
    assert {step.total_steps for step in trained.steps} == {3 * len(taught)}
    assert all(step.valid_loss is not None for step in trained.steps)
    ends = [step.step for step in trained.steps if step.full_valid_loss is not None]
    assert ends == [len(taught), 2 * len(taught), 3 * len(taught)]
    assert [step.step for step, _ in trained.checkpoints] == ends


def test_without_validation_rows_nothing_is_said_of_validation(train, taught):
    assert all(step.valid_loss is None and step.full_valid_loss is None for step in train(taught[::4]).steps)


def test_too_low_a_rate_underfits_and_too_high_a_rate_ruins_the_validation_loss(train, taught, row, unseen):
    valid = [row(*case) for case in unseen]
    low, good, high = (train(taught, valid, rate=rate).valid_losses[-1] for rate in (0.01, 1.0, 100.0))
    assert low > 2 * good
    assert high > 2 * good
    assert train(taught, rate=0.01).epoch_loss(3) > 5 * train(taught).epoch_loss(3)


def test_the_batch_size_sets_the_number_of_steps(train, taught):
    whole, remainder = divmod(len(taught), 10)
    assert len(train(taught, batch=10, epochs=1).steps) == whole + bool(remainder)


def test_another_seed_is_another_order(train, taught):
    first, second = (train(taught, epochs=1, seed=seed) for seed in (1, 2))
    assert first.steps[0].train_loss != second.steps[0].train_loss
    assert content(first.weights) != content(second.weights)


def test_two_processes_with_different_hash_seeds_agree_bit_for_bit(taught):
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROCESS],
            input=json.dumps(taught[::3]),
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


@pytest.mark.parametrize("done", [0, 1, 2])
def test_resuming_from_any_checkpoint_equals_the_uninterrupted_training(
    train, trained, taught, row, unseen, done, tmp_path
):
    step, _ = trained.checkpoints[done]
    valid, folder = [row(*case) for case in unseen], tmp_path
    with contextlib.suppress(StoppedError):
        train(taught, valid, folder=folder, stop_after=done)
    resumed = train(taught, valid, folder=folder)
    assert resumed.steps == trained.steps[step.step :]
    assert content(resumed.weights) == content(trained.weights)


def test_a_training_killed_before_its_state_was_written_repeats_the_epoch(
    train, trained, taught, row, unseen, tmp_path
):
    valid = [row(*case) for case in unseen]
    with contextlib.suppress(StoppedError):
        train(taught, valid, folder=tmp_path, stop_after=1)
    kept = tmp_path / "kept"
    (tmp_path / "state").rename(kept)
    again = train(taught, valid, folder=tmp_path)
    assert [step for step, _ in again.checkpoints] == [step for step, _ in trained.checkpoints]
    assert content(again.weights) == content(trained.weights)


def test_weights_that_are_written_over_others_are_never_missing_in_between(tmp_path, monkeypatch):
    folder = write(b"old", tmp_path / "state")
    seen = []

    def looked(name):
        done = getattr(os, name)

        def look(*given, **named):
            result = done(*given, **named)
            seen.append((folder / FILE).read_bytes() if (folder / FILE).exists() else None)
            return result

        return look

    for name in ("open", "mkdir", "fsync", "unlink", "rmdir", "rename", "replace"):
        monkeypatch.setattr(os, name, looked(name))
    write(b"new", folder)
    assert seen[0] == b"old"
    assert seen[-1] == b"new"
    assert set(seen) == {b"old", b"new"}


def test_a_training_goes_on_where_a_kill_left_a_folder_without_a_state(
    train, trained, taught, row, unseen, tmp_path
):
    (tmp_path / "state").mkdir()
    again = train(taught, [row(*case) for case in unseen], folder=tmp_path)
    assert content(again.weights) == content(trained.weights)


def test_a_checkpoint_is_a_model(trained, unseen, tools):
    early, late = (loaded(weights) for _, weights in (trained.checkpoints[0], trained.checkpoints[-1]))
    assert _right(early, unseen, tools)[0] > len(unseen) / 2
    assert ask(late, [{"role": "user", "content": "light up the attic"}], tools).calls


def test_training_goes_on_from_a_fine_tuned_parent(train, trained, row, tools):
    more = [row("open sesame", _call("set_lamp", status="on"))] * 10
    child = loaded(train(more, parent=trained.weights).weights)
    asked = [{"role": "user", "content": "what does Wumpus cost a share"}]
    assert ask(child, asked, tools).calls == (_call("get_price", ticker="Wumpus"),)
    assert ask(child, [{"role": "user", "content": "open sesame"}], tools).calls[0].name == "set_lamp"


def test_preferences_move_the_model_from_the_one_answer_to_the_other(train, trained, row, tools, tmp_path):
    asked = [{"role": "user", "content": "light up the attic"}]
    on, refused = _call("set_lamp", status="on"), _call("refuse")
    assert ask(loaded(trained.weights), asked, tools).calls == (on,)
    pairs = [
        _preference(row, f"light up the {room}", refused, on) for room in ("hall", "garage", "shed", "barn")
    ] * 5
    tuned = train(pairs, pairs[:2], parent=trained.weights, beta=0.5)
    assert ask(loaded(tuned.weights), asked, tools).calls == (refused,)
    assert tuned.steps[0].train_loss == pytest.approx(0.6931, abs=1e-3)
    assert tuned.steps[-1].train_loss < 0.4
    assert tuned.steps[-1].train_accuracy == 1.0
    with contextlib.suppress(StoppedError):
        train(pairs, pairs[:2], parent=trained.weights, beta=0.5, folder=tmp_path, stop_after=0)
    resumed = train(pairs, pairs[:2], parent=trained.weights, beta=0.5, folder=tmp_path)
    assert len(resumed.checkpoints) == 2
    assert content(resumed.weights) == content(tuned.weights)


def test_a_small_beta_lets_the_model_go_further_from_its_parent(train, trained, row):
    on, refused = _call("set_lamp", status="on"), _call("refuse")
    pairs = [_preference(row, f"light up the {room}", refused, on) for room in ("hall", "garage")] * 5
    near, far = (train(pairs, parent=trained.weights, beta=beta).steps[-1].train_loss for beta in (2.0, 0.01))
    assert near < far


@pytest.mark.parametrize(
    ("examples", "epochs", "batch"), [(50, 4, 1), (300, 3, 1), (1_000, 2, 2), (50_000, 1, 100)]
)
def test_auto_follows_the_number_of_examples(examples, epochs, batch):
    numbers = tiny().resolve(examples, "supervised", Requested())
    assert (numbers.n_epochs, numbers.batch_size, numbers.learning_rate_multiplier) == (epochs, batch, 1.0)
    assert numbers.beta is None


def test_given_numbers_are_kept():
    requested = Requested(7, 5, 0.25, 1.5)
    assert tiny().resolve(300, "dpo", requested) == Hyperparameters(7, 5, 0.25, 1.5)
    assert tiny().resolve(300, "dpo", Requested(beta="auto")).beta == 0.1


def test_a_hyperparameter_of_open_weights_is_refused():
    with pytest.raises(ValueError, match="'lora_rank' is for open-weights base models only"):
        tiny().resolve(300, "supervised", Requested(options={"lora_rank": 8}))


def test_weights_survive_the_bytes(trained):
    weights = decoded(content(trained.weights))
    assert weights.step == trained.steps[-1].step
    assert any(weights.rows.values())
    assert weights.memory.labels["refuse"] == 25


@pytest.mark.parametrize(
    "damage", [lambda w: b"", lambda w: b"not weights", lambda w: w[:-20], lambda w: w[:6] + w[9:]]
)
def test_damaged_weights_are_refused(trained, damage):
    with pytest.raises(UnreadableWeights):
        decoded(damage(content(trained.weights)))


def test_trainers_are_loaded_by_name():
    assert tiny().name == "tiny"
    assert list(NAMES) == ["tiny", "lora"]
    with pytest.raises(KeyError):
        trainer("huge", HERE)


def _call(name: str, **arguments: Any) -> Any:
    from orchestrator.server.trainers.interface import ToolCall

    return ToolCall(name, arguments)


def _preference(row: Any, text: str, preferred: Any, other: Any) -> dict[str, Any]:
    first, second = row(text, preferred), row(text, other)
    return {
        "input": {"messages": first["messages"][:1], "tools": first["tools"]},
        "preferred_output": first["messages"][1:],
        "non_preferred_output": second["messages"][1:],
    }


def content(weights: Path) -> bytes:
    """The bytes of the file in this folder."""
    return (weights / FILE).read_bytes()

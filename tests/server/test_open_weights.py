"""Base models whose weights are on this machine, with a trainer that only writes down what it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.applications import Starlette
from support.training import train_in_threads

from orchestrator.server import trainers
from orchestrator.server.app import Settings, create_app, running
from orchestrator.server.trainers.interface import (
    Answer,
    AnswerError,
    Base,
    Checked,
    Hyperparameters,
    Method,
    Question,
    Report,
    Requested,
    RowsRefusedError,
    Step,
    ToolCall,
    Training,
    TrainingFailedError,
)
from orchestrator.server.trainers.rows import read_rows


class Scribe:
    """Its weights are the words of the training, its answers what it was asked."""

    name = "lora"
    closed = 0

    def resolve(self, examples: int, method: Method, requested: Requested) -> Hyperparameters:
        if requested.options.get("lora_rank") == 7:
            raise ValueError("'lora_rank' can't be 7")
        return Hyperparameters(1, 2, 1.0, None, {"lora_rank": 16, **requested.options})

    def check(self, training: Training) -> Checked:
        for row in read_rows(training.training):
            if "unlearnable" in json.dumps(row):
                raise RowsRefusedError("The training file is invalid. Line 1 has no learned token.")
        return Checked(tokens=1234, notes=["2 rows are long"])

    def train(self, training: Training, report: Report) -> Path:
        if "hopeless" in training.training.read_text():
            raise TrainingFailedError("The GPU has 2 GB too little. Set batch_size = 1.")
        step = Step(1, 1, 1, 0.5, 1.0)
        report.note("weights take 0.3 GB")
        report.step(step)
        report.checkpoint(step, self._written(training, "checkpoint"))
        report.waiting()
        return self._written(training, "model")

    def _written(self, training: Training, name: str) -> Path:
        folder = training.folder / name
        folder.mkdir()
        said = {"base": str(training.base.folder), "options": dict(training.hyperparameters.options)}
        said["parent"] = str(training.parent and json.loads((training.parent / "w.json").read_text())["base"])
        (folder / "w.json").write_text(json.dumps(said))
        return folder

    def load(self, weights: Path | None, base: Base | None) -> Any:
        return Echo(None if weights is None else json.loads((weights / "w.json").read_text()), base)

    def close(self) -> None:
        Scribe.closed += 1


class Echo:
    def __init__(self, weights: Mapping[str, Any] | None, base: Base | None) -> None:
        self._weights = weights
        self._base = base

    def answer(self, question: Question) -> Answer:
        text = question.messages[-1]["content"]
        if text == "break":
            raise AnswerError("The process that answers was ended: out of memory.")
        if text == "cut":
            return Answer("half of", is_cut=True, prompt_tokens=3, completion_tokens=2)
        if text == "call":
            return Answer("Certainly.", (ToolCall("land", {}),), prompt_tokens=5, completion_tokens=7)
        asked = {"weights": self._weights, "base": str(self._base.folder), "question": asdict(question)}
        return Answer(json.dumps(asked), prompt_tokens=11, completion_tokens=13)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    monkeypatch.setitem(trainers.NAMES, "lora", lambda _machine: Scribe())
    train_in_threads(monkeypatch)
    return create_app(tmp_path / "endpoint", settings=Settings(models={"smollm2": tmp_path / "smollm2"}))


@pytest.fixture
async def tuned(training, submit, reach) -> Any:
    job = await submit(training, model="smollm2", method=_method(lora_rank=8, num_processes=2))
    return await reach(training, job.id, "succeeded")


def _method(**numbers: Any) -> Any:
    return {"type": "supervised", "supervised": {"hyperparameters": numbers}}


async def _asked(client: openai.AsyncOpenAI, model: str, text: str = "hello", **more: Any) -> Any:
    return await client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


async def test_a_job_names_its_base_model_and_gets_its_options_resolved(training, tuned, tmp_path):
    assert tuned.fine_tuned_model.startswith("ft:smollm2:local:")
    assert tuned.hyperparameters.lora_rank == 8
    said = json.loads((await _asked(training, tuned.fine_tuned_model)).choices[0].message.content)
    assert said["weights"]["options"] == {"lora_rank": 8, "num_processes": 2}
    assert said["weights"]["base"] == said["base"] == str(tmp_path / "smollm2")
    assert tuned.trained_tokens == 1234


async def test_its_events_say_what_is_trained_and_what_the_trainer_noted(training, tuned, tmp_path):
    events = await training.fine_tuning.jobs.list_events(tuned.id, limit=100)
    said = [event.message for event in events.data]
    assert f"local: lora trains smollm2 from {tmp_path / 'smollm2'}" in said
    assert {"weights take 0.3 GB", "2 rows are long"} <= set(said)
    assert not any("in place of" in message for message in said)


async def test_open_weights_are_listed_as_such(training):
    owners = {model.id: model.owned_by async for model in training.models.list()}
    assert owners == {"tiny": "local-stand-in", "smollm2": "local"}
    assert (await training.models.retrieve("smollm2")).owned_by == "local"


async def test_its_tokens_finish_and_text_before_calls_are_the_models_own(training, tuned):
    cut = await _asked(training, tuned.fine_tuned_model, "cut", max_tokens=2)
    assert (cut.choices[0].finish_reason, cut.choices[0].message.content) == ("length", "half of")
    assert (cut.usage.prompt_tokens, cut.usage.completion_tokens) == (3, 2)
    tools = [{"type": "function", "function": {"name": "land"}}]
    called = (await _asked(training, "smollm2", "call", tools=tools)).choices[0]
    assert (called.finish_reason, called.message.content) == ("tool_calls", "Certainly.")
    assert called.message.tool_calls[0].function.arguments == "{}"
    streamed = await _asked(training, "smollm2", "call", tools=tools, stream=True)
    pieces = [chunk.choices[0].delta async for chunk in streamed]
    assert "".join(piece.content or "" for piece in pieces) == "Certainly."


async def test_sampling_is_passed_on_and_each_choice_has_its_own_seed(training):
    found = await _asked(training, "smollm2", temperature=0.5, top_p=0.9, seed=41, n=2, stop=["."], max_tokens=9)
    asked = [json.loads(choice.message.content)["question"] for choice in found.choices]
    assert [each["seed"] for each in asked] == [41, 42]
    assert (asked[0]["temperature"], asked[0]["top_p"], asked[0]["max_tokens"]) == (0.5, 0.9, 9)
    assert asked[0]["stops"] == ["."]
    assert found.usage.completion_tokens == 2 * 13


async def test_a_model_that_cannot_answer_is_a_server_error_that_says_why(training, tuned):
    with pytest.raises(openai.InternalServerError) as refused:
        await _asked(training, tuned.fine_tuned_model, "break")
    assert refused.value.code == "model_unavailable"
    assert "out of memory" in refused.value.message


async def test_a_misspelt_name_is_not_trained_by_a_stand_in(training, submit):
    with pytest.raises(openai.NotFoundError, match="Did you mean 'smollm2'"):
        await submit(training, model="smolm2")
    with pytest.raises(openai.NotFoundError, match="Did you mean 'smollm2'"):
        await _asked(training, "smollm-2")


async def test_options_that_the_trainer_refuses_are_a_bad_request(training, submit):
    with pytest.raises(openai.BadRequestError, match="can't be 7"):
        await submit(training, model="smollm2", method=_method(lora_rank=7))
    with pytest.raises(openai.BadRequestError, match="open-weights base models only"):
        await submit(training, method=_method(lora_rank=8))


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("unlearnable", "invalid_training_file", "no learned token"),
        ("hopeless", "trainer_failed", "batch_size = 1"),
    ],
)
async def test_what_the_trainer_finds_wrong_ends_the_job_with_its_words(
    training, submit, reach, rows: Callable[[int], list[Any]], word, code, said
):
    wrong = rows(12)
    wrong[0]["messages"][0]["content"] = word
    lines = "".join(json.dumps(row) + "\n" for row in wrong).encode()
    file = await training.files.create(file=("wrong.jsonl", lines), purpose="fine-tune")
    job = await submit(training, model="smollm2", training_file=file.id)
    failed = await reach(training, job.id, "failed")
    assert failed.error.code == code
    assert said in failed.error.message


async def test_a_tuned_model_is_tuned_further_on_the_same_base(training, tuned, submit, reach, tmp_path):
    child = await reach(training, (await submit(training, model=tuned.fine_tuned_model)).id, "succeeded")
    said = json.loads((await _asked(training, child.fine_tuned_model)).choices[0].message.content)
    assert said["weights"]["parent"] == str(tmp_path / "smollm2")


async def test_the_base_model_is_still_found_when_it_is_no_longer_configured(app, tuned, connect, tmp_path):
    again = create_app(tmp_path / "endpoint")
    async with connect(again) as client:
        said = json.loads((await _asked(client, "smollm2")).choices[0].message.content)
        assert (said["weights"], said["base"]) == (None, str(tmp_path / "smollm2"))


async def test_the_folder_of_an_ended_training_is_deleted(app, tuned):
    assert list((app.state.context.store.folder / "trainings").iterdir()) == []


async def test_the_processes_behind_models_end_with_the_endpoint(app, connect):
    before = Scribe.closed
    async with running(app), connect(app) as client:
        await _asked(client, "smollm2")
    assert Scribe.closed == before + 1

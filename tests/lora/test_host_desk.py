"""What a host does with requests: batches of one model at a time, and errors that end one answer only."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.randommodel import write_adapter, write_base
from transformers import AutoModelForCausalLM

from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.errors import ParserFailed
from orchestrator.server.trainers.interface import AnswerError, Question
from orchestrator.server.trainers.lora.serving import desk as desks, dialogue, hosted
from orchestrator.server.trainers.lora.serving.desk import LOST, Desk, OpenBase, open_base
from orchestrator.server.trainers.lora.serving.reading import Rows
from orchestrator.server.trainers.lora.serving.wire import question_fields

# peft asks transformers for what it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

TOOLS = [
    {
        "name": "take_off",
        "parameters": {
            "type": "object",
            "properties": {"altitude": {"type": "integer"}, "note": {"enum": ["a", "b"]}},
            "required": ["altitude"],
        },
    },
    {"name": "land", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}},
]
LIMIT = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("models") / "random", max_position_embeddings=1200)


@pytest.fixture(scope="module")
def adapters(folder, tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("weights")
    return [write_adapter(folder, root / f"adapter-{seed}", seed) for seed in range(3)]


@pytest.fixture
def fp32(monkeypatch) -> None:
    """Sums in bfloat16 depend on the size of a batch, so that equal answers need float32."""
    monkeypatch.setattr("orchestrator.server.trainers.lora.precision.processor_has_bf16", lambda: False)


@pytest.fixture
def opened(folder, fp32) -> OpenBase:
    return open_base(folder)


class Asking:
    """A desk, and the replies it has sent."""

    def __init__(self, base: OpenBase) -> None:
        self.replies: dict[int, Any] = {}
        self.order: list[int] = []
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.desk = Desk(base, self._sent)
        self._asked = 0

    def put(self, question: Question, weights: Path | None = None, constrained: bool = True) -> int:
        fields = {"op": "answer", "question": question_fields(question), "constrained": constrained}
        self.requests.put({"id": self._asked, "weights": str(weights) if weights else None, **fields})
        self._asked += 1
        return self._asked - 1

    def finish(self) -> list[Any]:
        """The replies to all requests, in the order they were asked."""
        while len(self.replies) < self._asked:
            self.desk.turn(self.requests)
        return [self.replies[number] for number in range(self._asked)]

    def one(self, question: Question, weights: Path | None = None, constrained: bool = True) -> Any:
        number = self.put(question, weights, constrained)
        self.finish()
        return self.replies[number]

    def _sent(self, message: Any) -> None:
        self.replies[message["id"]] = message.get("answer", message.get("error"))
        self.order.append(message["id"])


def ask(content: str = "Hello", tools: Sequence[Any] = (), **more: Any) -> Question:
    return Question([{"role": "user", "content": content}], list(tools), **{"max_tokens": LIMIT, **more})


def by_generate(folder: Path, weights: Path | None, renderer: Renderer, question: Question) -> str:
    """What the libraries alone write."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if weights is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(weights))
    ids = torch.tensor([renderer.prompt(question.messages, list(question.tools)).ids])
    stops = sorted(renderer.stop_tokens)
    with torch.no_grad():
        written = (
            model.eval()
            .generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=question.max_tokens,
                do_sample=False,
                eos_token_id=stops,
                pad_token_id=0,
            )[0, ids.shape[1] :]
            .tolist()
        )
    return renderer.decode([token for token in written if token not in stops])


# --- Models -----------------------------------------------------------------------------------------------------


def test_base_and_adapters_answer_as_the_libraries_do_in_any_turn(opened, folder, adapters) -> None:
    asking, renderer = Asking(opened), open_renderer(folder)
    models = [None, *adapters]
    # Long enough to be remembered, under the adapter that read them.
    questions = [ask(f"{'A long question. ' * 8}{number}") for number in range(2)]
    expected = {
        (model, question.messages[0]["content"]): by_generate(folder, model, renderer, question).strip()
        for model in models
        for question in questions
    }
    assert len(set(expected.values())) > len(models)
    asked = [(model, question) for question in questions for model in (*models, *reversed(models))]
    for model, question in asked:
        asking.put(question, model)
    replies = asking.finish()
    for (model, question), reply in zip(asked, replies, strict=True):
        assert (reply["content"] or "") == expected[model, question.messages[0]["content"]]
        assert reply["completion_tokens"] <= LIMIT


def test_the_least_used_adapter_is_unloaded_and_loaded_again(opened, adapters, monkeypatch) -> None:
    monkeypatch.setattr(hosted, "MOST_ADAPTERS", 2)
    monkeypatch.setattr(desks, "MOST_ADAPTERS", 2)
    asking = Asking(opened)
    first, again = ([asking.one(ask(), each) for each in adapters] for _ in range(2))
    assert first == again
    assert len({reply["content"] for reply in first}) == len(adapters)
    assert len(opened.hosted._names) == 2


def test_a_broken_adapter_ends_its_own_questions_only(opened, adapters, tmp_path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for each in adapters[0].iterdir():
        (broken / each.name).write_bytes(
            each.read_bytes()[:200] if each.suffix == ".safetensors" else each.read_bytes()
        )
    asking = Asking(opened)
    asking.put(ask(), broken)
    asking.put(ask(), adapters[0])
    asking.put(ask("Again"), broken)
    first, second, third = asking.finish()
    assert f"The adapter in {broken} can't be loaded" in first
    assert first == third
    assert second["content"]


def test_the_template_of_the_weights_is_used(opened, folder, adapters, tmp_path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for each in adapters[0].iterdir():
        (changed / each.name).write_bytes(each.read_bytes())
    template = (changed / "chat_template.jinja").read_text()
    (changed / "chat_template.jinja").write_text("<|im_start|>system\nOther<|im_end|>" + template)
    asking = Asking(opened)
    tokens = [asking.one(ask(), each)["prompt_tokens"] for each in (adapters[0], changed)]
    assert tokens[1] == tokens[0] + len("system\nOther") + 2


# --- Batches ----------------------------------------------------------------------------------------------------


def test_answers_of_a_batch_are_those_of_each_alone_held_or_free(opened, adapters) -> None:
    questions = [
        *(ask(f"{'long ' * number}question {number}", TOOLS, choice="required") for number in range(3)),
        *(ask(f"Question {number}", TOOLS) for number in range(3)),
        ask("Sampled", temperature=1.0, seed=5),
    ]
    alone = [Asking(opened).one(question, adapters[0]) for question in questions]
    together = Asking(opened)
    for question in questions:
        together.put(question, adapters[0])
    assert together.finish() == alone


def test_calls_fit_their_schemas(opened, adapters) -> None:
    for number, weights in enumerate([None, *adapters]):
        reply = Asking(opened).one(ask(f"Go {number}", TOOLS, choice="required", max_tokens=200), weights)
        assert reply["content"] is None
        for call in reply["calls"]:
            assert call["name"] in ("take_off", "land")
            assert set(call["arguments"]) <= {"altitude", "note"}
            assert isinstance(call["arguments"].get("altitude", 0), int)


def test_a_chosen_function_is_called(opened) -> None:
    reply = Asking(opened).one(ask("Go", TOOLS, choice="land", parallel=False, max_tokens=200))
    [call] = reply["calls"]
    assert (call["name"], call["arguments"]) == ("land", {})


def test_free_decoding_holds_to_nothing(opened) -> None:
    held = Asking(opened).one(ask("Go", TOOLS, choice="required", max_tokens=200))
    free = Asking(opened).one(ask("Go", TOOLS, choice="required", max_tokens=200), constrained=False)
    assert held["calls"]
    assert not free["calls"]


def test_a_call_that_was_cut_is_text(opened) -> None:
    reply = Asking(opened).one(ask("Go", TOOLS, choice="take_off", max_tokens=20))
    assert reply["is_cut"]
    assert reply["completion_tokens"] == 20
    assert reply["calls"] == ()
    assert reply["content"].startswith("<tool_call>")


def test_questions_of_another_model_are_not_starved(opened, adapters) -> None:
    asking = Asking(opened)
    asking.put(ask("First", max_tokens=40, stops=["never"]), adapters[0])
    asking.desk.turn(asking.requests)
    asking.put(ask("Other", max_tokens=3), adapters[1])
    late = [asking.put(ask(f"Late {number}", max_tokens=40), adapters[0]) for number in range(3)]
    asking.finish()
    assert asking.order.index(1) < min(asking.order.index(number) for number in late)


def test_a_batch_stays_within_its_tokens(opened, monkeypatch) -> None:
    monkeypatch.setattr(opened.hosted, "most_tokens", 250)
    rows: list[int] = []
    read = Rows.read

    def counted(self: Rows, chunks: Sequence[Sequence[int]]) -> torch.Tensor:
        rows.append(len(chunks))
        return read(self, chunks)

    monkeypatch.setattr(Rows, "read", counted)
    asking = Asking(opened)
    for number in range(6):
        asking.put(ask(f"Question {number}", temperature=1.0, seed=number))
    asking.put(ask("x" * 400))  # too long for any batch, but not for the model
    assert all(isinstance(reply, dict) for reply in asking.finish())
    assert 1 < max(rows) < 6


# --- Limits -----------------------------------------------------------------------------------------------------


def test_a_prompt_beyond_the_context_is_refused(opened) -> None:
    reply = Asking(opened).one(ask("x" * 2000))
    assert reply.startswith("The prompt has 2,0")
    assert "the model takes 1,200" in reply


def test_an_answer_ends_with_the_context(opened) -> None:
    reply = Asking(opened).one(ask("x" * 1150, TOOLS[:0], max_tokens=500, stops=["never"]))
    assert reply["prompt_tokens"] + reply["completion_tokens"] <= 1200
    assert reply["is_cut"] == (reply["prompt_tokens"] + reply["completion_tokens"] == 1200)


def test_an_answer_without_a_limit_has_one(opened, monkeypatch) -> None:
    monkeypatch.setattr(dialogue, "MOST_TOKENS", 5)
    assert Asking(opened).one(ask(max_tokens=None))["completion_tokens"] <= 5


def test_tokens_are_those_that_serving_reads(opened, adapters) -> None:
    asking = Asking(opened)
    messages, tools = [{"role": "user", "content": "Hello"}], [{"type": "function", "function": TOOLS[0]}]
    fields = {"op": "tokenize", "messages": messages, "tools": tools, "parallel": None}
    sent: list[Any] = []
    Desk(opened, sent.append)._take({"id": 5, "weights": str(adapters[0]), **fields})
    answered = asking.one(Question(messages, [TOOLS[0]], max_tokens=1), adapters[0])
    assert len(sent[0]["tokens"]) == answered["prompt_tokens"]


def test_a_conversation_that_the_template_refuses_is_an_error(opened) -> None:
    reply = Asking(opened).one(Question([{"role": "nobody", "content": "x"}]))
    assert "has no known role" in reply


# --- Failures ---------------------------------------------------------------------------------------------------


def failing(monkeypatch, raises: Callable[[int], Exception | None]) -> None:
    read = Rows.read

    def sometimes(self: Rows, chunks: Sequence[Sequence[int]]) -> torch.Tensor:
        error = raises(len(chunks))
        if error is not None:
            raise error
        return read(self, chunks)

    monkeypatch.setattr(Rows, "read", sometimes)


def test_answers_that_outgrow_the_memory_are_written_by_fewer_at_once(opened, monkeypatch) -> None:
    questions = [ask(f"Question {number}", TOOLS, choice="required") for number in range(5)]
    expected = [Asking(opened).one(question) for question in questions]
    failing(monkeypatch, lambda rows: torch.OutOfMemoryError("CUDA out of memory") if rows > 2 else None)
    asking = Asking(opened)
    for question in questions:
        asking.put(question)
    assert asking.finish() == expected


def test_an_answer_that_outgrows_the_memory_alone_says_what_to_change(opened, monkeypatch) -> None:
    failing(monkeypatch, lambda rows: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 5 bytes"))
    assert "ran out of memory for this answer. Shorten the prompt" in Asking(opened).one(ask())


def test_an_unexpected_error_ends_the_batch_and_not_the_host(opened, monkeypatch) -> None:
    errors = [ValueError("odd"), None]
    failing(monkeypatch, lambda rows: errors.pop(0) if errors else None)
    asking = Asking(opened)
    assert asking.one(ask()) == "The model's process failed with ValueError: odd"
    assert asking.one(ask())["completion_tokens"]


def test_a_gpu_that_is_gone_ends_the_host(opened, monkeypatch) -> None:
    failing(monkeypatch, lambda rows: torch.AcceleratorError("CUDA error: unspecified launch failure", 719))
    asking = Asking(opened)
    asking.put(ask())
    assert asking.desk.serve(asking.requests) == LOST
    assert not asking.replies


def test_a_parser_that_fails_is_told_apart_from_the_model(opened, monkeypatch) -> None:
    def broken(*_: Any) -> Any:
        raise ParserFailed(reason="a bug")

    monkeypatch.setattr(dialogue, "parse_answer", broken)
    reply = Asking(opened).one(ask("Go", TOOLS))
    assert reply.startswith(
        "The parser for hermes could not read the answer: this is a fault of ftorch, not of the model."
    )


def test_a_schema_that_cannot_be_held_is_said_once_and_decoded_freely(opened, capfd) -> None:
    odd = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"$ref": "https://example.com/x"}}}}
    asking = Asking(opened)
    assert asking.one(ask("Go", [odd], choice="required"))["calls"] == ()
    asking.one(ask("Again", [odd], choice="required"))
    assert capfd.readouterr().err.count("Calls are not held to the functions' schemas") == 1


def test_without_the_grammar_library_decoding_is_free(folder, fp32, monkeypatch, capfd) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    base = open_base(folder)
    assert "llguidance is not installed" in capfd.readouterr().err
    assert Asking(base).one(ask("Go", TOOLS, choice="required"))["calls"] == ()


def test_a_folder_without_weights_is_refused(folder, tmp_path, fp32) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (empty / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(OSError, match="safetensors"):
        open_base(empty)
    (empty / "config.json").write_text(json.dumps({"model_type": "no-such-type"}))
    with pytest.raises((ValueError, OSError)):
        open_base(empty)


def test_weights_without_a_template_are_refused(opened, adapters, tmp_path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(AnswerError):
        Desk(opened, print)._model(str(bare))

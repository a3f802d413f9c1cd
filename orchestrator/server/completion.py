"""Answers a chat request with a loaded model."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.dataset.tokens import count_messages, count_text
from orchestrator.figures import count
from orchestrator.server import ids
from orchestrator.server.apierror import ApiError
from orchestrator.server.basemodels import BaseModels, shut_down, unknown_model
from orchestrator.server.chatrequest import ChatRequest
from orchestrator.server.jobrequest import MAX_SEED
from orchestrator.server.store import Store
from orchestrator.server.trainers import trainer
from orchestrator.server.trainers.interface import Answer, AnswerError, Base, Machine, Model, Question, Trainer

FinishReason = Literal["stop", "length", "tool_calls", "function_call"]


@dataclass(frozen=True)
class Call:
    """One call as sent: `arguments` is JSON text, cut short if the answer had to be."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Choice:
    """One answer: text, or calls (then `content` is None, or the text before them)."""

    content: str | None
    calls: Sequence[Call]
    finish_reason: FinishReason


@dataclass(frozen=True)
class Completion:
    """The complete answer, before it takes the form of one object or of chunks."""

    id: str
    created: int
    model: str
    fingerprint: str
    legacy: bool
    choices: Sequence[Choice]
    prompt_tokens: int
    completion_tokens: int


def complete(request: ChatRequest, loaded: Loaded, now: int) -> Completion:
    """The model's answer with `n` choices; at temperature 0 they are equal. ApiError 500 if it can't answer."""
    offer = request.offer
    answers = _answers(request, loaded.model)
    chosen = [_limited(request, answer) for answer in answers]
    counted = answers[0].prompt_tokens
    if counted is None:
        counted = count_messages(request.messages, offer.functions or None, request.model)
    spent = sum(tokens for _, tokens in chosen)
    sums = {"answers_total": 1, "prompt_tokens_total": counted, "completion_tokens_total": spent}
    for name, amount in sums.items():
        count(name, amount, model=request.model)
    return Completion(
        id=ids.completion_id(),
        created=now,
        model=request.model,
        fingerprint=loaded.fingerprint,
        legacy=offer.legacy,
        choices=[_with_new_ids(choice) for choice, _ in chosen],
        prompt_tokens=counted,
        completion_tokens=spent,
    )


def _answers(request: ChatRequest, model: Model) -> list[Answer]:
    question = Question(
        messages=request.messages,
        tools=request.offer.functions,
        choice=request.offer.choice,
        parallel=request.offer.parallel,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        stops=request.stops,
    )
    try:
        if request.temperature == 0:
            return [model.answer(question)] * request.n
        first = secrets.randbelow(MAX_SEED) if request.seed is None else request.seed
        return [model.answer(replace(question, seed=(first + number) % MAX_SEED)) for number in range(request.n)]
    except AnswerError as error:
        raise ApiError(500, str(error), kind="server_error", code="model_unavailable") from error


def _limited(request: ChatRequest, answer: Answer) -> tuple[Choice, int]:
    """The answer as a choice, and its number of tokens. A model without a tokenizer leaves stops and the cut to
    us."""
    choice = _choice_of(request, answer)
    if answer.completion_tokens is None:
        ended = replace(choice, content=choice.content and _until_stop(choice.content, request.stops))
        return _cut_to(ended, request.max_tokens, request.model)
    return (replace(choice, finish_reason="length") if answer.is_cut else choice), answer.completion_tokens


def _choice_of(request: ChatRequest, answer: Answer) -> Choice:
    calls = [Call("", call.name, _json(call.arguments)) for call in answer.calls]
    if not calls:
        return Choice(answer.content or "", (), "stop")
    if request.offer.legacy:
        return Choice(answer.content, calls[:1], "function_call")
    return Choice(answer.content, calls, "tool_calls")


def _json(arguments: object) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def _until_stop(text: str, stops: Sequence[str]) -> str:
    ends = [text.index(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


def _cut_to(choice: Choice, most: int | None, model: str) -> tuple[Choice, int]:
    """The choice cut to this many tokens, and its number of tokens then."""
    left = most
    texts: list[str] = []
    spent = 0
    for text in _texts(choice):
        kept = text if left is None else _first_tokens(text, left - spent, model)
        spent += count_text(kept, model)
        texts.append(kept)
    if texts == _texts(choice):
        return choice, spent
    return _cut(choice, texts), spent


def _texts(choice: Choice) -> list[str]:
    """The text whose tokens are counted: the answer, or each call's name and arguments."""
    if not choice.calls:
        return [choice.content or ""]
    return [text for call in choice.calls for text in (call.name, call.arguments)]


def _cut(choice: Choice, texts: list[str]) -> Choice:
    if not choice.calls:
        return Choice(texts[0], (), "length")
    arguments = zip(choice.calls, texts[::2], texts[1::2], strict=True)
    calls = [replace(call, arguments=kept) for call, name, kept in arguments if name == call.name]
    return Choice(None, calls, "length")


def _first_tokens(text: str, tokens: int, model: str) -> str:
    """The longest beginning of the text with at most this many tokens."""
    if count_text(text, model) <= tokens:
        return text
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if count_text(text[:middle], model) <= tokens:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest]


def _with_new_ids(choice: Choice) -> Choice:
    return replace(choice, calls=[replace(call, id=ids.call_id()) for call in choice.calls])


# --- A completion as JSON: one object, or the chunks of a stream ----------------------------------------------


Json = dict[str, Any]

WORD = re.compile(r"\s*\S+|\s+")


def completion_object(completion: Completion) -> Json:
    """The `chat.completion` object."""
    return {
        **_head(completion, "chat.completion"),
        "choices": [_choice(number, choice, completion.legacy) for number, choice in enumerate(completion.choices)],
        "usage": _usage(completion),
    }


def event_stream(completion: Completion, *, usage: bool) -> Iterator[str]:
    """The server-sent events of a streamed completion; with `usage`, one more chunk has it at the end."""
    head = _head(completion, "chat.completion.chunk")
    if usage:
        head["usage"] = None
    for number, choice in enumerate(completion.choices):
        for delta in _deltas(choice, completion.legacy):
            yield _event({**head, "choices": [_part(number, delta, None)]})
        yield _event({**head, "choices": [_part(number, {}, choice.finish_reason)]})
    if usage:
        yield _event({**head, "choices": [], "usage": _usage(completion)})
    yield "data: [DONE]\n\n"


def _head(completion: Completion, kind: str) -> Json:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "service_tier": "default",
        "system_fingerprint": completion.fingerprint,
    }


def _choice(number: int, choice: Choice, legacy: bool) -> Json:
    message: Json = {"role": "assistant", "content": choice.content, "refusal": None, "annotations": []}
    if choice.calls and legacy:
        message["function_call"] = _function(choice.calls[0])
    elif choice.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": _function(call)} for call in choice.calls
        ]
    return {"index": number, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}


def _function(call: Call) -> Json:
    return {"name": call.name, "arguments": call.arguments}


def _usage(completion: Completion) -> Json:
    prompt, answer = completion.prompt_tokens, completion.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _deltas(choice: Choice, legacy: bool) -> Iterator[Json]:
    """The chunks of a choice: first the role, then text or calls word by word."""
    has_text = bool(choice.content) or not choice.calls
    yield {"role": "assistant", "content": "" if has_text else None, "refusal": None}
    for piece in WORD.findall(choice.content or ""):
        yield {"content": piece}
    for number, call in enumerate(choice.calls):
        if legacy:
            yield {"function_call": {"name": call.name, "arguments": ""}}
        else:
            start = {"index": number, "id": call.id, "type": "function"}
            yield {"tool_calls": [{**start, "function": {"name": call.name, "arguments": ""}}]}
        for piece in WORD.findall(call.arguments):
            part = {"arguments": piece}
            yield {"function_call": part} if legacy else {"tool_calls": [{"index": number, "function": part}]}


def _part(number: int, delta: Json, finish_reason: str | None) -> Json:
    return {"index": number, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(chunk: Json) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


# --- Models in memory: the few used last stay loaded ----------------------------------------------------------


CAPACITY = 4


@dataclass(frozen=True)
class Loaded:
    """A model that answers, and its fingerprint, which changes when the weights do."""

    model: Model
    fingerprint: str


Key = tuple[str, str | None, str | None]
"""Trainer, weights and base folder of a model."""


class LoadedModels:
    """Finds models by name and loads their weights once."""

    def __init__(
        self,
        store: Store,
        base_models: BaseModels,
        machine: Machine,
        is_shut_down: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        self._is_shut_down = is_shut_down
        self._store = store
        self._base_models = base_models
        self._machine = machine
        self._trainers: dict[str, Trainer] = {}
        self._loaded: OrderedDict[Key, Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Loaded:
        """The fine-tuned or base model of this name.

        Raises ApiError 404 if there is no such fine-tuned model or it was shut down, 500 if it can't be loaded.
        """
        if self._is_shut_down(name):
            raise shut_down(name)
        if not is_fine_tuned(name):
            origin = self._base_models.origin(name)
            return self._load((origin.trainer, None, origin.folder), name)
        model = self._store.models.get(name)
        if model is None:
            raise unknown_model(name)
        folder = self._base_models.folder(model.base, model.base_folder)
        return self._load((model.trainer, model.weights, folder), model.base)

    def trainer(self, name: str) -> Trainer:
        """The trainer of this name, which is the same one each time."""
        if name not in self._trainers:
            self._trainers[name] = trainer(name, self._machine)
        return self._trainers[name]

    def close(self) -> None:
        """Forget all models and end the processes that answer for them."""
        with self._lock:
            self._loaded.clear()
            trainers, self._trainers = self._trainers, {}
        for each in trainers.values():
            each.close()

    def _load(self, key: Key, base: str) -> Loaded:
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = Loaded(self._model(key, base), _fingerprint(key))
            self._loaded.move_to_end(key)
            while len(self._loaded) > CAPACITY:
                self._loaded.popitem(last=False)
            return self._loaded[key]

    def _model(self, key: Key, base: str) -> Model:
        trainer_name, weights, folder = key
        path = None if weights is None else self._store.weights.path(weights)
        try:
            loaded = self.trainer(trainer_name).load(path, None if folder is None else Base(base, Path(folder)))
        except AnswerError as error:
            raise ApiError(500, str(error), kind="server_error", code="model_unavailable") from error
        return loaded


def _fingerprint(key: Key) -> str:
    return "fp_" + hashlib.sha256(repr(key).encode()).hexdigest()[:10]

"""Takes requests, writes their answers in batches, and replies."""

from __future__ import annotations

import importlib.util
import queue
import sys
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from orchestrator.dataset.rendering.renderer import open_renderer
from orchestrator.server.trainers.interface import AnswerError, Question
from orchestrator.server.trainers.lora.precision import chosen_precision
from orchestrator.server.trainers.lora.serving.decoding import Decoder, Draft
from orchestrator.server.trainers.lora.serving.dialogue import conversation
from orchestrator.server.trainers.lora.serving.grammar import Grammars, GrammarUnusable
from orchestrator.server.trainers.lora.serving.hosted import MOST_ADAPTERS, HostedBase
from orchestrator.server.trainers.lora.serving.served import Served
from orchestrator.server.trainers.lora.serving.wire import Message, answer_fields, question_of

LOST = 70
"""Those who wait learn of it as this process ends, and ask a new one."""

Send = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class OpenBase:
    """A base model, ready to answer."""

    folder: Path
    hosted: HostedBase
    grammars: Grammars | None
    description: str


def open_base(folder: Path) -> OpenBase:
    """Load the model in this folder. Raises ModuleNotFoundError, OSError, ValueError and MemoryError."""
    # One version says what the folder lacks, before minutes of loading.
    stop_tokens = open_renderer(folder).stop_tokens
    precision = chosen_precision("auto", "none")
    try:
        hosted = HostedBase(folder, precision)
    except RuntimeError as error:
        if _is_memory(error):
            raise MemoryError(str(error)) from error
        raise
    description = f"{folder} on {precision.device} in {precision.name}"
    print(f"Loaded {description}; at most {hosted.most_tokens:,} tokens in a batch", file=sys.stderr, flush=True)
    return OpenBase(folder, hosted, _grammars(folder, hosted.vocabulary, stop_tokens), description)


def _grammars(folder: Path, vocabulary: int, stop_tokens: frozenset[int]) -> Grammars | None:
    if importlib.util.find_spec("llguidance") is None:
        print("llguidance is not installed: calls are not held to schemas", file=sys.stderr, flush=True)
        return None
    try:
        return Grammars(folder, vocabulary, stop_tokens)
    except GrammarUnusable as error:
        print(f"Calls are not held to schemas: {error}", file=sys.stderr, flush=True)
        return None


@dataclass
class Asked:
    """A question, its model, and its answer once it is begun."""

    id: int
    question: Question
    constrained: bool
    served: Served
    draft: Draft = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin the answer, again if need be. Raises AnswerError."""
        self.draft = self.served.draft(self.question, constrained=self.constrained)

    @property
    def tokens(self) -> int:
        """The most that it may take of a batch."""
        return len(self.draft.prompt) + self.draft.most


class Desk:
    """The questions that wait, and those that are being answered: of one model at a time."""

    def __init__(self, base: OpenBase, send: Send) -> None:
        self._base = base
        self._send = send
        self._models: OrderedDict[Path | None, Served] = OrderedDict()
        self._waiting: deque[Asked] = deque()
        self._active: list[Asked] = []
        self._decoder: Decoder | None = None
        self._most_rows = base.hosted.most_rows

    def serve(self, requests: queue.SimpleQueue[Message]) -> int:
        """Answer until the process can't go on, as the GPU is gone; then its exit status."""
        while True:
            try:
                self.turn(requests)
            except torch.AcceleratorError as error:
                traceback.print_exception(error)
                return LOST

    def turn(self, requests: queue.SimpleQueue[Message]) -> None:
        """Take the requests that came, and write at least one token of each answer. Raises AcceleratorError."""
        self._take_in(requests)
        try:
            self._admit()
            self._advance()
        except torch.AcceleratorError:
            raise
        except Exception as error:
            self._recover(error)

    # --- Requests -------------------------------------------------------------------------------------------

    def _take_in(self, requests: queue.SimpleQueue[Message]) -> None:
        """Take all requests that have come; wait for one if there is nothing to do."""
        if not self._waiting and not self._active:
            self._take(requests.get())
        with suppress(queue.Empty):
            while True:
                self._take(requests.get_nowait())

    def _take(self, request: Message) -> None:
        number = request["id"]
        try:
            served = self._model(request["weights"])
            if request["op"] == "tokenize":
                asked = conversation(request["messages"], request["tools"], request["parallel"])
                self._send({"id": number, "tokens": served.dialogue.prompt(asked)})
            else:
                question = question_of(request["question"])
                self._waiting.append(Asked(number, question, request["constrained"], served))
        except AnswerError as error:
            self._send({"id": number, "error": str(error)})
        except Exception as error:
            traceback.print_exc()
            self._send({"id": number, "error": _unexpected(error)})

    def _model(self, weights: str | None) -> Served:
        key = None if weights is None else Path(weights)
        if key not in self._models:
            self._models[key] = Served(self._base.folder, key, self._base.grammars)
            if len(self._models) > MOST_ADAPTERS:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    # --- Answers --------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Have those that fit join the batch: of the model that has waited longest, if none is being answered."""
        if not self._waiting or (self._active and any(each.served is not self._now for each in self._waiting)):
            return
        if not self._active and not self._changed_to(self._waiting[0].served):
            return
        joining = self._chosen()
        self._active += joining
        if joining and self._decoder is not None:
            self._decoder.join([each.draft for each in joining])

    def _changed_to(self, served: Served) -> bool:
        """Have the base wear this model's adapter; False if it can't, which is replied to those who wait for it."""
        try:
            self._base.hosted.wear(served.weights)
        except Exception as error:
            if not isinstance(error, AnswerError):
                traceback.print_exception(error)
            self._models = OrderedDict((key, each) for key, each in self._models.items() if each is not served)
            self._active = [each for each in self._waiting if each.served is served]
            self._waiting = deque(each for each in self._waiting if each.served is not served)
            self._fail(str(error) if isinstance(error, AnswerError) else _unexpected(error))
            return False
        self._decoder = Decoder(self._base.hosted.reader())
        return True

    @property
    def _now(self) -> Served:
        return self._active[0].served

    def _chosen(self) -> list[Asked]:
        assert self._decoder is not None
        served = self._active[0].served if self._active else self._waiting[0].served
        rows = min(self._most_rows - len(self._active), self._decoder.room)
        longest = max((each.tokens for each in self._active), default=0)
        chosen: list[Asked] = []
        for asked in [each for each in self._waiting if each.served is served]:
            longest = max(longest, asked.tokens)
            count = len(self._active) + len(chosen) + 1
            is_alone = count == 1
            if len(chosen) == rows or (count * longest > self._base.hosted.most_tokens and not is_alone):
                break
            chosen.append(asked)
        for asked in chosen:
            self._waiting.remove(asked)
        return chosen

    def _advance(self) -> None:
        if self._decoder is not None and self._decoder.drafts:
            self._decoder.step()
        done = [each for each in self._active if each.draft.finish is not None]
        self._active = [each for each in self._active if each.draft.finish is None]
        for asked in done:
            self._reply(asked)
        if not self._active:
            self._decoder = None

    def _reply(self, asked: Asked) -> None:
        try:
            answer = asked.served.answer(asked.question, asked.draft)
        except AnswerError as error:
            self._send({"id": asked.id, "error": str(error)})
        else:
            self._send({"id": asked.id, "answer": answer_fields(answer)})

    # --- Failures -------------------------------------------------------------------------------------------

    def _recover(self, error: Exception) -> None:
        """Go on after an error of a batch: with fewer rows if memory ran out, else without it."""
        self._decoder = None
        if not _is_memory(error):
            traceback.print_exception(error)
            self._fail(_unexpected(error))
        else:
            self._free()
            rows = len(self._active)
            print(f"Memory ran out with {rows} answers at once: {error}", file=sys.stderr, flush=True)
            if rows <= 1:
                self._fail(
                    "The model ran out of memory for this answer. Shorten the prompt, set a smaller max_tokens, or "
                    "use a smaller base model."
                )
            else:
                self._most_rows = rows // 2
                self._again()

    def _again(self) -> None:
        for asked in self._active:
            asked.begin()
        self._waiting.extendleft(reversed(self._active))
        self._active = []

    def _fail(self, message: str) -> None:
        for asked in self._active:
            self._send({"id": asked.id, "error": message})
        self._active = []

    def _free(self) -> None:
        self._base.hosted.prefixes.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _is_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "not enough memory" in text)


def _unexpected(error: Exception) -> str:
    return f"The model's process failed with {type(error).__name__}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]

"""A teacher on 127.0.0.1: it writes words for the items that it is shown, and calls functions in round trips."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from orchestrator.generation.calls import Call, Function, Kind, Style, Target
from orchestrator.generation.templates import template_words
from support.project import Project, make_project
from support.scripted_host import LOST, UPLOAD, Answer, Asked, ScriptedHost, page, refusal

CHAT = "POST /chat/completions"

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "set_lamp",
            "description": "Switch the lamp of a room.",
            "parameters": {
                "type": "object",
                "properties": {
                    "mode": {
                        "type": "string",
                        "enum": ["on", "off", "blink"],
                        "description": "What the lamp does.",
                    },
                    "room": {"type": "string", "enum": ["hall", "kitchen"], "description": "The room."},
                },
                "required": ["mode"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "climb_to",
            "description": "Climb to a height.",
            "parameters": {
                "type": "object",
                "properties": {
                    "altitude": {
                        "type": "integer",
                        "minimum": 5,
                        "maximum": 120,
                        "description": "Height in metres.",
                    }
                },
                "required": ["altitude"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "reject_request",
            "description": "Decline what no other function does.",
            "parameters": {"type": "object", "properties": {}},
        },
    },
]
"""Nine calls of a lamp, three heights, and a function that rejects."""


class Teacher:
    """Answers well; `say` changes what it answers. `paid` counts the requests that it did not know by their key."""

    def __init__(self) -> None:
        self.host = _Host(self)
        self.paid: Counter[str] = Counter()
        """By idempotency key: how often the answer was worked out, and paid for."""
        self.repeats: Counter[str] = Counter()
        """By idempotency key: how often the same answer was given again."""
        self.seconds = 0.0
        """How long an answer takes."""
        self.manner = "good"
        """Of words: "good", "prose", "fenced", "refuses", "alike", "wrong values", "half", "stops", "broken"."""
        self.stops_after: int | None = None
        """After so many answers the connection is closed."""
        self.tokens = 200
        """Of an answer."""
        self.is_thrifty = False
        """Round trips cost as much less as they really do."""
        self.answered = 0
        self.refuses = 0
        """So many requests are refused first."""
        self.empties_answers = False
        """What the assistant says is left out."""
        self.batches = "good"
        """"good", "refused", or "hidden": they are made, no create is answered, and there is no list."""
        self.verifier = "good"
        """Of round trips: "good", "prose", "other"."""
        self.under_way = self.most_at_once = 0
        self._known: dict[str, Answer] = {}
        self._calls: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._under_key: dict[str, threading.Lock] = {}

    @contextmanager
    def running(self) -> Iterator[Teacher]:
        with self.host.running():
            yield self

    @property
    def words_requests(self) -> int:
        return sum("tools" not in asked.fields for asked in self.host.asked if asked.line == CHAT)

    def answer(self, asked: Asked) -> Answer:
        key = asked.headers.get("idempotency-key", f"none-{asked.at}")
        with self._lock:
            of_key = self._under_key.setdefault(key, threading.Lock())
        with of_key:  # a repeat waits for the answer that is being worked out
            return self._answer(asked, key)

    def _answer(self, asked: Asked, key: str) -> Answer:
        with self._lock:
            if self.stops_after is not None and sum(self.paid.values()) >= self.stops_after:
                return LOST
            if key in self._known:
                self.repeats[key] += 1
                return self._known[key]
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
        if self.seconds:
            time.sleep(self.seconds)
        with self._lock:
            self.under_way -= 1
            if self.refuses:
                self.refuses -= 1
                return refusal(400, "this one is not allowed", "content_filter")
            fields = asked.fields  # a process that is killed may send a part of a request, which costs nothing
            self.paid[key] += 1
            answer = self._trip(fields) if "tools" in fields else self._words(fields)
            if answer.status == 200:
                body: Any = answer.body
                sizes = (190, 60) if self.is_thrifty and "tools" in fields else (1000, self.tokens)
                body["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), sizes, strict=True))
                self._known[key] = answer
                self.answered += 1
            return answer

    # --- words ---------------------------------------------------------------------------------------------

    def _words(self, fields: Mapping[str, Any]) -> Answer:
        asked = json.loads(fields["messages"][-1]["content"])
        if self.manner == "prose":
            return _said("Certainly! Here are some requests that people might make of the drone.")
        if self.manner == "refuses":
            return _message({"role": "assistant", "content": None, "refusal": "I can't help with that."})
        if self.manner == "broken":
            return _said('{"requests": [{"number": 0, "text": "Take o')
        if self.manner == "stops":
            return refusal(400, "this content is not allowed", "content_filter")
        functions = {each["name"]: _function(each) for each in asked["functions"]}
        entries = [self._entry(item, functions) for item in asked["items"]]
        if self.manner == "half":
            entries = entries[: (len(entries) + 1) // 2]
        text = json.dumps({"requests": entries})
        return _said(f"Here you are:\n```json\n{text}\n```" if self.manner == "fenced" else text)

    def _entry(self, item: Mapping[str, Any], functions: Mapping[str, Function]) -> dict[str, Any]:
        # The same item always gets the same words, whatever was asked before it.
        number = crc32(json.dumps(item, sort_keys=True).encode())
        target = Target(
            id=f"taught-{number}",
            kind=Kind(item["kind"]),
            style=Style(item["style"]),
            calls=tuple(Call(each["name"], each["arguments"]) for each in item["calls"]),
            cell="",
            lacking=item.get("lacking", ""),
            language=item["language"],
            then=tuple(Call(each["name"], each["arguments"]) for each in item.get("then", ())),
        )
        written = template_words(target, functions, number)
        text = written.text
        if self.manner == "alike":
            text = "Do it now please."
        if self.manner == "wrong values":
            text = f"Attempt {number}: do something quite different, number {987654 + number}."
        self._remember(text, target.calls, target.kind)
        self._remember(written.then, target.then, target.kind)
        return {
            "number": item["number"],
            "text": text,
            "evidence": [{"value": key, "words": words} for key, words in written.evidence.items()],
            "answer": "" if self.empties_answers else written.answer,
            "then": written.then,
        }

    def _remember(self, text: str, calls: tuple[Call, ...], kind: Kind) -> None:
        is_call = kind in (Kind.CALL, Kind.TURNS)
        self._calls[text] = [_call(number, each) for number, each in enumerate(calls)] if is_call else []

    # --- round trips ---------------------------------------------------------------------------------------

    def _trip(self, fields: Mapping[str, Any]) -> Answer:
        text = next(each["content"] for each in reversed(fields["messages"]) if each["role"] == "user")
        calls = self._calls.get(text, [])
        if self.verifier == "prose" or not calls:
            return _said("I am not sure what you mean.")
        if self.verifier == "other":
            calls = [{**each, "function": {"name": "elsewhere", "arguments": "{}"}} for each in calls]
        return _message({"role": "assistant", "content": None, "tool_calls": calls})


class _Host(ScriptedHost):
    """Answers chat requests side by side; everything else as any scripted host does."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self._teacher = teacher
        self._inputs: list[bytes] = []
        self._outputs: dict[str, str] = {}
        self._batches: dict[str, dict[str, Any]] = {}

    def answer(self, asked: Asked) -> Answer:
        if asked.line == CHAT:
            self.asked.append(asked)
            return self._teacher.answer(asked)
        if "/batches" in asked.line or asked.line.endswith("/content"):
            self.asked.append(asked)
            return self._batch(asked)
        if asked.line == UPLOAD:
            _, _, body = asked.content.partition(b"\r\n\r\n{")
            self._inputs.append(b"{" + body.rpartition(b"\r\n--")[0].partition(b"\r\n--")[0])
        return super().answer(asked)

    def _batch(self, asked: Asked) -> Answer:
        """A batch is answered as soon as it is made."""
        if asked.line == "GET /batches":
            if self._teacher.batches == "hidden":
                return refusal(404, "no such page")
            return page(list(self._batches.values()))
        if asked.line == "POST /batches":
            if self._teacher.batches == "refused":
                return refusal(400, "this account has no batches")
            batch_id = f"batch_{len(self._batches)}"
            lines = [json.loads(line) for line in self._inputs[-1].splitlines() if line]
            self._outputs[f"out_{batch_id}"] = "\n".join(map(self._answered, lines))
            self._batches[batch_id] = {
                "id": batch_id,
                "object": "batch",
                "status": "completed",
                "created_at": int(time.time()),
                "endpoint": "/v1/chat/completions",
                "input_file_id": asked.fields["input_file_id"],
                "output_file_id": f"out_{batch_id}",
                "completion_window": "24h",
                "metadata": asked.fields.get("metadata"),
                "request_counts": {"total": len(lines), "completed": len(lines), "failed": 0},
            }
            return LOST if self._teacher.batches == "hidden" else Answer(200, self._batches[batch_id])
        if asked.line.endswith("/content"):
            return Answer(200, self._outputs[asked.line.split("/")[-2]])
        return Answer(200, self._batches[asked.subject])

    def _answered(self, line: Mapping[str, Any]) -> str:
        request = Asked(CHAT, {}, {"idempotency-key": line["custom_id"]}, json.dumps(line["body"]).encode())
        answer = self._teacher.answer(request)
        response = {"status_code": answer.status, "body": answer.body}
        return json.dumps({"id": "r", "custom_id": line["custom_id"], "response": response, "error": None})


def _function(inner: Mapping[str, Any]) -> Function:
    schema = inner.get("parameters") or {"type": "object", "properties": {}}
    return Function(inner["name"], inner.get("description", ""), schema, {"type": "function", "function": inner})


def _call(number: int, call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _said(text: str) -> Answer:
    return _message({"role": "assistant", "content": text})


def _message(message: Mapping[str, Any]) -> Answer:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
    return Answer(200, {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage})


def school(root: Path, teacher: Teacher) -> Project:
    """A project with `tools.json` and the endpoint "school", whose model "tutor" has a price."""
    project = make_project(root)
    (root / "tools.json").write_text(json.dumps(TOOLS))
    (root / "prices.toml").write_text(
        '[[price]]\nendpoint_type = "compatible"\nmodel = "tutor"\nbase_input = 1.0\nbase_output = 10.0\n'
        "base_batch_input = 0.5\nbase_batch_output = 5.0\n"
    )
    (root / "ftorch.toml").write_text(
        f'[endpoints.school]\ntype = "compatible"\nbase_url = "{teacher.host.url}"\nprices = "prices.toml"\n'
    )
    return project

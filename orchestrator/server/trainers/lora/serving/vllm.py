"""Answers of models that a vLLM server holds.

vLLM gets tokens and not messages (`/v1/completions`), so that each adapter is asked with the very template that it
was trained with: a server has one template for all of its models. Its answer is read by our parser. A call is held
to its schema by the same grammar as in a host process, which vLLM's guidance backend reads. Adapters are found by
vLLM's filesystem resolver in a folder of links, by name, also after a restart.

Tested with a scripted server only: vLLM needs a GPU, and none was there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.server.trainers.interface import Answer, AnswerError, Base, Question
from orchestrator.server.trainers.lora.serving.dialogue import Dialogue, conversation
from orchestrator.server.trainers.lora.serving.grammartext import bounded, grammar_text
from orchestrator.server.trainers.lora.serving.provenance import ADAPTER, check_base, check_weights
from orchestrator.server.trainers.lora.serving.vllmserver import Address, Servers

log = logging.getLogger(__name__)

TRIES = 2
WEIGHTS = "adapter_model.safetensors"
CONNECT_SECONDS = 10.0
CONNECTIONS = 1000

Json = Mapping[str, Any]


class _Unreachable(Exception):
    """The server did not answer."""


class VllmHosts:
    """The models of a vLLM server; used like `hosting.Hosts`."""

    def __init__(self, servers: Servers, adapters: Path, *, constrained: bool = True) -> None:
        """`adapters` is the folder in which vLLM finds adapters by their names."""
        self._servers = servers
        self._adapters = adapters
        self._constrained = constrained
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        self._client = httpx2.Client(
            timeout=timeout, limits=httpx2.Limits(max_connections=CONNECTIONS), trust_env=False
        )
        self._told: set[str] = set()

    def handle(self, weights: Path | None, base: Base) -> VllmHandle:
        """The model of these weights; None is the base model. Raises AnswerError if the weights are gone."""
        if weights is not None:
            check_weights(weights)
        return VllmHandle(self, weights, base)

    def close(self) -> None:
        """End the server if it was started here."""
        self._servers.close()
        self._client.close()

    def complete(self, base: Base, weights: Path | None, body: Json, grammar: str | None) -> Json:
        """The server's completion. Raises AnswerError."""
        for left in reversed(range(TRIES)):
            try:
                with self._servers.using(base, _rank(weights)) as address:
                    return self._completed(address, base, weights, body, grammar)
            except _Unreachable as error:
                self._servers.lost()
                if not left:
                    raise AnswerError(f"vLLM did not answer: {error}") from error
        raise AssertionError

    def _completed(
        self, address: Address, base: Base, weights: Path | None, body: Json, grammar: str | None
    ) -> Json:
        served = self._served(address, base)
        name = str(served["id"])
        if weights is not None:
            name = linked(self._adapters, weights, str(served.get("root") or name))
        free = {**body, "model": name}
        held = {**free, "structured_outputs": {"grammar": grammar}} if grammar and self._constrained else free
        reply = self._post(address, "/v1/completions", held)
        if reply.status_code == 404 and weights is not None:
            self._load(address, name)
            reply = self._post(address, "/v1/completions", held)
        if reply.status_code == 400 and held is not free:
            self._tell(f"vLLM refused a grammar, so its calls are not held to their schemas: {_message(reply)}")
            reply = self._post(address, "/v1/completions", free)
        if reply.status_code != 200:
            raise AnswerError(f"vLLM answered with HTTP {reply.status_code}: {_message(reply)}")
        return _object(reply)

    def _served(self, address: Address, base: Base) -> Json:
        """What the server calls the base model."""
        reply = self._get(address, "/v1/models")
        if reply.status_code != 200:
            raise AnswerError(f"vLLM at {address.url} answered with HTTP {reply.status_code}: {_message(reply)}")
        models = [each for each in _object(reply).get("data", []) if not each.get("parent")]
        wanted = {base.name, str(base.folder)}
        for each in models:
            if {str(each.get("root")), each["id"]} & wanted:
                return dict(each)
        names = ", ".join(each["id"] for each in models) or "nothing"
        raise AnswerError(
            f"vLLM at {address.url} serves {names}, and not {base.name}. Start it with: --model {base.folder}"
        )

    def _load(self, address: Address, name: str) -> None:
        """Name the adapter to a server that does not look in our folder."""
        path = self._adapters / name
        reply = self._post(address, "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)})
        if reply.status_code != 200:
            raise AnswerError(
                f"vLLM at {address.url} does not load the adapter {path}: {_message(reply)}. Start it with "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 VLLM_PLUGINS=lora_filesystem_resolver "
                f"VLLM_LORA_RESOLVER_CACHE_DIR={self._adapters}, --enable-lora, and a --max-lora-rank that holds "
                "the adapter's."
            )

    def _post(self, address: Address, path: str, body: Json) -> httpx2.Response:
        try:
            return self._client.post(f"{address.url}{path}", json=dict(body), headers=address.headers)
        except httpx2.HTTPError as error:
            raise _Unreachable(f"{address.url}: {error or type(error).__name__}") from error

    def _get(self, address: Address, path: str) -> httpx2.Response:
        try:
            return self._client.get(f"{address.url}{path}", headers=address.headers)
        except httpx2.HTTPError as error:
            raise _Unreachable(f"{address.url}: {error or type(error).__name__}") from error

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            log.warning("%s", message)


class VllmHandle:
    """One model; see `Model` in the interface."""

    def __init__(self, hosts: VllmHosts, weights: Path | None, base: Base) -> None:
        self._hosts = hosts
        self._weights = weights
        self._base = base
        self._opened: Dialogue | None = None
        self._lock = threading.Lock()

    def answer(self, question: Question) -> Answer:
        """Answer a conversation. Raises AnswerError."""
        dialogue = self._dialogue()
        prompt = dialogue.prompt(question)
        body = {
            "prompt": prompt,
            "max_tokens": dialogue.limit(len(prompt), question.max_tokens),
            "temperature": question.temperature,
            "top_p": question.top_p or 1e-9,
            "stop_token_ids": sorted(dialogue.stop_tokens),
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }
        if question.seed is not None:
            body["seed"] = question.seed % (1 << 63)
        if question.stops and not question.tools:
            body["stop"] = list(question.stops)
        completion = self._hosts.complete(self._base, self._weights, body, _grammar(dialogue, question))
        return _answer(dialogue, question, completion, len(prompt))

    def tokenize(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        parallel: bool | None = None,
    ) -> list[int]:
        """The tokens that vLLM is sent for this conversation. Raises AnswerError."""
        return self._dialogue().prompt(conversation(messages, tools, parallel))

    def _dialogue(self) -> Dialogue:
        if self._weights is not None:
            check_weights(self._weights)
            check_base(self._weights, self._base)
        with self._lock:
            if self._opened is None:
                self._opened = Dialogue(self._base.folder, self._weights)
            return self._opened


def _grammar(dialogue: Dialogue, question: Question) -> str | None:
    if dialogue.form is None or not question.tools:
        return None
    return grammar_text(dialogue.form, question, dialogue.special, bounded)


def _answer(dialogue: Dialogue, question: Question, completion: Json, prompt: int) -> Answer:
    try:
        choice, usage = completion["choices"][0], completion.get("usage") or {}
        text, is_cut = str(choice["text"]), choice.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise AnswerError(f"vLLM's answer is no completion: {str(completion)[:300]}") from error
    for stop in dialogue.stop_tokens:
        text = text.removesuffix(dialogue.text([stop]))
    return dialogue.answer(
        question, text, is_cut=is_cut, prompt=prompt, written=int(usage.get("completion_tokens") or 0)
    )


# --- Adapters as vLLM finds them --------------------------------------------------------------------------------


def linked(adapters: Path, weights: Path, base: str) -> str:
    """The name under which vLLM finds these weights in the folder, where they are linked now.

    vLLM takes only an adapter whose configuration names the base as it was started with, so that file is a copy.
    """
    digest = hashlib.sha256(f"{os.fspath(weights)}\n{base}".encode("utf-8", "surrogateescape")).hexdigest()
    name = f"adapter-{digest[:16]}"
    folder = adapters / name
    if not (folder / ADAPTER).exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{WEIGHTS}.{os.getpid()}-{threading.get_ident()}"
        draft.symlink_to(weights / WEIGHTS)
        draft.replace(folder / WEIGHTS)
        config = {**json.loads((weights / ADAPTER).read_bytes()), "base_model_name_or_path": base}
        draft.write_text(json.dumps(config, indent=2), encoding="utf-8")
        draft.replace(folder / ADAPTER)
    return name


def _rank(weights: Path | None) -> int:
    if weights is None:
        return 0
    try:
        config = json.loads((weights / ADAPTER).read_bytes())
        return max(int(config["r"]), *map(int, (config.get("rank_pattern") or {"": 0}).values()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnswerError(f"{weights / ADAPTER} can't be read: {error}") from error


def _object(reply: httpx2.Response) -> Json:
    try:
        value: Any = reply.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise AnswerError(f"vLLM's answer is no JSON object: {reply.text[:300]}")
    return value


def _message(reply: httpx2.Response) -> str:
    """What the server says is wrong: OpenAI's form, or that of its framework."""
    try:
        body = reply.json()
        error = body.get("error") or body
        return str(error.get("message") or error.get("detail") or body)[:500]
    except (ValueError, AttributeError):
        return reply.text[:500]

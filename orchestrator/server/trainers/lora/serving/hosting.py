"""ftorch's side of the host processes: one for each base model, started when the first question comes.

A host is asked by several threads at once and batches their questions. It is restarted after a death, once for each
question, and ends when nobody has asked for some minutes. Nothing of torch is imported here.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.server.trainers.interface import Answer, AnswerError, Base, Question
from orchestrator.server.trainers.lora.failures import needs_packages
from orchestrator.server.trainers.lora.serving.hostprocess import Died, HostProcess, Refused
from orchestrator.server.trainers.lora.serving.provenance import check_base, check_weights, fingerprint_now
from orchestrator.server.trainers.lora.serving.wire import answer_of, question_fields

IDLE_SECONDS = 600.0
"""A host that nobody asks for this long ends, which frees its memory."""
TRIES = 2


class Hosts:
    """The host processes of one server."""

    def __init__(
        self, python: str, folder: Path, *, constrained: bool = True, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        """`folder` gets the logs. With `constrained`, calls are held to the functions' schemas where llguidance is
        installed in that Python; without, decoding is free."""
        self._python = python
        self._folder = folder
        self._constrained = constrained
        self._idle_seconds = idle_seconds
        self._running: dict[Path, tuple[str, HostProcess]] = {}
        self._is_closed = False
        self._lock = threading.Lock()

    def handle(self, weights: Path | None, base: Base) -> Handle:
        """The model of these weights; None is the base model. Raises AnswerError if the weights are gone."""
        if weights is not None:
            check_weights(weights)
        return Handle(self, weights, base, self._constrained)

    def ask(self, base: Base, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply of the base's host. Raises AnswerError."""
        died: Died | None = None
        for _ in range(TRIES):
            try:
                return self._asked(base, request)
            except Refused as refused:
                raise AnswerError(self._refusal(base, refused)) from None
            except Died as error:
                died = error
        assert died is not None
        raise AnswerError(f"The process that answers for {base.name} ended twice: {died}") from None

    def close(self) -> None:
        """End all hosts; questions that are not answered raise AnswerError."""
        with self._lock:
            self._is_closed = True
            running, self._running = self._running, {}
        for _, process in running.values():
            process.end()

    def _asked(self, base: Base, request: Mapping[str, Any]) -> dict[str, Any]:
        while True:
            reply = self._process(base).ask(request)
            if reply is not None:
                return reply

    def _process(self, base: Base) -> HostProcess:
        """The base's host, started if need be; a host of a model that has changed since is replaced."""
        fingerprint = fingerprint_now(base)
        with self._lock:
            if self._is_closed:
                raise AnswerError(f"{base.name} can't answer: the server is ending.")
            known, process = self._running.get(base.folder, ("", None))
            if process is not None and known != fingerprint:
                process.retire()
            if process is None or known != fingerprint or not process.accepts:
                process = HostProcess(self._python, base.folder, self._folder, self._log(base), self._idle_seconds)
                self._running[base.folder] = (fingerprint, process)
            return process

    def _log(self, base: Base) -> Path:
        # Two bases may have one name.
        digest = hashlib.sha256(os.fsencode(base.folder)).hexdigest()[:8]
        return self._folder / f"{base.folder.name}-{digest}.log"

    def _refusal(self, base: Base, refused: Refused) -> str:
        if refused.missing is not None:
            return needs_packages(self._python, refused.missing)
        return f"{base.name} can't answer: {refused}"


class Handle:
    """One model of a base; see `Model` in the interface."""

    def __init__(self, hosts: Hosts, weights: Path | None, base: Base, constrained: bool) -> None:
        self._hosts = hosts
        self._weights = weights
        self._base = base
        self._constrained = constrained

    def answer(self, question: Question) -> Answer:
        """Answer a conversation. Raises AnswerError."""
        request = {"op": "answer", "question": question_fields(question), "constrained": self._constrained}
        return answer_of(self._asked(request)["answer"])

    def tokenize(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        parallel: bool | None = None,
    ) -> list[int]:
        """The tokens that the model reads for this conversation. Raises AnswerError."""
        request = {"op": "tokenize", "messages": list(messages), "tools": list(tools), "parallel": parallel}
        tokens: list[int] = self._asked(request)["tokens"]
        return tokens

    def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._check()
        weights = None if self._weights is None else str(self._weights)
        reply = self._hosts.ask(self._base, {**request, "weights": weights})
        if "error" in reply:
            raise AnswerError(reply["error"])
        return reply

    def _check(self) -> None:
        if self._weights is not None:
            check_weights(self._weights)
            check_base(self._weights, self._base)

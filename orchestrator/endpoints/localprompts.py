"""The prompts that the local endpoint's models read: the tokens of a chat request, from what answers it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.endpoints.localweights import StoredModel
from orchestrator.errors import PromptNotServed
from orchestrator.server import chatrequest
from orchestrator.server.apierror import ApiError
from orchestrator.server.trainers.interface import AnswerError, Base
from orchestrator.server.trainers.lora.serving.hosting import Handle, Hosts

Tokenize = Callable[[Mapping[str, Any]], list[int]]
"""The tokens of the prompt of a chat request with these fields. Raises PromptNotServed."""


@contextmanager
def host_prompts(model: StoredModel, base: Path, python: str) -> Iterator[Tokenize]:
    """The prompts as the endpoint's host process reads them: it starts with the first, and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="ftorch-host-") as folder:
        hosts = Hosts(python, Path(folder))
        try:
            yield lambda request: _tokens(hosts, model, base, request)
        finally:
            hosts.close()


def _tokens(hosts: Hosts, model: StoredModel, base: Path, request: Mapping[str, Any]) -> list[int]:
    try:
        asked = chatrequest.read({**request, "model": model.name})
        handle: Handle = hosts.handle(model.weights, Base(model.base, base))
        parallel = None if asked.offer.parallel else False
        return handle.tokenize(asked.messages, asked.offer.functions, parallel)
    except (AnswerError, ApiError) as error:
        raise PromptNotServed(model=model.name, problem=error) from error

"""The prompts that a vLLM server feeds its models: the tokens of a chat request, from its /tokenize.

Written after https://docs.vllm.ai/en/latest/serving/openai_compatible_server/ and vLLM's own request classes
(TokenizeChatRequest, TokenizeResponse), and tested against a scripted server only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2

from orchestrator.endpoints.localprompts import Tokenize
from orchestrator.endpoints.localweights import StoredModel
from orchestrator.errors import PromptNotServed

SECONDS = 60.0
_PROMPT_KEYS = ("messages", "tools")
"""The fields of a chat request that a chat template sees."""


@contextmanager
def vllm_prompts(url: str, model: StoredModel, name: str | None = None) -> Iterator[Tokenize]:
    """The prompts of the model that the server at this address calls `name`.

    Without a name it is the model's id, or the name of its weights folder, or the only adapter or model that the
    server has. Raises PromptNotServed.
    """
    with httpx2.Client(base_url=url.rstrip("/").removesuffix("/v1"), timeout=SECONDS) as client:
        served = name or _served_name(client, model)
        yield lambda request: _tokens(client, model, served, request)


def _served_name(client: httpx2.Client, model: StoredModel) -> str:
    listed = _asked(client, model, "GET", "/v1/models").get("data") or []
    names = [str(each["id"]) for each in listed]
    for known in (model.name, model.weights.name):
        if known in names:
            return known
    adapters = [str(each["id"]) for each in listed if each.get("parent")]
    for only in (adapters, names):
        if len(only) == 1:
            return only[0]
    problem = f"that server has several models ({', '.join(names)}); name this one with --served-name"
    raise PromptNotServed(model=model.name, problem=problem)


def _tokens(client: httpx2.Client, model: StoredModel, served: str, request: Mapping[str, Any]) -> list[int]:
    fields = {key: request[key] for key in _PROMPT_KEYS if request.get(key)}
    if request.get("functions"):
        fields["tools"] = _as_tools(request["functions"])
    body = {"model": served, "add_generation_prompt": True, **fields}
    tokens = _asked(client, model, "POST", "/tokenize", body).get("tokens")
    if not isinstance(tokens, list):
        raise PromptNotServed(model=model.name, problem=f"{client.base_url} answered /tokenize without tokens")
    return tokens


def _as_tools(functions: Sequence[Any]) -> list[dict[str, Any]]:
    """vLLM has no legacy `functions`."""
    return [{"type": "function", "function": each} for each in functions]


def _asked(
    client: httpx2.Client, model: StoredModel, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    where = f"{str(client.base_url).rstrip('/')}{path}"
    try:
        response = client.request(method, path, json=body)
        found = response.json() if response.is_success else None
    except httpx2.HTTPError as error:
        raise PromptNotServed(model=model.name, problem=f"{where} can't be reached: {error}") from error
    except ValueError as error:
        raise PromptNotServed(model=model.name, problem=f"{where} answered without JSON") from error
    if not isinstance(found, dict):
        problem = f"{where} answered {response.status_code}: {response.text[:300]}"
        raise PromptNotServed(model=model.name, problem=problem)
    return found

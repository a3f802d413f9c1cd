"""Fireworks in this process, an endpoint that uses it, and what it trains with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from openai import AsyncOpenAI
from support.fireworks_host import BASE, FireworksState, fireworks_app
from support.fireworks_wire import Fireworks, Wire, quick

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.fireworks.endpoint import FireworksEndpoint
from orchestrator.endpoints.interface import JobRequest


@pytest.fixture
async def fireworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fireworks]:
    monkeypatch.setenv("FIREWORKS_API_KEY", "fw-key-0123456789")
    config = EndpointConfig(
        "fw", "fireworks", "https://endpoint", api_key_env="FIREWORKS_API_KEY", source="ftorch.toml"
    )
    state = FireworksState()
    wire = Wire(fireworks_app(tmp_path / "host", state))
    http = httpx2.AsyncClient(transport=wire)
    async with AsyncOpenAI(base_url=config.base_url, api_key="fw-key-0123456789", http_client=http) as client:
        yield Fireworks(state, wire, FireworksEndpoint(config, client, capabilities_of(config), quick()), config)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three examples."""
    path = tmp_path / "train.jsonl"
    row = {"messages": [{"role": "user", "content": "Up"}, {"role": "assistant", "content": "Climbing"}]}
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(3)))
    return path


@pytest.fixture
def asked() -> JobRequest:
    hyperparameters = {"n_epochs": 2, "batch_size": 8, "learning_rate": 0.0001, "lora_rank": 16}
    method = {"type": "supervised", "hyperparameters": hyperparameters}
    return JobRequest(BASE, "", None, method, 7, "drone-7pw2v6vb", {}, "01M8MS6TWFT0CSG7C71NG1HM4Q")

"""A simulated Azure resource over HTTP on this machine, with a fine-tuned model and quick deployments."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from orchestrator.server import worker
from orchestrator.server.app import Settings, create_app
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store import Store
from support.trainers import HERE

BASE = "gpt-4.1-mini-2025-04-14"
SECRET = "simulated-resource-0123456789"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
_QUICK = {"deploying_seconds": 0.1, "warming_seconds": 0.1, "deleting_seconds": 0.1}
_EXAMPLE = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes"}]}


@dataclass(frozen=True)
class AzureResource:
    """Where it is, and the model that was trained there."""

    address: str
    model: str

    @property
    def table(self) -> str:
        """Its table in ftorch.toml."""
        place = f'subscription_id = "{SUBSCRIPTION}"\nresource_group = "ftorch"\naccount = "ftorch"'
        return (
            f'[endpoints.azure-sim]\ntype = "azure"\nbase_url = "{self.address}"\narm_url = "{self.address}"\n'
            f'api_key_env = "SIM_KEY"\npoll_seconds = 0.05\n{place}\n'
        )

    @property
    def environment(self) -> dict[str, str]:
        """What signs in to it: the key, and a managed identity for its management."""
        identity = {"IDENTITY_ENDPOINT": f"{self.address}/msi/token", "IDENTITY_HEADER": SECRET}
        return {"SIM_KEY": SECRET, **identity}


@contextmanager
def azure_resource(folder: Path, **azure: Any) -> Iterator[AzureResource]:
    """Serve one for as long as the block lasts; `azure` are fields of its AzureSettings."""
    settings = Settings(api_key=SECRET, max_training=1, azure=AzureSettings(**{**_QUICK, **azure}))
    app = create_app(folder, settings=settings)
    model = _trained(app.state.context.store)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield AzureResource(f"http://127.0.0.1:{listener.getsockname()[1]}", model)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _trained(store: Store) -> str:
    lines = "\n".join(json.dumps(_EXAMPLE).replace("hello", f"hello {number}") for number in range(10))
    file = store.files.add("train.jsonl", "fine-tune", store.blobs.put(lines.encode()), 1)
    with TestClient(create_app(store.folder, settings=Settings(azure=AzureSettings()))) as http:
        body = {"model": BASE, "suffix": "drone", "hyperparameters": {"n_epochs": 1}, "training_file": file.id}
        job = http.post("/openai/v1/fine_tuning/jobs", json=body).json()
    worker.work(store, job["id"], 1, HERE, has_slot=True)
    return next(model.name for model in store.models.all() if ":ckpt-" not in model.name)

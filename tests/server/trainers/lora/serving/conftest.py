"""Hosts whose process is a few lines of the test, and folders that look like models: without torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from orchestrator.server.trainers.interface import Base
from orchestrator.server.trainers.lora.bases import base_fingerprint
from orchestrator.server.trainers.lora.serving.hosting import Hosts

PRELUDE = """
import json, os, signal, sys, threading, time
from pathlib import Path
from orchestrator.server.trainers.lora.lifeline import die_with_parent

die_with_parent()
base = Path(sys.argv[-1])
started = base.with_name("started")
with started.open("a") as file:
    file.write(f"{os.getpid()}\\n")
start = len(started.read_text().split())
requests = (json.loads(line) for line in sys.stdin)

def send(**message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()

def answer(request, content, **more):
    send(id=request["id"], answer={
        "content": content, "calls": [], "is_cut": False, "prompt_tokens": 1, "completion_tokens": 1, **more
    })

"""

ECHO = """
for request in requests:
    answer(request, f"{os.getpid()} {request['question']['messages'][0]['content']}")
"""


def write_model(folder: Path, content: bytes = b"weights") -> Path:
    """A folder with the files of a model, as far as they are looked at without loading it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    header = b"{}"
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base("small", write_model(tmp_path / "small"))


@pytest.fixture
def weights(tmp_path: Path, base: Base) -> Path:
    """The folder of an adapter that was trained on the base."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    about = {"name": base.name, "folder": str(base.folder), "fingerprint": base_fingerprint(base.folder)}
    template = {"source": "test", "sha256": "0", "family": "hermes"}
    (folder / "model.json").write_text(json.dumps({"base": about, "template": template}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.fixture
def started(tmp_path: Path) -> Callable[[], list[int]]:
    """The processes that were started so far, by number."""

    def started() -> list[int]:
        path = tmp_path / "started"
        return [int(number) for number in path.read_text().split()] if path.exists() else []

    return started


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], str]:
    """Makes a Python that runs these lines as the host, whatever it is asked to run."""

    def python(body: str) -> str:
        script, program = tmp_path / "host.py", tmp_path / "python"
        script.write_text(PRELUDE + dedent(body))
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        program.chmod(0o700)
        return str(program)

    return python


Make = Callable[..., Hosts]


@pytest.fixture
def hosts(tmp_path: Path, python: Callable[[str], str]) -> Iterator[Make]:
    """Makes hosts whose process runs these lines."""
    made: list[Hosts] = []

    def run(body: str = ECHO, **more: Any) -> Hosts:
        made.append(Hosts(python(body), tmp_path / "hosts", **more))
        return made[-1]

    yield run
    for each in made:
        each.close()

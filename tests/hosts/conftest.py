"""A host that behaves as people report, and a project whose runs go there."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Result, make_project
from support.scripted_host import ScriptedHost

from orchestrator.api import actions
from orchestrator.endpoints import retries

_TABLE = """
[endpoints.hosted]
type = "{type}"
base_url = "{url}"
api_key_env = "HOSTED_KEY"
poll_seconds = 0.05
settling_seconds = {settling}
timeout_seconds = 5
max_active = 5
"""


@dataclass(frozen=True)
class Customer:
    """Somebody with a project and a key, at the command line."""

    project: Project

    def ftorch(self, *arguments: str, **environment: str) -> Result:
        return self.project.ftorch(*arguments, **environment)

    def submit(
        self, *options: str, name: str = "greet", n_epochs: int = 1, line: str = "", **environment: str
    ) -> Result:
        """Submit a job of this name, with one more line; other epochs are other content."""
        lines = {"name": f'name = "{name}"\n{line}', "n_epochs": f"n_epochs = {n_epochs}"}
        self.project.write_job(endpoint='endpoint = "hosted"', **lines)
        return self.ftorch("submit", "jobs/greet.toml", "--yes", *options, **environment)

    def settle_in(self, seconds: float) -> None:
        """Set the settling window for what follows; where a machine is slow, a short one can end too early."""
        settings = self.project.root / "ftorch.toml"
        settings.write_text(re.sub(r"settling_seconds = .*", f"settling_seconds = {seconds}", settings.read_text()))

    def follow(self, *names: str) -> None:
        """Submit runs of these names, and leave them when their jobs are made."""
        for number, name in enumerate(names, start=1):
            assert self.submit("--detach", name=name, n_epochs=number).code == 0

    @contextmanager
    def interrupted_when(self, is_time: Callable[[], bool]) -> Iterator[None]:
        """Ctrl-C for the command inside, once it is time."""
        is_over = threading.Event()

        def interrupt() -> None:
            while not is_over.wait(0.05):
                if is_time():
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    return

        thread = threading.Thread(target=interrupt)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # one that was ignored is inherited
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            signal.signal(signal.SIGINT, before)

    def metrics(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ftorch("show", name, "--json").out)["metrics"]
        return found

    def run(self, name: str = "greet") -> dict[str, Any]:
        return self.runs()[name]

    def runs(self) -> dict[str, dict[str, Any]]:
        """Every run as `status --json` shows it, by name."""
        found = json.loads(self.ftorch("status", "--json", "--all").out)
        return {run["name"]: run for run in found}

    def states(self) -> dict[str, str]:
        return {name: run["state"] for name, run in self.runs().items()}


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    with ScriptedHost().running() as running:
        yield running


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free calls are repeated as often as ever, with short pauses, and a refused cancel is not watched for long."""
    monkeypatch.setattr(retries, "Retries", partial(retries.Retries, base=0.01))
    monkeypatch.setattr(actions, "_SETTLING_SECONDS", 0.4)


@pytest.fixture
def customer(tmp_path: Path, host: ScriptedHost) -> Customer:
    """A customer of a host that knows no metadata."""
    return _customer(tmp_path, host, "compatible")


@pytest.fixture
def openai_customer(tmp_path: Path, host: ScriptedHost) -> Customer:
    """A customer of a host that keeps metadata."""
    host.metadata = True
    return _customer(tmp_path, host, "openai")


def _customer(tmp_path: Path, host: ScriptedHost, kind: str) -> Customer:
    made = make_project(tmp_path / "project")
    (made.root / "ftorch.toml").write_text(_TABLE.format(type=kind, url=host.url, settling=0.4))
    return Customer(Project(made.root, {**made.environment, "HOSTED_KEY": "canary-key-of-a-scripted-host"}))

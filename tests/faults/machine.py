"""Real processes: the endpoint under `ftorch serve`, a project that uses it, and `ftorch` killed at will."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from support.project import FTORCH, Project, make_project

KEY = "FAULTS_KEY"


@dataclass(frozen=True)
class Machine:
    """A project whose endpoint `there` is at `address`, and the store of the server behind it."""

    project: Project
    store: Path

    def point_to(self, address: str, *, kind: str, settling: float, timeout: float, at_once: int = 3) -> None:
        """Write the endpoint's table."""
        lines = [f'type = "{kind}"', f'base_url = "{address}"', f'api_key_env = "{KEY}"', "poll_seconds = 0.1"]
        lines += [f"settling_seconds = {settling}", f"timeout_seconds = {timeout}", f"max_active = {at_once}"]
        (self.project.root / "ftorch.toml").write_text("\n".join(["[endpoints.there]", *lines]) + "\n")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`ftorch` in the background."""
        return subprocess.Popen(
            [FTORCH, *arguments],
            cwd=self.project.root,
            env={**self.project.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def jobs(self) -> list[Mapping[str, object]]:
        """The jobs on the endpoint."""
        return self._rows("SELECT id, status, seed, fine_tuned_model FROM jobs")

    def files(self) -> list[str]:
        """The names of the training files on the endpoint."""
        return [
            str(row["filename"]) for row in self._rows("SELECT filename FROM files WHERE purpose = 'fine-tune'")
        ]

    def _rows(self, sql: str) -> list[Mapping[str, object]]:
        with closing(sqlite3.connect(self.store / "endpoint.db")) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]


@contextmanager
def machine(folder: Path, *, at_once: int = 2) -> Iterator[tuple[Machine, str]]:
    """A project, and a server that runs until the end; gives its address (scheme, host and port) too."""
    project = make_project(folder / "project")
    found = Machine(replace(project, environment={**project.environment, KEY: "key"}), folder / "endpoint")
    arguments = ["serve", "--port", "0", "--store", str(found.store), "--at-once", str(at_once)]
    server = subprocess.Popen(
        [FTORCH, *arguments], cwd=project.root, env=dict(project.environment), stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        yield found, server.stderr.readline().split(" on ")[1].strip().removesuffix("/v1")
    finally:
        end(server)
        if server.stderr:
            server.stderr.close()


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> int:
    """End a process that we started, and wait for it."""
    if process.poll() is None:
        os.kill(process.pid, how)
    return process.wait(20)

"""Records the cassettes again: `python tests/endpoints/record_cassettes.py`.

Those in the repository were recorded from our own server.

It talks to `ftorch serve --azure` on this machine. Or, where FTORCH_CASSETTE_BASE_URL and FTORCH_CASSETTE_KEY are
set, to that endpoint, in the dialect of FTORCH_CASSETTE_DIALECT ("openai", or "v1" or an api-version of Azure); the
two small jobs it creates there cost money.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.cassettes import (
    AZURE,
    CASSETTES,
    KEY_VARIABLE,
    OPENAI,
    cancelled_job,
    cassette,
    connected,
    tape,
    whole_job,
)
from support.project import FTORCH, make_project

STORIES = {"whole_job": whole_job, "cancelled_job": cancelled_job}


async def record(base_url: str, dialect: str, data: Path) -> None:
    for story, tell in STORIES.items():
        name = cassette(story, dialect)
        path = CASSETTES / f"{name}.yaml"
        path.unlink(missing_ok=True)
        async with connected(base_url, dialect) as endpoint:
            with tape(is_recording=True).use_cassette(name):
                await tell(endpoint, data, asyncio.sleep)
        print(f"recorded {path}")


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """The addresses of an endpoint of our own, OpenAI's and Azure's, for as long as the block lasts."""
    command = [FTORCH, "serve", "--azure", "--port", "0", "--store", str(folder), "--api-key-env", KEY_VARIABLE]
    server = subprocess.Popen(command, cwd=folder.parent, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        openai, azure = (server.stderr.readline().split()[-1] for _ in range(2))
        yield openai, azure
    finally:
        server.terminate()
        server.communicate(timeout=10)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        data = make_project(Path(name) / "project").root / "jobs" / "train.jsonl"
        if base_url := os.environ.get("FTORCH_CASSETTE_BASE_URL"):
            asyncio.run(record(base_url, os.environ.get("FTORCH_CASSETTE_DIALECT", OPENAI), data))
            return
        os.environ[KEY_VARIABLE] = "sk-kept-out"
        for dialect in (OPENAI, *AZURE):  # each on a store of its own: a list then holds its own jobs alone
            with served(Path(name) / dialect) as (openai, azure):
                asyncio.run(record(openai if dialect == OPENAI else azure, dialect, data))


if __name__ == "__main__":
    main()

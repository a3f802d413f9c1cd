"""Records the cassettes anew: `python tests/endpoints/record_cassettes.py`.

It talks to `ftorch serve` on this machine; or, where FTORCH_CASSETTE_BASE_URL and FTORCH_CASSETTE_KEY are set, to
that endpoint, where the two small jobs it creates cost money.
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

from support.cassettes import CASSETTES, cancelled_job, connected, tape, whole_job
from support.project import FTORCH, make_project

STORIES = {"whole_job": whole_job, "cancelled_job": cancelled_job}


async def record(base_url: str, key: str, data: Path) -> None:
    for name, tell in STORIES.items():
        path = CASSETTES / f"{name}.yaml"
        path.unlink(missing_ok=True)
        async with connected(base_url, key) as endpoint:
            with tape(is_recording=True).use_cassette(name):
                await tell(endpoint, data, asyncio.sleep)
        print(f"recorded {path}")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an endpoint of our own, for as long as the block lasts."""
    command = [FTORCH, "serve", "--port", "0", "--store", str(folder / "store")]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        yield server.stderr.readline().split()[-1]
    finally:
        server.terminate()
        server.communicate(timeout=10)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        data = make_project(Path(name) / "project").root / "jobs" / "train.jsonl"
        base_url = os.environ.get("FTORCH_CASSETTE_BASE_URL")
        if base_url:
            asyncio.run(record(base_url, os.environ["FTORCH_CASSETTE_KEY"], data))
            return
        with served(Path(name)) as address:
            asyncio.run(record(address, "sk-kept-out", data))


if __name__ == "__main__":
    main()

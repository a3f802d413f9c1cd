"""Upload a file whole and in parts, as the program does, and print what it took: python large_upload.py URL FILE"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from pathlib import Path

from support.contents import content_of

from orchestrator.config import EndpointConfig
from orchestrator.dataset.outgoing import Content, cut
from orchestrator.endpoints import open_endpoint
from orchestrator.endpoints.interface import Endpoint

PART_BYTES = 16 << 20


async def main(url: str, path: Path) -> None:
    small = path.with_name("small.jsonl")
    small.write_text("{}\n")
    async with open_endpoint(EndpointConfig("there", "openai", base_url=url), path.parent) as endpoint:
        await _send(endpoint, content_of(small))  # so that what is loaded only once does not count
        before = _peak_mb()
        seconds = await _send(endpoint, content_of(path))
    print(json.dumps({"grown_mb": round(_peak_mb() - before, 1), "seconds": seconds}))


async def _send(endpoint: Endpoint, content: Content) -> dict[str, float]:
    begun = time.perf_counter()
    await endpoint.upload(content, content.path.name)
    whole = time.perf_counter()
    pieces = cut(content, PART_BYTES)
    upload_id = await endpoint.open_upload(content.path.name, content.size)
    parts = [await endpoint.add_part(upload_id, part) for part in pieces.parts]
    await endpoint.complete_upload(upload_id, parts, pieces.md5, content.size)
    return {"whole": round(whole - begun, 2), "in_parts": round(time.perf_counter() - whole, 2)}


def _peak_mb() -> float:
    """The most memory of this program. getrusage(2) would count what the parent had when it forked, on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))

"""Making data: calls enumerated, offline rows written, and a teacher of 50 ms asked 50 at a time.

The baseline of the rows is writing the same rows with the standard library's `json.dumps`, which is the least that
writing them takes; it is measured in processor time, since nothing waits. The teacher has two baselines: the ideal,
1,000 requests × 50 ms / 50 = 1 s, and a script that sends the same requests with the SDK alone. The largest space,
100,000 calls, is enumerated in a process of its own, whose peak of memory is printed.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from orchestrator.generation.cells.cells import enumerate_cells
from orchestrator.generation.cells.values import values_of

DRONE = Path(__file__).parents[2] / "jobs" / "drone" / "train.jsonl"
PER_CALL = 100
MOST = 1.6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        offline_rows(Path(folder))
    large_space()
    teacher()


def offline_rows(root: Path) -> None:
    """Rows of the drone's functions, each call with many requests."""
    from orchestrator.generation.offline import write_offline

    spec = _spec(root / "rows.jsonl", str(DRONE), per_call=PER_CALL, offline=True)
    write_offline(_spec(root / "warm.jsonl", str(DRONE), per_call=1, offline=True))  # loading is not timed
    start = time.process_time()
    write_offline(spec)
    made = time.process_time() - start
    rows = [json.loads(line) for line in spec.outputs.training.read_text().splitlines()]
    targets = spec.count
    start = time.process_time()
    for row in rows:
        json.dumps(row, separators=(",", ":")).encode()
    plain = time.process_time() - start
    print(
        f"{targets:,} offline rows made, checked and {len(rows):,} of them written: {made:.2f} s of processor time"
    )
    print(
        f"  {targets / made:,.0f} a second; {made / targets / (plain / len(rows)):.1f} × json.dumps of a row alone"
    )


def large_space() -> None:
    """100,000 calls of one function, enumerated with their values in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "space"], capture_output=True, text=True, check=True)
    print(done.stdout, end="")


def _space() -> None:
    names = ("a", "b", "c", "d", "e")
    properties = {name: {"type": "string", "enum": [f"{name}{number}" for number in range(10)]} for name in names}
    schema = {"type": "object", "properties": properties, "required": list(names)}
    entry: Any = {
        "type": "function",
        "function": {"name": "choose", "description": "Choose.", "parameters": schema},
    }
    functions = _functions(entry)
    by_name = {each.name: each for each in functions}
    start = time.process_time()
    cells = enumerate_cells(functions, most_full=100_000, seed=0)
    count = sum(len(values_of(cell, by_name, 0, 0)) for cell in cells)
    seconds = time.process_time() - start
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    rate = f"{count / seconds:,.0f} a second of processor time"
    print(f"{count:,} calls enumerated: {rate}; peak {int(peak) / 1024:.0f} MB")


def _functions(entry: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tools.json"
        path.write_text(json.dumps([entry]))
        from orchestrator.generation.functions.sources import read_functions

        return read_functions(str(path)).functions


def teacher() -> None:
    """1,000 requests for words, each with its intent and its answer in the database."""
    import asking  # it loads the SDK, which the process with the large space does without

    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=asking.serve, args=(theirs,), daemon=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _asked(Path(folder), ours.recv())
    finally:
        server.terminate()


def _asked(root: Path, port: int) -> None:
    import asking

    (root / "ftorch.toml").write_text(
        f'[endpoints.slow]\ntype = "compatible"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
    )
    tools = [_tool(number) for number in range(10)]
    (root / "tools.json").write_text(json.dumps(tools))
    more: dict[str, Any] = {
        "endpoint": "slow",
        "model": "any",
        "verify": False,
        "attempts": 1,
        "reject": 0,
        "full_up_to": 100,
    }
    spec = _spec(root / "t.jsonl", str(root / "tools.json"), max_concurrency=asking.CONCURRENCY, per_call=1, **more)
    from orchestrator.generation.driving import drive, record
    from orchestrator.generation.stages import grouped
    from orchestrator.generation.words import request_for
    from orchestrator.ledger import open_ledger

    bodies = [request_for(group, spec.by_name, spec.settings) for group in grouped(spec.targets)]
    script = asyncio.run(asking.asked_by_a_script(port, bodies))  # which loads the SDK too
    with open_ledger(root, create=True) as ledger:
        generation = record(ledger, spec, asking.CASES)
        start = time.perf_counter()
        asyncio.run(drive(ledger, ledger.workspace.endpoint("slow"), [generation.id]))
        seconds = time.perf_counter() - start
    print(f"{asking.CASES:,} requests to a teacher of 50 ms, {asking.CONCURRENCY} at a time: {seconds:.2f} s")
    print(f"  of the ideal {asking.IDEAL:.2f} s: {seconds / asking.IDEAL:.2f} ×, at most {MOST} × wanted")
    print(f"  of the SDK's own {script:.2f} s: {seconds / script:.2f} ×")


def _tool(number: int) -> dict[str, Any]:
    values = [f"value{each}" for each in range(100)]
    schema = {"type": "object", "properties": {"mode": {"type": "string", "enum": values}}, "required": ["mode"]}
    return {"type": "function", "function": {"name": f"set_{number}", "description": "Set.", "parameters": schema}}


def _spec(output: Path, tools: str, *, offline: bool = False, **settings: Any) -> Any:
    from orchestrator.generation.requests import Request, spec_for

    return spec_for(Request(tools, output, {"reject": 0, **settings}, offline=offline))


if __name__ == "__main__":
    _space() if sys.argv[1:] == ["space"] else main()

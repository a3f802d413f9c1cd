"""1,000 cases asked over HTTP of a server that takes 50 ms for each answer, 50 at a time.

The server is a process of its own that only waits, so the ideal is 1,000 × 50 ms / 50 = 1 s. The baseline is what a
script does: `chat.completions.create` of the SDK for each, as many at a time, keeping nothing.
What is timed is what `ftorch evaluate` does between its plan and its figures: finding what is unanswered, asking,
and keeping each answer in the database; the SDK has been loaded before. Scoring them all follows, timed apart.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from orchestrator.evaluation.plan import EvaluationOptions, Plan, all_questions, plan_evaluation
from orchestrator.evaluation.session import ask_missing, begin, finish
from orchestrator.ledger import open_ledger

CASES, CONCURRENCY, ANSWER_SECONDS = 1000, 50, 0.05
IDEAL = CASES * ANSWER_SECONDS / CONCURRENCY
MOST = 1.3
SOURCE = Path(__file__).parents[2] / "jobs" / "drone" / "evaluation.jsonl"


def main() -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), port=ours.recv())
    finally:
        server.terminate()


def measure(root: Path, port: int) -> None:
    (root / "ftorch.toml").write_text(
        f'[endpoints.slow]\ntype = "compatible"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
    )
    cases = write_cases(root)
    table = f'file = "{cases.name}"\nmax_concurrency = {CONCURRENCY}\nmodels = ["base"]\nallow_leak = true\n'
    job = root / "job.toml"
    head = f'name = "asked"\nendpoint = "slow"\nmodel = "any"\n[data]\ntraining_file = "{cases.name}"\n'
    job.write_text(f"{head}[evaluation]\n{table}")
    with open_ledger(root, create=True) as ledger:
        plan = plan_evaluation(ledger, [str(job)], EvaluationOptions())
        evaluation = begin(ledger, plan)
        bodies = bodies_of(plan)
        script = asyncio.run(asked_by_a_script(port, bodies))
        start = time.perf_counter()
        asked = asyncio.run(ask_missing(ledger, plan))
        asking = time.perf_counter() - start
        finish(ledger, plan, evaluation, asked.errors)
        scoring = time.perf_counter() - start - asking
    assert asked.answered == CASES, asked
    print(f"{CASES:,} cases of {ANSWER_SECONDS * 1000:.0f} ms, {CONCURRENCY} at a time: {asking:.2f} s")
    print(f"  of the ideal {IDEAL:.2f} s: {asking / IDEAL:.2f} ×, at most {MOST} × wanted")
    print(f"  of the SDK's own {script:.2f} s: {asking / script:.2f} ×")
    print(f"  scoring and recording them: {scoring:.2f} s")


def bodies_of(plan: Plan) -> list[Mapping[str, Any]]:
    return [question.request for _, question in all_questions(plan.cases.path, plan.settings, plan.grid)]


async def asked_by_a_script(port: int, bodies: Sequence[Mapping[str, Any]]) -> float:
    """Seconds in which the SDK alone has all answers."""
    left = iter(bodies)
    async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") as client:

        async def work() -> None:
            for body in left:
                await client.chat.completions.create(**body)

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return time.perf_counter() - start


def write_cases(root: Path) -> Path:
    """The drone's cases again and again, each with a request of its own: equal ones would be asked once."""
    rows = [json.loads(line) for line in SOURCE.read_text().splitlines()]
    path = root / "cases.jsonl"
    with path.open("w") as stream:
        for number in range(CASES):
            row = json.loads(json.dumps(rows[number % len(rows)]))
            row["id"] = f"case-{number}"
            row["messages"][-2]["content"] += f" ({number})"
            stream.write(json.dumps(row) + "\n")
    return path


def serve(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    server = await asyncio.start_server(_answer_all, "127.0.0.1", 0, backlog=256)
    pipe.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


async def _answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "return_to_home", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    usage = {"prompt_tokens": 900, "completion_tokens": 5, "total_tokens": 905}
    body = json.dumps({"id": "chatcmpl-1", "choices": [{"index": 0, "message": message}], "usage": usage}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    try:
        while True:
            asked = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in asked.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(size.split(b":")[1]))
            await asyncio.sleep(ANSWER_SECONDS)
            writer.write(head + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


if __name__ == "__main__":
    main()

"""A large evaluation file from its check to the page of its results, in time and memory.

Each number of cases runs in a process of its own. Memory is the most that it ever had; seconds are its own, without
those of a process that helps it to check a large file. Nobody is asked: the answers, three in four right, are
recorded in between as if they had come.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.evaluation.plan import EvaluationOptions, Plan, all_questions, asked_as, batches, plan_evaluation
from orchestrator.evaluation.results import results_of
from orchestrator.evaluation.session import begin, finish
from orchestrator.evaluation.versus import answers_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.documents.evaluation import evaluation_document
from orchestrator.reports.documents.html import page
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import RecordedAnswer

SIZES = (10_000, 100_000)
PARAMETERS = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
TOOL = {"name": "light_room", "description": "Switch the light of a room on", "parameters": PARAMETERS}


def main() -> None:
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            evaluate(Path(folder), int(sys.argv[1]))
        return
    for size in SIZES:
        print(f"{size:,} cases", flush=True)
        subprocess.run([sys.executable, __file__, str(size)], check=True)


def evaluate(folder: Path, size: int) -> None:
    path = write_cases(folder / "cases.jsonl", size)
    (folder / "ftorch.toml").write_text("")
    with open_ledger(folder, create=True) as ledger:
        with measured("checked and planned"):
            plan = plan_evaluation(ledger, ["some-model"], EvaluationOptions(file=path, endpoint="local"))
        evaluation = begin(ledger, plan)
        record_answers(ledger, plan)
        with measured("scored"):
            done = finish(ledger, plan, evaluation, {})
        with measured("counted"):
            results = results_of(ledger, done)
        with measured("written as a page"):
            page(evaluation_document(results, answers_of(ledger, results)))


def write_cases(path: Path, size: int) -> Path:
    with path.open("w") as stream:
        for number in range(size):
            called = message(str(number))
            asked = {"role": "user", "content": f"Switch on the light in room {number}, please"}
            row = {
                "id": f"room-{number}",
                "messages": [asked, called],
                "tools": [{"type": "function", "function": TOOL}],
            }
            stream.write(f"{json.dumps(row)}\n")
    return path


def message(room: str) -> dict[str, Any]:
    call = {"name": "light_room", "arguments": json.dumps({"room": room})}
    return {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}


def record_answers(ledger: Ledger, plan: Plan) -> None:
    usage = {"prompt_tokens": 80, "completion_tokens": 12}
    for batch in batches(all_questions(plan.cases.path, plan.settings, plan.grid), 1000):
        found = []
        for case, question in batch:
            room = case.id.removeprefix("room-") if case.line % 4 else "elsewhere"
            completion = {"choices": [{"message": message(room)}], "usage": usage}
            model, sha256, sample = asked_as(question)
            found.append(RecordedAnswer(plan.config.name, model, sha256, sample, completion, 0.5, time.time()))
        with ledger.database.write() as connection:
            store.add_answers(connection, found)


@contextmanager
def measured(what: str) -> Iterator[None]:
    start = time.process_time()
    yield
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    print(f"{time.process_time() - start:9.1f} CPU seconds, {peak:5.0f} MB at most so far  {what}", flush=True)


if __name__ == "__main__":
    main()

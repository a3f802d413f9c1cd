"""What words are worth: the tiny trainer on template words, and with some of them replaced by hand-written ones.

Makes data from the drone's functions alone, trains it with several seeds, and asks the 40 hand-written cases of
jobs/drone. Then it replaces the examples of 50 calls by hand-written ones of the same functions. Run it by hand:

    python tests/bench/words.py [SEEDS]
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
FTORCH = str(Path(sys.executable).with_name("ftorch"))
REPLACED = 50
METRICS = ("call_accuracy", "tool_accuracy", "rejection_recall", "over_rejection")
JOB = """
name = "words"
model = "gpt-4.1-mini-2025-04-14"
seed = {seed}
[data]
training_file = "{data}"
[method]
n_epochs = 3
[evaluation]
file = "evaluation.jsonl"
rejection_tools = ["reject_request"]
"""

Rows = list[dict[str, Any]]


def main(seeds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drone = ROOT / "jobs" / "drone"
        (folder / "evaluation.jsonl").write_bytes((drone / "evaluation.jsonl").read_bytes())
        written = _read(drone / "train.jsonl")
        templates = _templates(folder, written[0])
        _write(folder / "templates.jsonl", templates)
        _write(folder / "replaced.jsonl", _replaced(templates, written))
        _write(folder / "written.jsonl", written)
        _show("base model", [_measure(folder, "templates", 0, "base")])
        for data, said in (
            ("templates", f"{len(templates)} examples in template words"),
            ("replaced", f"the same, {REPLACED} of them hand-written"),
            ("written", f"{len(written)} hand-written examples"),
        ):
            _show(said, [_measure(folder, data, seed, "tuned") for seed in range(seeds)])


def _templates(folder: Path, example: dict[str, Any]) -> Rows:
    """What the functions and system text of an example give, without its words."""
    (folder / "tools.json").write_text(json.dumps(example["tools"]))
    system = example["messages"][0]["content"]
    _ftorch(
        folder,
        *("data", "generate", "tools.json", "-o", "made.jsonl", "--offline", "--per-call", "4"),
        *("--reject", "60"),
        *("--rejection-tool", "reject_request", "--system", system, "--against", "evaluation.jsonl"),
    )
    return _read(folder / "made.jsonl")


def _replaced(templates: Rows, written: Rows) -> Rows:
    """The examples with those of 50 calls in hand-written words, drawn at random."""
    by_function: defaultdict[str, Rows] = defaultdict(list)
    for row in written:
        by_function[_called(row)].append(row)
    chance = random.Random(0)
    places = chance.sample([n for n, row in enumerate(templates) if by_function[_called(row)]], REPLACED)
    rows = list(templates)
    for place in places:
        alike = by_function[_called(rows[place])]
        rows[place] = alike.pop(chance.randrange(len(alike))) if alike else rows[place]
    return rows


def _measure(folder: Path, data: str, seed: int, who: str) -> dict[str, float]:
    (folder / "job.toml").write_text(JOB.format(seed=seed, data=f"{data}.jsonl"))
    _ftorch(folder, "submit", "job.toml", "--yes", "--again")
    found = json.loads(_ftorch(folder, "evaluate", "job.toml", "--yes", "--json"))
    [series] = [each for each in found["models"] if each["label"] == who]
    return {name: series[name]["share"] for name in METRICS}


def _show(said: str, found: Sequence[dict[str, float]]) -> None:
    print(f"{said}:")
    for name in METRICS:
        values = sorted(each[name] for each in found)
        spread = f" ({values[0]:.0%} to {values[-1]:.0%})" if len(values) > 1 else ""
        print(f"  {name:18} {median(values):.0%}{spread}")


def _called(row: dict[str, Any]) -> str:
    calls = row["messages"][-1].get("tool_calls") or []
    return " ".join(call["function"]["name"] for call in calls)


def _ftorch(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "HOME": str(folder), "FTORCH_TRUST": "1"}
    done = subprocess.run(
        [FTORCH, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"ftorch {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def _read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _write(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 6)

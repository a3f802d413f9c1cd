"""Cross-validation of the tiny trainer on a training file.

    PYTHONPATH=tests python tests/quality/cross_validate.py [FILE]

Each example is held out once; the model is trained on the other folds and asked what the example's user asked.
It reads training examples alone, so whatever is chosen by its table has not seen an evaluation.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.trainers import ask, loaded, tiny, train

from orchestrator.server.trainers.interface import Answer, Requested
from orchestrator.server.trainers.tiny.conversation import answer_of, functions_of

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("tool choice", "full call", "rejected", "over-rejected")
Row = dict[str, Any]


@dataclass(frozen=True)
class Score:
    """Counts over held-out examples."""

    examples: int = 0
    tool: int = 0
    call: int = 0
    impossible: int = 0
    rejected: int = 0
    possible: int = 0
    over_rejected: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __str__(self) -> str:
        pairs = (
            (self.tool, self.examples),
            (self.call, self.examples),
            (self.rejected, self.impossible),
            (self.over_rejected, self.possible),
        )
        return "".join(f"{f'{part}/{whole}':>10}{part / max(1, whole):8.1%}" for part, whole in pairs)


def main() -> None:
    options = _options()
    lines = options.file.read_text(encoding="utf-8-sig").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    print(
        f"{options.file}: {len(rows)} examples, {options.folds} folds, {options.repeats} times, seed {options.seed}"
    )
    print("".join(["epochs  fold", *(f"{name:>18}" for name in COLUMNS)]))
    tasks = [(e, r, f) for e in options.epochs for r in range(options.repeats) for f in range(options.folds)]
    with ProcessPoolExecutor(options.processes) as pool:
        scores = list(pool.map(_fold, [(rows, task, options) for task in tasks]))
    for epochs in options.epochs:
        mine = [(task, score) for task, score in zip(tasks, scores, strict=True) if task[0] == epochs]
        for (_, repeat, fold), score in mine:
            print(f"{epochs:6d}  {repeat + 1:2d}.{fold + 1}{score}")
        print(f"{epochs:6d}   all{sum((score for _, score in mine), start=Score())}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "jobs" / "drone" / "train.jsonl")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1, help="whole cross-validations, each cut anew")
    parser.add_argument("--epochs", type=int, nargs="+", default=[0, 1, 3, 10], help="0 is the base model")
    parser.add_argument("--rate", type=float, default=1.0, help="learning_rate_multiplier")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reject", default="reject_request", help="the tool that rejects a request")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def _fold(task: tuple[Sequence[Row], tuple[int, int, int], argparse.Namespace]) -> Score:
    rows, (epochs, repeat, fold), options = task
    held_out = set(_folds(rows, options.folds, options.seed + repeat)[fold])
    taught = [row for i, row in enumerate(rows) if i not in held_out]
    weights = None
    if epochs:
        requested = Requested(epochs, "auto", options.rate)
        numbers = tiny().resolve(len(taught), "supervised", requested)
        weights = train(taught, (), numbers, seed=options.seed).weights
    model = loaded(weights)
    found = [_scored(model, rows[i], options.reject) for i in sorted(held_out)]
    return sum(found, start=Score())


def _folds(rows: Sequence[Row], count: int, seed: int) -> list[list[int]]:
    """The examples dealt to the folds tool by tool, so that each fold has its share of every tool."""
    by_tool: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        calls = _wanted(row).calls
        by_tool[calls[0].name if calls else ""].append(index)
    dealer = random.Random(seed)
    for indices in by_tool.values():
        dealer.shuffle(indices)
    dealt = [index for name in sorted(by_tool) for index in by_tool[name]]
    return [dealt[fold::count] for fold in range(count)]


def _scored(model: Any, row: Row, reject: str) -> Score:
    wanted = _wanted(row)
    given = ask(model, row["messages"][:-1], functions_of(row))
    names, given_names = _names(wanted), _names(given)
    impossible = reject in names
    return Score(
        examples=1,
        tool=names == given_names,
        call=_plain(given) == _plain(wanted),
        impossible=impossible,
        rejected=impossible and reject in given_names,
        possible=not impossible,
        over_rejected=not impossible and reject in given_names,
    )


def _wanted(row: Row) -> Answer:
    return answer_of(row["messages"][-1])


def _names(answer: Answer) -> list[str]:
    return [call.name for call in answer.calls]


def _plain(answer: Answer) -> Any:
    return [(call.name, call.arguments) for call in answer.calls] or answer.content


if __name__ == "__main__":
    main()

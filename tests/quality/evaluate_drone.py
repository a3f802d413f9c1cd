"""How the tiny trainer does on jobs/drone's evaluation cases, which nothing was chosen by.

    PYTHONPATH=tests python tests/quality/evaluate_drone.py

Trains on jobs/drone/train.jsonl with seeds 0 to 4 and prints, for the base model and after 1, 3 and 10 epochs, the
median over the seeds (lowest to highest).
Of the requests that a tool can meet: the right tool, the full call, and over-rejection, split into those answered
with reject_request and those answered with text. Of the nearly-possible ones: rejected, text, and wrongly acted on.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.trainers import ask, loaded, tiny, train

from orchestrator.server.trainers.interface import Model, Requested

DRONE = Path(__file__).parents[2] / "jobs" / "drone"
REJECT = "reject_request"
SEEDS = range(5)
EPOCHS = (1, 3, 10)

Row = Mapping[str, Any]


COLUMNS = ("right tool", "full call", "rejected", "text", "rejected", "text", "acted")


def main() -> None:
    cases = rows("evaluation.jsonl")
    possible = [case for case in cases if expected(case)[0] != REJECT]
    impossible = [case for case in cases if expected(case)[0] == REJECT]
    print(f"{'':10}{f'of {len(possible)} possible':<56}of {len(impossible)} nearly possible")
    print(f"{'':10}" + "".join(f"{name:14}" for name in COLUMNS))
    print_counts("base", [counts(loaded(), possible, impossible)])
    for epochs in EPOCHS:
        found = [counts(tuned(epochs, seed), possible, impossible) for seed in SEEDS]
        print_counts(f"{epochs} epoch{'s' if epochs > 1 else ''}", found)


def rows(name: str) -> list[Row]:
    return [json.loads(line) for line in (DRONE / name).read_text().splitlines()]


def tuned(epochs: int, seed: int) -> Model:
    training = rows("train.jsonl")
    numbers = tiny().resolve(len(training), "supervised", Requested(n_epochs=epochs))
    return loaded(train(training, rows("validation.jsonl"), numbers, seed=seed).weights)


def counts(model: Model, possible: Sequence[Row], impossible: Sequence[Row]) -> list[int]:
    """One count for each column."""
    met = [(answer(model, case), expected(case)) for case in possible]
    unmet = [answer(model, case)[0] for case in impossible]
    return [
        sum(found[0] == wanted[0] for found, wanted in met),
        sum(found == wanted for found, wanted in met),
        sum(found[0] == REJECT for found, _ in met),
        sum(found[0] is None for found, _ in met),
        sum(name == REJECT for name in unmet),
        sum(name is None for name in unmet),
        sum(name not in (REJECT, None) for name in unmet),
    ]


def expected(case: Row) -> tuple[str | None, Any]:
    function = case["messages"][-1]["tool_calls"][0]["function"]
    return function["name"], json.loads(function["arguments"])


def answer(model: Model, case: Row) -> tuple[str | None, Any]:
    """The first call's name and arguments; (None, None) for a text."""
    tools = [tool["function"] for tool in case["tools"]]
    said = ask(model, case["messages"][:-1], tools, parallel=False)
    return (said.calls[0].name, dict(said.calls[0].arguments)) if said.calls else (None, None)


def print_counts(name: str, found: Sequence[Sequence[int]]) -> None:
    print(f"{name:10}" + "".join(f"{cell(column):14}" for column in zip(*found, strict=True)))


def cell(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{statistics.median(numbers):g}" + ("" if low == high else f" ({low}-{high})")


if __name__ == "__main__":
    main()

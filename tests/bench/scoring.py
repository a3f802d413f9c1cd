"""Cases scored a second, at all three levels: answers in memory, one process.

The answers are those of a middling model on jobs/drone's cases, each case asked of many: three in four right, the
others wrong in each way there is. The baseline reads the arguments of the same answers with the standard library's
`json.loads` and compares them with `==`, which is the least that any scoring does. All take turns; each figure is
the median of the rounds, in processor time, since nothing here waits.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from orchestrator.evaluation.answers import Answer, AnsweredCall
from orchestrator.evaluation.casefile import check_cases
from orchestrator.evaluation.cases import Case, read_cases
from orchestrator.evaluation.metrics import Tally
from orchestrator.evaluation.scorer import score

CASES = Path(__file__).parents[2] / "jobs" / "drone" / "evaluation.jsonl"
REJECTING = frozenset({"reject_request"})
ANSWERS = 4000
ROUNDS = 9


def main() -> None:
    rejections = check_cases(CASES, REJECTING).rejections
    asked = list(answered(list(read_cases(CASES, REJECTING))))
    tally = Tally()
    ways: dict[str, Callable[[], object]] = {
        "scored": lambda: [score(case, answer, rejections) for case, answer in asked],
        "json.loads and ==": lambda: [plainly(case, answer) for case, answer in asked],
    }
    verdicts = [(case, score(case, answer, rejections), answer) for case, answer in asked]
    ways["counted into figures"] = lambda: [tally.add(*verdict) for verdict in verdicts]  # type: ignore[func-returns-value]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name].append(time.process_time() - start)
    for name, found in seconds.items():
        print(f"{ANSWERS / statistics.median(found):9,.0f} a second  {name}")
    ratio = statistics.median(
        ours / bare for ours, bare in zip(seconds["scored"], seconds["json.loads and =="], strict=True)
    )
    print(f"{ratio:9.1f} ×  scoring over json.loads and ==")


def answered(cases: Sequence[Case]) -> Iterator[tuple[Case, Answer]]:
    """ANSWERS pairs of a case and an answer to it."""
    wrong: list[Callable[[Case], Answer]] = [wrong_values, wrong_tool, text]
    kinds = [kind for mistake in wrong for kind in (right, right, right, mistake)]
    for case, kind in islice(zip(cycle(cases), cycle([*kinds, right]), strict=False), ANSWERS):
        yield case, kind(case)


def right(case: Case) -> Answer:
    return call(*expected(case))


def wrong_values(case: Case) -> Answer:
    name, arguments = expected(case)
    changed = {key: value + 1 if isinstance(value, int) else "moon" for key, value in arguments.items()}
    return call(name, changed)


def wrong_tool(case: Case) -> Answer:
    return call("calibrate_sensors" if expected(case)[0] != "calibrate_sensors" else "return_to_home", {})


def text(case: Case) -> Answer:
    return Answer(text="I can't do that.")


def expected(case: Case) -> tuple[str, dict[str, Any]]:
    first = case.accepted[0]
    call = getattr(first, "calls", None)
    return (call[0].name, dict(call[0].arguments)) if call else ("reject_request", {})


def call(name: str, arguments: dict[str, Any]) -> Answer:
    return Answer(calls=(AnsweredCall(name, json.dumps(arguments)),))


def plainly(case: Case, answer: Answer) -> bool:
    name, arguments = expected(case)
    return any(call.name == name and json.loads(call.arguments) == arguments for call in answer.calls)


if __name__ == "__main__":
    main()

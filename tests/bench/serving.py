"""Answers of a language model on this machine, beside the library's bare `generate`.

    OMP_WAIT_POLICY=PASSIVE .venv-lora/bin/python tests/bench/serving.py MODEL [ADAPTER]

MODEL is a folder in Hugging Face's format, such as the one that `make demo-lora` makes. Both write the same number
of tokens after the same prompts, in turns, in one process: the drone's cases with names only and with all
definitions, one and several at a time. Ours is the decoder of the host with nothing held and nothing remembered;
then with remembered beginnings, and with calls held to their schemas. Figures are medians over rounds, in processor
seconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from orchestrator.server.trainers.interface import Question
from orchestrator.server.trainers.lora.serving.decoding import Decoder, Draft
from orchestrator.server.trainers.lora.serving.desk import open_base
from orchestrator.server.trainers.lora.serving.reading import Prefixes
from orchestrator.server.trainers.lora.serving.served import Served

CASES = Path(__file__).parents[2] / "jobs" / "drone" / "evaluation.jsonl"
TOKENS, ROUNDS, MOST = 32, 3, 1.2
BYTES = 1 << 30
NEVER = frozenset({-1})


@dataclass(frozen=True)
class Setting:
    """Which prompts, and how many at a time."""

    name: str
    names_only: bool
    rows: int


SETTINGS = (
    Setting("names only, 1 at a time", True, 1),
    Setting("names only, 8 at a time", True, 8),
    Setting("all definitions, 1 at a time", False, 1),
    Setting("all definitions, 4 at a time", False, 4),
)


def main(model: str, adapter: str | None = None) -> None:
    base = open_base(Path(model))
    weights = Path(adapter) if adapter else None
    served = Served(base.folder, weights, base.grammars)
    base.hosted.wear(weights)
    print(f"{base.description}{f' with {weights}' if weights else ''}, {torch.get_num_threads()} threads")
    worst = max(measured(base.hosted, served, setting) for setting in SETTINGS)
    print(f"at most {worst:.2f} × bare generate, {MOST} × wanted")


def measured(hosted: Any, served: Served, setting: Setting) -> float:
    """Print the figures of a setting; how long we take by the measure of bare generate."""
    questions = questions_of(setting)
    prompts = [served.dialogue.prompt(question) for question in questions]

    def bare() -> None:
        generate(hosted.model.model, prompts)

    def free() -> None:
        write(hosted, [Draft(prompt, TOKENS, NEVER) for prompt in prompts], Prefixes(0))

    seen = Prefixes(BYTES)

    def remembered() -> None:
        write(hosted, [Draft(prompt, TOKENS, NEVER) for prompt in prompts], seen)

    def held() -> None:
        write(hosted, [served.draft(question, constrained=True) for question in questions], seen)

    for each in (bare, free, remembered):
        each()
    times = [[seconds(each) / len(prompts) for each in (bare, free, remembered, held)] for _ in range(ROUNDS)]
    one, two, three, four = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in times)
    tokens = statistics.mean(map(len, prompts))
    print(f"{setting.name}: prompts of {tokens:,.0f} tokens, answers of {TOKENS}; CPU seconds each", flush=True)
    print(
        f"  generate {one:.2f}, ours {two:.2f} = {ratio:.2f} ×, remembered {three:.2f}, a call held {four:.2f}",
        flush=True,
    )
    return ratio


def questions_of(setting: Setting) -> list[Question]:
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()[: setting.rows]]
    return [
        Question(row["messages"][:-1], tools_of(row, setting.names_only), choice="required", max_tokens=TOKENS)
        for row in rows
    ]


def tools_of(row: Any, names_only: bool) -> list[Any]:
    functions = [tool["function"] for tool in row["tools"]]
    return [{"name": each["name"]} for each in functions] if names_only else functions


def generate(model: Any, prompts: Sequence[Sequence[int]]) -> None:
    """What a script does: prompts padded on the left to one length."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    numbers = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False, "pad_token_id": 0}
    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        model.generate(input_ids=ids, attention_mask=mask, eos_token_id=None, **numbers)
    model.set_attn_implementation("ftorch_grouped")


def write(hosted: Any, drafts: Sequence[Draft], prefixes: Prefixes) -> None:
    hosted.prefixes = prefixes
    decoder = Decoder(hosted.reader())
    decoder.join(drafts)
    while decoder.drafts:
        decoder.step()


def seconds(work: Callable[[], None]) -> float:
    """Processor seconds, which other work on the machine changes least."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Rows rendered and masked a second, beside TRL's own tokenization of the same rows with the same template.

The rows are jobs/drone's, each with all its definitions; the template is ours with generation marks, which TRL
needs for its masks. TRL prepares them as its SFTTrainer does, from a Dataset to labels, in an environment that
FTORCH_LORA_PYTHON names; FTORCH_SMOLLM2 is the folder of the model whose tokenizer is used. The part of it that is
transformers' `apply_chat_template` with masks is measured alone too. They take turns, each with nothing remembered
from the round before; each figure is the median of the rounds, in processor time. All learn the same tokens, or the
program ends with an error. An argument is the number of rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT / "jobs" / "drone" / "train.jsonl"
ROUNDS = 5
AT_LEAST = 3.0


def main(count: int = ROUNDS) -> None:
    model, python = os.environ.get("FTORCH_SMOLLM2"), os.environ.get("FTORCH_LORA_PYTHON")
    if not model or not python:
        print("skipped: set FTORCH_SMOLLM2 to a model's folder, and FTORCH_LORA_PYTHON to a Python with trl")
        return
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder, "marked.jinja")
        template.write_text(marked_template(Path(model)), encoding="utf-8")
        rounds = [compared(Path(model), python, template, rows) for _ in range(count)]
    for name in ("rendered and masked", "TRL", "apply_chat_template"):
        print(f"{len(rows) / statistics.median(each[name] for each in rounds):9,.0f} a second  {name}")
    ratio = statistics.median(each["TRL"] / each["rendered and masked"] for each in rounds)
    print(f"{ratio:9.1f} ×  rendering over TRL (at least {AT_LEAST:.0f})")


def compared(model: Path, python: str, template: Path, rows: list[Any]) -> dict[str, float]:
    """Processor seconds of one round."""
    ours, masks = rendered(model, template, rows)
    trl, bare, their_masks = by_trl(python, str(model), template)
    assert masks == their_masks, "one of them learns other tokens"
    return {"rendered and masked": ours, "TRL": trl, "apply_chat_template": bare}


def marked_template(model: Path) -> str:
    """Our template for the model, with marks around what an assistant message adds to its prompt."""
    from orchestrator.dataset.rendering.renderer import open_renderer

    text = open_renderer(model).template.text
    header = '{{- turn_before | replace("ROLE", turn_assistant) ~ (message.content or "") }}'
    end = '        {{- turn_after }}\n    {%- elif message.role == "tool" %}'
    assert text.count(header) == text.count(end) == 1
    opened = header.replace(' ~ (message.content or "") }}', ' }}{% generation %}{{- message.content or "" }}')
    closed = end.replace("{{- turn_after }}", '{{- turn_after | trim }}{% endgeneration %}{{- "\\n" }}')
    return text.replace(header, opened).replace(end, closed)


def rendered(model: Path, template: Path, rows: list[Any]) -> tuple[float, list[list[int]]]:
    """Processor seconds for all rows, and the learned tokens of each."""
    from orchestrator.dataset.rendering.renderer import open_renderer

    renderer = open_renderer(model, template)
    start = time.process_time()
    found = [renderer.supervised(row) for row in rows]
    seconds = time.process_time() - start
    return seconds, [
        [token for token, learns in zip(each.ids, each.learned, strict=True) if learns] for each in found
    ]


def by_trl(python: str, model: str, template: Path) -> tuple[float, float, list[list[int]]]:
    """The same by TRL and by transformers alone, in their environment."""
    settings = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [python, __file__, "--trl", model, str(template)]
    done = subprocess.run(command, env={**os.environ, **settings}, check=True, capture_output=True, text=True)
    trl, bare, masks = json.loads(done.stdout.splitlines()[-1])
    return trl, bare, masks


def measure_trl(model: str, template: str) -> None:
    """Print the processor seconds of both and the learned tokens; runs in TRL's environment."""
    import datasets  # type: ignore[import-not-found]
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    datasets.disable_progress_bars()
    datasets.disable_caching()
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    # As JSON text, since a Dataset fills definitions with nulls.
    given = [{"messages": row["messages"], "tools": json.dumps(row["tools"])} for row in rows]
    for row, each in zip(rows, given, strict=True):
        each["chat_template_kwargs"] = {"parallel_tool_calls": row["parallel_tool_calls"]}
    dataset = datasets.Dataset.from_list(given)
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            folder, assistant_only_loss=True, max_length=None, shuffle_dataset=False, use_cpu=True, bf16=False
        )
        trainer = SFTTrainer.__new__(SFTTrainer)
        trainer._tokenizer = AutoTokenizer.from_pretrained(model)
        trainer.chat_template = Path(template).read_text(encoding="utf-8")
        trainer.completion_only_loss = False
        start = time.process_time()
        prepared = trainer._prepare_dataset(dataset, trainer._tokenizer, config, False, None, "train")
        seconds = time.process_time() - start
    bare = measure_apply_chat_template(trainer._tokenizer, trainer.chat_template, rows)
    print(json.dumps([seconds, bare, [[each for each in labels if each != -100] for labels in prepared["labels"]]]))


def measure_apply_chat_template(tokenizer: Any, template: str, rows: list[Any]) -> float:
    start = time.process_time()
    for row in rows:
        tokenizer.apply_chat_template(
            row["messages"],
            tools=row["tools"],
            chat_template=template,
            return_dict=True,
            return_assistant_tokens_mask=True,
            parallel_tool_calls=row["parallel_tool_calls"],
        )
    return time.process_time() - start


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trl"]:
        measure_trl(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))

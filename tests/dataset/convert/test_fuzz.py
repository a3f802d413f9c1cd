"""Whatever a file of any format holds, it is converted or refused, and what was written is checked.

FTORCH_FUZZ=all tries 10,000 files.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
from support.mutations import mutated

from orchestrator.dataset.convert import SHAPES, ColumnNames, Options, Target, check_converted, convert_file
from orchestrator.dataset.formats import FORMATS
from orchestrator.errors import FtorchError

FILES = 10_000 if os.environ.get("FTORCH_FUZZ") == "all" else 400
BATCHES = 10
LONGEST_SECONDS = 5
SEEDS = [line.encode() for each in FORMATS for line in each.examples]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_mutated_file_of_any_format_brings_a_conversion_down(batch: int, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out.jsonl"
    for number in range(batch, FILES, BATCHES):
        rng = random.Random(-number)
        text = mutated(number, SEEDS)
        source.write_bytes(b"[" + text.replace(b"\n", b",") + b"]" if rng.random() < 0.1 else text)
        with limited(number):
            try:
                done = convert_file(source, target, options(rng), replace=True)
            except FtorchError:
                continue
            report = check_converted(target)
            assert report.examples == done.written
            assert report.ok or report.errors[0].reason


def options(rng: random.Random) -> Options:
    columns = ColumnNames(
        system=rng.choice((None, "Be brief.")),
        keep=rng.choice(((), ("label", "id"))),
        drop=rng.choice(((), ("input", "system"), ("images",))),
        context=rng.choice((None, None, "input")),
        answer_call=rng.choice((None, None, {"name": "weather", "arguments": {}})),
    )
    return Options(
        shape=rng.choice((None, None, None, *SHAPES)),
        to=rng.choice((None, None, *get_args(Target))),
        columns=columns,
        renumber=rng.random() < 0.2,
        rename_functions=rng.random() < 0.3,
        skip_bad=rng.random() < 0.9,
    )


@contextmanager
def limited(number: int) -> Iterator[None]:
    """Fails where the block hangs, by the processor's time, and names the file that a failure is about."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end after {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    try:
        yield
    except BaseException as error:
        error.add_note(f"the file is mutated({number}, SEEDS)")
        raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)

"""The cross-validation script runs on the drone's training file, and its figures hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def _shares(line: str) -> list[float]:
    """Tool choice, full call, rejected and over-rejected, in percent."""
    return [float(word.rstrip("%")) for word in line.split() if word.endswith("%")]


def test_on_held_out_drone_requests_fine_tuning_beats_the_base_and_seldom_over_rejects():
    script = ROOT / "tests" / "quality" / "cross_validate.py"
    command = [sys.executable, str(script), "--folds", "2", "--epochs", "0", "3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    base, tuned = (_shares(line) for line in done.stdout.splitlines() if " all" in line)
    assert tuned[0] > base[0] + 15
    assert tuned[1] > base[1] + 10
    assert base[2] < 10
    assert tuned[2] > 35
    assert tuned[3] < 10

"""docs/workers.md: systemd accepts the unit, and the manifest's probes and options are the worker's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from orchestrator.api.metrics import COUNTERS
from orchestrator.cli.submit import resume
from orchestrator.server.metrics import COUNTERS as SERVED

PAGE = (Path(__file__).parents[2] / "docs" / "workers.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_accepts_the_unit(tmp_path):
    unit = block("ini").replace("/opt/ftorch/bin/ftorch", shutil.which("true")).replace("User=ftorch\n", "")
    (tmp_path / "ftorch-worker.service").write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "ftorch-worker.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "ftorch-worker" in line]
    assert (done.returncode, said) == (0, [])


def test_the_manifest_starts_a_worker_with_options_that_exist():
    [worker] = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]["containers"]
    known = {name for each in resume.params for name in each.opts}
    assert {each for each in worker["args"] if each.startswith("--")} <= known
    assert worker["args"][:3] == ["ftorch", "resume", "--worker"]
    assert worker["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert worker["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_every_metric_is_listed():
    listed = set(re.findall(r"`(ftorch_\w+)`", PAGE))
    assert {f"ftorch_{name}" for name in [*COUNTERS, *SERVED]} <= listed
    assert {"ftorch_runs", "ftorch_queue_length", "ftorch_leases", "ftorch_trainings"} <= listed

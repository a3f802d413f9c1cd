"""A group of workers over several nodes, as far as no cluster is needed: `tests/ray` has the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator.server.launchers import rank
from orchestrator.server.launchers.interface import NO_GROUP, Program
from orchestrator.server.launchers.rank import Place, Rank
from orchestrator.server.launchers.ray import RayLauncher
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.launchers.workergroup import variables_of


def test_each_process_knows_its_number_its_gpu_and_those_of_its_neighbours() -> None:
    places = [Place("a", "10.0.0.1", ("3",)), Place("a", "10.0.0.1", ("5",)), Place("b", "10.0.0.2", ("0",))]
    found = [variables_of(number, places) for number in range(3)]
    assert [each["RANK"] for each in found] == ["0", "1", "2"]
    assert [each["WORLD_SIZE"] for each in found] == ["3", "3", "3"]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in found] == ["3,5", "3,5", "0"]
    assert [each["LOCAL_RANK"] for each in found] == ["0", "1", "0"]


def test_without_gpus_the_processes_of_a_node_are_numbered() -> None:
    places = [Place("a", "10.0.0.1", ()), Place("b", "10.0.0.2", ()), Place("b", "10.0.0.2", ())]
    found = [variables_of(number, places) for number in range(3)]
    assert [each["LOCAL_RANK"] for each in found] == ["0", "0", "1"]
    assert not any("CUDA_VISIBLE_DEVICES" in each for each in found)


def test_the_head_runs_the_group_in_the_first_python_that_has_ray(tmp_path: Path) -> None:
    wanted = program(tmp_path)
    command = RayLauncher(RaySettings("http://ray:8265", tmp_path, gpus=1), sys.executable)._group(wanted)
    (tmp_path / "bin").mkdir()
    other = tmp_path / "bin" / "python3"
    other.write_text(f'#!/bin/sh\ncase "$1" in -c) exit 0;; *) echo "$@" > {tmp_path}/ran;; esac\n')
    other.chmod(0o755)
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    ran = (tmp_path / "ran").read_text()
    assert ran.startswith('-m orchestrator.server.launchers.workergroup {"processes": 2, "gpus": 1, "cpus": 1, ')
    assert ran.endswith(f"{wanted.log} a.module train {tmp_path} 1\n")


def test_a_head_without_ray_says_where_it_was_looked_for(tmp_path: Path) -> None:
    command = RayLauncher(RaySettings("http://ray:8265", tmp_path), sys.executable)._group(program(tmp_path))
    done = run(command, tmp_path)
    assert done.returncode == NO_GROUP
    assert done.stdout == f"ftorch: none of {sys.executable}, python3, python has the package ray on the head\n"


def test_a_worker_names_what_it_does_not_find(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rank, "PROBE_SECONDS", 0.0)
    probe = tmp_path / "owner.json"
    assert rank._missing(str(probe), [str(tmp_path)]) == str(probe)
    probe.touch()
    assert rank._missing(str(probe), [str(tmp_path), str(tmp_path / "model")]) == str(tmp_path / "model")
    assert rank._missing(str(probe), [str(tmp_path)]) == ""


def test_a_process_of_the_group_gets_its_variables_and_no_token(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "canary")
    shown = [sys.executable, "-c", "import os; print(dict(os.environ)); raise SystemExit(3)"]
    log = tmp_path / "log"
    assert Rank().run(shown, str(log), {"RANK": "1"}) == 3
    assert "'RANK': '1'" in log.read_text()
    assert "canary" not in log.read_text()


def program(folder: Path) -> Program:
    probe = folder / "owner.json"
    probe.touch()
    return Program("a.module", ["train", str(folder), "1"], folder, folder / "log", probe, processes=2)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder}/bin:/usr/bin:/bin"
    return subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, env={"PATH": path}, timeout=60
    )

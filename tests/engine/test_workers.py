"""A worker's name: by it other processes tell whether its leases are abandoned."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from orchestrator.engine.worker import is_abandoned, new_owner


def renamed(owner: str, process: str) -> str:
    machine, _, rest = owner.rsplit(":", 2)
    return f"{machine}:{process}:{rest}"


@pytest.fixture
def owner() -> str:
    return new_owner(random.Random(1))


def test_a_process_that_runs_is_not_abandoned(owner: str) -> None:
    assert not is_abandoned(owner)
    assert not is_abandoned(renamed(owner, str(os.getppid())))


def test_a_process_that_ended_is_abandoned(owner: str) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert is_abandoned(renamed(owner, f"{process.pid}.17"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process started")
@pytest.mark.parametrize("pid", [os.getpid(), os.getppid()], ids=["this process", "its parent"])
def test_a_process_id_that_is_in_use_again_is_abandoned(owner: str, pid: int) -> None:
    assert is_abandoned(renamed(owner, f"{pid}.1"))


def test_a_worker_on_another_machine_counts_as_alive(owner: str) -> None:
    assert not is_abandoned("another-machine:1.1:00000000")


@pytest.mark.parametrize("name", ["", "nobody", "a:b", "{machine}:x.1:0", "{machine}:", "{machine}:1:2:3:4"])
def test_a_worker_with_a_name_of_another_form_counts_as_alive(owner: str, name: str) -> None:
    machine = owner.partition(":")[0]
    assert not is_abandoned(name.format(machine=machine))

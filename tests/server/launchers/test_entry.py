"""What Ray starts on a worker: the shell command that it gets, run by a real shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.server.launchers import entry, ray as launcher
from orchestrator.server.launchers.interface import MEMORY_RAN_OUT, NOT_SHARED, Program
from orchestrator.server.launchers.package import shared_package
from orchestrator.server.launchers.ray import RayLauncher
from orchestrator.server.launchers.settings import RaySettings


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Shared storage whose path a shell could misread."""
    folder = tmp_path / "team's storage"
    folder.mkdir()
    return folder


def program(folder: Path, module: str, *arguments: str) -> Program:
    probe = folder / "owner.json"
    probe.touch()
    return Program(module, arguments, folder, folder / "log", probe)


def command(storage: Path, wanted: Program) -> str:
    return RayLauncher(RaySettings("http://ray:8265", storage), sys.executable)._entrypoint(wanted)


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(text, shell=True, capture_output=True, text=True, check=False, cwd="/", timeout=60)


def test_the_program_runs_with_this_package_and_its_output_is_in_the_folder(storage: Path) -> None:
    done = run(
        command(storage, program(storage, "timeit", "-n1", "-r1", "import orchestrator; print(orchestrator)"))
    )
    assert done.returncode == 0, done.stderr
    assert str(storage / "packages") in (storage / "log").read_text()
    assert str(storage / "log") in done.stdout


def test_its_exit_status_is_passed_on(storage: Path) -> None:
    for code, status in (("raise SystemExit(75)", 75), ("import os; os.kill(os.getpid(), 9)", 128 + 9)):
        (storage / "packages").mkdir(exist_ok=True)
        package = shared_package(storage)
        (package / "ending.py").write_text(code)
        assert run(command(storage, program(storage, "ending"))).returncode == status


def test_a_kill_for_memory_has_a_status_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = iter(range(9))
    monkeypatch.setattr(entry, "kills_for_memory", lambda: next(kills))
    before = signal.getsignal(signal.SIGTERM)
    try:
        arguments = ["-n1", "-r1", "import os; os.kill(os.getpid(), 9)"]
        assert entry.main(str(tmp_path / "log"), "timeit", *arguments) == MEMORY_RAN_OUT
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_worker_without_the_folder_says_which(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "PROBE_TRIES", 2)
    wanted = program(storage, "timeit")
    wanted.probe.unlink()
    done = run(command(storage, wanted))
    assert (done.returncode, done.stdout) == (NOT_SHARED, f"ftorch: {wanted.probe} is not on this worker\n")


def test_a_stopped_job_takes_its_program_along(storage: Path) -> None:
    arguments = ["-n1", "-r1", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    shell = subprocess.Popen(command(storage, program(storage, "timeit", *arguments)), shell=True)
    deadline = time.monotonic() + 30
    while not (log := storage / "log").exists() or not log.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pid = int(log.read_text().split()[0])
    shell.terminate()
    shell.wait(20)
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_program_gets_no_token(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "canary")
    run(command(storage, program(storage, "timeit", "-n1", "-r1", "import os; print(dict(os.environ))")))
    assert "canary" not in (storage / "log").read_text()
    assert os.environ["PATH"] in (storage / "log").read_text()


def test_the_package_is_copied_once(storage: Path) -> None:
    first = shared_package(storage)
    marked = first / "orchestrator" / "marked"
    marked.touch()
    assert shared_package(storage) == first
    assert marked.exists()
    assert [path.name for path in (storage / "packages").iterdir()] == [first.name]

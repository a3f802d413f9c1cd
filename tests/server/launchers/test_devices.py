"""GPUs for trainings of several processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.server.launchers import devices
from orchestrator.server.launchers.devices import Device, held_devices
from orchestrator.server.launchers.interface import LaunchError, Waiting


class StopError(Exception):
    """The job was cancelled while it waited."""


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def have(count: int) -> None:
        found = [Device(f"GPU-{number}") for number in range(count)] or [Device(None)]
        monkeypatch.setattr(devices, "devices", lambda: found)

    return have


def quiet() -> Waiting:
    return Waiting(lambda: None, lambda _: None)


def test_each_process_gets_a_gpu_of_its_own(gpus: Callable[[int], None]) -> None:
    gpus(3)
    with held_devices(2, quiet()) as first, held_devices(1, quiet()) as second:
        assert (first.visible, second.visible) == ("GPU-0,GPU-1", "GPU-2")
        assert len(first.descriptors) == 2


def test_a_training_that_waits_for_two_gpus_holds_none(gpus: Callable[[int], None]) -> None:
    gpus(2)

    def tick() -> None:
        with held_devices(1, quiet()) as other:
            assert other.visible == "GPU-1"
        raise StopError

    told: list[str] = []
    with held_devices(1, quiet()), pytest.raises(StopError), held_devices(2, Waiting(tick, told.append)):
        raise AssertionError
    assert told == ["Waiting for another training on this machine"]


def test_more_processes_than_gpus_are_refused(gpus: Callable[[int], None]) -> None:
    gpus(2)
    with pytest.raises(LaunchError, match=r"asks for 3 processes, .* has 2\. Set num_processes to 2 or less"):
        held_devices(3, quiet()).__enter__()


def test_all_processes_share_the_processors(gpus: Callable[[int], None]) -> None:
    gpus(0)
    with held_devices(4, quiet()) as held:
        assert (held.visible, len(held.descriptors)) == ("", 1)

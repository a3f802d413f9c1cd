"""Real processes, a real proxy, real SIGKILLs: the same proof on fewer cases."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.catalogue import ON_CREATE, ON_UPLOAD
from faults.machine import Machine, machine
from faults.product import ALL
from faults.proxy import Proxy, proxied
from orchestrator.engine.crashpoints import POINTS

SETTLING, TIMEOUT, LATE = 2.0, 0.8, 1.2
FEW = (
    ("after-upload", "none", "answer-lost"),
    ("after-create", "none", "none"),
    ("after-commit-creating", "arrives-late", "dropped"),
)
"""What `make test` takes: crash point, fault on create, fault on upload."""
UNREACHED = (
    "requested_action",
    "surplus",
    "attempt-closed",
    "paused",
    "cancelled",
    "failed",
    "upload-failure",
    "part",
)
CREATE_FAULTS = ("none", "answer-lost")


def _cases() -> list[tuple[str, str, str]]:
    if not ALL:
        return list(FEW)
    places = [place for place in POINTS if not any(word in place for word in UNREACHED)]
    return [*FEW, *((place, fault, "none") for place in places for fault in CREATE_FAULTS)]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Machine, Proxy]]:
    with machine(tmp_path) as (found, upstream), proxied(upstream, late_seconds=LATE) as proxy:
        yield found, proxy


@pytest.mark.parametrize(("crash", "on_create", "on_upload"), _cases())
def test_a_killed_process_leaves_one_job(
    served: tuple[Machine, Proxy], crash: str, on_create: str, on_upload: str
) -> None:
    found, proxy = served
    found.point_to(proxy.address, kind="openai", settling=SETTLING, timeout=TIMEOUT)
    job = found.project.write_job(endpoint='endpoint = "there"')
    proxy.wire.plan("create", [ON_CREATE[on_create]])
    proxy.wire.plan("upload", [ON_UPLOAD[on_upload]])
    died = found.start("submit", str(job), "--yes", FTORCH_CRASH_AT=crash).wait(40)
    assert died == -signal.SIGKILL or ALL
    again = ["resume"] if found.project.status() else ["submit", str(job), "--yes"]
    resumed = found.project.process(*again)
    assert resumed.code == 0, resumed.err
    [run] = found.project.status()
    [remote] = found.jobs()
    assert (run["state"], remote["status"]) == ("succeeded", "succeeded")
    assert run["fine_tuned_model"] == remote["fine_tuned_model"]
    assert len(found.files()) == 1

"""Every test of this folder that takes `kind` or `bench` runs over all kinds of items."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_endpoint import FakeClock
from support.items import KINDS, Bench, KindOfItem

from orchestrator.store.database import Database


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> KindOfItem:
    """One kind of item after the other."""
    return KINDS[request.param]()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bench(kind: KindOfItem, database: Database, clock: FakeClock, tmp_path: Path) -> Bench:
    return Bench(kind, database, clock, tmp_path)

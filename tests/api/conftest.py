from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.command import like_a_process


@pytest.fixture(autouse=True)
def _in_this_process() -> Iterator[None]:
    """A notebook's jobs train in threads."""
    with like_a_process():
        yield

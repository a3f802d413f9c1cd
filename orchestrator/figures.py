"""What this process has counted since its start: the part of its metrics that no database holds.

Counting costs a dictionary look-up, so it is always on; workers and the local endpoint show the sums at `/metrics`.
The names are those of Prometheus, without the prefix `ftorch_`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping

Labels = tuple[tuple[str, str], ...]
_lock = threading.Lock()
_sums: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))


def count(name: str, amount: float = 1.0, **labels: str) -> None:
    """Add to the sum of this name and these labels. Any thread may call it."""
    with _lock:
        _sums[name][tuple(sorted(labels.items()))] += amount


def counted(name: str) -> Mapping[Labels, float]:
    """The sums of this name so far, by their labels."""
    with _lock:
        return dict(_sums.get(name, {}))

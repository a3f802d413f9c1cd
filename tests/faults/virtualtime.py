"""An event loop whose clock jumps to the next timer when nothing is left to do: days take milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio.to_thread
import pytest

T = TypeVar("T")


class StuckError(Exception):
    """Nothing is scheduled any more, and the work is not done."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Timers fire at once, in order; what would run in a thread runs where it is called."""

    def __init__(self, begin: float = 0.0) -> None:
        self._virtual_now = begin
        super().__init__(_Selector(self.skip))

    def time(self) -> float:
        return self._virtual_now

    def skip(self, seconds: float | None) -> None:
        if seconds is None:
            raise StuckError
        self._virtual_now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        future = self.create_future()
        future.set_result(func(*args))
        return future


class _Selector(selectors.SelectSelector):
    def __init__(self, skip: Callable[[float | None], None]) -> None:
        super().__init__()
        self._skip_time = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self._skip_time(timeout)
        return ready


async def _run_here(function: Callable[..., T], *args: Any, **_options: Any) -> T:
    return function(*args)


@contextmanager
def without_threads() -> Iterator[None]:
    """A thread's answer would come in real time, which nobody waits for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", _run_here)
        yield

"""Waiting for what a coroutine gives, in a test that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


def finished(found: Awaitable[Any]) -> Any:
    """What it gives in the end."""

    async def wait() -> Any:
        return await found

    return asyncio.run(wait())

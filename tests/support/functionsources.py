"""Writing a source of functions into the working directory, and reading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import FtorchError, LineUnreadable, ToolsUnusable, UsageError
from orchestrator.generation.functions.sources import Source, read_functions


def read(value: Any, name: str = "tools.json") -> Source:
    Path(name).write_text(value if isinstance(value, str) else json.dumps(value))
    return read_functions(name)


def refusal(value: Any, name: str = "tools.json", error: type[FtorchError] = ToolsUnusable) -> str:
    with pytest.raises(error) as raised:
        read(value, name)
    assert isinstance(raised.value, UsageError | LineUnreadable)
    return str(raised.value)


def openapi(paths: Any, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths, **more}


def body(schema: Any, **more: Any) -> dict[str, Any]:
    return {"operationId": "make", "requestBody": {"content": {"application/json": {"schema": schema}}}, **more}

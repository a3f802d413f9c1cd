"""Files given as a job file that are something else: data, YAML, JSON, a folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from shlex import quote

from orchestrator.errors import JobFileIsData, JobFileIsFolder, JobFileNotFound, JobFileNotToml, UsageError
from orchestrator.spelling import nearest

_DATA_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet", ".gz", ".zst", ".arrow")
_YAML_SUFFIXES = (".yaml", ".yml")
_HEAD_BYTES = 4096
_SHOWN = 5
_YAML_LINE = re.compile(r"^([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?$")


def no_job_file(path: Path) -> JobFileNotFound:
    """The error for a missing file, with the nearest job file."""
    try:
        names = [name for name in os.listdir(path.parent) if name.endswith(".toml")]
    except (OSError, ValueError):
        names = []
    near = nearest(path.name, names)
    if near is None:
        return JobFileNotFound(path=path)
    return JobFileNotFound(f"There is no job file {path}. Did you mean {path.with_name(near)}?")


def no_job(path: Path) -> UsageError | None:
    """The error for a file that is not TOML, with its type and the next step; None if its type is unknown."""
    if path.is_dir():
        jobs = sorted(each.name for each in path.glob("*.toml") if each.name != "ftorch.toml")
        more = ", …" if len(jobs) > _SHOWN else ""
        advice = f"Its TOML files: {', '.join(jobs[:_SHOWN])}{more}" if jobs else "There is no TOML file in it."
        return JobFileIsFolder(path=path, advice=advice)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8-sig", "replace").lstrip()
    except OSError:
        return None
    if path.suffix.lower() in _DATA_SUFFIXES or _is_example(head):
        return JobFileIsData(path=path, command=f"ftorch init {quote(str(path))}")
    if head.startswith("{"):
        return JobFileNotToml(path=path, format="JSON", advice='Write each key on a separate line: name = "drone"')
    if path.suffix.lower() in _YAML_SUFFIXES or head.startswith("---"):
        return JobFileNotToml(path=path, format="YAML", advice=_translated(head))
    return None


def _is_example(head: str) -> bool:
    first = head.partition("\n")[0]
    if not first.startswith(("{", "[")):
        return False
    try:
        return "messages" in json.loads(first)
    except (ValueError, TypeError, RecursionError):
        return re.match(r'[\[{]\s*[\[{]?\s*"(messages|input|prompt|conversations)"', head) is not None


def _translated(head: str) -> str:
    """The first line that sets something, as TOML."""
    for line in head.splitlines():
        if (found := _YAML_LINE.match(line)) and found[1]:
            key, value = found[1], (found[2] or "").strip()
            written = f"{key} = {json.dumps(value.strip(chr(34)), ensure_ascii=False)}" if value else f"[{key}]"
            return f"Write {line.strip()} as {written}"
    return 'Write name: drone as name = "drone"'

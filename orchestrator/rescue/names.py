"""File names made from a host's ids and names, which may hold anything."""

from __future__ import annotations

import hashlib
import re

from orchestrator.jobfile.outside import RESCUED_JOBS

_LONGEST = 80
_HASH = 8


def safe(text: str) -> str:
    """The text as part of a file name: itself if it is one on every system; otherwise its letters, digits, dots and
    dashes, and a hash of the whole, so that two different texts stay two."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_LONGEST]
    if kept == text and kept:
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{kept}-{digest}" if kept else digest


def file_path(file_id: str, name: str | None) -> str:
    """`files/file-abc123-train.jsonl`: the id makes it unique, the name tells people what it is."""
    tail = re.sub(r"[^A-Za-z0-9._-]+", "-", (name or "").rsplit("/", 1)[-1]).strip("-.")[-_LONGEST:].lstrip("-.")
    return f"files/{safe(file_id)}{f'-{tail}' if tail and tail != file_id else ''}"


def job_path(job_id: str, part: str) -> str:
    return f"{RESCUED_JOBS}/{safe(job_id)}/{part}"


def job_file_path(name: str, job_id: str) -> str:
    """`jobs/drone-ftjob-abc123.toml`: people look for a name, and the id makes it unique."""
    return f"{RESCUED_JOBS}/{safe(f'{name}-{job_id}')}.toml"


def cases_path(name: str, sha256: str) -> str:
    """`evaluation/cases-1a2b3c4d.jsonl`, for the copy of a file from elsewhere."""
    return f"evaluation/{safe(name)}-{sha256[:_HASH]}.jsonl"


def eval_path(eval_id: str, part: str) -> str:
    return f"evals/{safe(eval_id)}/{part}"

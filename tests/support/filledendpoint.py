"""A store of the local endpoint with many jobs in every state: one is really trained, the others are copies of it.

Copies share the trained weights, so every model that was not deleted answers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai

from orchestrator.server.app import create_app, running

BASE = "gpt-4.1-mini-2025-04-14"
STATUSES = ("succeeded", "succeeded", "succeeded", "failed", "cancelled", "paused")


@dataclass
class Filled:
    """What the store has, by id or name."""

    jobs: dict[str, str] = field(default_factory=dict)
    """The status of each."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Their contents; results as the CSV that they are."""
    deleted_files: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    deleted_models: set[str] = field(default_factory=set)


def filled_store(folder: Path, rows: bytes, jobs: int = 30) -> Filled:
    """Fill the store in `folder`: of every fifth succeeded job the training file is deleted, of every fourth the
    models, of every seventh the result file."""
    asyncio.run(_train(folder, rows))
    found = Filled()
    with closing(sqlite3.connect(folder / "endpoint.db")) as connection:
        connection.row_factory = sqlite3.Row
        first = _row(connection, "SELECT * FROM jobs")
        for number in range(1, jobs):
            _copy(connection, first, number, STATUSES[number % len(STATUSES)])
        succeeded = [row["id"] for row in connection.execute("SELECT id FROM jobs WHERE status = 'succeeded'")]
        for number, job_id in enumerate(succeeded):
            _take_away(connection, job_id, number, found)
        connection.commit()
        _note(connection, folder, found)
    return found


async def _train(folder: Path, rows: bytes) -> None:
    app = create_app(folder)
    transport = httpx2.ASGITransport(app=app)
    async with running(app), httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as http:
        client = openai.AsyncOpenAI(base_url="http://local/v1", api_key="none", http_client=http)
        validation = b"\n".join(rows.splitlines()[:3]).replace(b"Switch on the light in the", b"Light up the")
        sent = (("train.jsonl", rows), ("v", validation))
        files = [await client.files.create(file=each, purpose="fine-tune") for each in sent]
        method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}}
        job = await client.fine_tuning.jobs.create(
            model=BASE, training_file=files[0].id, validation_file=files[1].id, method=method, suffix="greet"
        )
        while (await client.fine_tuning.jobs.retrieve(job.id)).status != "succeeded":
            await asyncio.sleep(0.02)


def _copy(connection: sqlite3.Connection, first: Mapping[str, Any], number: int, status: str) -> None:
    """The first job again, under other ids and with files of its own."""
    job_id, is_trained = f"ftjob-copy{number:03}", status == "succeeded"
    model = f"{first['model_name']}{number:03}"
    files = {
        name: _copied_file(connection, first[name], f"{name.partition('_')[0]}-{number:03}")
        for name in ("training_file", "validation_file", *(["result_file"] if is_trained else []))
    }
    error = json.dumps({"code": "invalid_training_file", "message": "a line is broken", "param": "training_file"})
    changes = {
        **files,
        "id": job_id,
        "created_at": first["created_at"] + number,
        "status": status,
        "model_name": model,
        "fine_tuned_model": model if is_trained else None,
        "result_file": files.get("result_file"),
        "trained_tokens": first["trained_tokens"] if is_trained else None,
        "error": error if status == "failed" else None,
        "finished_at": None if status == "paused" else first["finished_at"] + number,
        "metadata": None,
    }
    _insert(connection, "jobs", {**first, **changes})
    events = connection.execute("SELECT * FROM events WHERE job = ?", (first["id"],)).fetchall()
    for row in events if is_trained else events[:3]:
        _insert(connection, "events", {**row, "id": f"{row['id']}-{number:03}", "job": job_id})
    if not is_trained:
        return
    for row in connection.execute("SELECT * FROM checkpoints WHERE job = ?", (first["id"],)).fetchall():
        named = {
            "id": f"{row['id']}-{number:03}",
            "job": job_id,
            "model": row["model"].replace(first["model_name"], model),
        }
        _insert(connection, "checkpoints", {**row, **named})
    for row in connection.execute("SELECT * FROM models WHERE job = ?", (first["id"],)).fetchall():
        _insert(
            connection, "models", {**row, "job": job_id, "name": row["name"].replace(first["model_name"], model)}
        )


def _copied_file(connection: sqlite3.Connection, file_id: str, new: str) -> str:
    row = _row(connection, "SELECT * FROM files WHERE id = ?", file_id)
    _insert(connection, "files", {**row, "id": f"file-{new}", "filename": f"../{new}/{row['filename']}"})
    return f"file-{new}"


def _take_away(connection: sqlite3.Connection, job_id: str, number: int, found: Filled) -> None:
    job = _row(connection, "SELECT * FROM jobs WHERE id = ?", job_id)
    if number % 5 == 1:
        found.deleted_files.add(job["training_file"])
    if number % 7 == 2:
        found.deleted_files.add(job["result_file"])
    for file_id in found.deleted_files:
        connection.execute("DELETE FROM files WHERE id = ?", (file_id,))
    if number % 4 == 1:
        names = [row["name"] for row in connection.execute("SELECT name FROM models WHERE job = ?", (job_id,))]
        found.deleted_models.update(names)
        connection.execute("DELETE FROM models WHERE job = ?", (job_id,))


def _note(connection: sqlite3.Connection, folder: Path, found: Filled) -> None:
    found.jobs = {row["id"]: row["status"] for row in connection.execute("SELECT id, status FROM jobs")}
    found.models = {row["name"] for row in connection.execute("SELECT name FROM models")}
    for row in connection.execute("SELECT id, blob, purpose FROM files"):
        content = next(folder.rglob(row["blob"])).read_bytes()
        is_result = row["purpose"] == "fine-tune-results"  # served in base64, as OpenAI does
        found.files[row["id"]] = base64.b64decode(content) if is_result else content


def _row(connection: sqlite3.Connection, query: str, *values: str) -> dict[str, Any]:
    return dict(connection.execute(query, values).fetchone())


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    values = {key: value for key, value in dict(row).items() if key != "seq"}
    columns, marks = ", ".join(values), ", ".join(f":{key}" for key in values)
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)

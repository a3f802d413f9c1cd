"""jobs/README.md beside the code and the data: its example loads, no key is missing, its counts are right."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from orchestrator.jobfile import JobFile, load_job_file
from orchestrator.jobfile.sweep import STOPS, Space, Strategy
from orchestrator.jobfile.tables import METHODS, Azure, Data, Evaluation, Limits, Lora, Poll

JOBS = Path(__file__).parents[2] / "jobs"
PAGE = (JOBS / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"^```toml\n(name.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)[0]
NAMED = set(re.findall(r"`([a-z0-9_.]+)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))))


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (JOBS / name).read_text(encoding="utf-8").splitlines()]


def is_rejected(case: dict[str, Any]) -> bool:
    calls = case["messages"][-1].get("tool_calls") or []
    return all(call["function"]["name"] == "reject_request" for call in calls)


def test_the_example_is_a_job_file_with_every_key(tmp_path: Path) -> None:
    for name in ("train", "validation", "evaluation"):
        (tmp_path / "drone").mkdir(exist_ok=True)
        (tmp_path / "drone" / f"{name}.jsonl").touch()
    (tmp_path / "job.toml").write_text(EXAMPLE)
    job = load_job_file(tmp_path / "job.toml")
    assert JobFile.model_fields.keys() - job.model_fields_set == {"sweep", "generate"}
    assert job.evaluation is not None
    assert job.lora is not None
    tables: list[BaseModel] = [job.data, job.method, job.lora, job.limits, job.poll, job.evaluation]
    for table in tables:
        older = {"learning_rate"} if isinstance(table, Lora) else set()  # which [method] sets
        assert type(table).model_fields.keys() - older == table.model_fields_set


def test_every_key_has_a_row() -> None:
    tables: dict[str, type[BaseModel]] = {
        "data": Data,
        "limits": Limits,
        "lora": Lora,
        "poll": Poll,
        "azure": Azure,
    }
    expected = {field.alias or name for name, field in JobFile.model_fields.items()} - {*tables, "method"}
    expected |= {f"{name}.{key}" for name, table in tables.items() for key in table.model_fields}
    expected |= {f"method.{key}" for method in METHODS.values() for key in method.model_fields}
    assert expected <= NAMED
    assert {*Space.model_fields, *get_args(Strategy), *STOPS} <= NAMED
    assert {key for stop in STOPS.values() for key in stop.model_fields} <= {*re.findall(r"`(\w+)`", PAGE), "rule"}
    assert all(re.search(rf"^{key} = ", EXAMPLE, flags=re.MULTILINE) for key in Evaluation.model_fields)


@pytest.mark.parametrize("row", re.findall(r"^\| `(\w+/\w+\.jsonl)` \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE))
def test_the_lines_and_rejections_of_a_file_are_as_stated(row: tuple[str, str, str]) -> None:
    name, lines, rejections = row
    found = cases(name)
    assert (len(found), sum(map(is_rejected, found))) == (int(lines), int(rejections))


def test_the_slices_are_as_stated() -> None:
    stated = {name: int(count) for name, count in re.findall(r"^\| `([a-z-]+)` \| (\d+) \| ", PAGE, re.MULTILINE)}
    found = Counter(case["slice"] for name in ("drone", "stock") for case in cases(f"{name}/evaluation.jsonl"))
    assert stated == dict(found)
    assert len(re.findall(r"^\| `\w+/", PAGE, re.MULTILINE)) == 6

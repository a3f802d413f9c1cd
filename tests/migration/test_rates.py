"""A job file's learning rate on a successor's endpoint that takes none of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config import EndpointConfig
from orchestrator.jobfile import job_from_document
from orchestrator.migration.plan import left_to_the_endpoint, without_rate
from orchestrator.migration.targets import Target


@pytest.mark.parametrize(
    ("kind", "table", "rate", "said"),
    [
        (
            "nebius",
            "method",
            {"learning_rate_multiplier": 0.5},
            "learning_rate_multiplier 0.5: not sent, there takes absolute rates only and chooses its own",
        ),
        (
            "azure",
            "lora",
            {"learning_rate": 1e-4},
            "learning_rate 0.0001: not sent, there takes multipliers only and chooses its own",
        ),
        ("compatible", "method", {"learning_rate": 1e-4}, None),
        ("together", "method", {}, None),
    ],
)
def test_a_rate_that_an_endpoint_can_not_take_is_left_to_it(
    kind: str, table: str, rate: dict[str, float], said: str | None
) -> None:
    document = {"name": "x", "model": "m", "data": {"training_file": "t"}, table: rate}
    job, config = job_from_document(document, Path("job.toml")), EndpointConfig("there", kind)  # type: ignore[arg-type]
    assert list(without_rate(job, config)) == ([said] if said else [])
    overrides = list(left_to_the_endpoint(job, config, Target("there", None, "there")))
    assert [(each.key, each.value, each.option) for each in overrides] == (
        [((table, *rate), "auto", "--to there")] if said else []
    )
    for each in overrides:
        document[table] = {each.key[-1]: each.value}
    assert list(without_rate(job_from_document(document, Path("job.toml")), config)) == []

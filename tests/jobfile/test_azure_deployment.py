"""`[azure.deployment]` of a job file."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InvalidJobFile
from orchestrator.jobfile import JobFile, load_job_file

TEXT = """
name = "drone"
model = "gpt-4.1-mini-2025-04-14"
[data]
training_file = "train.jsonl"
validation_file = "train.jsonl"
"""


def load(folder: Path, text: str) -> JobFile:
    (folder / "train.jsonl").write_text("{}\n")
    path = folder / "job.toml"
    path.write_text(TEXT + text)
    return load_job_file(path)


def test_the_table_alone_deploys_by_itself(tmp_path: Path) -> None:
    found = load(tmp_path, "[azure.deployment]").azure.deployment
    assert found is not None
    assert (found.auto, found.name, found.sku, found.capacity) == (True, None, None, None)


def test_without_the_table_nothing_is_deployed(tmp_path: Path) -> None:
    assert load(tmp_path, '[azure]\ntraining_type = "GlobalStandard"').azure.deployment is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('sku = "Global"', "azure.deployment.sku must be"),
        ("capacity = 0", "azure.deployment.capacity must be at least 1"),
        ('name = "my model"', "letters, digits"),
        ('skus = "Standard"', 'did you mean "sku"?'),
    ],
)
def test_a_wrong_line_is_named_with_what_is_allowed(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InvalidJobFile, match=said.replace("?", r"\?")) as caught:
        load(tmp_path, f"[azure.deployment]\n{line}")
    assert "job.toml:8" in str(caught.value)


def test_a_sweep_is_not_deployed_trial_by_trial(tmp_path: Path) -> None:
    sweep = "[sweep]\n[sweep.space]\nn_epochs = [1, 2]\n"
    with pytest.raises(InvalidJobFile, match=r"ftorch deployments create \$\(ftorch sweep best drone\)"):
        load(tmp_path, f"{sweep}[azure.deployment]")
    kept = load(tmp_path, f"{sweep}[azure.deployment]\nauto = false").azure.deployment
    assert kept is not None
    assert not kept.auto

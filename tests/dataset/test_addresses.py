"""A file behind an address is looked at by nobody here."""

from __future__ import annotations

import pytest

from orchestrator.dataset.addresses import ImportedFile
from orchestrator.dataset.checking.filesets import CheckOptions, gather
from orchestrator.errors import DataBehindAddress
from orchestrator.jobfile.addresses import Address


def test_its_identity_is_the_address_as_it_is_written(monkeypatch):
    first, other = (ImportedFile("training", Address(f"https://host/{name}?${{SAS}}")) for name in "ab")
    before = first.sha256
    monkeypatch.setenv("SAS", "sig=abc")
    assert first.sha256 == before != other.sha256
    assert len(before) == 64


def test_data_check_says_that_it_can_not_look_there(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('name = "a"\nmodel = "gpt-4.1"\n[data]\ntraining_file = "https://host/train.jsonl"\n')
    with pytest.raises(
        DataBehindAddress, match=r"takes its data from https://host/train\.jsonl, which is not read"
    ):
        gather([path], CheckOptions())

"""`ftorch serve --azure`, and the page that describes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.command import ftorch

from orchestrator.server import serve

ROOT = Path(__file__).parents[3]


@pytest.fixture
def settings(monkeypatch):
    """What the server would be run with."""
    seen = []
    monkeypatch.setattr(serve, "serve", lambda _store, _host, _port, settings, **_: seen.append(settings))
    return seen


def test_azure_trains_one_job_at_a_time_unless_told_otherwise(home, settings):
    for options in ([], ["--azure"], ["--azure", "--at-once", "3"]):
        assert ftorch("serve", *options).exit_code == 130
    assert [each.max_training for each in settings] == [2, 1, 3]
    assert [each.azure is None for each in settings] == [True, False, False]


def test_region_and_sign_in_reach_the_resource(home, settings):
    assert ftorch("serve", "--azure", "--entra", "--region", "eastus2", "--host", "0.0.0.0").exit_code == 130
    azure = settings[0].azure
    assert (azure.location, azure.signed_in_only, azure.imports_from_here) == ("eastus2", True, False)


@pytest.mark.parametrize("option", [["--entra"], ["--region", "eastus2"]])
def test_what_only_a_resource_has_wants_one(home, option):
    done = ftorch("serve", *option)
    assert done.exit_code == 2
    assert "need --azure" in done.output


def test_the_page_names_every_identity_limit_and_version():
    from orchestrator.server.azure.access import IDENTITIES
    from orchestrator.server.azure.versions import DATED
    from orchestrator.server.settings import AzureSettings

    page = (ROOT / "docs" / "azure.md").read_text()
    at = AzureSettings()
    for name in [*IDENTITIES, *(version.name for version in DATED), at.subscription, at.location]:
        assert f"`{name}`" in page
    for limit in (at.files, at.room.waiting, at.room.jobs, at.deployments, at.capacity):
        assert re.search(rf"\b{limit}\b", page), limit

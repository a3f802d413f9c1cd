"""A run's page: what was sent for it, and curves that fit the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from reports.conftest import Screen, text_of

from orchestrator.config import EndpointConfig
from orchestrator.ledger import RunDetails
from orchestrator.reports.rundetails import details_object, print_details
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition

AZURE = EndpointConfig("azure", "azure", base_url="https://res.openai.azure.com/openai/v1", api_key_env="KEY")
Page = Callable[..., list[str]]


@pytest.fixture
def page(screen: Screen, make_run: Callable[..., Run]) -> Page:
    def lines(config: EndpointConfig = AZURE, metrics: tuple[Metric, ...] = (), **columns: object) -> list[str]:
        console = screen()
        print_details(RunDetails(make_run(**columns), [], list(metrics), []), config, console)
        return text_of(console)

    return lines


def fact(lines: list[str], name: str) -> str:
    [found] = [line for line in lines if line.startswith(name)]
    return found.removeprefix(name).strip()


def test_the_suffix_is_shown_as_the_endpoint_lists_it_too(page: Page) -> None:
    sent = page(id="rqs3vf3q", suffix="drone", creation_attempts=1)
    assert fact(sent, "suffix") == "drone, sent as drone-rqs3vf3q"
    assert fact(page(id="rqs3vf3q", suffix="drone", creation_attempts=0), "suffix") == "drone"
    openai = replace(AZURE, type="openai")
    assert fact(page(openai, suffix="drone", creation_attempts=1), "suffix") == "drone"


def test_curves_keep_to_their_line(page: Page) -> None:
    metrics = tuple(Metric("run", step, train_loss=1 / step, full_valid_loss=1.0) for step in range(1, 200))
    lines = page(metrics=metrics)
    for name in ("training  ", "validation, whole file"):
        assert len(fact(lines, name).split()) == 4  # the curve, and its first, last and lowest


def test_the_client_goes_to_the_resource_whatever_path_the_address_has(page: Page) -> None:
    [client] = [line for line in page(fine_tuned_model="m") if "client = " in line]
    assert 'base_url="https://res.openai.azure.com/openai/v1/"' in client


def test_another_process_that_went_on_is_named(screen: Screen, make_run: Callable[..., Run]) -> None:
    first, second = "laptop.local.1a2b3c4d.4026531836:4711.99:0a0b0c0d", "server.5e6f7a8b.402:12.1:1a1b1c1d"
    moves = [("pending", None), ("uploading", first), ("creating", first), ("queued", second), ("running", second)]
    history = [Transition("run", n, None, state, f"move {n}", 1.0, owner) for n, (state, owner) in enumerate(moves)]
    details = RunDetails(make_run(), history, [], [])
    console = screen()
    print_details(details, AZURE, console)
    lines = text_of(console)
    [place] = [number for number, line in enumerate(lines) if "process 12 on server continued" in line]
    assert ("move 2" in lines[place - 1], "move 3" in lines[place + 1]) == (True, True)
    assert not [line for line in lines if "4711" in line]
    found = details_object(details)["history"]
    assert [each["process"] for each in found[:2]] == [None, "process 4711 on laptop"]

"""`--drop` means the same wherever definitions are shortened, and the presets stay accepted."""

from __future__ import annotations

import json

import click
import pytest
from support.project import Project

from orchestrator.cli.definitions import PRESETS, parse_cut, parse_subject, parse_variant
from orchestrator.dataset.shorten import CUTS, Cut

FUNCTIONS = '''
def land(drone: str) -> None:
    """Land a drone.

    Args:
        drone: Its name.
    """


def climb(metres: int) -> None:
    """Climb.

    Args:
        metres: How far.
    """
'''


@pytest.mark.parametrize(
    ("dropped", "variant"),
    [
        *((preset, preset) for preset in PRESETS),
        ("descriptions", "no-descriptions"),
        (" parameters , descriptions ", "no-parameters"),
        ("tools", "no-tools"),
        ("descriptions,parameters,tools", "no-tools"),
    ],
)
def test_what_is_dropped_from_requests_has_one_preset(dropped: str, variant: str) -> None:
    assert parse_variant(dropped) == variant
    assert parse_subject(f"ft:a@b@{dropped}") == (
        f"ft:a@b@{variant}" if dropped not in PRESETS else f"ft:a@b@{dropped}"
    )


def test_files_take_every_part_and_every_preset() -> None:
    assert parse_cut("parameters,tool:land") == Cut(parameters=True, names=frozenset({"land"}))
    assert [parse_cut(preset) for preset in PRESETS] == list(CUTS.values())


@pytest.mark.parametrize("dropped", ["", "parameters", "tool:land", "tool:", "full,tools", "everything"])
def test_what_requests_can_not_drop_is_refused(dropped: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_variant(dropped)


def test_a_model_id_with_an_at_sign_stays_as_it_is() -> None:
    assert parse_subject("publisher/model@2025") == "publisher/model@2025"


@pytest.mark.parametrize(
    "option", ["--drop=descriptions,parameters", "--drop=no-parameters", "--variant=no-parameters"]
)
def test_the_tools_of_functions_are_shortened_by_either_name(option: str, project: Project) -> None:
    (project.root / "drone.py").write_text(FUNCTIONS)
    done = project.ftorch("data", "tools", "drone.py", option)
    assert [tool["function"] for tool in json.loads(done.out)] == [
        {"name": name, "parameters": {"type": "object", "properties": {}}} for name in ("land", "climb")
    ]


def test_one_function_can_be_left_out_of_the_tools(project: Project) -> None:
    (project.root / "drone.py").write_text(FUNCTIONS)
    done = project.ftorch("data", "tools", "drone.py", "--drop", "tool:land")
    assert [tool["function"]["name"] for tool in json.loads(done.out)] == ["climb"]
    refused = project.ftorch("data", "tools", "drone.py", "--drop", "tool:lnad")
    assert (refused.code, 'did you mean "land"?' in refused.err) == (2, True)
    assert project.ftorch("data", "tools", "drone.py", "--drop", "tools").code == 2

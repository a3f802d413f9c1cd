"""Conversion of files in other formats into those that endpoints train on."""

from __future__ import annotations

from orchestrator.dataset.convert.answerfile import read_answers
from orchestrator.dataset.convert.calls import read_tools
from orchestrator.dataset.convert.cells import ColumnNames
from orchestrator.dataset.convert.changes import BadRow, Change
from orchestrator.dataset.convert.conversion import (
    Conversion,
    Options,
    Target,
    check_converted,
    convert_file,
    names_file,
    write_names,
)
from orchestrator.dataset.convert.inputs import STANDARD_INPUT, Container
from orchestrator.dataset.formats import SHAPES, Shape

__all__ = [
    "SHAPES",
    "STANDARD_INPUT",
    "BadRow",
    "Change",
    "ColumnNames",
    "Container",
    "Conversion",
    "Options",
    "Shape",
    "Target",
    "check_converted",
    "convert_file",
    "names_file",
    "read_answers",
    "read_tools",
    "write_names",
]

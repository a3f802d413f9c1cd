"""docs/architecture.md names files, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
NAMES = re.findall(r"`([\w/]+\.py)`", PAGE)


def sections() -> list[tuple[str, str]]:
    """Each heading with the text under it, cut at the next heading."""
    parts = re.split(r"^##+ (.+)$", PAGE, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def is_there(name: str, rooms: list[str]) -> bool:
    """Whether this is a file of the repository, of the package, or of one of these rooms."""
    places = [ROOT, ROOT / "orchestrator", *(ROOT / "orchestrator" / room for room in rooms)]
    return any((place / name).is_file() for place in places)


@pytest.mark.parametrize(("heading", "text"), sections(), ids=[heading for heading, _ in sections()])
def test_every_file_that_is_named_is_there(heading: str, text: str) -> None:
    rooms = re.findall(r"`(\w+)/`", heading) or [path.name for path in (ROOT / "orchestrator").iterdir()]
    assert [name for name in re.findall(r"`([\w/]+\.py)`", text) if not is_there(name, rooms)] == []


def test_following_a_submission_takes_twenty_files_at_most() -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith("| `submit` (")]
    files = re.findall(r"`([\w/]+\.py)`", row)
    assert row.startswith(f"| `submit` ({len(files)})")
    assert len(files) <= 20


def test_the_page_names_files() -> None:
    assert len(NAMES) > 50

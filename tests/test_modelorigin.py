"""What a model's folder says of where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.modelorigin import exported_from, hub_id_of, license_files, license_of, revision_of

SNAPSHOT = Path("/cache/hub/models--acme--smol-1b--it/snapshots/0123abc")


def test_the_place_in_the_cache_says_id_and_revision_whatever_the_name() -> None:
    assert hub_id_of(SNAPSHOT, "mine") == "acme/smol-1b--it"
    assert revision_of(SNAPSHOT) == "0123abc"


def test_elsewhere_only_a_name_of_that_form_is_an_id() -> None:
    assert hub_id_of(Path("/models/smol"), "acme/smol") == "acme/smol"
    assert hub_id_of(Path("/models/smol"), "smol") is None
    assert revision_of(Path("/models/snapshots/smol")) is None


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"README.md": "---\nlicense: mit\n---\n", "config.json": '{"license": "gemma"}'}, ("mit", "README.md")),
        ({"README.md": "---\nlicense:\n- mit\n- gpl-3.0\n---\n"}, ("mit", "README.md")),
        ({"README.md": "# No front matter\n", "config.json": '{"license": "gemma"}'}, ("gemma", "config.json")),
        ({"README.md": "---\nlicense: [\n---\n", "config.json": "[]"}, None),
        ({"README.md": "Text\n---\nlicense: mit\n---\n"}, None),
        ({"LICENSE": "  Apache License\n  Version 2.0, January 2004"}, ("apache-2.0", "LICENSE")),
        ({"LICENSE.txt": "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT"}, ("llama3.2", "LICENSE.txt")),
        ({"LICENCE.md": "Permission is hereby granted, free of charge, to"}, ("mit", "LICENCE.md")),
        ({"LICENSE": "Only on Tuesdays."}, ("other", "LICENSE")),
        ({"NOTICE": "Made by Acme. MIT License"}, None),
        ({}, None),
    ],
)
def test_the_license_is_what_the_first_file_says_that_says_anything(
    files: dict[str, str], found: tuple[str, str] | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    license = license_of(tmp_path)
    assert (license and (license.id, license.source)) == found


def test_license_texts_and_notices_are_passed_on(tmp_path: Path) -> None:
    for name in ("NOTICE", "LICENSE.md", "README.md", "license.py"):
        (tmp_path / name).write_text("")
    assert [path.name for path in license_files(tmp_path)] == ["LICENSE.md", "NOTICE"]


@pytest.mark.parametrize(
    ("card", "found"),
    [
        ("# drone\n`smol`, with ftorch 0.1.0.\n| model id | `ft:smol:local::a1` |\n", "ft:smol:local::a1"),
        ("# drone\n| model id | `ft:smol:local::a1` |\n", None),
        ("# drone\n`smol`, with ftorch 0.1.0.\n| model id | `two words` |\n", None),
        ("", None),
    ],
)
def test_a_card_that_export_wrote_names_the_model(tmp_path: Path, card: str, found: str | None) -> None:
    assert exported_from(tmp_path) is None
    (tmp_path / "README.md").write_text(card)
    assert exported_from(tmp_path) == found

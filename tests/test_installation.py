"""The command that adds packages to ftorch, for each way to install it."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from orchestrator import installation
from orchestrator.errors import ExtraMissing
from orchestrator.installation import extra_command, install_command, packages_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of a tool, as the one of this process."""
    found = tmp_path / "ftorch"
    found.mkdir()
    monkeypatch.setattr(sys, "prefix", str(found))
    monkeypatch.setattr(sys, "executable", str(found / "bin" / "python"))
    return found


@pytest.mark.parametrize("extra", ["azure", "optuna", "parquet", "plots", "postgres", "render", "serve"])
def test_an_extra_is_named_by_its_packages_as_the_project_declares_them(extra: str) -> None:
    [line] = re.findall(rf"^{extra} = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    declared = [re.split("[<>=]", package)[0] for package in re.findall(r'"([^"]+)"', line)]
    assert [re.split("[<>=]", package)[0] for package in packages_of(extra)] == declared


def test_in_an_environment_its_python_is_named_from_the_current_folder(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install_command(["a>=1"]) == f"{prefix}/bin/python -m pip install 'a>=1'"
    monkeypatch.chdir(prefix.parent)
    assert install_command(["a", "b[c]<2"]) == "ftorch/bin/python -m pip install a 'b[c]<2'"


def test_without_pip_uv_is_named(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    assert install_command(["a"]) == f"uv pip install --python {prefix}/bin/python a"


def test_pipx_injects_into_its_environment(prefix: Path) -> None:
    (prefix / "pipx_metadata.json").write_text("{}")
    assert install_command(["a>=1", "b"]) == "pipx inject ftorch 'a>=1' b"


RECEIPTS = [
    ('{ name = "ftorch", directory = "/my code/ftorch" }', "'/my code/ftorch'"),
    ('{ name = "ftorch", editable = "/code/ftorch" }', "--editable /code/ftorch"),
    ('{ name = "ftorch", path = "/code/ftorch-0.1.0-py3-none-any.whl" }', "/code/ftorch-0.1.0-py3-none-any.whl"),
    ('{ name = "ftorch", extras = ["azure", "plots"], directory = "/c" }', "'/c[azure,plots]'"),
    ('{ name = "ftorch", git = "https://host/ftorch" }', "git+https://host/ftorch"),
    ('{ name = "ftorch" }', "ftorch"),
]


@pytest.mark.parametrize(("requirement", "source"), RECEIPTS)
def test_uv_makes_the_tool_again_of_what_it_was_made_of(prefix: Path, requirement: str, source: str) -> None:
    (prefix / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{requirement}]\n")
    assert install_command(["a>=1"]) == f"uv tool install --with 'a>=1' {source}"


def test_uv_keeps_what_was_added_before(prefix: Path) -> None:
    added = '{ name = "ftorch", directory = "/c" }, { name = "b", specifier = ">=2" }, { name = "a" }'
    (prefix / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{added}]\n")
    assert install_command(["a"]) == "uv tool install --with 'b>=2' --with a /c"


@pytest.mark.parametrize("receipt", ["not toml", "[tool]\n"])
def test_a_receipt_of_another_form_is_no_failure(prefix: Path, receipt: str) -> None:
    (prefix / "uv-receipt.toml").write_text(receipt)
    assert install_command(["a"]) == "uv tool install --with a ftorch"


def test_without_metadata_the_extra_is_named(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", nothing)
    assert extra_command("azure").endswith(" -m pip install 'ftorch[azure]'")


def test_no_message_names_an_index_that_does_not_have_ftorch() -> None:
    sources = {path.name: path.read_text() for path in (ROOT / "orchestrator").rglob("*.py")}
    naming = {name for name, text in sources.items() if re.search("pip install '?ftorch", text)}
    assert naming == {"installation.py"}


@pytest.mark.parametrize("error", ExtraMissing.__subclasses__())
def test_every_error_of_a_missing_package_ends_with_the_command(error: type[ExtraMissing], prefix: Path) -> None:
    (prefix / "pipx_metadata.json").write_text("{}")
    assert re.search(r"which is not installed\. Run: pipx inject ftorch '", str(error(what="It")))

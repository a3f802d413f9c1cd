"""The page in a real browser: Playwright and Chromium, in an environment of its own (`make test-browser`).

A page of a test reaches its server and nothing else; an error on its console fails the test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.project import FTORCH, Project, make_project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or the one that FTORCH_CHROMIUM names."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("FTORCH_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, "no Chromium: install the system's package, or name one in FTORCH_CHROMIUM"
    as_root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=as_root)
        yield browser
        browser.close()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path)
    with made.entered():
        yield made


@dataclass
class Served:
    """`ftorch ui` as a process."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)


@contextmanager
def serve(project: Project, *arguments: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [FTORCH, "ui", "--port", "0", *arguments],
        cwd=project.root,
        env=project.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        yield Served(found[0], process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def served(project: Project) -> Iterator[Served]:
    with serve(project) as found:
        yield found


@pytest.fixture
def open_page(chromium: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Opens an address of the served project in a browser with these settings."""
    problems: list[str] = []
    contexts = []

    def open_it(path: str, **settings: Any) -> Page:
        context = chromium.new_context(base_url=served.address, **settings)
        contexts.append(context)
        context.route("**/*", lambda route: _stay(route, served.address, problems))
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: _dismiss(dialog, problems))
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert problems == []


def _dismiss(dialog: Any, problems: list[str]) -> None:
    """No page of ours opens one."""
    problems.append(f"a dialog: {dialog.message}")
    dialog.dismiss()


def _stay(route: Any, address: str, problems: list[str]) -> None:
    """Let a request pass that goes to the server."""
    if route.request.url.startswith(f"{address}/"):
        route.continue_()
    else:
        problems.append(f"a request to {route.request.url}")
        route.abort()

"""Templates, in which every text is text: what files, endpoints and models say is never markup."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NewType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.reports.documents.document import Document, Section
from orchestrator.reports.documents.html import STYLES, head_html, section_html
from orchestrator.reports.runs import state_cell
from orchestrator.reports.text import ago, count, duration, loss, moment, money, plural, printable
from orchestrator.web.links import link
from orchestrator.web.settings import Settings

MENU = (("Overview", "/"), ("Runs", "/runs"), ("Sweeps", "/sweeps"), ("Evaluations", "/evaluations"))
STATIC = Path(__file__).with_name("static")
STATIC_FILES = frozenset(
    [STYLES.name, *(str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file())]
)
"""What is served under /static."""
_TEMPLATES = Path(__file__).with_name("templates")


def render(name: str, /, **values: Any) -> Html:
    """The template of this name (`runs/list`), filled. Its parts can be put into other templates as they are."""
    return Html(_environment().get_template(f"{name}.html.jinja").render(**values))


def whole(name: str, settings: Settings, /, *, title: str, place: str = "", **values: Any) -> str:
    """A whole page, which belongs to the entry `place` of the menu."""
    frame = {"menu": MENU, "is_read_only": settings.is_read_only, "form_secret": settings.form_secret}
    return render(name, title=title, place=place, **frame, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
        auto_reload=False,
    )
    environment.filters |= {
        "ago": _ago,
        "count": count,
        "duration": duration,
        "loss": loss,
        "moment": moment,
        "money": money,
        "plural": plural,
        "static": static_address,
    }
    environment.globals |= {"link": link, "meaning": _meaning, "version": version("ftorch")}
    return environment


@cache
def static_address(name: str) -> str:
    """The address of a static file, which names its content: browsers may keep it for ever."""
    digest = hashlib.sha256(static_file(name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def static_file(name: str) -> Path:
    return STYLES if name == STYLES.name else STATIC / name


def _harmless(value: Any) -> Any:
    """Control characters and half surrogates have no place on a page."""
    return printable(value) if type(value) is str else value


def _ago(then: float) -> str:
    return ago(then, time.time())


def _meaning(state: str) -> str:
    """The class of a state."""
    return state_cell(state).meaning.value


Html = NewType("Html", str)
NOTHING = Html("")


# --- Reports as parts of a page -----------------------------------------------------------------------------------


def document_parts(document: Document, above: Mapping[str, Html]) -> dict[str, Html]:
    """The head of a report, what the page adds to it, and its sections."""
    return {"head": Html(head_html(document)), **above, **section_parts(document.sections)}


def section_parts(sections: Iterable[Section]) -> dict[str, Html]:
    """Sections by key. What they say is escaped where they are written."""
    return {each.key: Html(section_html(each, link, is_live=True)) for each in sections}

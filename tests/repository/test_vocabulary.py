"""One list of expressions that a native engineer would not write, and what to write instead: none of them is in
help, output, errors, docstrings, comments or pages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("jobs/**/*.md"), *ROOT.glob(".github/**/*.md")]
)
DATA = {ROOT / "orchestrator/server/trainers/tiny/text.py"}
"""Files with lists of words, which are no prose."""
SOURCES = sorted([*ROOT.glob("*.py"), *ROOT.glob("orchestrator/**/*.py"), *ROOT.glob("migrations/**/*.py")])

INSTEAD = {
    r"by itself": "automatically, on its own",
    r"so many": "the number, or this many",
    r"(is|are|was|were|be) told of": "is reported to, sees",
    r"stands? in": "is in, appears in",
    r"reckon\w*": "count, estimate",
    r"wish(es|ed)?": "request, want",
    r"besides": "also",
    r"shall": "should, is to",
    r"of (its|their) own": "separate, its",
    r"whoever": "a process that, anyone who",
    r"(?-i:OR WHY)": "REASON",
    r"mend(s|ed|ing)?": "fix",
    r"(is|are|was|be|not) over": "has finished, is unfinished",
    r"a day on": "per day",
    r"leaves with": "exits with",
    r"put(s|ting)? right": "fix",
    r"lest": "so that … not",
    r"altogether": "in total, completely",
    r"anew": "again, new",
    r"wherever": "where",
    r"nobody knows": "it is unknown",
    r"otherwise than": "differently from",
    r"rightly": "correctly",
    r"taken up again": "resumed",
    r"unasked": "without asking",
    r"was wrong first": "first error",
    r"held against": "compared with, checked against",
    r"whereupon": "then",
    r"thereupon": "then",
    r"hitherto": "so far",
}
"""Each expression, as a regular expression of whole words, with what says the same better."""

_ALL = re.compile("|".join(rf"(?P<_{number}>\b{each}\b)" for number, each in enumerate(INSTEAD)), re.IGNORECASE)
_ADVICE = list(INSTEAD.values())


def found_in(text: str) -> Iterator[str]:
    """Each expression of the list in the text, with the advice."""
    plain = re.sub(r"\s+", " ", text)
    for match in _ALL.finditer(plain):
        around = plain[max(0, match.start() - 30) : match.end() + 20]
        assert match.lastgroup is not None
        yield f"…{around}…: write {_ADVICE[int(match.lastgroup[1:])]}"


@cache
def prose_of(path: Path) -> list[tuple[int, str]]:
    """The strings and comments of a source file, with their lines: help, messages and docstrings are strings."""
    content = path.read_text(encoding="utf-8")
    strings = [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    comments = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(content).readline)
        if token.type == tokenize.COMMENT
    ]
    return strings + comments


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_in_plain_words(page: Path) -> None:
    prose = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    assert list(found_in(prose)) == []


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[:2] for path in SOURCES}), ids="/".join)
def test_what_a_room_says_is_in_plain_words(room: tuple[str, ...]) -> None:
    said = [
        f"{path.relative_to(ROOT)}:{line}: {each}"
        for path in SOURCES
        if path.relative_to(ROOT).parts[:2] == room and path not in DATA
        for line, text in prose_of(path)
        for each in found_in(text)
    ]
    assert said == []


def test_the_list_finds_what_it_forbids() -> None:
    found = list(found_in("It\n  SHALL be mended by itself."))
    assert [each.rpartition(": write ")[2] for each in found] == [
        "should, is to",
        "fix",
        "automatically, on its own",
    ]
    assert list(found_in("a marshall recommends")) == []

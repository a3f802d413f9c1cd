from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.rows import EXAMPLE, PREFERENCE, TOOL, changed, check, check_rows, codes

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.convert import convert_file
from orchestrator.dataset.rules import RULES, Rule
from orchestrator.dataset.rules.file import FILE
from orchestrator.dataset.rules.messages import MESSAGES, METHODS
from orchestrator.dataset.rules.rule import CONVERT_COMMAND, asked, called, preference, said
from orchestrator.dataset.rules.tools import TOOLS
from orchestrator.errors import FtorchError

SHOWN_BY_TESTS_OF_THEIR_OWN = {"FT100", "FT102", "FT107", "FT108", "FT111", "FT303", "FT501", "FT502"}
ABOUT_THE_FILE = {"FT101", "FT104", "FT106", "FT113"}
METHOD_OF = {"FT40": "dpo", "FT41": "reinforcement"}

OF_ROWS = [*FILE, *MESSAGES, *TOOLS, *METHODS]
"""The kinds that one line shows, or the file by its outside."""

SOUND = {
    "supervised": "\n".join(asked(f"Climb to {metres} m.") for metres in range(10, 20)),
    "dpo": "\n".join(
        preference(input={"messages": [{"role": "user", "content": f"Climb to {metres} m."}]})
        for metres in range(10, 20)
    ),
    "reinforcement": "\n".join(
        said({"role": "user", "content": f"Climb to {metres} m."}, altitude=metres) for metres in range(10, 20)
    ),
}


def test_every_kind_has_an_example_or_a_test() -> None:
    without = {kind.code for kind in OF_ROWS if not kind.wrong or not kind.right}
    assert without == SHOWN_BY_TESTS_OF_THEIR_OWN


@pytest.mark.parametrize("kind", [kind for kind in OF_ROWS if kind.wrong], ids=lambda kind: kind.code)
def test_a_kinds_wrong_example_shows_it_alone_and_the_right_one_does_not(tmp_path: Path, kind: Rule) -> None:
    method = METHOD_OF.get(kind.code[:4], "supervised")
    around = "" if kind.code in ABOUT_THE_FILE else f"{SOUND[method]}\n"
    wrong, right = (
        check(tmp_path, (around + text).encode(), method, purpose="training") for text in (kind.wrong, kind.right)
    )
    if kind.code in ABOUT_THE_FILE:
        assert kind.code in codes(wrong)
    else:
        assert set(codes(wrong)) == {kind.code}
    assert kind.code not in codes(right)
    assert not around or codes(right) == []


@pytest.mark.parametrize(
    "kind", [kind for kind in RULES.values() if kind.wrong.strip()], ids=lambda kind: kind.code
)
def test_a_fix_names_the_command_where_convert_does_it(tmp_path: Path, kind: Rule) -> None:
    source, target = tmp_path / "data.jsonl", tmp_path / "converted.jsonl"
    report = check(tmp_path, kind.wrong.encode(), None, purpose="training")
    try:
        convert_file(source, target)
    except FtorchError:
        return
    left = check_file(target, method=None, purpose="training").counts
    for finding in report.findings:
        if finding.code == kind.code and kind.code not in left:
            assert CONVERT_COMMAND in finding.fix


def test_bytes_that_are_no_utf_8_are_found(tmp_path: Path) -> None:
    assert codes(check(tmp_path, asked("Höhe").encode("latin-1"))) == ["FT102"]
    assert codes(check(tmp_path, asked("Höhe").encode())) == []


def test_128_tools_are_allowed_and_one_more_is_not(tmp_path: Path) -> None:
    def tools(count: int) -> list[dict[str, Any]]:
        return [changed(TOOL, "function", "name", f"climb{index}") for index in range(count - 1)] + [TOOL]

    assert codes(check_rows(tmp_path, changed(EXAMPLE, "tools", tools(128)))) == []
    assert codes(check_rows(tmp_path, changed(EXAMPLE, "tools", tools(129)))) == ["FT303"]


def test_a_function_name_of_64_characters_is_allowed_and_one_more_is_not(tmp_path: Path) -> None:
    for length, found in ((64, []), (65, ["FT302"])):
        named = changed(TOOL, "function", "name", "n" * length)
        row = {"messages": PREFERENCE["input"]["messages"] + PREFERENCE["preferred_output"], "tools": [named]}
        assert codes(check_rows(tmp_path, row)) == found


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"url": "field.png"}, "http(s)"),
        ({"url": "data:image/gif;base64,R0lG"}, "image/jpeg, png or webp"),
        ({"url": "data:image/png;base64," + "A" * 14_000_000}, "10,000,000"),
        ({"url": "https://example.org/a.png", "detail": "best"}, '"auto", "low" or "high"'),
        ("https://example.org/a.png", "image_url.url"),
        ({"url": "data:image/png;base64,not base64!!"}, "not base64"),
        ({"url": "data:image/png;base64,"}, "empty"),
        ({"url": "data:image/png,AAAA"}, "in base64"),
        ({"url": "http://localhost/a.png"}, "only from your network"),
        ({"url": "http://10.0.0.5/a.png"}, "only from your network"),
        ({"url": "http://[fd00::1]/a.png"}, "only from your network"),
        ({"url": "https://store/a.png"}, "only from your network"),
        ({"url": "https://[oops/a.png"}, "malformed"),
        ({"url": "https://"}, "has no host"),
        ({"url": "https://example.org/a b.png"}, "%20"),
        ({"url": "https://exa mple.org/a.png"}, "contains blanks"),
        ({"url": "https://example.org/a.gif"}, ".gif"),
        ({"url": "https://example.org/a.PDF?size=5"}, ".pdf"),
    ],
)
def test_an_image_part_says_what_is_wrong_with_it(tmp_path: Path, image: object, words: str) -> None:
    report = check(tmp_path, asked([{"type": "image_url", "image_url": image}]).encode())
    assert codes(report) == ["FT207"]
    assert words in report.errors[0].reason
    assert ("data:image/png" in report.errors[0].fix) is (report.errors[0].pointer.endswith("/url"))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "https://example.org/show?image=a.gif",
        "http://93.184.215.14/a",
        "data:image/webp;base64,UklGRg==",
    ],
)
def test_images_by_address_and_inside_the_line_are_allowed_in_user_messages_only(tmp_path: Path, url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    assert codes(check(tmp_path, asked([image]).encode())) == []
    assert codes(check(tmp_path, asked("Draw.", content=[image]).encode())) == ["FT207"]


def test_names_that_required_lists_but_properties_lacks_are_legal(tmp_path: Path) -> None:
    parameters = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to", "speed"]}
    tools = [{"type": "function", "function": {"name": "climb", "parameters": parameters}}]
    call = {"id": "1", "type": "function", "function": {"name": "climb", "arguments": '{"to": "a", "speed": 1}'}}
    assert check(tmp_path, called(call, tools=tools).encode()).ok

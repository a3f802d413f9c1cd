"""Nothing of an example is lost or changed without a word: each template here loses something."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.dataset.rendering.chattemplate import ChatTemplate
from orchestrator.dataset.rendering.choosing import take_template
from orchestrator.dataset.rendering.conversation import prompt_of, supervised_of
from orchestrator.dataset.rendering.turns import Ends
from orchestrator.errors import CannotRender

ENDS = Ends(frozenset({"<end>"}), frozenset({"<end>", "<start>"}))
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "land_drone",
            "description": "Land.",
            "parameters": {"type": "object", "properties": {"place": {}, "speed": {}}},
        },
    }
]

GOOD = (
    "{% for t in tools or [] %}{{ t | tojson }}\n{% endfor %}"
    "{% for m in messages %}"
    "<start>{{ m.role }}: {{ m.content }}"
    "{% for c in m.tool_calls or [] %}"
    '<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>'
    "{% endfor %}"
    "<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant: {% endif %}"
)


def chat(**changes: str) -> ChatTemplate:
    """The good template with some of its text changed; keys only tell the changes apart."""
    text = GOOD
    for change in changes.values():
        old, new = change.split(" => ")
        assert text.count(old) == 1
        text = text.replace(old, new)
    return take_template(text, "", {}, ENDS)[1]


def row(**changes: Any) -> dict[str, Any]:
    """A row with everything in it."""
    texts = {
        "system": "You steer.",
        "user": "Land, please",
        "beside": "",
        "result": "landed",
        "answer": "It landed.",
    }
    given = {**texts, "arguments": {"place": "home", "speed": 5}, **changes}
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": "land_drone", "arguments": json.dumps(each)}}
        for i, each in enumerate([given["arguments"], *given.get("more", ())])
    ]
    return {
        "messages": [
            {"role": "system", "content": given["system"]},
            {"role": "user", "content": given["user"]},
            {"role": "assistant", "content": given["beside"], "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c0", "content": given["result"]},
            {"role": "assistant", "content": given["answer"]},
        ],
        "tools": TOOLS,
    }


def test_a_template_that_loses_nothing_is_used() -> None:
    pieces, method = chat().pieces(supervised_of(row(more=[{"place": "there"}], beside="I land.")))
    assert method == "prefix"
    assert [piece.text for piece in pieces if piece.turn == 4] == ["It landed.<end>"]


LOSSES: list[tuple[str, str, dict[str, Any], str]] = [
    ("tools", "t | tojson => '[]'", {}, "leaves out land_drone of the definition of land_drone"),
    ("tools", "t | tojson => t.function.name", {}, "leaves out place of the definition of land_drone"),
    ("lost", "m.content => '' if m.role == 'system' else m.content", {}, "leaves out the text of a system message"),
    ("lost", "m.content => '' if m.role == 'user' else m.content", {}, "leaves out the text of a user message"),
    (
        "lost",
        "m.content => '' if m.role == 'tool' else m.content",
        {},
        "leaves out the text of a tool message, 'landed'",
    ),
    ("lost", "m.content => '' if m.role == 'tool' else m.content", {"result": "7"}, "the text of a tool message"),
    ("lost", "m.content => '' if m.role == 'user' else m.content", {"user": "e"}, "the text of a user message"),
    ("lost", "m.content => m.content | replace('steer', 'drive')", {}, "leaves out the text of a system message"),
    (
        "lost",
        "m.content => m.content | truncate(20)",
        {"user": "long " * 90},
        "leaves out the text of a user message",
    ),
    (
        "lost",
        "m.content => '' if m.tool_calls else m.content",
        {"beside": "I land."},
        "the text of an assistant message",
    ),
    (
        "lost",
        "m.content => m.content | upper",
        {"system": "A", "user": "B", "result": "C"},
        "reads back as 'IT LANDED.'",
    ),
    ("calls", "in m.tool_calls or [] => in []", {}, "leaves out the calls of an assistant message"),
    ("calls", "in m.tool_calls or [] => in (m.tool_calls or [])[:1]", {"more": [{}]}, "writes 1 of the 2 calls"),
    (
        "lost",
        "arguments | tojson => arguments | tojson | tojson",
        {},
        "arguments of land_drone are not a JSON object",
    ),
    (
        "lost",
        "c.function.arguments | tojson => dict() | tojson",
        {},
        "the arguments of land_drone read back as '{}'",
    ),
    (
        "lost",
        "c.function.name => c.function.name | upper",
        {},
        "call of land_drone reads back as one of LAND_DRONE",
    ),
    ("lost", "arguments | tojson => arguments", {}, "a call is not JSON"),
]


@pytest.mark.parametrize(("kind", "change", "changes", "reason"), LOSSES, ids=range(len(LOSSES)))
def test_what_a_template_loses_is_refused(kind: str, change: str, changes: dict[str, Any], reason: str) -> None:
    losing = chat(it=change)
    good = chat()
    losing = ChatTemplate(losing.compiled, {}, ENDS, "hermes")
    assert good.pieces(supervised_of(row(**changes)))
    with pytest.raises(CannotRender) as refused:
        losing.pieces(supervised_of(row(**changes)))
    assert reason in refused.value.facts["reason"]
    assert refused.value.kind == kind


@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 5, 6])
def test_a_prompt_is_refused_like_a_row(index: int) -> None:
    _, change, changes, reason = LOSSES[index]
    losing = ChatTemplate(chat(it=change).compiled, {}, ENDS, "hermes")
    given = row(**changes)
    conversation = prompt_of(given["messages"][:-1], given["tools"], None)
    assert chat().prompt(conversation)
    with pytest.raises(CannotRender) as refused:
        losing.prompt(conversation)
    assert reason in refused.value.facts["reason"]


def test_definitions_that_only_messages_name_are_missing() -> None:
    losing = ChatTemplate(chat(it="t | tojson => '[]'").compiled, {}, ENDS, "hermes")
    named = row(system="You steer a drone.", user="Call land_drone with place and speed.", result="It has landed.")
    with pytest.raises(CannotRender, match="leaves out land_drone"):
        losing.pieces(supervised_of(named))


def test_values_that_read_back_as_others_are_refused() -> None:
    quoting = chat(it="arguments | tojson => arguments | tojson | replace('5', '\"5\"')")
    with pytest.raises(CannotRender, match="arguments of land_drone read back as"):
        quoting.pieces(supervised_of(row()))
    yes = chat(it="arguments | tojson => arguments | tojson | replace('true', '1')")
    with pytest.raises(CannotRender, match="arguments of land_drone read back as"):
        yes.pieces(supervised_of(row(arguments={"place": True})))


# --- A format that is not known ----------------------------------------------------------------------------------

FOREIGN = {
    "open": "<tool_call>{ => CALL {",
    "close": "}}</tool_call> => }}",
}


def test_a_call_in_a_format_that_is_not_known_has_to_hold_every_name_and_value() -> None:
    foreign = chat(**FOREIGN)
    assert foreign.family is None
    deep = {"place": 'a "b" é', "speed": -2.5, "deep": {"list": [True, None, "x\ny"]}}
    assert foreign.pieces(supervised_of(row(arguments=deep, more=[{"place": "there"}], beside="I land.")))
    assert foreign.pieces(supervised_of(row(arguments={})))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("c.function.name => 'x'", "leaves out the calls"),
        ("arguments | tojson => arguments.values() | list | tojson", "is rendered without 'place'"),
        ("arguments | tojson => arguments.keys() | list | tojson", "is rendered without 'home'"),
        (
            "arguments | tojson => arguments | tojson | tojson",
            "the arguments of land_drone are rendered as quoted text",
        ),
    ],
)
def test_what_is_lost_in_a_format_that_is_not_known_is_refused(change: str, reason: str) -> None:
    with pytest.raises(CannotRender) as refused:
        chat(**FOREIGN, it=change).pieces(supervised_of(row()))
    assert reason in refused.value.facts["reason"]


# --- Thoughts ----------------------------------------------------------------------------------------------------


def test_thoughts_in_the_text_of_an_answer_have_to_be_rendered() -> None:
    thinking = row(answer="<think>\nIt is down.\n</think>\n\nIt landed.")
    pieces, _ = chat().pieces(supervised_of(thinking))
    assert pieces[-1].text == "<think>\nIt is down.\n</think>\n\nIt landed.<end>"
    dropping = chat(it="m.content => m.content.split('</think>')[-1]")
    with pytest.raises(CannotRender, match="leaves out the thoughts"):
        dropping.pieces(supervised_of(thinking))


def test_a_template_without_generation_prompt_would_teach_its_own_header() -> None:
    silent = chat(it="{% if add_generation_prompt %}<start>assistant: {% endif %} => ")
    with pytest.raises(CannotRender, match="the text of an answer reads back as '<start>assistant: It landed"):
        ChatTemplate(silent.compiled, {}, ENDS, "hermes").pieces(
            supervised_of(
                {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It landed."}]}
            )
        )

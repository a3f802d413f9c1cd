from __future__ import annotations

import json
from typing import Any

from support.rows import CALL, EXAMPLE, LEGACY, PREFERENCE, TOOL, changed

from orchestrator.dataset.preview.origins import added_texts, dropped_parts

CONTROL = ("<s>", "</s>")
Row = dict[str, Any]


def written(row: Row, *, definitions: str = "", before: str = "") -> str:
    """A row as a simple template would write it."""
    turns = [f"<s>{message['role']}\n{message['content']}</s>" for message in row["messages"]]
    return f"{before}{definitions}{''.join(turns)}"


def added(text: str, row: Row) -> list[str]:
    return added_texts([(text, False)], row, CONTROL)


ASKED: Row = {"messages": [{"role": "user", "content": "Up five."}], "tools": [TOOL]}


def test_a_system_message_that_no_row_has_is_added() -> None:
    text = written(ASKED, before="<s>system\nYou are a helpful assistant.</s>")
    assert added(text, ASKED) == ["You are a helpful assistant."]


def test_what_the_row_says_is_not_added() -> None:
    row = {"messages": [{"role": "system", "content": "You fly a drone."}, *ASKED["messages"]]}
    assert added(written(row), row) == []


def test_the_words_around_definitions_are_added_and_the_definitions_are_not() -> None:
    for form in (json.dumps(TOOL), json.dumps(TOOL, indent=4, sort_keys=True), json.dumps([TOOL["function"]])):
        text = written(ASKED, definitions=f"<s>system\nCall these functions:\n{form}\nAnswer in JSON.</s>")
        assert added(text, ASKED) == ["Call these functions:", "Answer in JSON."]


def test_a_model_call_in_the_instructions_is_added() -> None:
    example = '{"name": "NAME", "arguments": {}}'
    text = written(ASKED, definitions=f"<s>system\n{json.dumps(TOOL)}\nWrite {example} to call.</s>")
    assert added(text, ASKED) == [f"Write {example} to call."]


def test_definitions_in_another_notation_are_not_added() -> None:
    text = "<s>system\nYour tools are:\n// Climb to a height.\ntype climb = () => any;</s>" + written(ASKED)
    assert added(text, ASKED) == ["Your tools are"]


def test_calls_and_results_in_the_context_are_not_added() -> None:
    arguments = json.loads(CALL["function"]["arguments"])
    calls = (
        json.dumps({"name": "climb", "arguments": arguments}),
        "<function=climb>\n<parameter=metres>5</parameter>\n</function>",
    )
    for call in calls:
        said = [json.dumps(TOOL), f"<s>assistant\n{call}</s>", "<s>tool\nok</s>", "<s>system\nYou fly a drone.</s>"]
        assert added("".join(said), EXAMPLE) == []


def test_learned_text_is_not_added() -> None:
    spans = [("<s>user\nUp five.</s><s>assistant\n", False), ("I do not know this text.</s>", True)]
    assert added_texts(spans, ASKED, CONTROL) == []


def test_legacy_and_preference_rows_are_read_too() -> None:
    assert added("<s>user\nUp.</s>Be kind to users.", LEGACY) == ["Be kind to users."]
    assert added("<s>user\nHi</s>Be kind to users.", PREFERENCE) == ["Be kind to users."]


def test_a_name_that_the_template_ignores_is_left_out() -> None:
    row = changed(ASKED, "messages", 0, "name", "ann")
    assert dropped_parts(f"{written(row)}{json.dumps(TOOL)}", row) == ["the name of message 1"]
    assert dropped_parts(f"ann: {written(row)}{json.dumps(TOOL)}", row) == []


def test_descriptions_that_the_template_ignores_are_left_out() -> None:
    tool = changed(TOOL, "function", "parameters", "properties", "metres", "description", "How high to climb.")
    row = {**ASKED, "tools": [tool]}
    assert dropped_parts(f"{written(row)} climb: Climb to a height. metres", row) == [
        "description of the definitions (climb.parameters.properties.metres.description)"
    ]
    assert dropped_parts(f"{written(row)} climb metres", row) == [
        "description of the definitions (climb.description, and 1 more)"
    ]


def test_texts_that_json_escapes_are_not_left_out() -> None:
    row = {**ASKED, "tools": [changed(TOOL, "function", "description", 'Höher "hinauf".')]}
    for ascii_only in (True, False):
        assert dropped_parts(f"{written(row)}{json.dumps(row['tools'], ensure_ascii=ascii_only)}", row) == []

"""What a column or key holds is used, or refused with the option that decides; never lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.rows import TOOL

from orchestrator.dataset.convert import ColumnNames, Conversion
from orchestrator.errors import RowsNotConverted

Convert = Callable[..., tuple[Conversion, list[Any]]]

ASKED = {"role": "user", "content": "Hi"}
GOOD = {"role": "assistant", "content": "Hello"}
BAD = {"role": "assistant", "content": "Go away"}
CHAT = [ASKED, GOOD]
PREFERENCE = {"input": {"messages": [ASKED]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}


def test_the_input_beside_an_instruction_is_part_of_the_request(convert: Convert) -> None:
    rows = [{"instruction": "Shorten.", "input": text, "output": "ok"} for text in ("A long text", "")]
    _, [long, empty] = convert(rows)
    assert long["messages"][0]["content"] == "Shorten.\n\nA long text"
    assert empty["messages"][0]["content"] == "Shorten."


def test_system_and_history_columns_become_messages(convert: Convert) -> None:
    row = {"instruction": "And now?", "input": "", "output": "c", "system": "Be brief.", "history": [["a", "b"]]}
    _, [written] = convert([row])
    assert [message["content"] for message in written["messages"]] == ["Be brief.", "a", "b", "And now?", "c"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("context", "Oslo"),
        ("explanation", "Because it was said five times"),
        ("notes", ["Because it was said five times"]),
        ("past", [ASKED]),
        ("image", "a.png"),
        ("label", "neutral"),
        ("response", "No"),
    ],
)
def test_a_column_whose_use_is_unknown_is_refused_until_an_option_decides(
    convert: Convert, column: str, value: Any
) -> None:
    row = {"question": "Hi", "answer": "Hello", column: value}
    with pytest.raises(RowsNotConverted, match=f"--context-column {column}.*--drop-column {column}"):
        convert([row])
    done, [written] = convert([row], columns=ColumnNames(drop=(column,)))
    assert written == {"messages": CHAT}
    assert f'column "{column}" left out' in [change.what for change in done.changes]
    assert convert([row], columns=ColumnNames(keep=(column,)))[1] == [{column: value, "messages": CHAT}]


def test_a_named_column_is_put_under_the_request_or_in_the_system_message(convert: Convert) -> None:
    row = {"question": "Where?", "answer": "Oslo", "context": "Umbrellas are sold in Oslo only."}
    _, [under] = convert([row], columns=ColumnNames(context="context"))
    assert under["messages"][0]["content"] == "Where?\n\nUmbrellas are sold in Oslo only."
    _, [above] = convert([row], columns=ColumnNames(system_column="context"))
    assert above["messages"][0] == {"role": "system", "content": row["context"]}


def test_ids_numbers_and_names_are_left_out_and_counted(convert: Convert) -> None:
    done, [written] = convert([{"question": "Hi", "answer": "Hello", "id": 3, "topic": "greetings"}])
    assert written == {"messages": CHAT}
    assert [change.what for change in done.changes][:2] == ['column "id" left out', 'column "topic" left out']


@pytest.mark.parametrize("row", [{"messages": CHAT}, {"prompt": "Hi", "completion": "Hello"}])
def test_an_answer_marked_as_bad_is_never_trained_on_unasked(convert: Convert, row: dict[str, Any]) -> None:
    rows = [row | {"label": True}, row | {"label": False}]
    with pytest.raises(RowsNotConverted, match=r"in:2: its label is false.*--to supervised"):
        convert(rows)
    done, written = convert(rows, to="supervised")
    assert written == [{"messages": CHAT}]
    assert "examples with label false left out" in [change.what for change in done.changes]


def test_a_system_text_beside_messages_becomes_the_first_of_them(convert: Convert) -> None:
    _, [written] = convert([{"system": "Be brief.", "messages": CHAT}])
    assert written == {"messages": [{"role": "system", "content": "Be brief."}, *CHAT]}
    other = [{"role": "system", "content": "Be long."}, *CHAT]
    with pytest.raises(RowsNotConverted, match=r"differ.*--drop-column system"):
        convert([{"system": "Be brief.", "messages": other}])


def test_images_go_where_their_marks_are_or_are_refused(convert: Convert) -> None:
    chat = [{"role": "user", "content": "<image>What is it?"}, GOOD]
    _, [written] = convert([{"messages": chat, "images": ["https://example.com/a.png"]}])
    assert written["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "text", "text": "What is it?"},
    ]
    assert "images" not in written
    for images, problem in (
        (["img/a.png"], '"img/a.png", a path on this'),
        (["https://example.com/a.png"] * 2, "2 image"),
    ):
        with pytest.raises(RowsNotConverted, match=f"{problem}.*--drop-column images") as refused:
            convert([{"messages": chat, "images": images}])
        assert "another format" not in str(refused.value)
    _, [dropped] = convert([{"messages": chat, "images": ["a.png"]}], columns=ColumnNames(drop=("images",)))
    assert dropped == {"messages": [{"role": "user", "content": "What is it?"}, GOOD]}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "chosen": "Hello", "rejected": "Go away"},
        {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"prompt": "Hi", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"messages": [ASKED], "chosen": GOOD, "rejected": BAD},
        {"messages": CHAT, "rejected_response": "Go away"},
        {"messages": CHAT, "rejected": "Go away"},
        {"prompt": "Hi", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD], "messages": CHAT},
        {"messages": CHAT, "rejected_messages": [ASKED, BAD]},
        {"query": "Hi", "response": "Hello", "rejected_response": "Go away"},
        {"instruction": "Hi", "input": "", "chosen": "Hello", "rejected": "Go away"},
        {
            "conversations": [{"from": "human", "value": "Hi"}],
            "chosen": {"from": "gpt", "value": "Hello"},
            "rejected": {"from": "gpt", "value": "Go away"},
        },
    ],
)
def test_two_answers_are_preference_data_in_every_form(convert: Convert, row: dict[str, Any]) -> None:
    assert convert([row])[1] == [PREFERENCE]
    assert convert([row], to="supervised")[1] == [{"messages": CHAT}]


def test_a_system_column_of_preference_data_is_kept(convert: Convert) -> None:
    row = {"system": "Be kind.", "question": "Hi", "chosen": "Hello", "rejected": "Go away"}
    _, [written] = convert([row])
    assert written["input"]["messages"] == [{"role": "system", "content": "Be kind."}, ASKED]


def test_definitions_in_a_column_of_calls_are_tools(convert: Convert) -> None:
    row = {"question": "Up", "function": [TOOL["function"]], "answer": "climb(metres=5)"}
    _, [written] = convert([row])
    assert written["tools"] == [TOOL]
    [call] = written["messages"][1]["tool_calls"]
    assert call["function"] == {"name": "climb", "arguments": '{"metres": 5}'}


def test_keys_of_a_definition_pasted_into_a_call_are_taken_out(convert: Convert) -> None:
    function = {"name": "climb", "arguments": '{"metres": 5}', "description": "d", "parameters": {}}
    call = {"id": "call_1", "type": "function", "function": function, "index": 0}
    _, [written] = convert([{"messages": [ASKED, {"role": "assistant", "tool_calls": [call]}], "tools": [TOOL]}])
    [kept] = written["messages"][1]["tool_calls"]
    assert kept == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "climb", "arguments": '{"metres": 5}'},
    }


@pytest.mark.parametrize(("answer", "said"), [(5, "5"), (2.5, "2.5"), (True, "true"), (0, "0")])
def test_numbers_become_text(convert: Convert, answer: Any, said: str) -> None:
    assert convert([{"question": "Hi", "answer": answer}])[1][0]["messages"][1]["content"] == said


@pytest.mark.parametrize("cell", [{"a": 1}, [1, 2], [[ASKED], [ASKED]]])
def test_cells_that_are_neither_text_nor_messages_are_refused(convert: Convert, cell: Any) -> None:
    with pytest.raises(RowsNotConverted, match='the column "answer" holds'):
        convert([{"question": "Hi", "answer": cell}])


@pytest.mark.parametrize(
    ("prompt", "completion"), [("Hi", " Hello\n"), ("Hi\n\n###\n\n", " Hello END"), ("Hi ->", " Hello")]
)
def test_the_marks_of_the_old_completion_format_are_taken_off(
    convert: Convert, prompt: str, completion: str
) -> None:
    assert convert([{"prompt": prompt, "completion": completion}])[1] == [{"messages": CHAT}]


def test_empty_definitions_and_null_arguments_are_taken_out(convert: Convert) -> None:
    assert convert([{"messages": CHAT, "functions": []}])[1] == [{"messages": CHAT}]
    call = {"id": "call_1", "type": "function", "function": {"name": "climb", "arguments": "null"}}
    _, [written] = convert([{"messages": [ASKED, {"role": "assistant", "tool_calls": [call]}]}])
    assert written["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("key", ["label", "kto_tag"])
def test_a_bad_conversation_is_never_trained_on_unasked(convert: Convert, key: str) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    rows = [{"conversations": turns, key: good} for good in (True, False)]
    with pytest.raises(RowsNotConverted, match=f"in:2: its {key} is false"):
        convert(rows)
    assert convert(rows, to="supervised")[1] == [{"messages": CHAT}]


@pytest.mark.parametrize("key", ["loss", "train", "training", "loss_weight"])
def test_turns_that_other_trainers_leave_out_have_the_weight_0(convert: Convert, key: str) -> None:
    turns: list[dict[str, Any]] = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello", key: False}]
    _, [written] = convert([{"conversations": turns}])
    assert written["messages"] == [ASKED, {**GOOD, "weight": 0}]
    chat = [ASKED, {**GOOD, key: False}]
    assert convert([{"messages": chat}])[1] == [{"messages": [ASKED, {**GOOD, "weight": 0}]}]
    turns[1][key] = 0.5
    with pytest.raises(RowsNotConverted, match=f"a turn has the {key} 0.5"):
        convert([{"conversations": turns}])


def test_inputs_and_outputs_may_hold_one_text_each(convert: Convert) -> None:
    assert convert([{"inputs": {"question": "Hi"}, "outputs": {"answer": "Hello"}}])[1] == [{"messages": CHAT}]
    assert convert([{"inputs": {"input": "Hi"}, "outputs": {"output": "Hello"}}])[1] == [{"messages": CHAT}]


def test_a_logged_request_of_the_responses_api_is_answered_by_its_output(convert: Convert) -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
    row = {"request": {"model": "m", "input": "Hi"}, "response": {"output": [item]}}
    assert convert([row])[1] == [{"messages": CHAT}]


def test_the_answers_of_squad_are_read_when_their_column_is_named(convert: Convert) -> None:
    row = {"context": "They said hello.", "question": "Hi", "answers": {"text": ["Hello"], "answer_start": [10]}}
    with pytest.raises(RowsNotConverted, match='"answers" holds no calls'):
        convert([row])
    _, [written] = convert([row], columns=ColumnNames(answer="answers", context="context"))
    assert [message["content"] for message in written["messages"]] == ["Hi\n\nThey said hello.", "Hello"]


def test_questions_without_answers_are_named_once_with_the_option_for_their_file(convert: Convert) -> None:
    row = {"id": "x_0", "question": [[ASKED]], "function": [TOOL["function"]]}
    with pytest.raises(
        RowsNotConverted, match=r"in:1: the call.*also on lines 2, 3 and 4.*--answers FILE"
    ) as refused:
        convert([row] * 4)
    assert str(refused.value).count("the call and the answer are empty") == 1
    assert "another format" not in str(refused.value)


def test_a_key_is_left_out_wherever_services_do_not_read_it(convert: Convert) -> None:
    part = {"type": "text", "text": "Hi", "cache_control": {}}
    row = {"messages": [{**ASKED, "content": [part], "timestamp": "10:15"}, {**GOOD, "name": "ada"}], "name": "x"}
    drop = ("timestamp", "cache_control", "name", "nosuch")
    done, [written] = convert([row], columns=ColumnNames(drop=drop))
    asked = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    assert written == {"messages": [asked, {**GOOD, "name": "ada"}]}
    assert done.unused == ("--drop-column nosuch removed nothing: no example has an unused key of that name",)
    assert 'key "timestamp" of messages left out' in [change.what for change in done.changes]
    _, [written] = convert([{**PREFERENCE, "id": 5}], columns=ColumnNames(drop=("id",)))
    assert written == PREFERENCE


def test_a_call_for_rows_without_answers_is_said_to_be_unused(convert: Convert) -> None:
    row = {"question": "Up", "function": [TOOL["function"]], "answer": "climb(metres=5)"}
    done, [written] = convert([row], columns=ColumnNames(answer_call={"name": "land", "arguments": {}}))
    assert written["messages"][-1]["tool_calls"][0]["function"]["name"] == "climb"
    assert done.unused == ("--answer-call added nothing: every example has an answer",)


def test_ids_and_names_beside_turns_are_left_out_and_what_may_mean_something_is_kept(convert: Convert) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    row = {"id": "h0", "task": "greet", "conversations": turns, "notes": "Said by five of six people"}
    done, [written] = convert([row])
    assert written == {"messages": CHAT, "notes": "Said by five of six people"}
    assert {'key "id" left out', 'key "task" left out'} <= {change.what for change in done.changes}
    assert convert([row], columns=ColumnNames(keep=("id",)))[1][0]["id"] == "h0"
    prompt = {"id": 5, "answer": 4, "conversations": turns[:1]}
    assert convert([prompt])[1] == [{"messages": [ASKED], "id": 5, "answer": 4}]

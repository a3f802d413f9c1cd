"""The template that a model is trained and served with: its own, with a setting that it needs, or one of ours."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from orchestrator.dataset.rendering.choosing import Chosen, choose_template, take_template
from orchestrator.dataset.rendering.conversation import prompt_of, supervised_of
from orchestrator.dataset.rendering.turns import Ends
from orchestrator.errors import CannotRender

TOOL = {
    "type": "function",
    "function": {"name": "land", "parameters": {"type": "object", "properties": {"at": {}}}},
}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_abc", "type": "function", "function": {"name": "land", "arguments": '{"at": "home"}'}}
    ],
}
CALLING: dict[str, Any] = {"messages": [{"role": "user", "content": "Land, please."}, CALL], "tools": [TOOL]}
RESULT: dict[str, Any] = {
    "messages": [
        *CALLING["messages"],
        {"role": "tool", "tool_call_id": "call_abc", "content": "It has landed."},
        {"role": "assistant", "content": "Done."},
    ],
    "tools": [TOOL],
}


def ends(*specials: str, stop: str = "<end>") -> Ends:
    return Ends(frozenset({stop}), frozenset({stop, *specials}))


def answers(chosen: Chosen, row: dict[str, Any]) -> list[str]:
    return [piece.text for piece in chosen[1].pieces(supervised_of(row))[0] if piece.turn is not None]


def template(call: str, *, answer: str = "{{ m.content }}", opening: str = "<model>") -> str:
    """A template whose own part is how it writes calls and answers."""
    return (
        "{{ tools | tojson }}{% for m in messages %}{% if m.role == 'assistant' %}<model>"
        + answer
        + "{% for c in m.tool_calls or [] %}"
        + call
        + "{% endfor %}{% else %}<{{ m.role }}>{{ m.content }}{% endif %}<end>{% endfor %}"
        + "{% if add_generation_prompt %}"
        + opening
        + "{% endif %}"
    )


HERMES = (
    '<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>'
)


def test_a_template_that_does_all_is_used_as_it_is() -> None:
    text = template(HERMES)
    chosen, _ = choose_template(text, "chat_template.jinja of the model", {}, ends())
    assert chosen.text == text
    assert chosen.source == "chat_template.jinja of the model"
    assert chosen.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert chosen.family == "hermes"


def test_a_template_that_asks_for_thoughts_is_told_not_to() -> None:
    text = template(
        HERMES,
        answer="<think></think>{{ m.content }}",
        opening="<model><think>{{ '\n' if enable_thinking is not defined or enable_thinking else '</think>' }}",
    )
    chosen = choose_template(text, "it", {}, ends())
    assert chosen[0].text == "{%- set enable_thinking = false %}\n" + text
    assert chosen[0].source == "it, with enable_thinking = false"
    assert answers(chosen, CALLING) == [
        '<tool_call>{"name": "land", "arguments": {"at": "home"}}</tool_call><end>'
    ], "the generation prompt supplies the empty thought"
    assert answers(take_template(chosen[0].text, "file", {}, ends()), RESULT) == answers(chosen, RESULT)
    with pytest.raises(CannotRender, match="and the template writes '</think><tool_call>"):
        answers(take_template(text, "it", {}, ends()), CALLING)


def test_a_template_that_forgets_earlier_thoughts_is_told_to_keep_them() -> None:
    thought = "{% if preserve_thinking or loop.last %}<think></think>{% endif %}{{ m.content }}"
    chosen = choose_template(template(HERMES, answer=thought), "it", {}, ends())
    assert chosen[0].source == "it, with preserve_thinking = true"
    assert len(answers(chosen, RESULT)) == 2
    thought = (
        "{% set ns = namespace(last_query_index=0) %}"
        "{% if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}"
        "<think></think>{% endif %}{{ m.content }}"
    )
    chosen = choose_template(template(HERMES, answer=thought), "it", {}, ends())
    assert chosen[0].source == "it, with the thoughts of every turn kept"
    assert [each.startswith("<think></think>") for each in answers(chosen, RESULT)] == [True, True]


def test_the_day_becomes_part_of_the_text() -> None:
    text = 'Today is {{ strftime_now("%d %B %Y") }}. ' + template(HERMES)
    chosen = choose_template(text, "it", {}, ends())
    assert chosen[0].source == "it, with 1 January 2025 as the day"
    assert "strftime_now" not in chosen[0].text
    prompt = "".join(piece.text for piece in chosen[1].prompt(prompt_of(RESULT["messages"][:1], None, None)))
    assert prompt.startswith("Today is 01 January 2025. ")


def test_arguments_are_given_as_text_where_a_template_joins_them() -> None:
    joining = (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
        "{{ c.function.name + '<｜tool▁sep｜>' + c.function.arguments }}<｜tool▁call▁end｜>"
    )
    chosen = choose_template(template(joining), "it", {}, ends())
    assert chosen[0].family == "deepseek"
    assert answers(chosen, CALLING)[0].count('land<｜tool▁sep｜>{"at": "home"}<｜tool▁call▁end｜>') == 1


def test_ids_are_short_where_a_template_asks_for_that() -> None:
    short = (
        '[TOOL_CALLS] [{"name": "{{ c.function.name }}", '
        '"arguments": {{ c.function.arguments | tojson }}, "id": "{{ c.id }}"}]'
        "{% if c.id | length != 9 %}{{ raise_exception('9 characters!') }}{% endif %}"
    )
    text = template(short).replace("<{{ m.role }}>", "<{{ m.role }}{{ m.tool_call_id }}>")
    chosen = choose_template(text, "it", {}, ends())
    assert chosen[0].family == "mistral"
    pieces, _ = chosen[1].pieces(supervised_of(RESULT))
    assert '"id": "call00000"' in pieces[1].text
    assert "<toolcall00000>It has landed." in pieces[2].text


def test_a_stop_token_that_begins_the_next_turn_is_learned() -> None:
    """As in GLM 4.5, where <|user|> and <|observation|> stop the generation."""
    text = template(HERMES).replace("{% endif %}<end>{% endfor %}", "{% endif %}{% endfor %}")
    both = Ends(frozenset({"<user>", "<tool>"}), frozenset({"<user>", "<tool>", "<model>"}))
    chosen = choose_template(text, "it", {}, both)
    assert chosen[0].family == "hermes"
    call, done = answers(chosen, RESULT)
    assert call.endswith("</tool_call><tool>")
    assert done == "Done.<user>"


# --- Templates of ours -------------------------------------------------------------------------------------------

FAMILIES = {
    "ChatML": ("<|im_start|>ROLE\n", "<|im_end|>\n", ("<|im_start|>", "<|im_end|>"), ""),
    "Llama 3": (
        "<|start_header_id|>ROLE<|end_header_id|>\n\n",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<bos>",
    ),
    "Gemma": ("<start_of_turn>ROLE\n", "<end_of_turn>\n", ("<start_of_turn>", "<end_of_turn>"), "<bos>"),
    "Phi-3": ("<|ROLE|>\n", "<|end|>\n", ("<|user|>", "<|assistant|>", "<|end|>"), ""),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_whose_template_writes_no_calls_gets_ours(name: str) -> None:
    before, after, tokens, bos = FAMILIES[name]
    model = "model" if name == "Gemma" else "assistant"
    own = (
        "{{ bos_token }}{% for m in messages %}{{ '"
        + before.replace("ROLE", "' + m.role + '").replace("\n", "\\n")
        + "' + m.content + '"
        + after.replace("\n", "\\n")
        + "' }}{% endfor %}{% if add_generation_prompt %}{{ '"
        + before.replace("ROLE", model).replace("\n", "\\n")
        + "' }}{% endif %}\n"
    )
    special_tokens = {"bos_token": bos} if bos else {}
    chosen = choose_template(own, "the model's", special_tokens, ends(*tokens, stop=after.strip()))
    assert chosen[0].source.startswith(f"ftorch's {name} template with tools (SHA-256 ")
    assert chosen[0].source.endswith("…), because the model's writes no calls")
    row = {**RESULT, "messages": [{"role": "system", "content": "You steer."}, *RESULT["messages"]]}
    call = '<tool_call>\n{"name": "land", "arguments": {"at": "home"}}\n</tool_call>'
    assert answers(chosen, row) == [call + after.strip(), "Done." + after.strip()]
    text = "".join(piece.text for piece in chosen[1].pieces(supervised_of(row))[0])
    assert text.startswith(bos + before.replace("ROLE", "user" if name == "Gemma" else "system") + "You steer.\n\n")
    assert f"{before.replace('ROLE', 'user')}<tool_response>\nIt has landed.\n</tool_response>{after}" in text
    plain = prompt_of([{"role": "user", "content": "Hello there!"}], None, None)
    assert [piece.text for piece in chosen[1].prompt(plain)] == [
        bos + before.replace("ROLE", "user") + "Hello there!" + after + before.replace("ROLE", model)
    ], "without tools it is the model's own"


@pytest.mark.parametrize(
    "own",
    [
        "a{% for m in messages %}\n  {{ m.content }}\n{% endfor %}b\n",
        "\n\n  {%- set x = 'y' %}\n {{ messages[0].content ~ x }} \n\n",
        "{#- comment -#}\n{{ messages[0].content }}{% if add_generation_prompt %}!{% endif %}",
    ],
)
def test_the_models_own_part_is_the_same_blank_for_blank(own: str) -> None:
    _, chat = choose_template(own, "it", {}, ends("<|im_start|>", stop="<|im_end|>"))
    _, alone = take_template(own, "it", {}, ends("<|im_start|>", stop="<|im_end|>"))
    hello = [{"role": "user", "content": "Hello there!"}]
    for answering in (True, False):
        assert chat.compiled.render(hello, None, answering=answering) == alone.compiled.render(
            hello, None, answering=answering
        )
    assert "tool_call" in chat.compiled.render(hello, [TOOL], answering=True)


def test_a_model_that_fits_none_of_ours_keeps_its_template_and_refuses_calls() -> None:
    own = "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>{% endfor %}"
    own += "{% if add_generation_prompt %}assistant: {% endif %}"
    chosen = choose_template(own, "it", {}, ends())
    assert (chosen[0].text, chosen[0].family) == (own, None)
    assert answers(chosen, {"messages": [*CALLING["messages"][:1], {"role": "assistant", "content": "No."}]}) == [
        "No.<end>"
    ]
    with pytest.raises(CannotRender, match="leaves out"):
        answers(chosen, CALLING)

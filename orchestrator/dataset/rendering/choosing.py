"""Which chat template a model is trained and served with, what is set in it, and the format of its calls.

All of it is found by trying: short conversations are rendered and read back. A template that can't write a call as
it is may do so with one of its settings (Nemotron 3 asks for thoughts unless `enable_thinking` is false), with
arguments as JSON text (DeepSeek) or with short ids (Mistral). What is set becomes part of the text that training
writes beside the weights, so that every server that takes this template renders alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from orchestrator.dataset.rendering.calls import FAMILIES
from orchestrator.dataset.rendering.chattemplate import ChatTemplate
from orchestrator.dataset.rendering.conversation import PLAIN_FORM, Conversation, Form, supervised_of
from orchestrator.dataset.rendering.registry import own_template
from orchestrator.dataset.rendering.sandbox import TODAY, Compiled
from orchestrator.dataset.rendering.turns import Ends
from orchestrator.errors import CannotRender

SETTINGS: Mapping[str, bool] = {
    "enable_thinking": False,
    "thinking": False,
    "preserve_thinking": True,
    "truncate_history_thinking": False,
}
"""Variables by which templates leave out thoughts, or keep earlier turns as they were written."""

_ONLY_LATEST = re.compile(
    r"loop\.index0 > ns\.last_query_index|loop\.last or \(not loop\.last and reasoning_content\)"
)
"""Conditions by which Qwen3's templates write thoughts into the latest turns only, and so change earlier ones."""

_NOW = re.compile(r"""strftime_now\(\s*(["'])([^"']{1,100})\1\s*\)""")


@dataclass(frozen=True)
class Template:
    """The chat template that training and serving use; `text` is what training writes beside the weights."""

    text: str
    source: str
    """Where it comes from and what is set in it, for a sentence: "chat_template.jinja of the model"."""
    sha256: str
    """Of its text."""
    family: str | None
    """The format of its calls, for `calls.parse_answer`; None if it writes no calls."""


Chosen = tuple[Template, ChatTemplate]


def choose_template(text: str, source: str, special_tokens: Mapping[str, str], ends: Ends) -> Chosen:
    """The template of a model, with its settings; or one of ours where the model's own can't write calls.

    `text` is "" for a model without a template. Raises ValueError, with a sentence, where none can be used.
    """
    own = _adapted(text, source, special_tokens, ends) if text else None
    if own is not None and own[0].family is not None:
        return own
    ours = own_template(text, ends.specials)
    if ours is not None:
        said = f"{ours.source}, because {source} writes no calls" if text else ours.source
        chosen = take_template(ours.text, said, special_tokens, ends)
        if chosen[0].family is not None:
            return chosen
    if own is None:
        raise ValueError("the model has none, and its special tokens fit none of ours")
    return own


def take_template(text: str, source: str, special_tokens: Mapping[str, str], ends: Ends) -> Chosen:
    """A template as it is, such as the one that training wrote. Raises ValueError, with a sentence."""
    plain = ChatTemplate(Compiled(text), special_tokens, ends, knows_developer="developer" in text)
    plain = replace(plain, ends=_with_own_end(plain))
    chat = next(_readable(plain), plain)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return Template(text, source, digest, chat.family), chat


# --- Settings ----------------------------------------------------------------------------------------------------


def _adapted(text: str, source: str, special_tokens: Mapping[str, str], ends: Ends) -> Chosen:
    """The template with as few changes as the most trials need."""
    best: Chosen | None = None
    most = -1
    for changed, said in _variants(text):
        chosen = take_template(changed, source + said, special_tokens, ends)
        count = sum(_renders(chosen[1], trial) for trial in _TRIALS)
        if best is None or count > most:
            best, most = chosen, count
        if count == len(_TRIALS):
            break
    assert best is not None, "the first variant is the template as it is"
    return best


def _variants(text: str) -> Iterator[tuple[str, str]]:
    """The template and what is said of its changes: as it is, with settings, with all thoughts kept."""
    dated = _NOW.sub(lambda match: f'"{TODAY.strftime(match[2])}"', text)
    said = f", with {TODAY.day} {TODAY.strftime('%B %Y')} as the day" if dated != text else ""
    yield dated, said
    known = [name for name in SETTINGS if re.search(rf"\b{name}\b", text)]
    for count in range(1, len(known) + 1):
        for names in combinations(known, count):
            lines = "".join(f"{{%- set {name} = {str(SETTINGS[name]).lower()} %}}\n" for name in names)
            yield lines + dated, said + "".join(f", with {name} = {str(SETTINGS[name]).lower()}" for name in names)
    kept = _ONLY_LATEST.sub("true", dated)
    if kept != dated:
        yield kept, f"{said}, with the thoughts of every turn kept"


# --- Trying ------------------------------------------------------------------------------------------------------


def _readable(plain: ChatTemplate) -> Iterator[ChatTemplate]:
    """The template in each form and format in which a call can be rendered and read back."""
    for form in (PLAIN_FORM, Form(arguments_as_text=True), Form(short_ids=True)):
        with suppress(CannotRender):
            pieces, _ = (formed := replace(plain, form=form)).unchecked_pieces(_CALL)
            for family in FAMILIES:
                with suppress(CannotRender):
                    chat = replace(formed, family=family)
                    chat.check(pieces, _CALL)
                    yield chat


def _with_own_end(chat: ChatTemplate) -> Ends:
    """The ends with the special token in which the template ends answers, where no stop token does.

    Base models often come with the template of a chat model, and don't name its last token as one that stops.
    """
    with suppress(CannotRender):
        chat.unchecked_pieces(_CHAT)
        return chat.ends
    with suppress(CannotRender):
        pieces, _ = replace(chat, ends=replace(chat.ends, stops=chat.ends.specials)).unchecked_pieces(_CHAT)
        last = max((each for each in chat.ends.specials if pieces[-1].text.endswith(each)), key=len)
        return replace(chat.ends, stops=chat.ends.stops | {last})
    return chat.ends


def _renders(chat: ChatTemplate, conversation: Conversation) -> bool:
    try:
        chat.pieces(conversation)
    except CannotRender:
        return False
    return True


_TOOL = {
    "type": "function",
    "function": {
        "name": "probe_zone",
        "description": "Looks.",
        "parameters": {
            "type": "object",
            "properties": {
                "area": {"type": "string", "description": "Where."},
                "depth": {"type": "integer", "description": "How deep."},
            },
            "required": ["area"],
        },
    },
}
_ASKED = {"role": "user", "content": "Look at the northern part."}
_SAID = {"role": "assistant", "content": "There are seven of them."}
_THANKED = {"role": "user", "content": "Thank you for looking."}
_FOUND = {"role": "tool", "tool_call_id": "call_1", "content": '{"number": 7}'}


def _calling(*arguments: str) -> dict[str, Any]:
    calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": "probe_zone", "arguments": each}}
        for i, each in enumerate(arguments, 1)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _trial(*messages: dict[str, Any], tools: bool = True) -> Conversation:
    return supervised_of({"messages": list(messages), "tools": [_TOOL] if tools else None})


_NORTH = _calling('{"area": "north", "depth": 3}')
_CALL = _trial(_ASKED, _NORTH)
_CHAT = _trial(_ASKED, _SAID, _THANKED, _SAID, tools=False)
_TRIALS = (
    _CALL,
    _trial(_ASKED, _calling('{"area": "north", "depth": 3}', '{"area": "south", "depth": 4}')),
    _trial(_ASKED, _NORTH, _FOUND, _SAID),
    _CHAT,
)

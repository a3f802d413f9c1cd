"""A chat template at work: a conversation to pieces of text, each checked for what the template lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.dataset.rendering.conversation import PLAIN_FORM, Conversation, Form, Message, in_form
from orchestrator.dataset.rendering.definitions import Definitions
from orchestrator.dataset.rendering.guard import check_answer, check_context, check_definitions
from orchestrator.dataset.rendering.rendered import Method
from orchestrator.dataset.rendering.sandbox import GENERATION_END, GENERATION_START, Compiled
from orchestrator.dataset.rendering.turns import Ends, Piece, conversation_pieces, prompt_pieces
from orchestrator.errors import CannotRender

_SHORT = 12
_MOST_SHAPES = 10_000
_Shape = tuple[tuple[tuple[str, bool, int], ...], bool]


@dataclass(frozen=True)
class ChatTemplate:
    """A compiled template with the tokens that its model gives it."""

    compiled: Compiled
    special_tokens: Mapping[str, str]
    """Variables such as `bos_token`."""
    ends: Ends
    family: str | None = None
    """The format of its calls; None if it writes none, or one that is not known."""
    knows_developer: bool = True
    """Whether it has a role `developer`; else such messages are system messages."""
    form: Form = PLAIN_FORM
    """How it takes calls."""
    shapes: set[_Shape] = field(default_factory=set, compare=False)
    """The shapes of conversations whose texts were all found in the rendered text."""

    def pieces(self, conversation: Conversation) -> tuple[list[Piece], Method]:
        """The text of a conversation that ends with an answer. Raises CannotRender."""
        conversation = self._adapted(conversation)
        pieces, method = self.unchecked_pieces(conversation)
        self.check(pieces, conversation)
        if _has_short_text(conversation):
            self._check_shape(conversation, lambda each: self.unchecked_pieces(each)[0])
        return pieces, method

    def prompt(self, conversation: Conversation) -> list[Piece]:
        """The text of a conversation up to the next answer. Raises CannotRender."""
        conversation = self._adapted(conversation)
        pieces = self._prompt(conversation)
        self.check(pieces, conversation)
        if _has_short_text(conversation):
            self._check_shape(conversation, self._prompt)
        return pieces

    def unchecked_pieces(self, conversation: Conversation) -> tuple[list[Piece], Method]:
        """The text of a conversation that ends with an answer, as the template writes it. Raises CannotRender."""
        return conversation_pieces(
            _Rendering(self, conversation), len(conversation.messages), conversation.answers, self.ends
        )

    def _prompt(self, conversation: Conversation) -> list[Piece]:
        return prompt_pieces(
            _Rendering(self, conversation), len(conversation.messages), conversation.answers, self.ends
        )

    def _adapted(self, conversation: Conversation) -> Conversation:
        if self.knows_developer or all(each["role"] != "developer" for each in conversation.messages):
            return conversation
        messages = [{**m, "role": "system"} if m["role"] == "developer" else m for m in conversation.messages]
        return replace(conversation, messages=messages)

    def check(self, pieces: Sequence[Piece], conversation: Conversation) -> None:
        """Compare each piece with the messages that it was made of. Raises CannotRender."""
        messages, at = conversation.messages, 0
        for number, piece in enumerate(pieces):
            end = _end_of(pieces, number, len(messages))
            if piece.turn is None:
                self._check_context(piece.text, messages[at:end], conversation, first=number == 0)
            else:
                check_answer(self._without_stop(piece.text), messages[piece.turn], self.family, conversation.tools)
            at = end

    def _check_shape(self, conversation: Conversation, render: Callable[[Conversation], list[Piece]]) -> None:
        """Check with texts that nothing else in the rendering can be taken for, once for each shape."""
        shape = _shape(conversation)
        if shape in self.shapes:
            return
        messages = [
            {**message, "content": f"{number}: a text that nothing else says" if message["content"].strip() else ""}
            for number, message in enumerate(conversation.messages)
        ]
        stand_in = replace(conversation, messages=messages)
        self.check(render(stand_in), stand_in)
        if len(self.shapes) < _MOST_SHAPES:
            self.shapes.add(shape)

    def _check_context(
        self, text: str, messages: Sequence[Message], conversation: Conversation, *, first: bool
    ) -> None:
        check_context(text, messages)
        if first and conversation.tools:
            found_in = conversation.tools.found_in if isinstance(conversation.tools, Definitions) else set()
            shape = _shape(conversation)
            if shape not in found_in:
                check_definitions(text, conversation.tools, messages)
                if len(found_in) < _MOST_SHAPES:
                    found_in.add(shape)

    def _without_stop(self, text: str) -> str:
        stop = max((each for each in self.ends.stops if text.endswith(each)), key=len, default="")
        return text.removesuffix(stop)


class _Rendering:
    """A conversation under a template, as turns.Rendering."""

    def __init__(self, chat: ChatTemplate, conversation: Conversation) -> None:
        self._compiled = chat.compiled
        self._conversation = in_form(conversation, chat.form)
        self._variables: dict[str, object] = dict(chat.special_tokens)
        if conversation.parallel is not None:
            self._variables["parallel_tool_calls"] = conversation.parallel

    def prompt(self, count: int) -> str:
        return self._plain(self._conversation.messages[:count], answering=True)

    def whole(self, count: int) -> str:
        return self._plain(self._conversation.messages[:count], answering=False)

    def marked(self, count: int, *, answering: bool) -> str:
        return self._text(self._conversation.messages[:count], answering=answering, marked=True)

    def continued(self, count: int) -> str:
        messages = self._conversation.messages[:count]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "name": call["function"]["name"], "content": "Done."}
            for call in messages[-1].get("tool_calls", ())
        ]
        return self._plain([*messages, *(results or [{"role": "user", "content": "Go on."}])], answering=False)

    def _plain(self, messages: list[Message], *, answering: bool) -> str:
        text = self._text(messages, answering=answering, marked=False)
        if GENERATION_START in text or GENERATION_END in text:
            raise CannotRender(kind="row", reason="it holds the noncharacter U+FDD2 or U+FDD3")
        return text

    def _text(self, messages: list[Message], *, answering: bool, marked: bool) -> str:
        return self._compiled.render(
            messages, self._conversation.tools, answering=answering, marked=marked, variables=self._variables
        )


def _has_short_text(conversation: Conversation) -> bool:
    """Whether a text could be found in the rendering by chance, and so be lost unseen."""
    texts = (each["content"].strip() for each in conversation.messages if each["role"] != "assistant")
    return any(0 < len(text) < _SHORT for text in texts)


def _shape(conversation: Conversation) -> _Shape:
    """What a template can tell apart without looking into texts."""
    shape = []
    for message in conversation.messages:
        shape.append((message["role"], bool(message["content"].strip()), len(message.get("tool_calls", ()))))
    return tuple(shape), bool(conversation.tools)


def _end_of(pieces: Sequence[Piece], number: int, count: int) -> int:
    """The message behind the last one that a piece was made of."""
    turn = pieces[number].turn
    if turn is not None:
        return turn + 1
    following = next((each.turn for each in pieces[number + 1 :] if each.turn is not None), None)
    return count if following is None else following

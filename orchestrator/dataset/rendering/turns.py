"""The text of a conversation in pieces: what the model reads, and what it writes, turn by turn.

Prefix difference comes first. The prompt of a turn is rendered as serving renders it, then the same conversation
with the answer; the answer is what was added. That is sure where each prompt begins with all that came before it:
then training sees what serving will send. The template's own `{% generation %}` marks come second, for templates
that end an earlier turn in another way than the last one. Where neither is sure, the reason is given and nothing is
learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.dataset.rendering.rendered import Method
from orchestrator.dataset.rendering.sandbox import GENERATION_END, GENERATION_START
from orchestrator.errors import CannotRender

_SHOWN = 60


class Rendering(Protocol):
    """A conversation under a template. All of it raises CannotRender."""

    def prompt(self, count: int) -> str:
        """The first messages, with the generation prompt."""

    def whole(self, count: int) -> str:
        """The first messages."""

    def marked(self, count: int, *, answering: bool) -> str:
        """The first messages with generation marks; with the generation prompt if `answering`."""

    def continued(self, count: int) -> str:
        """The first messages, which end with an answer, and a message that could follow."""


@dataclass(frozen=True)
class Ends:
    """The special tokens that may follow an answer, as text."""

    stops: frozenset[str]
    """Those at which generation stops."""
    specials: frozenset[str]
    """All of them."""


@dataclass(frozen=True)
class Piece:
    """A text that is encoded apart from its neighbours."""

    text: str
    turn: int | None = None
    """The position of the assistant message whose answer it is, up to its stop token; None for context."""


def conversation_pieces(
    rendering: Rendering, count: int, answers: Sequence[int], ends: Ends
) -> tuple[list[Piece], Method]:
    """The pieces of a conversation of `count` messages that ends with an answer. Raises CannotRender."""
    try:
        return _by_prefix(rendering, answers, ends), "prefix"
    except CannotRender as unsure:
        if unsure.kind not in ("prompt", "history", "stop"):
            raise
        pieces = _by_markers(rendering, rendering.marked(count, answering=False), answers, ends)
        if not pieces or not any(pieces[-1].text.endswith(stop) for stop in ends.stops):
            raise
        return pieces, "markers"


def prompt_pieces(rendering: Rendering, count: int, answers: Sequence[int], ends: Ends) -> list[Piece]:
    """The pieces of a prompt: split where training splits, so that both give the same tokens.

    A conversation that training can't split is one piece. Raises CannotRender.
    """
    text = rendering.prompt(count)
    if not answers:
        return [Piece(text)]
    try:
        before = _by_prefix(rendering, answers, ends)
    except CannotRender:
        before = _by_markers(rendering, rendering.marked(count, answering=True), answers, ends)
    done = "".join(piece.text for piece in before)
    return [*before, Piece(text[len(done) :])] if text.startswith(done) else [Piece(text)]


# --- By prefix difference ----------------------------------------------------------------------------------------


def _by_prefix(rendering: Rendering, answers: Sequence[int], ends: Ends) -> list[Piece]:
    pieces: list[Piece] = []
    done = ""
    for turn in answers:
        prompt = rendering.prompt(turn)
        whole = rendering.whole(turn + 1)
        if not prompt.startswith(done):
            raise _history_changes(done, prompt, turn)
        if not whole.startswith(prompt):
            raise _prompt_differs(prompt, whole, turn)
        answer = up_to_stop(whole[len(prompt) :], ends) or _up_to_next_turn(rendering, whole, prompt, turn, ends)
        pieces += [Piece(prompt[len(done) :]), Piece(answer, turn)]
        done = prompt + answer
    return pieces


def _up_to_next_turn(rendering: Rendering, whole: str, prompt: str, turn: int, ends: Ends) -> str:
    """The answer and the stop token that begins the next turn, where no other ends it (GLM 4.5: <|user|>).

    Raises CannotRender where there is none.
    """
    following = rendering.continued(turn + 1)
    stop = max((each for each in ends.stops if following.startswith(each, len(whole))), key=len, default="")
    if not stop or not following.startswith(whole):
        raise CannotRender(kind="stop", reason=_without_stop(whole[len(prompt) :], turn))
    return whole[len(prompt) :] + stop


def up_to_stop(added: str, ends: Ends) -> str | None:
    """The answer up to and including its stop token; None if it ends without one.

    Only blanks and other special tokens may follow, such as the newline after ChatML's <|im_end|>: the model stops
    before it would write them.
    """
    start = _start_of_end(added, ends)
    found = [(at, len(stop)) for stop in ends.stops if (at := added.find(stop, start)) >= 0]
    if not found:
        return None
    at, length = min(found, key=lambda each: (each[0], -each[1]))
    return added[: at + length]


def _start_of_end(added: str, ends: Ends) -> int:
    """Where the blanks and special tokens at the end of a text begin."""
    end = len(added)
    while True:
        end = len(added[:end].rstrip())
        special = max((each for each in ends.specials if added.endswith(each, 0, end)), key=len, default="")
        if not special:
            return end
        end -= len(special)


def _history_changes(done: str, prompt: str, turn: int) -> CannotRender:
    was, now = _first_difference(done, prompt)
    return CannotRender(
        kind="history",
        reason=f"once message {turn + 1} is asked for, an earlier turn reads {now}, and it was learned as {was}, "
        "so one sequence can't hold both; use a template that renders all turns alike, or one turn per example",
    )


def _prompt_differs(prompt: str, whole: str, turn: int) -> CannotRender:
    asked, written = _first_difference(prompt, whole)
    return CannotRender(
        kind="prompt",
        reason=f"the prompt for message {turn + 1} ends in {asked}, and the template writes {written} in its "
        "place, so the model would not learn to go on from its prompt",
    )


def _without_stop(added: str, turn: int) -> str:
    end = _excerpt(added[-_SHOWN:])
    return f"message {turn + 1} ends in {end}, which is no stop token, so the model would not stop"


def _first_difference(first: str, second: str) -> tuple[str, str]:
    """What both go on with where they differ; a tag in which they do is shown whole."""
    pairs = zip(first, second, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
    tag = first.rfind("<", 0, at)
    if tag >= 0 and ">" not in first[tag:at] and at - tag < _SHOWN:
        at = tag
    return _excerpt(first[at:]), _excerpt(second[at:])


def _excerpt(text: str) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return repr(shown) if shown else "nothing"


# --- By the template's own marks ---------------------------------------------------------------------------------


def _by_markers(rendering: Rendering, marked: str, answers: Sequence[int], ends: Ends) -> list[Piece]:
    """The pieces by generation marks; none unless every turn goes on from its prompt as serving sends it.

    An earlier turn may end in a token that stops nothing (gpt-oss writes <|end|> for <|return|>); it is context.
    """
    text, blocks = _blocks(marked)
    if len(blocks) != len(answers):
        return []
    pieces: list[Piece] = []
    done = 0
    for turn, (start, end) in zip(answers, blocks, strict=True):
        prompt = rendering.prompt(turn)
        if not (text.startswith(prompt) and done <= start <= len(prompt) < end):
            return []
        written = text[len(prompt) : end]
        answer = up_to_stop(written, ends) or written[: _start_of_end(written, ends)]
        pieces += [Piece(text[done : len(prompt)]), Piece(answer, turn)]
        done = len(prompt) + len(answer)
    return pieces


def _blocks(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and where its generation blocks begin and end."""
    text, blocks = "", []
    for part in marked.split(GENERATION_START):
        inside, mark, after = part.partition(GENERATION_END)
        if mark:
            blocks.append((len(text), len(text) + len(inside)))
        text += inside + after
    return text, blocks

"""The base model: how well a prompt and a definition match by words. Nothing here is learned.

The scores are in nats, so that they add to the learned ones. The constants are round numbers set once by hand.
"""

from __future__ import annotations

from collections.abc import Set
from itertools import pairwise
from math import sqrt

from orchestrator.server.trainers.tiny.conversation import Prompt
from orchestrator.server.trainers.tiny.schema import Slot, Tool, Toolbox
from orchestrator.server.trainers.tiny.text import STOP_WORDS, Number, content_stems, name_stems, stem, stems, words

TEXT = 1.5
"""The score of an answer in text: a tool needs about one distinctive shared word to beat it."""
AFTER_RESULT = 3.0
RESTATED = 1.0
STOP = 3.0
LEFT_OUT = 1.0
SEEN = -0.5
NEGATED = -3.0
USED = -4.0
YES = frozenset({"true", "on", "yes", "enable", "enabled"})
NO = frozenset({"false", "off", "no", "disable", "disabled"})
NEGATIONS = NO | {"not", "don't", "never", "stop", "without", "deactivate"}
LEADS = frozenset({"of", "for", "in", "to", "at", "from", "named", "called", "about", "on", "over", "by", "with"})


def tool(prompt: Prompt, candidate: Tool, toolbox: Toolbox) -> float:
    """The rare words that a prompt shares with a tool, against the length of the prompt; once a tool has returned
    its result, the words are answered and score nothing."""
    if prompt.answers_result:
        return 0.0
    found = set(prompt.content) | _joined(prompt.text)
    shared = sum(toolbox.rarity[word] * candidate.weights[word] for word in found & candidate.weights.keys())
    return 3.0 * shared / sqrt(max(1, len(prompt.content)))


def text(prompt: Prompt) -> float:
    return AFTER_RESULT if prompt.answers_result else TEXT


def choice(prompt: Prompt, value: object) -> float:
    """For an allowed value: its words in the prompt; for yes and no, also whether the prompt negates."""
    said = set(stems(prompt.text))
    wanted = name_stems(str(value))
    score = 4.0 * sum(_is_said(word, said) for word in wanted) / len(wanted) if wanted else 0.0
    plain = str(value).lower()
    if plain in YES or plain in NO:
        score += 1.0 * ((plain in NO) == bool(NEGATIONS & set(words(prompt.text))))
    return score


def _is_said(word: str, said: Set[str]) -> bool:
    """Whether a stem is among others, or is the beginning of one: "right" matches "rightwards"."""
    return word in said or (len(word) >= 4 and any(other.startswith(word) for other in said))


def number(prompt: Prompt, slot: Slot, found: Number) -> float:
    """A number scores by the slot's words near it: its name before, its unit after."""
    before = stems(prompt.text[: found.start])[-3:]
    behind = stems(prompt.text[found.end :])[:1]
    named = any(word in slot.name_words for word in before)
    unit = any(word in slot.about for word in behind)
    return 1.0 + 2.0 * named + 1.0 * unit


def start(prompt: Prompt, slot: Slot, at: int, definition: Set[str]) -> float:
    """How much a chunk looks like the first of a value to copy."""
    chunk = prompt.chunks[at]
    before = words(prompt.chunks[at - 1].text)[-1:] if at else []
    said = content_stems(chunk.text)
    score = 1.5 * (chunk.text[0].isupper() and at > 0) + 2.5 * _quotes(chunk.opens)
    score += 1.0 * any(word in LEADS for word in before)
    score += 2.0 * any(stem(word) in slot.name_words for word in before)
    return score - 2.0 * (not said) - 1.0 * any(word in definition for word in said)


def end(prompt: Prompt, first: int, at: int) -> float:
    """How much a chunk looks like the last of the value that began at `first`."""
    chunk = prompt.chunks[at]
    if at + 1 == len(prompt.chunks):
        return 1.0
    following = prompt.chunks[at + 1].text
    score = 1.0 * bool(chunk.closes) + 1.0 * (following.lower() in STOP_WORDS | LEADS) - 0.3 * (at - first)
    score += 1.0 * (chunk.text[0].isupper() and not following[0].isupper())
    if _quotes(prompt.chunks[first].opens):
        score += 4.0 * _quotes(chunk.closes)
    return score


def _joined(text: str) -> set[str]:
    """Neighbouring words written as one, since "take off" means takeoff."""
    found = words(text)
    return {stem(left + right) for left, right in pairwise(found)}


def _quotes(punctuation: str) -> bool:
    return any(mark in punctuation for mark in "\"'“”‘’")

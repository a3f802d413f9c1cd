"""Keep repetitions, leaks, secrets, code and other languages out of a training file."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.profile.answers import Sensitive, may_hold_secret
from orchestrator.dataset.profile.fingerprints import (
    SKETCH_WORDS,
    canonical,
    digest,
    json_text,
    read_example,
    sketch,
    texts_of,
)
from orchestrator.dataset.profile.prompts import NEAR, Prompts, is_near, rarest
from orchestrator.generation.calls import Call, Drop, Kind, Target, Written
from orchestrator.generation.checks.languages import other_language
from orchestrator.generation.checks.spoken import STOPWORDS, folded, tokens, word_set

LONGEST = 2000
"""The most characters of a request. People type or say fewer."""

_COMPARED_WITH = 64
# Words that do not change the meaning of a request.
_COURTESIES = word_set(
    "please the a an now just kindly could would can you will hey hi hello thanks thank then so ok okay"
)
_JSON = re.compile(r'[{\[]\s*"[^"]*"\s*[:,\]}]|"\s*:\s*[\["{\d]|</?tool_call|```')


@dataclass(frozen=True)
class Against:
    """A file whose requests must not be repeated: all of them, or those of its first `lines`."""

    path: Path
    lines: int | None = None


class Screen:
    """Compares each request with those added before and those of other files.

    It keeps 150 to 400 bytes per request, independent of its length. Requests with the same answer are compared as
    in `Prompts.near_pairs`.
    """

    def __init__(self, against: Sequence[str | Path | Against] = ()) -> None:
        """Read the requests of the files `against`, which are in the training format.

        Rows with errors are skipped. Raises DataFileNotFound, DataFileUnreadable.
        """
        self._known = _Alike()
        self._sentences: dict[int, int] = {}
        """By the hash of a request's meaning, the hash of its answer."""
        files = [each if isinstance(each, Against) else Against(Path(each)) for each in against]
        self._leaks = [_requests_of(each.path.absolute(), each.lines) for each in files]

    def faults(self, written: Written) -> list[Drop]:
        """A drop for each reason against the request; [] without one. The request is not added.

        The reasons: "empty", "too-long", "names-function", "secret", "language", "leak", "near-duplicate",
        "contradiction".
        """
        return [Drop(written.target.id, reason, detail, written.text) for reason, detail in self._faults(written)]

    def add(self, written: Written) -> None:
        """Add a request that is kept, so that later ones are compared with it."""
        text, answer = _asked(written), _answer(written.target)
        self._sentences.setdefault(_sentence(text), answer)
        self._known.add(answer, sketch(text))

    def leaks(self, written: Written) -> list[Drop]:
        """A drop if one of the files has this request or a near-duplicate."""
        text, target = _asked(written), written.target
        found = self._leak(sketch(text), _sentence(text), target) if self._leaks else ""
        return [Drop(target.id, "leak", found, text)] if found else []

    def _leak(self, words: list[int], sentence: int, target: Target) -> str:
        for requests in self._leaks:
            if (line := requests.line_like(words, sentence, target)) is not None:
                return f"the request nearly repeats {requests.path}:{line}"
        return ""

    def _faults(self, written: Written) -> Iterator[tuple[str, str]]:
        target = written.target
        texts = [written.text, written.then] if target.then else [written.text]
        if not all(re.search(r"\w", text) for text in texts):
            yield "empty", "the request has no words"
            return
        if (longest := max(map(len, texts))) > LONGEST:
            yield "too-long", f"the request has {longest:,} characters, more than {LONGEST:,}"
            return
        for text in texts:
            yield from _form_faults(text, target)
        yield from self._repetitions(_asked(written), target)

    def _repetitions(self, text: str, target: Target) -> Iterator[tuple[str, str]]:
        answer, words, sentence = _answer(target), sketch(text), _sentence(text)
        if leak := self._leak(words, sentence, target):
            yield "leak", leak
            return
        before = self._sentences.get(sentence)
        if before is not None and before != answer:
            yield "contradiction", "a nearly equal request has another answer"
        elif before is not None or self._known.holds(answer, words):
            yield "near-duplicate", "a nearly equal request has the same answer"


def _form_faults(text: str, target: Target) -> Iterator[tuple[str, str]]:
    if (found := _code_in(text, target)) is not None:
        yield "names-function", f"people don't write {found} in a request"
    if may_hold_secret(text.encode("utf-8", "replace")) and (secret := _secret_in(text, target)) is not None:
        yield "secret", f"the request contains {secret}"
    if (other := other_language(text, target.language)) is not None:
        yield "language", f"the request is written in {other}, not in {target.language}"


def _asked(written: Written) -> str:
    return f"{written.text}\n{written.then}" if written.then else written.text


def _answer(target: Target) -> int:
    """The hash of the answer: one for all refusals, and one for each value that may be asked for."""
    if target.kind == Kind.REJECT:
        return 0
    if target.kind == Kind.MISSING:
        return digest(canonical(["missing", target.calls[0].name, target.lacking]))
    return digest(canonical([_calls(target.calls), _calls(target.then)]))


def _calls(calls: Sequence[Call]) -> list[list[object]]:
    """Parallel calls are equal in any order."""
    found: list[list[object]] = [[call.name, call.arguments] for call in calls]
    return found if len(found) < 2 else sorted(found, key=canonical)


def _sentence(text: str) -> int:
    """The hash of a request's words in order, with signs, without courtesies and articles.

    It compares requests with different answers: "to 50 metres" and "to 60 metres" share nearly all words.
    """
    plain = folded(text)
    words = [word for word in tokens(plain) if word not in _COURTESIES]
    signs = re.findall(r"(?<!\w)[-+\u2212](?=\d)|(?<=\d)[.,](?=\d)", plain)
    return digest(" ".join([*words, *signs]).encode("utf-8", "replace"))


@lru_cache(1 << 12)
def _pattern_of(name: str) -> re.Pattern[str]:
    """A function's name as code: with underscores, capitals or a parenthesis."""
    escaped = re.escape(name)
    is_code = "_" in name or "." in name or re.search("[a-z][A-Z]", name)
    return re.compile(rf"(?<![\w]){escaped}(?![\w])" if is_code else rf"(?<![\w]){escaped}\(")


def _code_in(text: str, target: Target) -> str | None:
    if match := _JSON.search(text):
        return match.group().strip()
    for call in (*target.calls, *target.then):
        if match := _pattern_of(call.name).search(text):
            return match.group()
    return None


def _secret_in(text: str, target: Target) -> str | None:
    """A key, or an address that is not a value of the answer."""
    seen = Sensitive()
    seen.add(1, [text])
    if seen.keys:
        return next(iter(seen.keys))
    values = [value for call in (*target.calls, *target.then) for value in texts_of(call.arguments) if "@" in value]
    for value in values:
        text = text.replace(value, " ")
    rest = Sensitive()
    rest.add(1, [text])
    return f"the address {rest.addresses.start}" if rest.addresses.places.count else None


# --- Nearly equal sets of words ----------------------------------------------------------------------------------

_SMALL = 64


class _Alike:
    """Sketches by answer. A few are compared one by one; many only if they share two rare words."""

    def __init__(self) -> None:
        self._words = array("I")
        self._ends = array("I", [0])
        self._by_answer: dict[int, array[int]] = {}
        self._by_key: dict[int, array[int]] = {}
        """For answers of more than 64 requests: the requests by hash of the answer and two words."""

    def add(self, answer: int, words: Sequence[int]) -> None:
        index = len(self._ends) - 1
        self._words.extend(words)
        self._ends.append(len(self._words))
        group = self._by_answer.setdefault(answer, array("I"))
        group.append(index)
        if len(group) == _SMALL + 1:
            for each in group:
                self._add_keys(answer, each)
        elif len(group) > _SMALL:
            self._add_keys(answer, index)

    def holds(self, answer: int, words: Sequence[int]) -> bool:
        """Whether a request with the same answer has nearly these words."""
        return next(self.near(answer, words), None) is not None

    def near(self, answer: int, words: Sequence[int]) -> Iterator[int]:
        """The numbers of the requests with the same answer and nearly these words, in the order of adding."""
        group = self._by_answer.get(answer, ())
        candidates: Sequence[int] = group
        if len(group) > _SMALL:
            found = {
                each for key in _keys(answer, words) for each in self._by_key.get(key, array("I"))[-_COMPARED_WITH:]
            }
            candidates = sorted(found)
        own = frozenset(words)
        return (each for each in candidates if self._is_near(each, words, own))

    def _is_near(self, index: int, words: Sequence[int], own: frozenset[int]) -> bool:
        start, end = self._ends[index], self._ends[index + 1]
        most, least = max(len(words), end - start), min(len(words), end - start)
        # Sketches of fewer hashes hold every word, so counting common words rules most of them out.
        is_far = most < SKETCH_WORDS and (
            least < NEAR * most or len(own.intersection(self._words[start:end])) < NEAR * most
        )
        return not is_far and is_near(self._sketch(index), words)

    def _add_keys(self, answer: int, index: int) -> None:
        for key in _keys(answer, self._sketch(index)):
            self._by_key.setdefault(key, array("I")).append(index)

    def _sketch(self, index: int) -> list[int]:
        return self._words[self._ends[index] : self._ends[index + 1]].tolist()


_FREQUENT = frozenset(word for each in STOPWORDS | _COURTESIES for word in sketch(each))


def _keys(answer: int, words: Sequence[int]) -> Iterator[int]:
    """Keys that near-duplicates share: all words, or two of the rarest; frequent ones come last."""
    yield hash((answer, *words))
    ordered = sorted(words, key=lambda word: (word in _FREQUENT, word))
    for pair in combinations(ordered[: rarest(len(ordered), 2)], 2):
        yield hash((answer, *pair))


# --- Other files -------------------------------------------------------------------------------------------------


class _Requests:
    """The requests of a file. Equal words, or nearly equal words with the same answer, are a leak."""

    def __init__(self, path: Path, prompts: Prompts, sentences: dict[int, int], last: int | None) -> None:
        """The requests of the lines up to `last`; None for all."""
        self.path = path
        self._prompts = prompts
        self._sentences = sentences
        self._answers = _Alike()
        self._all = _Alike()
        for index in range(len(prompts)):
            if last is not None and prompts.lines[index] > last:
                break
            words = [*prompts.sketch(index)]
            self._answers.add(prompts.answers[index], words)
            self._all.add(0, words)

    def line_like(self, words: Sequence[int], sentence: int, target: Target) -> int | None:
        """The line of a request that this one repeats, or None."""
        if (line := self._sentences.get(sentence)) is not None:
            return line
        # The answer to a refusal or a missing value depends on settings, so any answer counts.
        known, answer = (self._answers, _as_recorded(target)) if target.kind == Kind.CALL else (self._all, 0)
        found = next(known.near(answer, words), None)
        return None if found is None else self._prompts.lines[found]


def _as_recorded(target: Target) -> int:
    """The hash of the target's answer, as in `Prompts`."""
    calls = [
        {"function": {"name": call.name, "arguments": json_text(call.arguments).decode()}} for call in target.calls
    ]
    messages = [{"role": "user", "content": ""}, {"role": "assistant", "content": None, "tool_calls": calls}]
    prompts = Prompts()
    prompts.add(1, read_example({"messages": messages}), 0, 0)
    return prompts.answers[0]


def _requests_of(path: Path, lines: int | None) -> _Requests:
    status = path.stat() if path.exists() else None
    return _read(path, (status.st_mtime_ns, status.st_size) if status else (0, 0), lines)


@lru_cache(32)
def _read(path: Path, _version: tuple[int, int], lines: int | None) -> _Requests:
    """Cached, since a generation makes several screens against the same files."""
    prompts = check_file(path, method=None, purpose="evaluation", count_tokens=False).survey.prompts
    kept = {line for line in prompts.lines if lines is None or line <= lines}
    return _Requests(path, prompts, _sentences_of(path, kept), lines)


def _sentences_of(path: Path, lines: set[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            if line is not None and number in lines:
                found.setdefault(_sentence(read_example(parse_json(line)).prompt), number)
    return found

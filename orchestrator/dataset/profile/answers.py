"""What the examples teach to answer: which calls, which texts, and how evenly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from orchestrator.dataset.findings import Notes, shown
from orchestrator.dataset.profile.fingerprints import Example, Places, digest, listed

TEXT = "(text)"
"""Used among the names of functions for an answer without a call."""

_LEAST_ADVISED = 100
_UNEVEN_FROM = 20
_FEW = 5
_LONG_TEXT = 100
_CUT_SHARE = 0.1

# Parts of the names of functions whose call means: this can't be done, or not by a function.
_DECLINING = re.compile(
    r"(?:^|[_-])(?:reject|refus|declin|deny|unsupported|not_(?:supported|possible|available)|impossible|unable|cannot|"
    r"irrelevan|out_of_scope|fallback|no_?op|no_action|do_nothing|none$|unknown|clarif|ask_(?:user|for)|respond|"
    r"reply_to_user|final_answer|answer_(?:user|directly|question)|escalat|hand_?off|transfer_to_(?:human|agent))",
    re.IGNORECASE,
)
# A last line that ends so was left in the middle of a sentence: on a mere word, or on a mark that more must follow.
# Short last lines are names and greetings; code and lists end as they like.
_CUT = re.compile(r"(?:\s[^\W\d_]+|[,;(–—-]\s*)\Z")
_END = 40
_LONG_LINE = 60
_STRUCTURED = re.compile(r"[{\[<#|*`=]|\n[ \t]*(?:[-*+]|\d+[.)])[ \t]")


TEMPLATE = "template"
"""The `name` of a user message whose words come from a template, as `data generate --offline` writes them."""


@dataclass
class Answers:
    """Counts of what is answered."""

    examples: int = 0
    functions: Counter[str] = field(default_factory=Counter)
    """Examples in which each function is called, and under `TEXT` those in which none is."""
    with_tools: int = 0
    """Examples that declare tools."""
    untrained: Places = field(default_factory=Places)
    legacy: Places = field(default_factory=Places)
    long_texts: int = 0
    cut: Places = field(default_factory=Places)
    unclosed: Places = field(default_factory=Places)
    with_images: Places = field(default_factory=Places)
    """Examples whose prompt holds an image."""
    developers: Places = field(default_factory=Places)
    """Examples with a message of the role developer."""
    templates: Places = field(default_factory=Places)
    """Examples whose request is in words from a template, see `TEMPLATE`."""

    @property
    def in_text(self) -> int:
        """Examples that are trained on and call no function."""
        return self.functions[TEXT]

    def add(self, line: int, example: Example, *, has_tools: bool) -> None:
        self.examples += 1
        self.with_tools += has_tools
        if not example.trained:
            self.untrained.add(line)
        else:
            for name in {name for name, _ in example.calls} if example.calls else (TEXT,):
                self.functions[name] += 1
        if example.images:
            self.with_images.add(line)
        if example.has_developer:
            self.developers.add(line)
        if any(name == TEMPLATE for role, _, _, name in example.context if role == "user"):
            self.templates.add(line)
        if example.legacy:
            self.legacy.add(line)
        if example.text:
            self._add_text(line, example.text)

    def merge(self, later: Answers, line_offset: int) -> None:
        """Take up the answers of a later part of the same file, which starts behind `line_offset` lines."""
        self.examples += later.examples
        self.functions.update(later.functions)
        self.with_tools += later.with_tools
        self.long_texts += later.long_texts
        for name in ("untrained", "legacy", "cut", "unclosed", "with_images", "developers", "templates"):
            getattr(self, name).merge(getattr(later, name), line_offset)

    def note(self, notes: Notes) -> None:
        """Note what is wrong with single answers."""
        _note_places("FT616", self.legacy, notes)
        _note_places("FT624", self.untrained, notes)
        _note_places("FT626", self.templates, notes)
        self._note_cut(notes)

    def note_training(self, regular: Collection[str], notes: Notes) -> None:
        """Note what a training file lacks; `regular` are the functions declared often enough to be compared."""
        self._note_rejections(notes)
        self._note_balance({*regular, TEXT}, notes)

    def _add_text(self, line: int, text: str) -> None:
        if text.count("```") % 2:
            self.unclosed.add(line)
        elif len(text) >= _LONG_TEXT and not _STRUCTURED.search(text):
            self.long_texts += 1
            if _is_cut(text.rpartition("\n")[2]):
                self.cut.add(line)

    def note_number(self, notes: Notes) -> None:
        """Note that there are few examples."""
        if 0 < self.examples < _LEAST_ADVISED:
            notes.at(None)
            notes.add("FT601", count=self.examples, advised=_LEAST_ADVISED)

    def _note_rejections(self, notes: Notes) -> None:
        called = [name for name in self.functions if name != TEXT]
        if self.with_tools and called and not self.functions[TEXT] and not any(map(_DECLINING.search, called)):
            notes.at(None)
            notes.add("FT621", count=f"{self.examples:,}")

    def _note_balance(self, regular: Collection[str], notes: Notes) -> None:
        ranked = [entry for entry in self.functions.most_common() if entry[0] in regular]
        if len(ranked) < 2 or not self.with_tools:
            return
        usual, most = ranked[0]
        rare = [(name, count) for name, count in reversed(ranked) if count * _UNEVEN_FROM <= most]
        if rare:
            notes.at(None)
            where = listed((f"{name} ({count:,})" for name, count in rare[:_FEW]), len(rare))
            notes.add("FT622", usual=usual, most=f"{most:,}", examples=f"{self.examples:,}", rare=where)

    def _note_cut(self, notes: Notes) -> None:
        """Endings in the middle of a sentence count only where nearly all texts of the file end otherwise."""
        if 0 < self.cut.count <= self.long_texts * _CUT_SHARE:
            self._note_ending("end in the middle of a sentence", self.cut, notes)
        if self.unclosed.count:
            self._note_ending("open a block of code (```) and do not close it", self.unclosed, notes)

    def _note_ending(self, problem: str, places: Places, notes: Notes) -> None:
        notes.at(places.first[0])
        notes.add("FT625", count=f"{places.count:,}", problem=problem, where=places)


def _is_cut(last_line: str) -> bool:
    if len(last_line) < _LONG_LINE or (end := _CUT.search(last_line[-_END:])) is None:
        return False
    # A capital letter begins a name, as under a letter or a quotation.
    return not end.group().strip()[:1].isupper()


def _note_places(code: str, places: Places, notes: Notes) -> None:
    if places.count:
        notes.at(places.first[0])
        notes.add(code, count=f"{places.count:,}", where=places)


# --- Keys and e-mail addresses -----------------------------------------------------------------------------------


# What the issuers document, or what their keys have in common. Letters and digits on either side would make it a
# part of something else, such as an image in base64.
_SHAPES: tuple[tuple[str, str], ...] = (
    ("an Anthropic key", r"sk-ant-[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{32,}"),
    ("an AWS access key", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    ("a GitHub token", r"gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,}"),
    ("a GitLab token", r"glpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{20,}"),
    ("a Google API key", r"AIza[A-Za-z0-9_-]{35}"),
    ("a Stripe key", r"[rs]k_(?:live|test)_[A-Za-z0-9]{20,}"),
    ("a Hugging Face token", r"hf_[A-Za-z]{34}"),
    ("an npm token", r"npm_[A-Za-z0-9]{36}"),
    ("a JSON Web Token", r"eyJ[A-Za-z0-9_-]{17,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
)
_KEY = re.compile(
    "|".join(rf"(?<![A-Za-z0-9+/_-])(?P<k{i}>{shape})(?![A-Za-z0-9])" for i, (_, shape) in enumerate(_SHAPES))
)
_ADDRESS = re.compile(r"(?<![\w.+/:-])([\w.+-]{1,64})@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})(?![\w@]|:[\w/~])")
# Every key has a run of this many letters, digits and hyphens; hardly any word or function name has one.
_RUN = b"x" * 16
_RUNS = bytes(ord("x" if byte < 128 and (chr(byte).isalnum() or byte == ord("-")) else " ") for byte in range(256))
# RFC 2606: names that belong to nobody.
_NOBODYS = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost)$", re.IGNORECASE)


def may_hold_secret(content: bytes) -> bool:
    """A quick look at a text, or at JSON that holds it: False where no key and no address can be in it."""
    return b"@" in content or b"PRIVATE KEY" in content or _RUN in content.translate(_RUNS)


def without_keys(text: str, instead: str) -> str:
    """The text with `instead` in place of everything that has the shape of a key."""
    return _KEY.sub(instead, text)


@dataclass
class _Seen:
    start: str
    """Enough to find it, not enough to use it."""
    places: Places = field(default_factory=Places)


@dataclass
class Sensitive:
    """Keys by what they are, and addresses; of each its places and the start of the first."""

    keys: dict[str, _Seen] = field(default_factory=dict)
    addresses: _Seen = field(default_factory=lambda: _Seen(""))

    def add(self, line: int, texts: Iterable[str]) -> None:
        """Take up what the texts of an example hold, each kind once."""
        found: dict[str, str] = {}
        address = ""
        for text in texts:
            if text.startswith("data:"):
                continue  # an image
            for match in _KEY.finditer(text):
                found.setdefault(_SHAPES[int(str(match.lastgroup)[1:])][0], match.group()[:4])
            if not address and "@" in text:
                address = next((_masked(each) for each in _ADDRESS.finditer(text) if not _is_nobodys(each)), "")
        for kind, start in found.items():
            self.keys.setdefault(kind, _Seen(start)).places.add(line)
        if address:
            self.addresses.start = self.addresses.start or address
            self.addresses.places.add(line)

    def merge(self, later: Sensitive, line_offset: int) -> None:
        """Take up what a later part of the same file holds, which starts behind `line_offset` lines."""
        for kind, seen in later.keys.items():
            self.keys.setdefault(kind, _Seen(seen.start)).places.merge(seen.places, line_offset)
        self.addresses.start = self.addresses.start or later.addresses.start
        self.addresses.places.merge(later.addresses.places, line_offset)

    def note(self, notes: Notes) -> None:
        for kind, seen in self.keys.items():
            notes.at(seen.places.first[0])
            notes.add("FT631", kind=kind, start=seen.start, where=seen.places)
        if self.addresses.places.count:
            notes.at(self.addresses.places.first[0])
            notes.add("FT632", start=shown(self.addresses.start), where=self.addresses.places)


def _masked(address: re.Match[str]) -> str:
    return f"{address.group(1)[:1]}…@{address.group(2)}"


def _is_nobodys(address: re.Match[str]) -> bool:
    return _NOBODYS.search(address.group(2)) is not None


# --- System messages ---------------------------------------------------------------------------------------------


_KEPT = 200
_LONG_SYSTEM_TEXT = 4096
_TEMPLATE_SHARE = 0.5


@dataclass
class Instructions:
    """What some examples begin with. `suspect` tells that a secret may be among it."""

    identity: int
    start: str
    first_line: int
    suspect: bool
    examples: int = 0


@dataclass
class Systems:
    """The distinct instructions of a file, of which the first 200 are counted one by one."""

    known: dict[str, Instructions] = field(default_factory=dict)
    """By text, or by the hash of a long one."""
    others: int = 0
    """Examples with further ones."""

    def add(self, line: int, text: str) -> Instructions:
        """Take up the instructions of an example, "" where it has none."""
        key = text if len(text) <= _LONG_SYSTEM_TEXT else str(_identity(text))
        found = self.known.get(key)
        if found is None:
            found = Instructions(
                _identity(text), text[:100], line, may_hold_secret(text.encode("utf-8", "replace"))
            )
            if len(self.known) >= _KEPT:
                self.others += 1
                return found
            self.known[key] = found
        found.examples += 1
        return found

    def merge(self, later: Systems, line_offset: int) -> None:
        """Take up the instructions of a later part of the same file, which starts behind `line_offset` lines."""
        self.others += later.others
        for key, instructions in later.known.items():
            if key in self.known:
                self.known[key].examples += instructions.examples
            elif len(self.known) >= _KEPT:
                self.others += instructions.examples
            else:
                instructions.first_line += line_offset
                self.known[key] = instructions

    def note(self, notes: Notes) -> None:
        """Say so where the instructions vary, unless half of the examples have their own: those are filled in."""
        ranked = sorted(self.known.values(), key=lambda each: (-each.examples, each.first_line))
        examples = self.others + sum(each.examples for each in ranked)
        if len(ranked) < 2 or self.others or len(ranked) > examples * _TEMPLATE_SHARE:
            return
        usual, rarer = ranked[0], ranked[1]
        texts = {id(each): text for text, each in self.known.items()}
        described = _told_apart(texts[id(usual)], texts[id(rarer)], usual, rarer)
        notes.at(min(each.first_line for each in ranked[1:]))
        notes.add(
            "FT623",
            count=len(ranked),
            usual=described[0],
            share=f"{usual.examples:,} of {examples:,} examples",
            other=described[1],
            other_share=f"{rarer.examples:,}, first on line {rarer.first_line}",
        )


def _identity(text: str) -> int:
    return digest(text.encode("utf-8", "surrogatepass"))


_SHOWN = 40
_BEFORE_DIFFERENCE = 15


def _told_apart(one: str, other: str, usual: Instructions, rarer: Instructions) -> tuple[str, str]:
    """Both texts from a little before the place where they differ; from the start where they differ soon."""
    at = _first_difference(one, other)
    if at < _SHOWN // 2 or _is_hashed(one) or _is_hashed(other):
        return _described(usual), _described(rarer)
    if one.split() == other.split():
        word = f"the same except for white space at character {at + 1}"
        return _described(usual), word
    start = at - _BEFORE_DIFFERENCE
    return f"…{shown(one[start:], _SHOWN)}", f"…{shown(other[start:], _SHOWN)}"


def _first_difference(one: str, other: str) -> int:
    """The index of the first character that is not the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (here, there) in pairs if here != there), min(len(one), len(other)))


def _is_hashed(key: str) -> bool:
    return key.isdecimal()


def _described(instructions: Instructions) -> str:
    return shown(instructions.start, _SHOWN) if instructions.start else "none at all"

"""What should not be taught to a model or sent away: keys of services, and people's e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.dataset.checking.findings import Notes, shown
from orchestrator.dataset.survey.places import Places

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
# Every key has in it a run of so many letters, digits and hyphens, and hardly any word or function name has.
_RUN = b"x" * 16
_RUNS = bytes(ord("x" if byte < 128 and (chr(byte).isalnum() or byte == ord("-")) else " ") for byte in range(256))
# RFC 2606: names that belong to nobody.
_NOBODYS = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost)$", re.IGNORECASE)


def may_hold_secret(content: bytes) -> bool:
    """A quick look at a text, or at JSON that holds it: False where no key and no address can be in it."""
    return b"@" in content or b"PRIVATE KEY" in content or _RUN in content.translate(_RUNS)


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

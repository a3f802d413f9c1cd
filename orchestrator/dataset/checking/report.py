"""What a check of one file yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.findings import Finding
from orchestrator.dataset.profile import Profile
from orchestrator.dataset.rules import RULES, Severity


@dataclass(frozen=True)
class CheckReport:
    """What a check of one file yields."""

    method: Method
    """The method asked for, or the one that the rows show."""
    examples: int
    """Lines that are not blank, good or bad."""
    findings: tuple[Finding, ...]
    """In the order of the file, then what only the whole file shows; the first 1,000 of each code, or all."""
    counts: Mapping[str, int]
    """How often each code was found, stored or not."""
    tokens: int | None
    """Tokens that one epoch trains on, or of the prompts of cases; None if there are errors."""
    survey: Profile
    """What the rows without errors hold, for statistics and for comparing files."""
    tokenizer: str | None = None
    """The open-weights model whose tokenizer counted the tokens; None for an estimate (`tokens.count_example`)."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def left_out(self) -> int:
        """Findings beyond those stored."""
        return sum(self.counts.values()) - len(self.findings)

    @property
    def ok(self) -> bool:
        """True where an endpoint would take the file; warnings do not count."""
        return self.total("error") == 0

    def total(self, severity: Severity) -> int:
        """How many findings of this severity there are, stored or not."""
        return sum(count for code, count in self.counts.items() if RULES[code].severity == severity)

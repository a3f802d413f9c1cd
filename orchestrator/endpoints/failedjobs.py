"""What to do about a fine-tuning job that failed: the reasons of services seldom name the way on."""

from __future__ import annotations

from orchestrator.endpoints.interface import JobError

_FILTER_CODES = ("contentfilter", "content_filter", "unsafe_file")
_FILTER_WORDS = ("rai check", "harm types", "content filter", "usage policies")
_FILTER_ADVICE = (
    "the service's content filter found harmful examples and does not say which: look for the named kinds in the "
    "training data, take them out, then submit again"
)


def explained(error: JobError) -> str:
    """The service's reason, with the next step where one is known."""
    reason = error.message or error.code or "no reason given"
    is_filtered = str(error.code).lower() in _FILTER_CODES or any(word in reason.lower() for word in _FILTER_WORDS)
    return f"{reason} ({_FILTER_ADVICE})" if is_filtered else reason

"""What each type of endpoint refuses of data files that are sound, as far as that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.dataset.basemodels import Method, Subject, base_model, is_version_of, trained_with
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.findings import Notes

_ALL: frozenset[Method] = frozenset({"supervised", "dpo", "reinforcement"})


@dataclass(frozen=True)
class Limits:
    """Of one type of endpoint."""

    endpoint: str
    methods: frozenset[Method] = _ALL
    images: bool = True
    """False if ftorch has it train on text only."""
    any_file_size: bool = False
    """True where no limit of a file's size is known; else 512 MiB, which the large services share."""
    most_trained_tokens: int | None = None
    """Tokens of an epoch × epochs, of one job; None where there is no limit."""


# OpenAI's API reference on files and Azure's page on quotas and limits, read in November 2026; for `local`, what
# its own server answers. Compatible hosts differ, and nothing holds for all of them.
_LIMITS: Mapping[str, Limits] = {
    "openai": Limits("openai"),
    "azure": Limits("azure", most_trained_tokens=2_000_000_000),
    "local": Limits("local", frozenset({"supervised", "dpo"}), images=False),
    "compatible": Limits("compatible", any_file_size=True),
    "nebius": Limits("nebius", frozenset({"supervised"}), images=False, any_file_size=True),
    "together": Limits("together", frozenset({"supervised", "dpo"}), images=False, any_file_size=True),
    "fireworks": Limits("fireworks", frozenset({"supervised", "dpo"}), images=False, any_file_size=True),
}
ENDPOINT_TYPES = tuple(_LIMITS)


def limits_of(endpoint_type: str) -> Limits:
    """The limits of an endpoint type of the configuration."""
    return _LIMITS[endpoint_type]


def _note_method(limits: Limits, method: Method, notes: Notes) -> None:
    """Note what the endpoint trains with instead, and the types that train with this method."""
    offered = " or ".join(sorted(limits.methods, reverse=True))
    others = ", ".join(each.endpoint for each in _LIMITS.values() if method in each.methods)
    notes.add("FT701", endpoint=limits.endpoint, method=method, offered=offered, others=others)


_BY_THE_LARGE: Mapping[str, str] = {
    "FT333": "definitions whose schema is incomplete",
    "FT334": 'definitions with "strict": true whose schema is not strict',
    "FT335": "definitions with a description that is too long",
}
# Together's page on data preparation, read in November 2026: after a system message, user and assistant alternate.
# Its SDK names the roles system, user, assistant and tool, and beside the messages only the key tools.
_REFUSED: Mapping[str, Mapping[str, str]] = {
    "openai": _BY_THE_LARGE,
    "azure": _BY_THE_LARGE,
    "together": {"FT215": "assistant messages in a row", "FT616": "functions and function_call"},
}


def beyond_limits(limits: Limits, report: CheckReport, model: str | None, epochs: int) -> Notes:
    """What an endpoint refuses of a file that is sound, or is not known to train `model` with."""
    notes = Notes()
    if report.method not in limits.methods:
        _note_method(limits, report.method, notes)
    _note_refusals(limits.endpoint, report, notes)
    _note_developers(limits.endpoint, report, notes)
    _note_untrained(model, limits, report, notes)
    tokens, most = report.tokens, limits.most_trained_tokens
    if report.survey.purpose == "training" and tokens and most and tokens * epochs > most:
        notes.add("FT702", endpoint=limits.endpoint, tokens=tokens, epochs=epochs, limit=most)
    return notes


def _note_refusals(endpoint: str, report: CheckReport, notes: Notes) -> None:
    """What one service refuses, and other hosts may take."""
    for code, problem in _REFUSED.get(endpoint, {}).items():
        if count := report.counts.get(code):
            first = next(finding for finding in report.findings if finding.code == code)
            notes.at(first.line)
            notes.add("FT703", endpoint=endpoint, problem=f"{problem} ({count}, see {code})", advice=first.fix)
    images = report.survey.answers.with_images
    if endpoint == "openai" and report.method == "dpo" and images.count:
        notes.at(images.first[0])
        problem = f"preference data with images, found in {images.count:,} example(s): {images}"
        notes.add("FT703", endpoint=endpoint, problem=problem, advice="Leave the images out, or train supervised.")


def _note_developers(endpoint: str, report: CheckReport, notes: Notes) -> None:
    """Note messages of the role developer where there is no such role."""
    found = report.survey.answers.developers
    if endpoint == "together" and found.count:
        notes.at(found.first[0])
        problem = f"messages of the role developer, found in {found.count:,} example(s): {found}"
        notes.add("FT703", endpoint=endpoint, problem=problem, advice="Write system in place of developer.")


def _note_untrained(model: str | None, limits: Limits, report: CheckReport, notes: Notes) -> None:
    """Note a model that the endpoint does not train with the method, or with images."""
    images, endpoint = report.survey.answers.with_images, limits.endpoint
    if not limits.images and images.count:
        notes.at(images.first[0])
        other = f"on images, found in {images.count:,} example(s): {images}"
        notes.add(
            "FT704", endpoint=endpoint, what="on text only with ftorch", other=other, advice="Leave the images out"
        )
    subjects: list[Subject] = [report.method]
    if images.count and report.method != "dpo":
        subjects.append("images")
    for subject in subjects:
        families = trained_with(endpoint, subject)
        if model is None or families is None:
            continue
        if not any(is_version_of(base_model(model), family) for family in families):
            notes.at(None)
            models = " and ".join(filter(None, (", ".join(families[:-1]), families[-1])))
            what = f"{models} with {subject} (as far as is known, November 2026)"
            choice = families[0] if len(families) == 1 else "one of these"
            advice = f"Set the model to {choice}, in the job file or with --model"
            notes.add("FT704", endpoint=endpoint, what=what, other=model, advice=advice)

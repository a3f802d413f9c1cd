"""JUnit XML, the form in which CI systems read results: `evaluate --junit`.

The elements and attributes are those of `junit-10.xsd`, which Jenkins' xUnit plugin checks:
https://github.com/jenkinsci/xunit-plugin/tree/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from os import path as paths
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from orchestrator.dataset.files import new_files
from orchestrator.evaluation.gate import failures
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.scores import ScoredAnswer, SeriesKey
from orchestrator.evaluation.wronganswers import WrongAnswer, WrongAnswers
from orchestrator.jobfile import Gate
from orchestrator.reports.text import printable

IN_FULL = 1000
"""Wrong answers of a model that are given in full; the others are given by their first error."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a case is not met."""

    kind: str
    message: str
    """One line."""
    text: str = ""
    """Any number of lines."""
    is_error: bool = False
    """The case could not be judged, such as a request without an answer."""


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One thing that is met or not."""

    name: str
    classname: str
    """CI systems group by it, and recognize a case by it and the name: neither may change from run to run."""
    seconds: float | None = None
    problem: Problem | None = None


@dataclass(frozen=True)
class JUnitSuite:
    """Cases that belong together. `cases` is called twice, to count and to write: no suite is held in memory."""

    name: str
    cases: Callable[[], Iterable[JUnitCase]]
    properties: Mapping[str, str] = field(default_factory=dict)
    created_at: float | None = None
    file: str = ""


def write_junit(suites: Sequence[JUnitSuite], path: Path, *, name: str = "ftorch evaluate") -> None:
    """Write the suites to a file, which replaces an older one. Raises OutputUnwritable."""
    counts = [_Counts.of(suite.cases()) for suite in suites]
    with new_files([path], replace=True) as [stream]:
        stream.write(b'<?xml version="1.0" encoding="utf-8"?>\n')
        stream.write(_opening("testsuites", {"name": name, **sum(counts, _Counts()).attributes(has_skipped=False)}))
        for suite, counted in zip(suites, counts, strict=True):
            _write_suite(suite, counted, stream)
        stream.write(b"</testsuites>\n")


def evaluation_suites(
    results: Results,
    scored: Callable[[SeriesKey], Iterable[ScoredAnswer]],
    wrong: Sequence[WrongAnswers],
    root: Path,
    *,
    gate: Gate | None = None,
    name: str | None = None,
) -> list[JUnitSuite]:
    """A suite for each model in `wrong`, with a case for each answer, and one for the gate.

    `scored` reads the answers of a model in a variant. The file of cases is named as a path from `root`, or by its
    name alone. `name` replaces the evaluation's in the names of suites and cases.
    """
    head = name or results.evaluation.name
    file = _place(results.evaluation.file_path, root)
    suites = [_model_suite(results, each, scored, head, file) for each in wrong]
    return [*suites, *([_gate_suite(gate, results, head)] if gate else [])]


# --- The suites of an evaluation ------------------------------------------------------------------------------


def _model_suite(
    results: Results,
    wrong: WrongAnswers,
    scored: Callable[[SeriesKey], Iterable[ScoredAnswer]],
    head: str,
    file: str,
) -> JUnitSuite:
    series, samples = wrong.series, int(results.evaluation.settings["samples"])
    who = f"{series.label} ({series.variant})"
    in_full = {(each.case, each.sample): each for each in wrong.answers}

    def cases() -> Iterator[JUnitCase]:
        for each in scored(series.key):
            number = f" (sample {each.sample + 1})" if samples > 1 else ""
            problem = _problem(each, in_full.get((each.id, each.sample)), file)
            yield JUnitCase(f"{each.id}{number}", classname(head, who), each.answer.seconds, problem)

    properties = _properties(results, series)
    return JUnitSuite(f"{head}: {who}", cases, properties, results.evaluation.created_at, file)


def classname(head: str, who: str) -> str:
    """Jenkins takes what precedes the last full stop as the name of a package, so there is one full stop."""
    return f"{head.replace('.', '_')}.{who.replace('.', '_')}"


def _problem(scored: ScoredAnswer, wrong: WrongAnswer | None, file: str) -> Problem | None:
    verdict = scored.verdict
    if verdict.right():
        return None
    message = str(verdict.difference)
    place = f"{file}:{scored.line}"
    if verdict.is_api_error:
        return Problem("no answer", message, place, is_error=True)
    kind = verdict.difference.mistake.replace("_", " ") if verdict.difference else "wrong"
    if wrong is None:
        return Problem(kind, message, f"{place}\nrequest: {scored.request}\nreason: {message}")
    if wrong.base_was_right:
        message += " (the base was right)"
    lines = (place, f"request: {wrong.request}", f"expected: {wrong.expected}", f"got: {wrong.got}")
    return Problem(kind, message, "\n".join((*lines, f"reason: {wrong.reason}")))


def _properties(results: Results, series: Series) -> dict[str, str]:
    found = results.evaluation
    known = {
        "model": series.model,
        "variant": series.variant,
        "endpoint": found.endpoint,
        "evaluation": found.id,
        "run": found.run_id or "",
        "file_sha256": found.file_sha256,
        "rehearsal": str(found.is_rehearsal).lower(),
        **dict(_metrics(series, "")),
    }
    base = next((each for each in results.series if each.is_base and each.variant == series.variant), None)
    if base is not None and base is not series:
        known |= {"base_model": base.model, **dict(_metrics(base, "base_"))}
    return known


def _metrics(series: Series, prefix: str) -> Iterator[tuple[str, str]]:
    """Each metric that cases count for, with its 95 % interval."""
    for name, measure in METRICS.items():
        share = measure.of(series.all)
        if share.interval is not None:
            yield f"{prefix}{name}", f"{share.interval.value:.4f}"
            yield f"{prefix}{name}_ci95", f"{share.interval.low:.4f} to {share.interval.high:.4f}"
            yield f"{prefix}{name}_cases", str(share.count)
    if series.all.arguments.f1 is not None:
        yield f"{prefix}argument_f1", f"{series.all.arguments.f1:.4f}"


def _gate_suite(gate: Gate, results: Results, head: str) -> JUnitSuite:
    problems = failures(gate, results)
    found = Problem("gate not met", problems[0], "\n".join(problems)) if problems else None
    case = JUnitCase(f"gate: {gate.metric}", classname(head, "gate"), None, found)
    return JUnitSuite(f"{head}: gate", lambda: [case], created_at=results.evaluation.created_at)


def _place(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else paths.basename(path)


# --- XML ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counts:
    tests: int = 0
    failures: int = 0
    errors: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, cases: Iterable[JUnitCase]) -> _Counts:
        return sum(map(_count, cases), cls())

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(
            self.tests + other.tests,
            self.failures + other.failures,
            self.errors + other.errors,
            self.seconds + other.seconds,
        )

    def attributes(self, *, has_skipped: bool = True) -> dict[str, str]:
        """The schema has `skipped` for a suite only."""
        counts = {"tests": self.tests, "failures": self.failures, "errors": self.errors}
        counts |= {"skipped": 0} if has_skipped else {}
        return {**{key: str(value) for key, value in counts.items()}, "time": _seconds(self.seconds)}


def _count(case: JUnitCase) -> _Counts:
    problem = case.problem
    is_error = problem is not None and problem.is_error
    return _Counts(1, int(problem is not None and not is_error), int(is_error), case.seconds or 0.0)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _write_suite(suite: JUnitSuite, counts: _Counts, stream: BinaryIO) -> None:
    stream.write(_opening("testsuite", {"name": suite.name, **counts.attributes(), **_origin(suite)}))
    properties = Element("properties")
    for name, value in suite.properties.items():
        SubElement(properties, "property", {"name": _allowed(name), "value": _allowed(value)})
    for element in chain([properties] if suite.properties else [], map(_case_element, suite.cases())):
        stream.write(_written(element) + b"\n")
    stream.write(b"</testsuite>\n")


def _origin(suite: JUnitSuite) -> dict[str, str]:
    """The schemas know no zone: the time is in UTC."""
    known = {}
    if suite.created_at is not None:
        known["timestamp"] = datetime.fromtimestamp(suite.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if suite.file:
        known["file"] = suite.file
    return known


def _case_element(case: JUnitCase) -> Element:
    attributes = {"name": _allowed(case.name), "classname": _allowed(case.classname)}
    element = Element("testcase", {**attributes, "time": _seconds(case.seconds or 0.0)})
    if (problem := case.problem) is not None:
        tag = "error" if problem.is_error else "failure"
        told = {"type": _allowed(problem.kind), "message": _allowed(problem.message)}
        SubElement(element, tag, told).text = "\n".join(map(_allowed, problem.text.split("\n")))
    return element


def _opening(tag: str, attributes: Mapping[str, str]) -> bytes:
    """The start tag of an element whose children are written one by one."""
    element = Element(tag, {key: _allowed(value) for key, value in attributes.items()})
    element.text = "\n"
    return _written(element).removesuffix(f"</{tag}>".encode())


def _written(element: Element) -> bytes:
    indent(element)
    text: str = tostring(element, "unicode")
    return text.encode()


_NO_CHARACTERS = {0xFFFE: " ", 0xFFFF: " "}


def _allowed(text: str) -> str:
    """The text on one line without what XML 1.0 forbids (section 2.2): controls, half surrogates, U+FFFE, U+FFFF.

    Invisible format characters go too: a report must not show one thing and say another.
    """
    return printable(text).translate(_NO_CHARACTERS)

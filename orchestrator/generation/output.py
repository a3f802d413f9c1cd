"""Write the training, validation and evaluation rows, and the provenance of each line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

from orchestrator.dataset.files import new_files
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.profile.answers import TEMPLATE
from orchestrator.dataset.profile.fingerprints import json_text
from orchestrator.dataset.split import assign_parts
from orchestrator.errors import AppendedFileChanged
from orchestrator.generation.calls import Drop, Kind, Written
from orchestrator.generation.examples import Writer
from orchestrator.generation.spec import Outputs, Spec
from orchestrator.generation.words import PROMPTS
from orchestrator.store.generations import Spent

_HEAD = b'{"generation":'
"""The start of the line about a whole generation."""


@dataclass(frozen=True)
class Made:
    """An example and the origin of its request."""

    written: Written
    words: str
    """The writer: the teacher's model, or TEMPLATE."""
    attempt: int = 1
    request_sha256: str = ""


@dataclass(frozen=True)
class Summary:
    """What was written."""

    lines: Mapping[str, int]
    """New lines by part: "training", "validation", "evaluation"."""
    kinds: Mapping[str, int]
    drops: Mapping[str, int]
    """Dropped requests by reason."""
    unmade: int
    """Targets without a request."""
    sha256: str
    """The check of the training file."""


def write_outputs(
    spec: Spec,
    made: Sequence[Made],
    drops: Sequence[Drop],
    unmade: int,
    spent: Spent | None,
    *,
    written_sha256: str | None = None,
) -> Summary:
    """Write all files, or none. The same examples give the same bytes.

    A file that this generation wrote before is replaced; `written_sha256` is the hash of its training file. Raises
    OutputExists, OutputUnwritable, and AppendedFileChanged if rows are appended to a file that has changed.
    """
    outputs = spec.outputs
    parts = _parts(made, spec)
    paths = {"training": outputs.training, "validation": outputs.validation, "evaluation": outputs.evaluation}
    wanted = {part: path for part, path in paths.items() if path is not None}
    is_ours = is_own(spec, written_sha256)
    if outputs.append_bytes is not None:
        _require_unchanged(outputs, is_ours)
    replace = outputs.replace or outputs.append_bytes is not None or is_ours
    dropped = Counter(drop.reason for drop in drops)
    earlier = _earlier(spec) if outputs.append_bytes is not None else b""
    # Provenance comes first, so after a kill in between the generation recognises its file.
    with _appended(outputs) as kept, new_files([outputs.provenance, *wanted.values()], replace=replace) as streams:
        targets = dict(zip(wanted, streams[1:], strict=True))
        first = _keep(kept, targets["training"], outputs)
        digests = _write_rows(made, parts, targets, _writer(spec, made), first)
        head = {**_head(spec, Counter(parts), dropped, unmade, spent), "sha256": digests}
        streams[0].write(earlier)
        _write_provenance(streams[0], head, made, parts, drops, first.lines)
    kinds = Counter(each.written.target.kind.value for each in made)
    return Summary(Counter(parts), kinds, dropped, unmade, digests["training"])


def _writer(spec: Spec, made: Sequence[Made]) -> Writer:
    is_marked = any(each.words == TEMPLATE for each in made)
    return Writer(spec.functions, spec.settings, is_marked=is_marked)


def is_own(spec: Spec, written_sha256: str | None) -> bool:
    """Whether the existing files were written by this generation and have not changed since."""
    outputs = spec.outputs
    noted = head_of(outputs.provenance, spec)
    hashes = noted.get("sha256", {})
    paths = {"training": outputs.training, "validation": outputs.validation, "evaluation": outputs.evaluation}
    for part, path in paths.items():
        if path is None or not path.exists():
            continue
        known = {hashes.get(part), written_sha256 if part == "training" else None} - {None}
        if sha256_of(path) not in known:
            return False
    return bool(noted) or written_sha256 is not None


def sha256_of(path: Path) -> str:
    """The SHA-256 of any file, including an empty one."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _require_unchanged(outputs: Outputs, is_ours: bool) -> None:
    """Check that the existing file is the one to append to, or was written by this generation. Raises
    AppendedFileChanged."""
    path = outputs.training
    is_there = path.exists() and (is_ours or sha256_of(path) == outputs.append_sha256)
    if not is_there:
        raise AppendedFileChanged(path=path)


def _earlier(spec: Spec) -> bytes:
    """The provenance lines of the earlier rows."""
    kept: list[bytes] = []
    try:
        with spec.outputs.provenance.open("rb") as source:
            for line in source:
                if line.startswith(_HEAD) and _is_head_of(line, spec):
                    break
                kept.append(line)
    except OSError:
        pass
    return b"".join(kept)


def _is_head_of(line: bytes, spec: Spec) -> bool:
    try:
        head = parse_json(line)
    except NotJson:
        return False
    return isinstance(head, Mapping) and head.get("generation") == spec.fingerprint[:16]


def head_of(provenance: Path, spec: Spec) -> Mapping[str, Any]:
    """This generation's entry in the provenance file; {} without one."""
    try:
        with provenance.open("rb") as source:
            heads = [line for line in source if line.startswith(_HEAD) and _is_head_of(line, spec)]
    except OSError:
        return {}
    found: Mapping[str, Any] = parse_json(heads[-1]) if heads else {}
    return found


@dataclass
class _Kept:
    """The earlier rows."""

    lines: int
    digest: Any


def _appended(outputs: Outputs) -> AbstractContextManager[BinaryIO | None]:
    if outputs.append_bytes is None or not outputs.append_bytes:
        return nullcontext(None)
    return outputs.training.open("rb")


def _keep(source: BinaryIO | None, target: BinaryIO, outputs: Outputs) -> _Kept:
    """Copy the earlier rows."""
    digest, lines, left, last = hashlib.sha256(), 0, outputs.append_bytes or 0, b"\n"
    while source is not None and left:
        block = source.read(min(left, 1 << 20))
        if not block:
            raise AppendedFileChanged(path=outputs.training)
        digest.update(block)
        target.write(block)
        lines += block.count(b"\n")
        left -= len(block)
        last = block[-1:]
    if source is not None and digest.hexdigest() != outputs.append_sha256:
        raise AppendedFileChanged(path=outputs.training)
    if last != b"\n":
        target.write(b"\n")
        digest.update(b"\n")
        lines += 1
    return _Kept(lines, digest)


def _parts(made: Sequence[Made], spec: Spec) -> list[str]:
    """The part of each example: a cell stays in one part, and each function keeps training examples."""
    shares = {"evaluation": spec.settings.evaluation, "validation": spec.settings.validation}
    if not any(shares.values()):
        return ["training"] * len(made)
    clusters: dict[str, list[int]] = {}
    for index, each in enumerate(made):
        clusters.setdefault(each.written.target.cell, []).append(index)
    answers = [_answer(each.written) for each in made]
    return list(assign_parts(clusters.values(), answers, shares, Random(spec.settings.seed)))  # type: ignore[arg-type]


def _answer(written: Written) -> str:
    """The key by which parts are balanced."""
    target = written.target
    names = " + ".join(sorted(call.name for call in target.calls))
    return names if target.kind == Kind.CALL else target.kind.value


def _write_rows(
    made: Sequence[Made], parts: Sequence[str], targets: Mapping[str, BinaryIO], writer: Writer, first: _Kept
) -> dict[str, str]:
    """Returns the SHA-256 of each file."""
    digests = {part: first.digest if part == "training" else hashlib.sha256() for part in targets}
    for each, part in zip(made, parts, strict=True):
        line = writer.case(each.written) if part == "evaluation" else writer.row(each.written)
        targets[part].write(line)
        digests[part].update(line)
    return {part: digest.hexdigest() for part, digest in digests.items()}


def _write_provenance(
    target: BinaryIO,
    head: Mapping[str, Any],
    made: Sequence[Made],
    parts: Sequence[str],
    drops: Iterable[Drop],
    first: int,
) -> None:
    for entry in chain([head], _lines(made, parts, first), map(_dropped, drops)):
        target.write(json_text(entry) + b"\n")


def _lines(made: Sequence[Made], parts: Sequence[str], first: int) -> Iterator[dict[str, Any]]:
    numbers = Counter({"training": first})
    for each, part in zip(made, parts, strict=True):
        numbers[part] += 1
        target = each.written.target
        entry = {
            "file": part,
            "line": numbers[part],
            "target": target.id,
            "cell": target.cell,
            "kind": target.kind.value,
            "style": target.style.value,
            "language": target.language,
            "words": each.words,
            "attempt": each.attempt,
        }
        yield entry | ({"request_sha256": each.request_sha256} if each.request_sha256 else {})


def _dropped(drop: Drop) -> dict[str, Any]:
    return {"dropped": drop.target, "reason": drop.reason, "detail": drop.detail, "text": drop.text}


def _head(
    spec: Spec, lines: Mapping[str, int], drops: Mapping[str, int], unmade: int, spent: Spent | None
) -> dict[str, Any]:
    """The first line of the provenance file: facts about all lines."""
    settings = spec.settings.model_dump(exclude={"max_cost_usd", "max_concurrency"})
    return {
        "generation": spec.fingerprint[:16],
        "tools": {"origin": spec.origin, "sha256": spec.tools_sha256, "functions": len(spec.functions)},
        "teacher": spec.settings.model,
        "verifier": (spec.settings.verifier or spec.settings.model) if spec.settings.verify else None,
        "endpoint": spec.endpoint or None,
        "prompts": PROMPTS if spec.endpoint else None,
        "seed": spec.settings.seed,
        "settings": settings,
        "lines": dict(lines),
        "dropped": dict(drops),
        "without_words": unmade,
        "requests": spent.requests if spent else 0,
        "cost_usd": round(spent.usd, 6) if spent else 0.0,
    }

"""The model card of an exported model: what it is, how it was trained and measured, and how to load it.

The front matter follows https://huggingface.co/docs/hub/model-cards. Nothing in a card is a path of this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from orchestrator.api.export import Export
from orchestrator.endpoints.localweights import Adapter
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.jobfile.addresses import place_of
from orchestrator.reports.comparison import share
from orchestrator.reports.modelloading import loading_section
from orchestrator.reports.text import plural, printable

UNKNOWN_LICENSE = "unknown"


def model_card(export: Export, *, merged: bool = False) -> str:
    """The README.md of the adapter, or of the merged weights, in Markdown."""
    sections = [
        _heading(export, merged=merged),
        _training(export),
        _evaluation(export),
        loading_section(export, merged=merged),
        _untried(export, merged=merged),
    ]
    return "\n\n".join([_front_matter(export, merged=merged), *sections]) + "\n"


def _front_matter(export: Export, *, merged: bool) -> str:
    import yaml

    base, found = export.base, export.base.license
    facts: dict[str, Any] = {
        "base_model": base.hub_id or base.name,
        "base_model_relation": "finetune" if merged else "adapter",
        "library_name": "transformers" if merged else "peft",
        "pipeline_tag": "text-generation",
        "license": found.id if found else UNKNOWN_LICENSE,
        **({"license_name": found.name} if found and found.name else {}),
        **({"license_link": found.link} if found and found.link else {}),
        "tags": ["ftorch", "function-calling", *([] if merged else ["lora"])],
    }
    text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---"


def _heading(export: Export, *, merged: bool) -> str:
    base, model = export.base, export.model
    name = export.run.name if export.run else model.name
    what = "with a LoRA adapter merged into it" if merged else "as a LoRA adapter"
    version = metadata.version("ftorch")
    day = datetime.fromtimestamp(model.created_at, UTC).date()
    lines = [
        f"# {_plain(name)}",
        f"{_code(base.hub_id or base.name)}, fine-tuned {what}, on {day}, with ftorch {version}.",
    ]
    if base.hub_id is None:
        lines.append(
            f"{_code(base.name)} is the name that the base model had where it was trained. It may not be an id on "
            "the Hugging Face Hub."
        )
    lines.append(_license(export))
    return "\n\n".join(lines)


def _license(export: Export) -> str:
    found = export.base.license
    if found is None:
        return (
            "License: unknown. The base model's folder names none; check the base model before you share this one."
        )
    more = "".join(f" ({_plain(each)})" for each in (found.name, found.link) if each)
    return f"License of the base model: {_plain(found.id)}{more}, by its {_code(found.source)}."


# --- Training ----------------------------------------------------------------------------------------------------


def _training(export: Export) -> str:
    adapter, model = export.adapter, export.model
    facts = [
        ("model id", _code(model.name)),
        ("trained from", _code(model.parent) if model.parent else "the base model"),
        ("base model", f"{_code(export.base.name)}, fingerprint {_code(adapter.fingerprint)}"),
        ("revision", _code(export.base.revision) if export.base.revision else ""),
        ("method", _plain(model.method)),
        *_files(export),
        ("steps", "" if adapter.step is None else f"{adapter.step:,}"),
        *((name, _code(_listed(value))) for name, value in _hyperparameters(adapter) if value is not None),
        ("seed", str(adapter.seed)),
        ("chat template", _template(adapter.template)),
    ]
    rows = [f"| {_plain(name)} | {value} |" for name, value in facts if value]
    return "\n".join(["## Training", "", "| | |", "|---|---|", *rows])


def _files(export: Export) -> Iterator[tuple[str, str]]:
    run, model = export.run, export.model
    sha256 = export.adapter.training_sha256 or (run.training_sha256 if run else None)
    examples = f", {plural(run.examples, 'example')}" if run and run.examples else ""
    yield "training data", _file(run.training_path if run else None, model.training_file, sha256) + examples
    if model.validation_file or (run and run.validation_path):
        validation = run.validation_sha256 if run else None
        yield "validation data", _file(run.validation_path if run else None, model.validation_file, validation)


def _file(path: str | None, uploaded: str | None, sha256: str | None) -> str:
    """The file's name without its folder, which may say who trained it."""
    name = place_of(path).name if path else uploaded
    digest = f"SHA-256 {_code(sha256)}" if sha256 else "of unknown content"
    return f"{_code(name)}, {digest}" if name else digest


def _hyperparameters(adapter: Adapter) -> Iterable[tuple[str, Any]]:
    """Those of the job. An adapter that was continued kept its rank and alpha, whatever the job says."""
    kept = {"lora_rank": adapter.config.get("r"), "lora_alpha": adapter.config.get("lora_alpha")}
    return {**adapter.hyperparameters, **{name: value for name, value in kept.items() if value is not None}}.items()


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _template(facts: Mapping[str, Any]) -> str:
    sha256 = facts.get("sha256")
    source = _plain(str(facts.get("source") or "")).replace("|", "\\|")
    return ", ".join(part for part in (source, f"SHA-256 {_code(sha256)}" if sha256 else "") if part)


# --- Evaluation --------------------------------------------------------------------------------------------------


def _evaluation(export: Export) -> str:
    if not export.results:
        return "## Evaluation\n\nNo evaluation of this model is recorded."
    method = (
        "Each figure counts the cases that meet the metric, of those that it applies to, then gives their share "
        "with its Wilson 95 % CI. A difference has its paired bootstrap 95 % CI, in points. ftorch served the "
        "models. By default it holds tool calls to the schemas of the tools, so with other servers the figures may "
        "be lower."
    )
    tables = [part for results in export.results for part in _tables(results, export.model.name)]
    return "\n\n".join(["## Evaluation", method, *tables])


def _tables(results: Results, model: str) -> Iterator[str]:
    found = results.evaluation
    asked = f", each asked {found.settings['samples']} times" if found.settings["samples"] > 1 else ""
    day = datetime.fromtimestamp(found.created_at, UTC).date()
    for series in (each for each in results.series if each.model == model):
        definitions = "" if series.variant == "full" else f", with the tool definitions {_plain(series.variant)}"
        yield (
            f"{_code(Path(found.file_path).name)}, {plural(results.cases, 'case')}{asked}{definitions}, "
            f"on {day}, SHA-256 {_code(found.file_sha256)}:"
        )
        bases = [each for each in results.series if each.is_base and each.variant == series.variant]
        compared = [each for each in results.comparisons if (each.model, each.variant) == (model, series.variant)]
        yield _table(series, bases, compared)


def _table(series: Series, bases: Sequence[Series], compared: Sequence[MetricComparison]) -> str:
    heads = ["metric", *("base" for _ in bases), _plain(series.label if len(series.label) < 20 else "tuned")]
    differences = {each.measure: _difference(each) for each in compared}
    rows = [[*heads, *(["difference"] if differences else [])]]
    rows.append(["---"] * len(rows[0]))
    for name, measure in METRICS.items():
        values = [share(measure.of(each.all)) for each in (*bases, series)]
        if measure.in_tables and any(value != "–" for value in values):
            rows.append([measure.title, *values, *([differences.get(name, "")] if differences else [])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _difference(each: MetricComparison) -> str:
    interval = each.comparison.difference
    if interval is None:
        return ""
    if not each.has_changes:
        return "no case changed"
    points = f"{interval.value * 100:+.0f} ({interval.low * 100:+.0f} to {interval.high * 100:+.0f})"
    return points if each.is_established else f"{points}, not established"


# --- What is unknown ---------------------------------------------------------------------------------------------


def _untried(export: Export, *, merged: bool) -> str:
    found = [*_unmeasured(export)]
    if merged:
        found.append(
            "The evaluated model had its adapter beside the base model. Merging rounds the sums to the precision "
            "of the base model, so some answers may differ."
        )
    if export.adapter.hyperparameters.get("quantization") == "nf4":
        found.append("The adapter was trained on a base model quantized to NF4. Without that, answers may differ.")
    found.append("The vLLM command above follows vLLM's documentation and was not run when this card was written.")
    return "\n".join(["## Not tried", "", *(f"- {each}" for each in found)])


def _unmeasured(export: Export) -> Iterator[str]:
    if export.results:
        yield "Only the cases above were asked. Other tools, other kinds of requests and other languages were not."
    else:
        yield "How well it answers was not measured."
    yield (
        "Safety, bias, and what the base model could do beyond the training data were not measured. Fine-tuning "
        "can change all three."
    )


# --- Text --------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    return printable(text)


def _code(text: str) -> str:
    """The text between backquotes, in which Markdown has no meaning; a bar would end a table's cell."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"

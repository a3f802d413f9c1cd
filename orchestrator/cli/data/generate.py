"""`data generate` and `data augment`: training data made from function definitions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.evaluationoptions import parse_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.generation.outcome import Outcome
    from orchestrator.generation.spec import Spec

_STYLES = ("direct", "indirect", "terse", "polite", "typo", "language", "units", "distractors")
_SETTINGS = (
    *(
        "model",
        "endpoint",
        "verifier",
        "per_call",
        "per_function",
        "reject",
        "missing",
        "parallel",
        "turns",
        "full_up_to",
    ),
    *("styles", "languages", "language", "system", "rejection_tool", "when_missing", "seed", "attempts"),
    *("temperature", "max_concurrency", "max_cost_usd", "validation", "evaluation", "against"),
)


def _teacher_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--model", metavar="NAME", help="Let this model (the teacher) write the requests."),
            click.option(
                "--endpoint",
                metavar="NAME",
                shell_complete=complete_endpoint,
                help="The teacher's endpoint.",
            ),
            click.option(
                "--verifier", metavar="NAME", help="Check each request with this model.  [default: the teacher]"
            ),
            click.option("--no-verify", is_flag=True, help="Skip the check in which a model answers each request."),
            click.option(
                "--max-cost-usd",
                type=click.FloatRange(min=0, min_open=True),
                metavar="USD",
                help="Stop before the cost exceeds this amount.",
            ),
            click.option(
                "--batch", is_flag=True, help="Ask through the Batch API: half the price, answered within a day."
            ),
            click.option(
                "--offline", is_flag=True, help="Ask no model: write requests from templates, and mark each row."
            ),
            click.option(
                "--attempts",
                type=click.IntRange(1, 10),
                metavar="N",
                help="Try this many times to get a request that passes its checks.",
            ),
            click.option(
                "--temperature", type=click.FloatRange(0, 2), metavar="T", help="Set the teacher's temperature."
            ),
            click.option(
                "--max-concurrency",
                type=click.IntRange(1, 500),
                metavar="N",
                help="Send this many requests at the same time.",
            ),
            click.option(
                "--plain-json", is_flag=True, help="Do not ask for structured output, which some hosts refuse."
            ),
        )
    ):
        command = option(command)
    return command


def _output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option(
                "--seed", type=click.IntRange(0), metavar="N", help="Draw values and styles from this seed."
            ),
            click.option(
                "--against",
                metavar="FILE",
                multiple=True,
                help="Drop requests that are in this file, such as an evaluation file (repeatable).",
            ),
            click.option("--append", is_flag=True, help="Add to OUT if it exists."),
            click.option("--force", is_flag=True, help="Replace OUT and the files written with it."),
            click.option(
                "--replace", is_flag=True, help="Cancel an unfinished generation of OUT with other settings."
            ),
            click.option("--dry-run", is_flag=True, help="Print the plan; ask no model and write nothing."),
            click.option("--yes", is_flag=True, help="Do not ask before anything that may cost money."),
            click.option(
                "--json", "as_json", is_flag=True, help="Print the plan, or the result, as a JSON object."
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("source", metavar="TOOLS|JOBFILE")
@click.option(
    "-o", "--output", metavar="OUT", type=click.Path(path_type=Path), help="Write the training data to this file."
)
@click.option(
    "--per-call",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Write this many requests for each call.  [default: 2]",
)
@click.option(
    "--per-function",
    type=click.IntRange(0),
    metavar="N",
    help="Write at least this many requests for each function.  [default: 6]",
)
@click.option(
    "--reject",
    type=click.IntRange(0),
    metavar="N",
    help="Write this many requests to reject.  [default: 15 % of the others]",
)
@click.option(
    "--missing", type=click.IntRange(0), metavar="N", help="Write this many requests that lack a required value."
)
@click.option(
    "--parallel",
    type=click.IntRange(0),
    metavar="N",
    help="Write requests for this many combinations of functions.",
)
@click.option("--turns", type=click.IntRange(0), metavar="N", help="Write this many conversations of two requests.")
@click.option(
    "--full-up-to",
    type=click.IntRange(1),
    metavar="N",
    help="Make all calls of a function that has this many or fewer.  [default: 64]",
)
@click.option("--styles", type=parse_names, metavar="NAME,…", help=f"Write in these styles: {', '.join(_STYLES)}.")
@click.option("--language", metavar="CODE", help="Write the requests in this language, such as en or de.")
@click.option(
    "--languages", type=parse_names, metavar="CODE,…", help='Use these languages for the style "language".'
)
@click.option("--system", metavar="TEXT", help="Give every example this system message.")
@click.option("--rejection-tool", metavar="NAME", help="Reject requests by calling this function.")
@click.option(
    "--when-missing", type=click.Choice(["ask", "reject"]), help="Answer a request that lacks a value this way."
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="SHARE",
    help="Put this share into a validation file.",
)
@click.option(
    "--evaluation",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="SHARE",
    help="Put this share into an evaluation file.",
)
@_teacher_options
@_output_options
def generate(source: str, output: Path | None, **given: Any) -> None:
    """Make training data from function definitions.

    \b
    TOOLS is a JSON or YAML file of tool definitions, an OpenAPI document, Python
    functions (FILE.py, package.module:function), or a training file with tools.
    A JOBFILE names them under [generate].

    \b
    First the plan shows the calls that the functions allow, and the cost. Values
    come from code. The teacher writes the requests. Each is checked against its
    answer, then sent to a model that sees only the request and the tools. After
    Ctrl-C or a crash, the same command or ftorch resume continues: no answer is
    paid for twice.

    \b
    ftorch data generate tools.json -o train.jsonl --model gpt-4.1 \\
        --endpoint openai --reject 40 --max-cost-usd 5
    ftorch data generate tools.json -o draft.jsonl --offline
    """
    _run(lambda: _spec(source, output, given), given)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    required=True,
    help="Write the examples to this file.",
)
@click.option(
    "--from-failures",
    "evaluation_id",
    metavar="EVALUATION",
    required=True,
    help="Read wrong answers from this evaluation: its id, or a job file's name.",
)
@click.option(
    "--of",
    "failed_model",
    metavar="MODEL",
    help="Use the wrong answers of this model.  [default: the tuned model]",
)
@click.option(
    "--per-case",
    "per_call",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Make this many examples for each failed case.  [default: 2]",
)
@_teacher_options
@_output_options
def augment(file: Path, output: Path, evaluation_id: str, failed_model: str | None, **given: Any) -> None:
    """Make examples like the cases that a model got wrong.

    \b
    The cases themselves are never used. FILE is the training file: its tools are
    used, and its requests are not repeated. Each failed case gives examples of
    the same function and the same kind of arguments, with other values. Requests
    are written as in `data generate`.

    \b
    ftorch data augment train.jsonl --from-failures drone -o more.jsonl --offline
    """
    from orchestrator.generation.augmenting import failures_spec
    from orchestrator.ledger import open_ledger

    def spec() -> Spec:
        base = _spec(str(file), output, {**given, "against": (*given["against"], str(file))})
        with open_ledger(None, create=False) as ledger:
            return failures_spec(ledger, base, evaluation_id, failed_model)

    _run(spec, given)


def _run(make_spec: Callable[[], Spec], given: dict[str, Any]) -> None:
    from orchestrator.api.generation import generate as carry_out, generate_offline, plan
    from orchestrator.cli.terminal import terminal
    from orchestrator.ledger import open_ledger

    spec = make_spec()
    with terminal(yes=given["yes"]) as host:
        if given["offline"]:
            planned = plan(None, spec)
            if given["dry_run"]:
                _show_plan(planned, given["as_json"])
                return
            _require_free(_sheet(spec), given["force"])
            outcome = generate_offline(planned, host)
            if outcome.examples:
                _write_sheet(spec, given["force"])
            _show(outcome, given["as_json"])
            return
        with open_ledger(spec.outputs.training.parent, create=not given["dry_run"]) as ledger:
            planned = plan(ledger, spec)
            if given["dry_run"]:
                _show_plan(planned, given["as_json"])
                return
            _show(carry_out(ledger, planned, host, replace_other=given["replace"]), given["as_json"])


def _sheet(spec: Spec) -> Path:
    """The sheet beside the draft, to rewrite requests or drop rows."""
    return spec.outputs.training.with_name(f"{spec.outputs.training.stem}-sheet.csv")


def _require_free(path: Path, force: bool) -> None:
    from orchestrator.errors import OutputExists

    if path.exists() and not force:
        raise OutputExists(path=path)


def _write_sheet(spec: Spec, force: bool) -> None:
    from orchestrator.cli.data.review import write_sheet
    from orchestrator.dataset.review import open_review

    opened = open_review(spec.outputs.training)
    sheet = _sheet(spec)
    near = sheet.relative_to(Path.cwd()) if sheet.is_relative_to(Path.cwd()) else sheet
    write_sheet(opened, opened.rows, near, force)


def _spec(source: str, output: Path | None, given: dict[str, Any]) -> Spec:
    """The spec of the command line, completed from the job file."""
    from orchestrator.generation.requests import Request, spec_for

    settings = {name: given[name] for name in _SETTINGS if given.get(name) not in (None, ())}
    lists = {name: list(value) for name, value in settings.items() if isinstance(value, tuple)}
    switches = {"verify": False} if given["no_verify"] else {}
    switches |= {"structured": False} if given["plain_json"] else {}
    request = Request(
        source=source,
        output=output,
        settings={**settings, **lists, **switches},
        offline=given["offline"],
        batch=given["batch"],
        append=given["append"],
        replace=given["force"],
    )
    return spec_for(request)


def _show_plan(planned: Any, as_json: bool) -> None:
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.generation import plan_object

        print_json(plan_object(planned))
    else:
        from orchestrator.reports.generation import print_generation_plan
        from orchestrator.reports.text import stdout

        print_generation_plan(planned, stdout())


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        from orchestrator.cli.output import print_json
        from orchestrator.reports.generation import outcome_object

        print_json(outcome_object(outcome))
    else:
        from orchestrator.reports.generation import print_outcome
        from orchestrator.reports.text import stderr, stdout

        print_outcome(outcome, stdout(), stderr())

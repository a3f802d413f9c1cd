"""Evaluations: cases, models, batches, reports."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, InvalidFile, UsageError


class InvalidCases(InvalidFile):
    """The evaluation file {path} has problems, and nothing was asked."""

    def __init__(self, path: object, problems: list[str], left_out: int = 0) -> None:
        more = [f"… and {left_out:,} more"] if left_out else []
        super().__init__(path, [*problems, *more, "Nothing was asked. Correct these lines."])


class VariantNotThere(UsageError):
    """The evaluation file {path} has the variant {found}, so {variant} can't be made of it.
    Give a file with fuller definitions, or leave this variant out."""


class NoEvaluationFile(UsageError):
    """{what} does not say which cases to ask. Give an evaluation file with --file, or write [evaluation] with a
    file into the job file."""


class NoTunedModel(UsageError):
    """{what} has no fine-tuned model on {endpoint} yet. Train it first: {command}. Or leave it out: --models
    base"""


class NothingToEvaluate(UsageError):
    """There is no run "{key}", and no model of that name was recorded. To ask a model that ftorch did not train,
    name its endpoint too: --endpoint NAME. See: ftorch models"""


class CasesInTraining(UsageError):
    """{path}: {count} of {of} cases stand in the training file {training} too ({where}), so right answers to
    them prove nothing. Nothing was sent. Take them out; to ask them all the same, set evaluation.allow_leak, or
    give ftorch evaluate --allow-leak."""


class NoSuchModel(UsageError):
    """The endpoint {endpoint} has no model "{model}". {advice} Nothing was asked."""


class NotEvaluated(UsageError):
    """ "{key}" was not evaluated{where}. {advice}"""


class EvaluatedOtherwise(UsageError):
    """{first} and {second} were both asked {path}, but scored by different rules: {first_rules}; {second_rules}.
    Score one of them as the other was, which asks nothing: {command}"""


class NothingCharged(UsageError):
    """{endpoint} charges nothing, so nothing can be reckoned by its prices. Name whose prices to take instead:
    --price-as openai, or --price-as azure:GlobalStandard. Nothing was asked."""


class NoBaseToCompare(UsageError):
    """The cost of ownership holds tuned models against their base, which is not among the models. Nothing was
    asked. Add it: --models base,tuned"""


class NoBatches(UsageError):
    """{endpoint} has no Batch API that ftorch knows of. Leave --batch out: then every question is asked at once."""


class QuestionsUnderWay(UsageError):
    """{count} of {of} questions wait for their answers in a batch ({batches}), which is paid. Nothing was asked. To
    wait for it, add --batch; to ask them now and pay twice, add --twice."""


class BatchRefused(FtorchError):
    """{batches} came to nothing: {reason}. Nothing of it was answered; all other answers are kept. Once that is put
    right, the same command asks what is missing."""


class AnswersMissing(UsageError):
    """{missing} of {of} answers are not recorded, so they can't be scored anew. Ask for them: leave --rescore
    out."""


class MatplotlibMissing(FtorchError):
    """Drawing needs matplotlib, which is not installed. Run: pip install 'ftorch[plots]'"""

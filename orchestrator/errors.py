"""Every error a user can meet.

The class docstring is the default message: its `{fields}` are filled from the keyword arguments, which stay
readable as `error.facts`. A message names the place, what was found, and the next step. The command line prints
it without a traceback and exits with `exit_code`: 1 when the world refused, 2 when the request was wrong.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any


class FtorchError(Exception):
    """ftorch could not do this."""

    exit_code = 1

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        self.facts = facts
        super().__init__(message if message is not None else self._default_message())

    def _default_message(self) -> str:
        return " ".join(cleandoc(type(self).__doc__ or "").split()).format(**self.facts)


class UsageError(FtorchError):
    """The request is wrong."""

    exit_code = 2


# --- job files and configuration ---------------------------------------------------------------------------


class JobFileNotFound(UsageError):
    """There is no job file {path}. Give the path of a TOML file, such as jobs/drone.toml."""


class TomlUnreadable(UsageError):
    """{path} can't be read: {problem}."""


class TomlSyntaxError(UsageError):
    """{place}: this is not valid TOML: {problem}."""


class InvalidFile(UsageError):
    """{path} has problems, and nothing was started."""

    def __init__(self, path: object, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems), path=path, problems=problems)


class InvalidJobFile(InvalidFile):
    """The job file {path} has problems, and nothing was started."""


class InvalidConfig(InvalidFile):
    """The configuration {path} has problems, and nothing was started."""


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


class SeveralEndpoints(UsageError):
    """These models are on several endpoints ({endpoints}), and one evaluation asks one of them. Evaluate them
    one by one; ftorch leaderboard and ftorch compare put them side by side."""


class CasesInTraining(UsageError):
    """{path}: {count} of {of} cases stand in the training file {training} too ({where}), so right answers to
    them prove nothing. Nothing was asked. Take them out, or add --allow-leak."""


class NotEvaluated(UsageError):
    """ "{key}" was not evaluated{where}. {advice}"""


class AnswersMissing(UsageError):
    """{missing} of {of} answers are not recorded, so they can't be scored anew. Ask for them: leave --rescore
    out."""


class UnknownEndpoint(UsageError):
    """There is no endpoint named "{name}". Known: {known}.
    Add a table [endpoints.{name}] to ftorch.toml, or choose one with --endpoint."""


class EndpointNotUsable(FtorchError):
    """The endpoint {name} can't be used: {problem}."""


class InvalidData(FtorchError):
    """The training data has errors, and nothing was uploaded."""


class NotConfirmed(UsageError):
    """This may cost money and there is no terminal to ask at. Look at the plan above, then add --yes."""


# --- the database ------------------------------------------------------------------------------------------


class DatabaseError(FtorchError):
    """The database {place} can't be used: {problem}."""


class DatabaseTooNew(DatabaseError):
    """The database {place} was written by a newer ftorch (its schema is {found}, this program knows {known}).
    Upgrade ftorch, or set FTORCH_HOME to another directory."""


class DatabaseBusy(DatabaseError):
    """The database {place} was locked by another program for {seconds:.0f} s. Nothing was lost: try again."""


class DatabaseFull(DatabaseError):
    """There is no room left to write the database {place}. Free some disk space, then run: ftorch resume"""


class DatabaseReadOnly(DatabaseError):
    """The database {place} can't be written ({problem}).
    Make its directory writable, or set FTORCH_HOME to another one."""


class DatabaseCorrupt(DatabaseError):
    """The file {place} is damaged or no database ({problem}). {restore}"""


class NoSuchRun(UsageError):
    """There is no run "{key}". See: ftorch status"""


class AmbiguousRun(UsageError):
    """ "{key}" fits more than one run: {candidates}. Give more of the id."""


# --- runs --------------------------------------------------------------------------------------------------


class IllegalMove(FtorchError):
    """Run {run} can't go from {from_state} to {to_state}; this is a bug in ftorch, and nothing was written."""


class LostRun(FtorchError):
    """Another process took over run {run}; this one wrote nothing more to it."""


class WishRefused(UsageError):
    """Run {run} can't be {wish}: {problem}."""


class DataFileUnusable(FtorchError):
    """The file {path} can't be used: {problem}."""


# --- sweeps ------------------------------------------------------------------------------------------------


class JobFileIsSweep(UsageError):
    """{path} describes a sweep, not one run. In Python: orchestrator.sweep("{path}")"""


class JobFileHasNoSweep(UsageError):
    """{path} describes one run, not a sweep: it has no [sweep]. In Python: orchestrator.submit("{path}")"""


class SweepNameTaken(UsageError):
    """{path}: the name "{name}" is used by another job file, {other}. Nothing was recorded; give this one another
    name."""


class BudgetTooSmall(UsageError):
    """{path}: limits.max_cost_usd is {limit}, and the cheapest trial would cost about {cheapest}.
    Nothing was recorded; raise it, or train on fewer tokens."""


class SweepNotExtended(UsageError):
    """The sweep {name} can't be extended: {problem}."""


class NoSuchSweep(UsageError):
    """There is no sweep "{name}"{place}. {advice}"""


class NoBestTrial(FtorchError):
    """The sweep {name} has no model to name yet ({standing}). {advice}"""


class OptunaMissing(UsageError):
    """{what} needs Optuna, which is not installed. Run: pip install 'ftorch[optuna]'"""


# --- endpoints ---------------------------------------------------------------------------------------------


class EndpointError(FtorchError):
    """The endpoint {endpoint} answered with an error: {problem}."""


class EndpointUnreachable(EndpointError):
    """The endpoint {endpoint} can't be reached: {problem}. Nothing was lost; when it is back, run: ftorch resume"""


class KeyRefused(EndpointError):
    """The endpoint {endpoint} refused the key in {api_key_env}: {problem}.
    Nothing was lost; set a valid key, then run: ftorch resume"""


class QuotaExhausted(EndpointError):
    """The endpoint {endpoint} says the account has no quota or credit left: {problem}.
    Nothing was lost; add credit, then run: ftorch resume"""


class RequestRefused(EndpointError):
    """The endpoint {endpoint} refused the request: {problem}"""


class EndpointBusy(EndpointError):
    """The endpoint {endpoint} is at a limit: {problem}."""


class AskingEnded(EndpointError):
    """The endpoint {endpoint} did not go on answering: {problem}. All {answered} answers that came are kept; once
    that is put right, the same command goes on."""


class OutcomeUnknown(EndpointError):
    """The endpoint {endpoint} gave no usable answer ({problem}), so what it did is not known."""


# --- data files --------------------------------------------------------------------------------------------


class DataFileNotFound(UsageError):
    """There is no data file {path}. Give the path of a JSONL file; a job file's paths are relative to it."""


class DataFileEmpty(UsageError):
    """The data file {path} is empty. Write one example on each line, at least 10 of them for training."""


class DataFileUnreadable(UsageError):
    """The data file {path} can't be read: {problem}. Give a regular file that you may read."""


class NoSuchEndpoint(UsageError):
    """There is no endpoint or type of endpoint "{name}" to check for. {advice}"""


class WishAgainstJobFile(UsageError):
    """The job file {path} says itself what its files are for; leave --{option} out, or give the data files."""


class NoSuchKind(UsageError):
    """There is no code "{code}". {advice}"""


class PricesUnreadable(UsageError):
    """The price table {path} can't be used: {problem}. Correct it, or leave it out to use the one shipped."""


class OutputExists(UsageError):
    """{path} is there already, and nothing was written. Give another name, or add --force to replace it."""


class OutputUnwritable(FtorchError):
    """{path} can't be written: {problem}. Nothing was changed; give another place."""


class RowsNotConverted(FtorchError):
    """Some examples of {path} can't be converted, and nothing was written."""

    def __init__(self, path: object, problems: list[str], left_out: int = 0, *, advice: str) -> None:
        more = [f"… and {left_out:,} more"] if left_out else []
        text = "\n".join([*problems, *more, f"Nothing was written. {advice}"])
        super().__init__(text, path=path, problems=problems)


class LineUnreadable(FtorchError):
    """{path}, line {line}: {problem}. Nothing was written; ftorch data check {path} shows all that is wrong."""


class NotExamples(UsageError):
    """{path} holds no examples: {problem}. {fix}"""


class NoGoodExample(UsageError):
    """{path} holds no example without errors; the first: line {line}, {problem}.
    See them all: ftorch data check {path}"""


class OutputIsSource(UsageError):
    """{path} is the file to be split, and would be replaced. Give another folder with -o."""


class DefinitionsDiffer(FtorchError):
    """{reason}. {fix}."""


class ColumnsUnclear(UsageError):
    """{path}: {problem}. Its columns: {columns}. {fix}"""


class ToolsFileUnusable(UsageError):
    """The file of tool definitions {path} can't be used: {problem}. Give a JSON file that holds a list of tools."""


class ParquetMissing(FtorchError):
    """Reading Parquet needs pyarrow, which is not installed. Run: pip install 'ftorch[parquet]'"""


# --- trainers ----------------------------------------------------------------------------------------------


class UnreadableWeights(FtorchError):
    """These weights are damaged or not of the tiny trainer: they begin with {found!r}. Train the model again."""


# --- the endpoint we ship ------------------------------------------------------------------------------------


class EndpointStoreUnusable(FtorchError):
    """The local endpoint cannot use its store {path}: {reason}. Check that the folder exists, is writable and has
    space left, or choose another one."""


class EndpointStoreNewer(FtorchError):
    """The local endpoint's store {path} has version {found}; this program knows {known}. Install a newer ftorch."""


class TrainerUnknown(UsageError):
    """There is no trainer {trainer}. Choose one of: {known}."""


class ServerMissing(FtorchError):
    """Serving over HTTP needs uvicorn, which is not installed. Run: pip install 'ftorch[serve]'"""


class AddressUnusable(FtorchError):
    """The endpoint cannot listen on {address}: {reason}. Choose another port (0 takes any free one) or host."""

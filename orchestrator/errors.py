"""Every error a user can meet.

The class docstring is the default message: its `{fields}` are filled from the keyword arguments, which stay
readable as `error.facts`. A message names the place, what was found, and the next step. The command line prints
it without a traceback and exits with `exit_code`: 2 for a wrong request, 3 for a gate that is not met, 4 when a
person has to decide, and 1 otherwise.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, ClassVar

# --- Base classes ------------------------------------------------------------------------------------------------


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


class GateNotMet(FtorchError):
    """A gate is not met."""

    exit_code = 3


class AwaitsPerson(FtorchError):
    """A person has to decide."""

    exit_code = 4


class Stopped(KeyboardInterrupt):
    """Stopped by the user, with Ctrl-C or a signal. What already began continues or is resumed by `ftorch
    resume`."""


class ExtraMissing(FtorchError):
    """A package that only some need is not installed. Run: {command}"""

    extra: ClassVar[str] = ""

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        from orchestrator.installation import extra_command

        super().__init__(message, **{"command": extra_command(self.extra), **facts})


class InvalidFile(UsageError):
    """{path} has problems, and nothing was started."""

    def __init__(self, path: object, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems), path=path, problems=problems)


# --- Items that the engine drives --------------------------------------------------------------------------------


class IllegalMove(FtorchError):
    """The {kind} {id} can't go from {from_state} to {to_state}; this is a bug in ftorch, and nothing was
    written."""


class NoSuchItem(FtorchError):
    """There is no {kind} {key}."""


class LostLease(FtorchError):
    """Another process took over {kind} {id}; this one wrote nothing more to it."""


# --- Tools and chat ----------------------------------------------------------------------------------------------


class FunctionUnusable(UsageError):
    """{place}: the function {name} can't be a tool: {problem}. {fix}."""


class ToolsUnusable(UsageError):
    """The tools {source} can't be used: {problem}. {fix}."""


class InvalidFunctions(InvalidFile):
    """The functions in {path} have problems, and nothing was generated."""

    def __init__(self, path: object, problems: list[str]) -> None:
        most = 20
        more = [f"… and {len(problems) - most:,} more"] if len(problems) > most else []
        super().__init__(path, [*problems[:most], *more])


class NoSuchTool(UsageError):
    """There is no tool "{name}"{hint}. Known: {known}."""


class SeveralModels(UsageError):
    """ "{key}" matches {count} models. Name one run or model. To see the best one: ftorch sweep best {key}"""


class BaseUnknown(UsageError):
    """The base model of {model} is not known: no run of it is recorded. Leave out --base."""


class PromptsUnusable(UsageError):
    """The prompts in {source} can't be used: {problem}. Give one prompt per line, or JSONL with a "prompt" or
    "messages" in each line."""


class CallNotAllowed(UsageError):
    """The model wants to call {call}, and there is no terminal to ask at. The call was not executed. If the
    function is harmless, allow it: --yes-to {name}"""


class StillCalling(FtorchError):
    """The model was still calling functions after {rounds} rounds and gave no answer. Raise --max-rounds, or check
    what the functions return."""


# --- Data files: training, validation, logs, prices -----------------------------------------------------------


class InvalidData(FtorchError):
    """The training data has errors, and nothing was uploaded."""


class DataFileChanged(UsageError):
    """{path} is not the file that was submitted with run {run}: its bytes have changed, so it is not shown. To look
    at it as it is now: ftorch data stats {path}"""


class DataFileNotFound(UsageError):
    """There is no data file {path}. Give the path of a JSONL file; paths in a job file are relative to the job
    file."""


class DataBehindAddress(UsageError):
    """{path} takes its data from {address}, which is not read by this command. Download the file, then run: ftorch
    data check FILE"""


class DataFileEmpty(UsageError):
    """The data file {path} is empty. Write one example per line, at least 10 for training."""


class DataFileUnreadable(UsageError):
    """The data file {path} can't be read: {problem}. Give a regular file that you may read."""


class NoSuchKind(UsageError):
    """There is no code "{code}". {advice}"""


class PricesUnreadable(UsageError):
    """The price table {path} can't be used: {problem}. Fix it, or leave it out to use the one shipped with
    ftorch."""


class OutputExists(UsageError):
    """{path} already exists, and nothing was written. Choose another name, or add --force to replace it."""


class OutputUnwritable(FtorchError):
    """{path} can't be written: {problem}. Nothing was changed. Choose another path."""


class RowsNotConverted(FtorchError):
    """Some examples in {path} can't be converted, and nothing was written."""

    def __init__(self, path: object, problems: list[str], left_out: int = 0, *, advice: str) -> None:
        more = [f"… and {left_out:,} more"] if left_out else []
        text = "\n".join([*problems, *more, f"Nothing was written. {advice}"])
        super().__init__(text, path=path, problems=problems)


class LineUnreadable(FtorchError):
    """{path}, line {line}: {problem}. Nothing was written. See all problems: ftorch data check {path}"""


class NotExamples(UsageError):
    """{path} holds no examples: {problem}. {fix}"""


class NoGoodExample(UsageError):
    """Every example in {path} has errors. The first: line {line}, {problem}.
    See all of them: ftorch data check {path}"""


class LogOutputTaken(UsageError):
    """{path} already exists, and nothing was written. Choose other names with --out-cases and --out-training."""


class NothingInLog(FtorchError):
    """No request in the log {path} can become a case or a training example, so nothing was written:
    {reasons}
    Add "rating": "good", or a "correction", to the lines whose correct answer you know."""


class OutputIsSource(UsageError):
    """{path} is the input file and would be overwritten. Choose another folder with -o."""


class SplitLeavesNothing(UsageError):
    """{path}: the {part} file would be empty. The {examples} example(s) form {groups} group(s) of similar prompts,
    and a group is never split; a share of {share} is less than one group. Nothing was written. Raise the share, set
    it to 0 for no such file, or use a file with more examples."""


class DefinitionsDiffer(FtorchError):
    """{reason}. {fix}."""


class ColumnsUnclear(UsageError):
    """{path}: {problem}. Its columns: {columns}. {fix}"""


class ToolsFileUnusable(UsageError):
    """The tool definitions in {path} can't be used: {problem}. Give a JSON file that holds a list of tools."""


class ParquetMissing(ExtraMissing):
    """Parquet files need pyarrow, which is not installed. Run:
    {command}"""

    extra = "parquet"


class RowChanged(FtorchError):
    """{path}, line {line}: the file changed during the review. All decisions are kept. Run the command again;
    unchanged rows keep theirs."""


class ReviewFileForeign(UsageError):
    """{path} should hold review decisions, but holds none. Nothing was written to it. Move it away."""


class ReviewFileUnreadable(UsageError):
    """The decisions in {path} can't be read: {problem}. Give a regular file that you may read."""


class DecisionNotKept(FtorchError):
    """The decision can't be written to {path}: {problem}. Earlier decisions are kept. Make the file writable, and
    run the command again."""


class NobodyReviews(UsageError):
    """{rows} of {path} to review, but there is no terminal to ask at. Run this in a terminal, pipe in one decision
    per line (accept, drop, flag, skip), or write a sheet to fill in: ftorch data review {path} --sheet SHEET.csv"""


class NothingSelected(UsageError):
    """{option} selects no row of {path}: {problem}."""


class NothingLeft(UsageError):
    """No row of {path} is {what}, so nothing was written. Continue the review: ftorch data review {path}"""


class OutputIsReviewed(UsageError):
    """{path} is the file under review or its decisions file, and is not replaced. Choose another name."""


class SheetUnusable(InvalidFile):
    """{path} has problems, and no decision was recorded from it."""

    def __init__(self, path: object, problems: list[str]) -> None:
        super().__init__(path, [*problems, "Nothing was recorded. Fix the sheet and apply it again."])


# --- Rendering for open-weights models ---------------------------------------------------------------------------


class RenderingMissing(ExtraMissing):
    """Rendering for an open-weights model needs tokenizers, which is not installed. Run:
    {command}"""

    extra = "render"


class TemplateUnusable(UsageError):
    """The chat template in {path} can't be used: {problem}. Give another one, as chat_template.jinja in the model's
    folder."""


class CannotRender(FtorchError):
    """This can't be rendered for the model: {reason}."""

    def __init__(self, message: str | None = None, /, *, kind: str = "", **facts: Any) -> None:
        self.kind = kind
        super().__init__(message, **facts)


class ParserFailed(FtorchError):
    """The model's answer holds a tool call that ftorch failed to read, so this is no mistake of the model:
    {reason}. Report it with the answer."""


# --- Generations: data made from function definitions -----------------------------------------------------------


class GenerationSettings(UsageError):
    """{option}: {problem}, not {found}."""


class NoOutput(UsageError):
    """No output file was given. Add -o OUT, as in: ftorch data generate TOOLS -o train.jsonl"""


class NoTeacher(UsageError):
    """No teacher model was given. Add --model NAME and --endpoint NAME, or --offline to write the requests from
    templates."""


class TeacherIsRehearsal(UsageError):
    """The models on "{endpoint}" can't write requests: what ftorch serves answers with text and calls, not with the
    JSON that requests are read from. Choose another endpoint with --endpoint, or add --offline to use templates."""


class NothingToGenerate(UsageError):
    """{origin}: there is no function to make calls of. Add functions other than the rejection tool."""


class RejectionToolNeedsArguments(UsageError):
    """{origin}: the rejection tool "{name}" can't be called without arguments: {problem}. Make its parameters
    optional, or leave out --rejection-tool to refuse in words."""


class NoSuchFunction(UsageError):
    """{origin} has no function "{name}". {hint}"""


class BudgetWithoutPrice(UsageError):
    """The price of {model} on {endpoint} is unknown, so a budget can't be enforced. Add the price (prices = "FILE"
    in ftorch.toml, see docs/cost.md), or leave out --max-cost-usd."""


class GenerationUnderWay(AwaitsPerson):
    """{path} belongs to the unfinished generation {id} ({reason}), which uses other functions or settings. Run
    "ftorch resume" to finish it, or add --replace to end it and start this one; its answers are kept."""


class AppendedFileChanged(FtorchError):
    """{path} has changed since this generation started appending to it, and nothing was written. Run the command
    again: recorded answers are reused."""


class NoSuchEvaluation(UsageError):
    """No finished evaluation has the name "{key}" or an id that starts with it. Known: {known}."""


class EvaluationFileChanged(UsageError):
    """{path} has changed since evaluation {evaluation}. Evaluate again first: ftorch evaluate"""


class NoFailures(UsageError):
    """{evaluation}: {model} has no wrong answers, so there is nothing to generate."""


class FunctionNotEnumerable(UsageError):
    """The calls of function {name} can't be listed: {problem}. {fix}."""


class CellOutdated(UsageError):
    """A form of {name} does not fit the function's definition: {problem}. Enumerate the calls again."""


class NoValidCall(FtorchError):
    """No valid call of {name} was found in {tries} tries for one of its forms: {problem}. Add example values to its
    definition."""


# --- The database ---------------------------------------------------------------------------------------------


class DatabaseError(FtorchError):
    """The database {place} can't be used: {problem}."""


class DatabaseTooNew(DatabaseError):
    """The database {place} was written by a newer ftorch (its schema is {found}, this program knows {known}).
    Upgrade ftorch, or set FTORCH_HOME to another directory."""


class DatabaseUnreleased(DatabaseError):
    """The database {place} was made by an unreleased version of ftorch (its schema is {found}). This version can't
    read it and changed nothing. Let that version finish its runs, then start a new database ({start}). The new one
    does not know earlier runs, so submitting their job files would train again; record the jobs of each endpoint
    first: ftorch runs adopt --all --endpoint NAME"""


class DatabaseBusy(DatabaseError):
    """The database {place} was locked by another program for {seconds:.0f} s. Nothing was lost. Try again."""


class DatabaseFull(DatabaseError):
    """The disk is full, so the database {place} can't be written. Free some disk space, then run ftorch status. If
    it lists your run, continue with: ftorch resume. If it doesn't, nothing was recorded: run the same command
    again"""


class DatabaseReadOnly(DatabaseError):
    """The database {place} can't be written ({problem}). Make the file and its directory writable for this user.
    If nothing is recorded in it yet, you can set FTORCH_HOME to another directory instead."""


class MachineFailed(FtorchError):
    """{path} can't be read or written: {problem}. Free some disk space, or make it usable for this user. The worker
    tries again, and nothing that is recorded is lost."""


class DatabaseCorrupt(DatabaseError):
    """The file {place} is damaged or is not a database ({problem}). {restore}"""


class DatabaseLost(DatabaseError):
    """The database {place} {finding}. Paid requests that were recorded in it: {count}. Nothing was changed. Restore
    the lost file, or a copy of it, if there is one. Otherwise continue with the present one ({accept}), and before
    you submit anything record the jobs of each endpoint: ftorch runs adopt --all --endpoint NAME"""


# --- Endpoints ---------------------------------------------------------------------------------------------------


class EndpointNotUsable(UsageError):
    """The endpoint {name} can't be used: {problem}."""


class EndpointError(FtorchError):
    """The endpoint {endpoint} answered with an error: {problem}."""

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        super().__init__(message, **{"onward": "run: ftorch resume", **facts})


class TeacherRefuses(EndpointError):
    """{endpoint} refused {count} requests in a row: {problem}. Nothing was written. If the host doesn't support
    structured output, add --plain-json."""


class EndpointUnreachable(EndpointError):
    """The endpoint {endpoint} can't be reached: {problem}. Nothing was lost. When it is back, {onward}"""


class NotAnAnswer(EndpointUnreachable):
    """The endpoint {endpoint} responded without an answer: {problem}. Run the same command again"""


class AnswerUnreadable(EndpointUnreachable):
    """The endpoint {endpoint} gave a response that can't be used: {problem}. Nothing was lost. Once that is fixed,
    {onward}"""


class KeyRefused(EndpointError):
    """The endpoint {endpoint} refused the key in {api_key_env}: {problem}.
    Nothing was lost. Fix that, then {onward}"""


class SignInFailed(KeyRefused):
    """Signing in to the endpoint {endpoint} with Entra ID failed. Tried: {tried}.
    Nothing was lost. To continue, {remedy}, then {onward}"""


class AccountNotChosen(KeyRefused):
    """It is not known which account of {endpoint} is meant: {problem}. Set account = "…" in [endpoints.{endpoint}]
    of {source}, then {onward}"""


class SignInRefused(KeyRefused):
    """The endpoint {endpoint} refused a fresh Entra ID token: {problem}.
    Nothing was lost. Sign in to the tenant of the resource (az login), then {onward}"""


class TokenUnfit(SignInRefused):
    """The endpoint {endpoint} doesn't accept tokens of this sign-in: {problem}.
    Nothing was lost. Fix that, then {onward}"""


class NetworkRefused(KeyRefused):
    """The endpoint {endpoint} doesn't accept requests from this network: {problem}.
    Nothing was lost. Once it does, {onward}"""


class ProxyRefused(KeyRefused):
    """The proxy on the way to the endpoint {endpoint} refused the connection: {problem}.
    Nothing was lost. Fix that, then {onward}"""


class RoleMissing(KeyRefused):
    """The endpoint {endpoint} does not let this identity fine-tune: {problem}.
    Nothing was lost. Have the role "Foundry User" or "Cognitive Services OpenAI Contributor" on the resource
    assigned to it (this can take minutes to take effect), then {onward}"""


class QuotaExhausted(EndpointError):
    """The endpoint {endpoint} says the account has no quota or credit left: {problem}.
    Nothing was lost. Add credit, then {onward}"""


class RequestRefused(EndpointError):
    """The endpoint {endpoint} refused the request: {problem}"""


class NoJobList(RequestRefused):
    """The endpoint {endpoint} didn't list its fine-tuning jobs: {problem}"""


class EndpointBusy(EndpointError):
    """The endpoint {endpoint} is at a limit: {problem}."""


class AskingEnded(EndpointError):
    """The endpoint {endpoint} stopped answering: {problem}. All {answered} answers are kept. Once that is fixed,
    run the same command to continue."""


class TurnLost(EndpointError):
    """While this process was suspended, another one asked these models. This one asked nothing more, so that no
    answer is paid for twice. All answers are kept. Run the same command to continue."""


class ModelNotThere(EndpointError):
    """The new model {model} on {endpoint} did not answer by {until}: {problem}. It was asked nothing, and all
    answers are kept. Check that the endpoint serves the model, then run the same command to continue."""


class NotServed(AwaitsPerson, EndpointError):
    """{model}{asked} does not answer on {endpoint}: {problem}. {advice}. Then run the same command again."""


class OutcomeUnknown(EndpointError):
    """The endpoint {endpoint} gave no usable answer ({problem}), so the outcome is unknown."""


class NoAnswer(EndpointError):
    """The endpoint {endpoint} gave no answer: {problem}.{advice}"""


# --- Deployments ----------------------------------------------------------------------------------------------


class DeploymentRefused(RequestRefused):
    """The account of {endpoint} refused the deployment: {problem}"""


class DeploySignInFailed(SignInFailed):
    """Deployments on {endpoint} are managed with Entra ID, not with the resource's key, and signing in failed.
    Tried: {tried}. To continue, {remedy}, then run the same command again."""


class DeployRoleMissing(EndpointError):
    """This identity may not change deployments on the account of {endpoint}: {problem}. A key of the resource does
    not allow it either. Have the role "Cognitive Services Contributor" (or Owner) on the resource assigned to it
    (this can take minutes to take effect), then run the same command again."""


class DeployLinkedRoleMissing(DeployRoleMissing):
    """This identity may change deployments on the account of {endpoint}, but lacks a role on a linked scope:
    {problem}. Have a role assigned to it there that allows the actions named (this can take minutes to take
    effect), then run the same command again. A linked scope that doesn't exist gives the same message."""


class DeployQuotaFull(EndpointError):
    """The quota of {endpoint} does not allow this deployment: {problem}. In use: {use}. Lower --capacity, remove a
    deployment (ftorch deployments), or request more quota in the portal."""


class NoSuchDeployment(UsageError):
    """There is no deployment "{key}". See: ftorch deployments"""


class AmbiguousDeployment(UsageError):
    """There are deployments of "{key}" on several endpoints: {endpoints}. Choose one: --endpoint NAME"""


class DeploymentsNotConfigured(UsageError):
    """Deployments on {endpoint} need its Azure resource: {missing} not set. Complete [endpoints.{endpoint}] in
    {source} from the resource's page in the portal: subscription_id, resource_group, and account, which is the name
    of the resource."""


class NeedsNoDeployment(UsageError):
    """Models on {endpoint} ({type}) need no deployment: ask this one by its name, {model}."""


class DeploymentNotPossible(UsageError):
    """{what} can't be deployed: {problem}."""


class DeploymentDiffers(UsageError):
    """{name} already exists: {found}, not {requested}. Nothing was changed. Remove it (ftorch deployments remove
    {name}), or choose another --name."""


class DeploymentInUse(UsageError):
    """{name} is answering an evaluation, so it stays until that has finished. Then ftorch resume removes it, or run
    again: ftorch deployments remove {name}"""


class DeploymentFailed(FtorchError):
    """The deployment {name} failed: {problem}"""


class DeploymentNotReady(FtorchError):
    """The deployment {name} does not answer: {problem}. It still exists and is billed. Try again: ftorch resume.
    Remove it: ftorch deployments remove {name}"""


class AzureMissing(ExtraMissing):
    """Deployments need Azure's management library, which is not installed. Run:
    {command}"""

    extra = "azure"


# --- Evaluations -------------------------------------------------------------------------------------------------


class InvalidCases(InvalidFile):
    """The evaluation file {path} has problems, and nothing was asked."""

    def __init__(self, path: object, problems: list[str], left_out: int = 0) -> None:
        more = [f"… and {left_out:,} more"] if left_out else []
        super().__init__(path, [*problems, *more, "Nothing was asked. Fix these lines."])


class VariantNotThere(UsageError):
    """The evaluation file {path} has the variant {found}, so {variant} can't be made from it.
    Use a file with fuller definitions, or leave out this variant."""


class NoEvaluationFile(UsageError):
    """{what} names no evaluation file. Give one with --file, or add [evaluation] with a file to the job file."""


class NoTunedModel(UsageError):
    """{what} has no fine-tuned model on {endpoint} yet. Train it first: {command}. Or leave it out: --models
    base"""


class NothingToEvaluate(UsageError):
    """There is no run "{key}" and no recorded model of that name. To ask a model that ftorch did not train, name
    its endpoint too: --endpoint NAME. See: ftorch models"""


class CasesInTraining(UsageError):
    """{path}: {count} of {of} cases also appear in the training file {training} ({where}), so correct answers to
    them prove nothing. Nothing was sent. Remove them. To ask them anyway, set evaluation.allow_leak in the job
    file, or add --allow-leak."""


class NoSuchModel(UsageError):
    """The endpoint {endpoint} has no model "{model}". {advice} Nothing was asked."""


class ToolStillCalled(FtorchError):
    """{path}, line {line} calls "{name}", so its definition can't be left out. Remove such examples first."""


class NoBaseModel(UsageError):
    """The endpoint {endpoint} has no model "{model}" to train further: it belongs to another account, was deleted,
    or is misspelt. Nothing was uploaded. See the models of recorded runs: ftorch models"""


class NotEvaluated(UsageError):
    """ "{key}" was not evaluated{where}. {advice}"""


class EvaluatedOtherwise(UsageError):
    """{first} and {second} were both asked {path}, but scored by different rules: {first_rules}; {second_rules}.
    Score one of them again like the other. Nothing is asked for that: {command}"""


class NothingCharged(UsageError):
    """{endpoint} charges nothing, so it has no prices to calculate with. Use another endpoint's prices: --price-as
    openai, or --price-as azure:GlobalStandard. Nothing was asked."""


class NoBaseToCompare(UsageError):
    """The cost of ownership compares tuned models with their base model, which is not among the models. Nothing was
    asked. Add it: --models base,tuned"""


class NoBatches(UsageError):
    """No Batch API on {endpoint} is known. Leave out --batch to ask every question directly."""


class QuestionsUnderWay(UsageError):
    """{count} of {of} questions are already in a paid batch ({batches}). Nothing was asked. To wait for it, add
    --batch; to ask them now and pay twice, add --twice."""


class BatchRefused(FtorchError):
    """{batches} failed: {reason}. None of its questions were answered; all other answers are kept. Once that is
    fixed, run the same command to ask what is missing."""


class BatchUnsettled(AwaitsPerson):
    """The outcome of batch {batch} is unknown: {reason}"""


class BatchOnHold(AwaitsPerson):
    """Batch {batch} is {reason}"""


class NothingAnswered(FtorchError):
    """None of the {count} questions got an answer. The first: {first}"""


class AnswersMissing(UsageError):
    """{missing} of {of} answers are not recorded, so they can't be scored again. To ask for them, leave out
    --rescore."""


class MatplotlibMissing(ExtraMissing):
    """A PNG picture, unlike .svg, needs matplotlib, which is not installed. Run:
    {command}"""

    extra = "plots"


class UnknownReportFormat(UsageError):
    """{path} has no ending that ftorch can write here. The file's name must end in one of {formats}."""


class NothingToReport(UsageError):
    """There is no run, sweep or evaluation "{key}". See: ftorch status"""


class NotComparable(UsageError):
    """ "{key}" {problem}. A comparison takes two or more different runs: ftorch report RUN RUN -o FILE"""


class AmbiguousEvaluation(UsageError):
    """ "{key}" fits more than one evaluation: {candidates}. Give more of the id."""


class NothingToDraw(FtorchError):
    """{what} has nothing to draw: a picture shows the losses of runs and sweeps, once a step is measured. Write an
    .html file instead."""


class ReportWouldReplace(UsageError):
    """{path} already exists and may not be a report. Nothing was written. Choose another name, or add --force to
    replace it."""


# --- Trackers and exports ---------------------------------------------------------------------------------------


class TrackerError(FtorchError):
    """{tracker} can't be used: {problem}."""


class TrackerUnreachable(TrackerError):
    """{tracker} can't be used: {problem}. Nothing is lost: the same command, or ftorch resume, sends the rest."""


class TrackerRefuses(TrackerError):
    """{tracker} refuses a request: {problem}."""


class ExperimentDeleted(TrackerError):
    """The experiment "{name}" is deleted on {tracker}. Restore it there, or name another one."""


class TrackerAddressUnusable(UsageError):
    """{address} can't be used as an MLflow server: {problem}."""


class TrackerUnnamed(UsageError):
    """No MLflow server is named. Give its address, such as http://127.0.0.1:5000, or set uri under [track.mlflow]
    in ftorch.toml."""


class TrackioMissing(ExtraMissing):
    """Exporting to Trackio needs trackio, which is not installed. Run: {command}"""

    extra = "track"


# --- Job files and configuration ------------------------------------------------------------------------------


class JobFileNotFound(UsageError):
    """There is no job file {path}. Give the path of a TOML file, or write one: ftorch init DATA.jsonl"""


class JobFileIsData(UsageError):
    """{path} is a data file, not a job file. Write a job file for it: {command}"""


class JobFileIsFolder(UsageError):
    """{path} is a folder, not a job file. {advice}"""


class JobFileNotToml(UsageError):
    """{path} is {format}, and a job file is TOML. {advice}"""


class TomlUnreadable(UsageError):
    """{path} can't be read: {problem}."""


class TomlSyntaxError(UsageError):
    """{place}: this is not valid TOML: {problem}."""


class DataToConvert(UsageError):
    """{path} can't be trained on yet: {finding}. {fix}"""


class NoUsualModel(UsageError):
    """The models of endpoint {endpoint} are not known here. Name the base model: --model MODEL"""


class MethodNotTrained(UsageError):
    """{path} holds {method} data, which the endpoint {endpoint} does not train. Name another: --endpoint openai"""


class NotADataFile(UsageError):
    """{path} is a job file, not data. Submit it: ftorch submit {path}"""


class OverrideUnreadable(UsageError):
    """ "{found}" is no setting. Write --set KEY=VALUE, such as --set method.n_epochs=5."""


class OverridesWithoutJobFile(UsageError):
    """ "{found}" is not a job file, so --set has nothing to replace. Leave --set out, or name the job file."""


class InvalidJobFile(InvalidFile):
    """The job file {path} has problems, and nothing was started."""


class InvalidConfig(InvalidFile):
    """The configuration {path} has problems, and nothing was started."""


class SeveralEndpoints(UsageError):
    """These models are on several endpoints ({endpoints}), and an evaluation asks only one. Evaluate them one by
    one, then compare them with ftorch leaderboard or ftorch compare."""


class UnknownEndpoint(UsageError):
    """There is no endpoint named "{name}".{meant} Known: {known}. Another one needs a table [endpoints.{name}] in
    ftorch.toml."""


class JobFileNotFitting(UsageError):
    """{path} can't run on {endpoint}: {problem}"""


class FilesOutside(AwaitsPerson):
    """{path} names files outside its folder and its project: {files}. Nothing was sent. If that is intended, add
    --allow-outside (in Python: allow_outside=True)."""


class NotConfirmed(AwaitsPerson):
    """This may cost money, and there is no terminal to confirm it at. Check the plan above, then add --yes."""


class UploadNotConfirmed(NotConfirmed):
    """{path} ({size}) is not on {endpoint} yet, and there is no terminal to ask at. To upload it, add --yes."""


class RemovalNotConfirmed(AwaitsPerson):
    """{model} is still on the leaderboard: there is no terminal to ask at. Add --yes to remove it."""


class TrainedBefore(AwaitsPerson):
    """{said}. Nothing was submitted. To train it again, and pay again, add --again (in Python: again=True)."""


class PlanOutdated(AwaitsPerson):
    """The plan is out of date: another process has changed the records of {name}. Nothing was submitted. Run the
    same command again to see the new plan."""


class StateNotAllowed(UsageError):
    """The state directory {home} {finding}, and may hold another person's runs. Nothing in it was used. If you want
    to use it, run: ftorch endpoints trust. Otherwise set FTORCH_HOME to another directory"""


class NotRemembered(FtorchError):
    """Your permission can't be saved in {folder}: {problem}. Make that folder writable, or set {variable}=1 to
    allow everything in this project"""


class NoSuchEndpoint(UsageError):
    """There is no endpoint or type of endpoint "{name}" to check for. {advice}"""


class OptionAgainstJobFile(UsageError):
    """The job file {path} already says what its files are for. Leave out --{option}, or give the data files."""


# --- Open-weights models on this machine ------------------------------------------------------------------------


class ModelFolderUnusable(UsageError):
    """{path} can't be used as a model: {problem}. Give a folder in Hugging Face's format, with config.json,
    tokenizer.json and *.safetensors."""


class NoSuchBase(UsageError):
    """There is no open-weights model "{model}" on this machine. {advice}"""


class NoModelToPreview(UsageError):
    """Rows look different for each model, and {path} names no open-weights model on this machine. Add --model with
    a name of [models], a folder, or a Hugging Face id."""


class PreviewNotPossible(UsageError):
    """The endpoint {endpoint} can't preview this: {problem}."""


class NoSuchLine(UsageError):
    """Line {line} of {path} can't be shown: {problem}. See all problems: ftorch data check {path}"""


class ModelNotDownloaded(UsageError):
    """The model {name} is not in your Hugging Face cache ({cache}). ftorch downloads no models. Download it: hf
    download {name}"""


class ModelNotAllowed(UsageError):
    """{source} names a folder outside the project for the model {name}: {folder}. Check that file, then allow it
    with: ftorch endpoints trust"""


class NotOpenWeights(UsageError):
    """{place}: {what} on {endpoint}, and "{model}" is not the name of one. {advice}"""


class BaseModelUnknown(UsageError):
    """{place}: there is no base model "{model}" on {endpoint}. Did you mean "{near}"?"""


class BaseNameTaken(UsageError):
    """The name {name} already means another model in this project: {other}. Runs and answers are recorded under it.
    Give the model in {folder} another name under [models] in {file}."""


class BaseNameNotKept(FtorchError):
    """The folder of the base model {name} can't be recorded in {path}: {problem}. Nothing was submitted. Make that
    folder writable, or free some space."""


class BaseModelGone(FtorchError):
    """The base model {name} can't be used: {problem}. It was in {folder}. Move it back, or name its new folder with
    the line "{name}" = "FOLDER" under [models] in {file}."""


# --- Fine-tuned open-weights models ------------------------------------------------------------------------------


class NoModelHere(UsageError):
    """There is no run "{key}", and no model of that name on this machine. See: ftorch models"""


class WeightsElsewhere(UsageError):
    """The weights of {model} are on {endpoint}, not on this machine. {advice}"""


class HasNoOpenWeights(UsageError):
    """{model} was trained by {trainer}, the trainer for rehearsals, and no other program can load its weights.
    Train an open-weights model instead: name its folder under [models] in ftorch.toml."""


class WeightsGone(FtorchError):
    """The weights of {model} can't be used: {path}: {problem}. Train the model again."""


class BaseModelChanged(FtorchError):
    """The base model in {folder} is not the one that {model} was trained on: its files have changed. Nothing was
    written. Put the earlier files back, or train the model again."""


class FolderTaken(UsageError):
    """{path} {finding}, and nothing was written. Choose a new folder with -o."""


class RescueUnderWay(UsageError):
    """Another ftorch rescue is writing to {path}. Nothing was changed. Wait until it has finished."""


class NoServingAddress(UsageError):
    """{endpoint} answers through vLLM, whose address is not known here. Give it with --url, or set vllm_url under
    [endpoints.{endpoint}] in ftorch.toml."""


class PromptNotServed(FtorchError):
    """The prompts of {model} can't be read: {problem}"""


class PromptNotMade(FtorchError):
    """{path}, line {line}: the prompts of this case can't be compared. {problem}"""


class MergeFailed(FtorchError):
    """The weights of {model} could not be merged: {problem}"""


# --- Runs -----------------------------------------------------------------------------------------------------


class CancelNotConfirmed(AwaitsPerson):
    """There is no terminal to ask at: {concerns}. To cancel {run} anyway, add --yes."""


class NoSuchRun(UsageError):
    """There is no run "{key}". See: ftorch status"""


class AmbiguousRun(UsageError):
    """ "{key}" fits more than one run: {candidates}. Give more of the id."""


class SeveralUnfinished(UsageError):
    """ "{key}" is the name of several unfinished runs or sweeps: {candidates}. Nothing was changed. Give the id of
    a run; for a sweep: ftorch sweep stop {key} --endpoint NAME"""


class NameIsSweep(UsageError):
    """ "{key}" is a sweep with {trials} unfinished trials, not one run. Nothing was changed. Give the id of a
    trial's run: ftorch status {key}"""


class SeveralRuns(UsageError):
    """ "{key}" is the name of {count} runs: {candidates}. Nothing was changed. Give the id of one."""


class RunDeleted(UsageError):
    """Run {run} was deleted, so it can't be changed. To see what is kept of it: ftorch show {run}"""


class RunUnfinished(UsageError):
    """Run {run} has not finished ({state}), so it can't be {done}. Nothing was changed. To end it: ftorch cancel
    {run}"""


class RunNotDeletable(UsageError):
    """Run {run} can't be deleted: {problem}. Nothing was changed. {fix}"""


class DeletionNotConfirmed(AwaitsPerson):
    """A deletion can't be undone, and there is no terminal to confirm it at. Check the list above, then add
    --yes."""


class DeletionIncomplete(FtorchError):
    """Not everything could be deleted, so the records of {runs} are kept. To try again, run the same command.
    {problems}"""


class LabelUnusable(UsageError):
    """Nothing was changed: {what}. {fix}"""


class JobFileNotKept(FtorchError):
    """No job file is recorded for run {run}: it was submitted with an older ftorch, adopted or deleted. The path of
    its job file was: {path}."""


class NoModelYet(FtorchError):
    """Run {run} has no model: it is {state} ({reason}). To see more: ftorch show {run}"""


class WaitTimedOut(FtorchError):
    """Timed out: {left}"""


class SweepFinished(UsageError):
    """The sweep {key} has finished, so nothing was changed. To see its trials: ftorch status {key}"""


class ActionRefused(UsageError):
    """Run {run} can't be {requested_action}: {problem}."""


class DataFileUnusable(FtorchError):
    """The file {path} can't be used: {problem}."""


# --- Stages of models ---------------------------------------------------------------------------------------------


class ModelNotRecorded(UsageError):
    """There is no run and no recorded model "{key}"{where}. See: ftorch models"""


class SeveralEndpointsOfModel(UsageError):
    """{model} is recorded on several endpoints: {endpoints}. Add --endpoint NAME."""


class ModelUnnamed(UsageError):
    """No run that made {model} is recorded. To promote it anyway, give the name to register it under and its
    endpoint: --name NAME --endpoint NAME. To record the job that made it: ftorch runs adopt JOB --endpoint NAME"""


class RegisteredNameUnusable(UsageError):
    """A model can't be registered as "{name}". A name has 1 to 64 letters, digits, dots, hyphens or underscores,
    the first of them a letter or digit."""


class ModelDeleted(UsageError):
    """The records of run {run}, which made {model}, were deleted, so it can't become {stage}."""


class NoReasonGiven(UsageError):
    """The option --force overrides the gate of the job file. Give the reason, which is recorded: -m REASON"""


class NoneInStage(FtorchError):
    """No model{of} is {words}. To change that: ftorch models promote RUN {stage}"""


class SeveralInStage(UsageError):
    """Models of several names are {words}: {names}. Add --name NAME."""


class PromotionGated(GateNotMet):
    """{model} was not promoted to {stage}: {problems}. The gate is in {source}. {advice} To promote it regardless:
    add --force and -m REASON"""


class JobFileTextUnreadable(UsageError):
    """The recorded job file of run {run} can't be read ({problem}), so its gate is unknown. To promote {model}
    regardless: add --force and -m REASON"""


# --- The server and its trainers ---------------------------------------------------------------------------------


class UnreadableWeights(FtorchError):
    """These weights are damaged or not from the tiny trainer: they begin with {found!r}. Train the model again."""


class EndpointStoreUnusable(FtorchError):
    """The local endpoint can't use its store {path}: {reason}. Check that the folder exists, is writable and has
    space left, or choose another one."""


class EndpointStoreNewer(FtorchError):
    """The local endpoint's store {path} has version {found}; this program knows {known}. Install a newer ftorch."""


class TrainerUnknown(UsageError):
    """There is no trainer {trainer}. Choose one of: {known}."""


class ServerMissing(ExtraMissing):
    """Serving over HTTP needs uvicorn, which is not installed. Run:
    {command}"""

    extra = "serve"


class MetricsMissing(ExtraMissing):
    """Metrics need prometheus_client, which is not installed. Run:
    {command}"""

    extra = "metrics"


class PageNeedsToken(UsageError):
    """The page on {address} needs a token of at least {least} characters, since others can reach it. Set one:
    export {variable}=$(openssl rand -hex 16)"""


class AddressUnusable(FtorchError):
    """Can't listen on {address}: {reason}. Choose another port (0 takes any free one) or host."""


# --- Sweeps ---------------------------------------------------------------------------------------------------


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
    """The sweep {name} has no model yet ({standing}). {advice}"""


class OptunaMissing(ExtraMissing, UsageError):
    """{what} needs Optuna, which is not installed. Run:
    {command}"""

    extra = "optuna"


# --- Migrations ---------------------------------------------------------------------------------------------------


class SuccessorUnreadable(UsageError):
    """ "{found}" is not ENDPOINT or ENDPOINT:MODEL, such as --to local or --to host:meta-llama/Llama-3.1-8B."""


class SuccessorTwice(UsageError):
    """ "{found}" is named twice with --to."""


class SuccessorNeedsModel(UsageError):
    """{path}: {model} is a fine-tuned model of another endpoint and can't be trained further on {endpoint}. Name a
    base model: --to {endpoint}:MODEL"""


class SuccessorIsBaseline(UsageError):
    """ "{target}" can't be a successor: run {run} trained the baseline itself ({model}). Name another endpoint or
    model."""


class SuccessorElsewhere(AwaitsPerson):
    """{said}. Until it is recorded, it is not trained again; after that, run the same command again."""


class MigrationOverBudget(AwaitsPerson):
    """Over budget: {used} of {limit} are used or planned, and {target} would add about {added}. Raise
    --max-cost-usd and run the same command again."""


class MigratesOneRun(UsageError):
    """{path} describes a sweep, and a successor is trained with one setting. Copy it without [sweep], with the
    settings of the best trial: ftorch sweep best {name}"""


class NoBaseline(UsageError):
    """There is no baseline: {problem}. {advice}"""


class BaselineUnclear(UsageError):
    """{count} tuned models have answered these cases, and it is unclear which one is the baseline. Name it with
    --baseline: {models}"""


class BaselineChanged(UsageError):
    """{path} has changed or is gone since evaluation {evaluation} asked its cases, so nothing can be compared with
    them. Restore the file, name its copy with --file, or evaluate the baseline again."""


class CasesDontFit(UsageError):
    """The cases of {cases} name the tools {tools}, and no example of {training} declares or calls any of them. Name
    the cases of this job with --file."""

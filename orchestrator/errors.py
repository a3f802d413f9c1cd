"""Every error a user can meet.

The class docstring is the default message: its `{fields}` are filled from the keyword arguments, which stay
readable as `error.facts`. A message names the place, what was found, and the next step. The command line prints
it without a traceback and exits with `exit_code`: 1 when the world refused, 2 when the request was wrong, 4 when a
person has to decide.
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


class AwaitsPerson(FtorchError):
    """A person has to decide."""

    exit_code = 4


class Stopped(KeyboardInterrupt):
    """The user stopped waiting, by Ctrl-C or a signal. What was begun goes on, or is taken up again by `resume`."""


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


# --- What the engine drives --------------------------------------------------------------------------------------


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
    """The functions of {path} have problems, and nothing was made."""

    def __init__(self, path: object, problems: list[str]) -> None:
        most = 20
        more = [f"… and {len(problems) - most:,} more"] if len(problems) > most else []
        super().__init__(path, [*problems[:most], *more])


class NoSuchTool(UsageError):
    """There is no tool "{name}"{hint}. Known: {known}."""


class SeveralModels(UsageError):
    """ "{key}" stands for {count} models. Name one run or model instead; the best: ftorch sweep best {key}"""


class BaseUnknown(UsageError):
    """The base model of {model} is not known: no run of it is recorded. Leave out --base."""


class PromptsUnusable(UsageError):
    """The prompts in {source} can't be used: {problem}. Give one prompt per line, or JSONL with a "prompt" or
    "messages" in each line."""


class CallNotAllowed(UsageError):
    """The model wants to call {call}, and there is no terminal to ask at. It was not executed. If the function is
    harmless, allow it: --yes-to {name}"""


class StillCalling(FtorchError):
    """The model was still calling functions after {rounds} rounds and gave no answer. Allow more rounds with
    --max-rounds, or check what the functions return."""


# --- Data files: training, validation, logs, prices -----------------------------------------------------------


class InvalidData(FtorchError):
    """The training data has errors, and nothing was uploaded."""


class DataFileNotFound(UsageError):
    """There is no data file {path}. Give the path of a JSONL file; a job file's paths are relative to it."""


class DataBehindAddress(UsageError):
    """{path} names data at {address}, which are not looked at here. Download the file, then run: ftorch data check
    FILE"""


class DataFileEmpty(UsageError):
    """The data file {path} is empty. Write one example on each line, at least 10 of them for training."""


class DataFileUnreadable(UsageError):
    """The data file {path} can't be read: {problem}. Give a regular file that you may read."""


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


class LogOutputTaken(UsageError):
    """{path} is there already, and nothing was written. Give other names with --out-cases and --out-training."""


class NothingInLog(FtorchError):
    """No request of the log {path} can become a case or a training example, so nothing was written:
    {reasons}
    Add "rating": "good", or a "correction", to the lines whose right answer you know."""


class OutputIsSource(UsageError):
    """{path} is the file to be split, and would be replaced. Give another folder with -o."""


class SplitLeavesNothing(UsageError):
    """{path}: the {part} file would be empty. Of {examples} example(s), {groups} group(s) have prompts that differ;
    alike prompts stay together, and the share of {share} comes to no whole group. Nothing was written.
    Give a larger share, 0 for no such file, or a file with more examples."""


class DefinitionsDiffer(FtorchError):
    """{reason}. {fix}."""


class ColumnsUnclear(UsageError):
    """{path}: {problem}. Its columns: {columns}. {fix}"""


class ToolsFileUnusable(UsageError):
    """The file of tool definitions {path} can't be used: {problem}. Give a JSON file that holds a list of tools."""


class ParquetMissing(ExtraMissing):
    """Reading Parquet needs pyarrow, which is not installed. Run:
    {command}"""

    extra = "parquet"


class RowChanged(FtorchError):
    """{path}, line {line}: the file changed during the review. All decisions are kept. Run the command again;
    rows that are still the same keep theirs."""


class ReviewFileForeign(UsageError):
    """{path} is where decisions on rows are kept, but it holds none. Move it away; nothing was written to it."""


class ReviewFileUnreadable(UsageError):
    """The decisions in {path} can't be read: {problem}. Give a regular file that you may read."""


class DecisionNotKept(FtorchError):
    """The decision can't be written to {path}: {problem}. Those before it are kept. Make the file writable, and run
    the command again."""


class NobodyReviews(UsageError):
    """{rows} of {path} to review, and no terminal to ask at. Run this at a terminal, pipe in one decision a line
    (accept, drop, flag, skip), or write a sheet for somebody: ftorch data review {path} --sheet SHEET.csv"""


class NothingSelected(UsageError):
    """{option} selects no row of {path}: {problem}."""


class NothingLeft(UsageError):
    """No row of {path} is {what}, so nothing was written. Go on with the review: ftorch data review {path}"""


class OutputIsReviewed(UsageError):
    """{path} is the file under review, or holds its decisions, and a review replaces neither. Give another name."""


class SheetUnusable(InvalidFile):
    """{path} has problems, and no decision was taken from it."""

    def __init__(self, path: object, problems: list[str]) -> None:
        super().__init__(path, [*problems, "Nothing was recorded. Correct the sheet and apply it again."])


# --- Generations: data made from function definitions -----------------------------------------------------------


class GenerationSettings(UsageError):
    """{option}: {problem}, not {found}."""


class NoOutput(UsageError):
    """No file is named for the examples. Add -o OUT, as in: ftorch data generate TOOLS -o train.jsonl"""


class NoTeacher(UsageError):
    """Nobody is named to write the requests. Add --model NAME and --endpoint NAME for a teacher, or --offline for
    words from templates."""


class TeacherIsRehearsal(UsageError):
    """The models of "{endpoint}" are the tiny trainer's, and write no requests. Name another endpoint with
    --endpoint, or add --offline for words from templates."""


class NothingToGenerate(UsageError):
    """{origin}: there is no call to make examples of. Give functions beside the rejection tool."""


class RejectionToolNeedsArguments(UsageError):
    """{origin}: the rejection tool "{name}" can't be called without arguments: {problem}. Leave --rejection-tool
    out to reject in words, or make its parameters optional."""


class NoSuchFunction(UsageError):
    """{origin} has no function "{name}". {hint}"""


class BudgetWithoutPrice(UsageError):
    """The price of {model} on {endpoint} is not known, so a budget can't hold. Add the price (prices = "FILE" in
    ftorch.toml, see docs/cost.md), or leave --max-cost-usd out."""


class GenerationUnderWay(AwaitsPerson):
    """{path} is being made by generation {id} ({reason}), from other functions or settings. Run "ftorch resume" to
    carry it on, or add --replace to end it and begin this one; its answers are kept."""


class AppendedFileChanged(FtorchError):
    """{path} has changed since this generation began to append to it, and nothing was written. Run the command
    again: answers that are recorded are not asked for again."""


class NoSuchEvaluation(UsageError):
    """No evaluation that is done is called "{key}" or has an id that begins so. Known: {known}."""


class EvaluationFileChanged(UsageError):
    """{path} is not the file that evaluation {evaluation} asked any more. Evaluate again first: ftorch evaluate"""


class NoFailures(UsageError):
    """{evaluation}: no case of it was answered wrongly by {model}, so there is nothing to make."""


class FunctionNotEnumerable(UsageError):
    """The calls of function {name} can't be listed: {problem}. {fix}."""


class CellOutdated(UsageError):
    """A form of {name} does not fit the function's definition: {problem}. Enumerate the calls again."""


class NoValidCall(FtorchError):
    """No valid call of {name} was found in {tries} tries for one of its forms: {problem}. Give examples of values
    in its definition."""


# --- The database ---------------------------------------------------------------------------------------------


class DatabaseError(FtorchError):
    """The database {place} can't be used: {problem}."""


class DatabaseTooNew(DatabaseError):
    """The database {place} was written by a newer ftorch (its schema is {found}, this program knows {known}).
    Upgrade ftorch, or set FTORCH_HOME to another directory."""


class DatabaseUnreleased(DatabaseError):
    """The database {place} was made by an unreleased version of ftorch (its schema is {found}). This version can't
    read it, and has changed nothing. Let that version finish what is under way. Then start a new database
    ({start}), in which submitting an earlier job file trains once more, and record the jobs of each endpoint:
    ftorch adopt --all --endpoint NAME"""


class DatabaseBusy(DatabaseError):
    """The database {place} was locked by another program for {seconds:.0f} s. Nothing was lost: try again."""


class DatabaseFull(DatabaseError):
    """There is no room left to write the database {place}. Free some disk space. A run that ftorch status
    then lists goes on with: ftorch resume. If it lists no new one, nothing was recorded: run the same command
    again"""


class DatabaseReadOnly(DatabaseError):
    """The database {place} can't be written ({problem}). Make the file and its directory writable for this user.
    Where nothing is recorded there yet, FTORCH_HOME may name another directory instead."""


class DatabaseCorrupt(DatabaseError):
    """The file {place} is damaged or no database ({problem}). {restore}"""


class DatabaseLost(DatabaseError):
    """The database {place} {finding}. Requests that cost money were recorded in it: {count}. Nothing was changed.
    Put back the lost file or a copy of it, if there is one. Otherwise go on with what is there ({accept}), and
    before anything is submitted record the jobs of each endpoint: ftorch adopt --all --endpoint NAME"""


# --- Endpoints ---------------------------------------------------------------------------------------------------


class EndpointNotUsable(UsageError):
    """The endpoint {name} can't be used: {problem}."""


class EndpointError(FtorchError):
    """The endpoint {endpoint} answered with an error: {problem}."""

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        super().__init__(message, **{"onward": "run: ftorch resume", **facts})


class TeacherRefuses(EndpointError):
    """{endpoint} refused {count} requests in a row: {problem}. Nothing was written. A host that knows no structured
    output wants --plain-json."""


class EndpointUnreachable(EndpointError):
    """The endpoint {endpoint} can't be reached: {problem}. Nothing was lost; when it is back, {onward}"""


class NotAnAnswer(EndpointUnreachable):
    """The endpoint {endpoint} answered, but with no answer: {problem}. Run the same command again"""


class AnswerUnreadable(EndpointUnreachable):
    """The endpoint {endpoint} answered with something that can't be used: {problem}. Nothing was lost; when that is
    put right, {onward}"""


class KeyRefused(EndpointError):
    """The endpoint {endpoint} refused the key in {api_key_env}: {problem}.
    Nothing was lost; correct that, then {onward}"""


class SignInFailed(KeyRefused):
    """No way to sign in to the endpoint {endpoint} with Entra ID works. Tried: {tried}.
    Nothing was lost; {remedy}, then {onward}"""


class SignInRefused(KeyRefused):
    """The endpoint {endpoint} refused a fresh token of Entra ID: {problem}.
    Nothing was lost; sign in to the tenant of the resource (az login), then {onward}"""


class TokenUnfit(SignInRefused):
    """The endpoint {endpoint} takes no token of this sign-in: {problem}.
    Nothing was lost; correct that, then {onward}"""


class NetworkRefused(KeyRefused):
    """The endpoint {endpoint} takes no request from this network: {problem}.
    Nothing was lost; when it does, {onward}"""


class ProxyRefused(KeyRefused):
    """The proxy on the way to the endpoint {endpoint} refused the connection: {problem}.
    Nothing was lost; correct that, then {onward}"""


class RoleMissing(KeyRefused):
    """The endpoint {endpoint} does not let this identity fine-tune: {problem}.
    Nothing was lost; let somebody assign it a role on the resource, "Foundry Owner" or "Cognitive Services OpenAI
    Contributor", which may take minutes to hold, then {onward}"""


class QuotaExhausted(EndpointError):
    """The endpoint {endpoint} says the account has no quota or credit left: {problem}.
    Nothing was lost; add credit, then {onward}"""


class RequestRefused(EndpointError):
    """The endpoint {endpoint} refused the request: {problem}"""


class NoJobList(RequestRefused):
    """The endpoint {endpoint} gives no list of its fine-tuning jobs: {problem}"""


class EndpointBusy(EndpointError):
    """The endpoint {endpoint} is at a limit: {problem}."""


class AskingEnded(EndpointError):
    """The endpoint {endpoint} did not go on answering: {problem}. All {answered} answers that came are kept; once
    that is put right, the same command goes on."""


class TurnLost(EndpointError):
    """This process slept, and another one has asked these models meanwhile. This one asked nothing more, so that no
    answer is paid twice. All answers that came are kept; the same command goes on."""


class ModelNotThere(EndpointError):
    """The endpoint {endpoint} did not answer for the new model {model} until {until}: {problem}. Nothing was asked
    of it; all answers are kept. Look at the endpoint whether it serves the model. Once it does, the same command
    goes on."""


class OutcomeUnknown(EndpointError):
    """The endpoint {endpoint} gave no usable answer ({problem}), so what it did is not known."""

    exit_code = AwaitsPerson.exit_code


class NoAnswer(EndpointError):
    """The endpoint {endpoint} gave no answer: {problem}.{advice}"""


# --- Deployments ----------------------------------------------------------------------------------------------


class DeploymentRefused(RequestRefused):
    """The account of {endpoint} refused the deployment: {problem}"""


class DeploySignInFailed(SignInFailed):
    """Deployments of {endpoint} are managed with Entra ID, where the resource's key does not help, and no way to
    sign in works. Tried: {tried}. To go on, {remedy}, then run the same again."""


class DeployRoleMissing(EndpointError):
    """This identity may not change deployments on the account of {endpoint}: {problem}. A key of the resource does
    not help here. Let somebody assign it the role "Cognitive Services Contributor" (or Owner) on the resource,
    which may take minutes to hold, then run the same again."""


class DeployLinkedRoleMissing(DeployRoleMissing):
    """This identity may change deployments on the account of {endpoint}, and lacks a role on a linked scope:
    {problem}. Let somebody assign it a role there that allows the actions named, which may take minutes to hold,
    then run the same again. A linked scope that does not exist is refused in the same words."""


class DeployQuotaFull(EndpointError):
    """The quota of {endpoint} does not allow this deployment: {problem}. In use: {use}. Ask for less with
    --capacity, remove a deployment (ftorch deployments), or request more quota in the portal."""


class NoSuchDeployment(UsageError):
    """There is no deployment "{key}". See: ftorch deployments"""


class AmbiguousDeployment(UsageError):
    """There are deployments of "{key}" on several endpoints: {endpoints}. Say which: --endpoint NAME"""


class DeploymentsNotConfigured(UsageError):
    """Deployments on {endpoint} need to know its resource: {missing} not set. Complete [endpoints.{endpoint}] in
    {source}, as the portal shows it on the resource's page: subscription_id, resource_group, and account, which
    is the resource's own name."""


class NeedsNoDeployment(UsageError):
    """Models on {endpoint} ({type}) answer without a deployment: ask this one by its name, {model}."""


class DeploymentNotPossible(UsageError):
    """{what} can't be deployed: {problem}."""


class DeploymentDiffers(UsageError):
    """{name} is there already: {found}, and not {requested}. Nothing was changed. Remove it first (ftorch undeploy
    {name}), or give another --name."""


class DeploymentInUse(UsageError):
    """{name} is answering an evaluation right now, so it stays until that is over. Then ftorch resume removes it,
    or again: ftorch undeploy {name}"""


class DeploymentFailed(FtorchError):
    """The deployment {name} failed: {problem}"""


class DeploymentNotReady(FtorchError):
    """The deployment {name} does not answer: {problem}. It stays, and is charged from now on. Look again:
    ftorch resume. Remove it: ftorch undeploy {name}"""


class AzureMissing(ExtraMissing):
    """Deployments need Azure's management library, which is not installed. Run:
    {command}"""

    extra = "azure"


# --- Evaluations -------------------------------------------------------------------------------------------------


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


class ToolStillCalled(FtorchError):
    """{path}, line {line} calls "{name}", so its definition can't be left out. Leave such examples out first."""


class NoBaseModel(UsageError):
    """The endpoint {endpoint} has no model "{model}" that could be trained further: it is another account's, was
    deleted, or is misspelt. Nothing was uploaded. The models of recorded runs: ftorch models"""


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


class BatchUnsettled(AwaitsPerson):
    """What became of batch {batch} is not known: {reason}"""


class NothingAnswered(FtorchError):
    """None of the {count} questions got an answer. The first: {first}"""


class AnswersMissing(UsageError):
    """{missing} of {of} answers are not recorded, so they can't be scored anew. Ask for them: leave --rescore
    out."""


class MatplotlibMissing(ExtraMissing):
    """Drawing needs matplotlib, which is not installed. Run:
    {command}"""

    extra = "plots"


# --- Job files and configuration ------------------------------------------------------------------------------


class JobFileNotFound(UsageError):
    """There is no job file {path}. Give the path of a TOML file, such as jobs/drone.toml."""


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
    """These models are on several endpoints ({endpoints}), and one evaluation asks one of them. Evaluate them
    one by one; ftorch leaderboard and ftorch compare put them side by side."""


class UnknownEndpoint(UsageError):
    """There is no endpoint named "{name}". Known: {known}.
    Add a table [endpoints.{name}] to ftorch.toml, or choose one with --endpoint."""


class JobFileNotFitting(UsageError):
    """{path} can't run on {endpoint}: {problem}"""


class FilesOutside(AwaitsPerson):
    """{path} names files outside its folder and its project: {files}. Nothing was sent. If they are meant, add
    --allow-outside (in Python: allow_outside=True)."""


class NotConfirmed(AwaitsPerson):
    """This may cost money and there is no terminal to ask at. Look at the plan above, then add --yes."""


class RemovalNotConfirmed(AwaitsPerson):
    """{model} is still on the leaderboard: there is no terminal to ask at. Add --yes to remove it."""


class TrainedBefore(AwaitsPerson):
    """{said}. Nothing was submitted. To train it once more, and pay for it, add --again (in Python: again=True)."""


class PlanOutdated(AwaitsPerson):
    """What the plan says is no longer so: another process has changed the records of {name} since. Nothing was
    submitted. Look at the new plan: run the same command again."""


class StateNotAllowed(UsageError):
    """The state directory {home} {finding}, and may hold another person's runs. Nothing in it was used. If you want
    to use it, run: ftorch endpoints trust. Otherwise set FTORCH_HOME to another directory"""


class NotRemembered(FtorchError):
    """What you allow can't be remembered in {folder}: {problem}. Make that folder writable, or set {variable}=1
    where everything in this project may be used"""


class NoSuchEndpoint(UsageError):
    """There is no endpoint or type of endpoint "{name}" to check for. {advice}"""


class OptionAgainstJobFile(UsageError):
    """The job file {path} says itself what its files are for; leave --{option} out, or give the data files."""


# --- Runs -----------------------------------------------------------------------------------------------------


class CancelNotConfirmed(AwaitsPerson):
    """There is no terminal to ask at: {concerns}. To cancel {run} all the same, add --yes."""


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


class NoModelYet(FtorchError):
    """Run {run} has no model: it is {state} ({reason}). To see more: ftorch show {run}"""


class ActionRefused(UsageError):
    """Run {run} can't be {requested_action}: {problem}."""


class DataFileUnusable(FtorchError):
    """The file {path} can't be used: {problem}."""


# --- The server and its trainers ---------------------------------------------------------------------------------


class UnreadableWeights(FtorchError):
    """These weights are damaged or not of the tiny trainer: they begin with {found!r}. Train the model again."""


class EndpointStoreUnusable(FtorchError):
    """The local endpoint cannot use its store {path}: {reason}. Check that the folder exists, is writable and has
    space left, or choose another one."""


class EndpointStoreNewer(FtorchError):
    """The local endpoint's store {path} has version {found}; this program knows {known}. Install a newer ftorch."""


class TrainerUnknown(UsageError):
    """There is no trainer {trainer}. Choose one of: {known}."""


class ServerMissing(ExtraMissing):
    """Serving over HTTP needs uvicorn, which is not installed. Run:
    {command}"""

    extra = "serve"


class AddressUnusable(FtorchError):
    """The endpoint cannot listen on {address}: {reason}. Choose another port (0 takes any free one) or host."""


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
    """The sweep {name} has no model to name yet ({standing}). {advice}"""


class OptunaMissing(ExtraMissing, UsageError):
    """{what} needs Optuna, which is not installed. Run:
    {command}"""

    extra = "optuna"

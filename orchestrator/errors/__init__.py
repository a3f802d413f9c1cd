"""Every error a user can meet.

The class docstring is the default message: its `{fields}` are filled from the keyword arguments, which stay
readable as `error.facts`. A message names the place, what was found, and the next step. The command line prints
it without a traceback and exits with `exit_code`: 1 when the world refused, 2 when the request was wrong.
"""

from __future__ import annotations

from orchestrator.errors.base import (
    FtorchError as FtorchError,
    InvalidFile as InvalidFile,
    UsageError as UsageError,
)
from orchestrator.errors.chat import (
    CallNotAllowed as CallNotAllowed,
    FunctionUnusable as FunctionUnusable,
    NoSuchTool as NoSuchTool,
    SeveralModels as SeveralModels,
    StillCalling as StillCalling,
    ToolsUnusable as ToolsUnusable,
)
from orchestrator.errors.data import (
    AddressUnreadable as AddressUnreadable,
    ColumnsUnclear as ColumnsUnclear,
    DataBehindAddress as DataBehindAddress,
    DataFileEmpty as DataFileEmpty,
    DataFileNotFound as DataFileNotFound,
    DataFileUnreadable as DataFileUnreadable,
    DefinitionsDiffer as DefinitionsDiffer,
    InvalidData as InvalidData,
    LineUnreadable as LineUnreadable,
    LogOutputTaken as LogOutputTaken,
    NoGoodExample as NoGoodExample,
    NoSuchKind as NoSuchKind,
    NotExamples as NotExamples,
    NothingInLog as NothingInLog,
    OutputExists as OutputExists,
    OutputIsSource as OutputIsSource,
    OutputUnwritable as OutputUnwritable,
    ParquetMissing as ParquetMissing,
    PricesUnreadable as PricesUnreadable,
    RowsNotConverted as RowsNotConverted,
    ToolsFileUnusable as ToolsFileUnusable,
)
from orchestrator.errors.database import (
    DatabaseBusy as DatabaseBusy,
    DatabaseCorrupt as DatabaseCorrupt,
    DatabaseError as DatabaseError,
    DatabaseFull as DatabaseFull,
    DatabaseReadOnly as DatabaseReadOnly,
    DatabaseTooNew as DatabaseTooNew,
)
from orchestrator.errors.deployments import (
    AmbiguousDeployment as AmbiguousDeployment,
    AzureMissing as AzureMissing,
    DeploymentDiffers as DeploymentDiffers,
    DeploymentFailed as DeploymentFailed,
    DeploymentInUse as DeploymentInUse,
    DeploymentNotPossible as DeploymentNotPossible,
    DeploymentNotReady as DeploymentNotReady,
    DeploymentRefused as DeploymentRefused,
    DeploymentsNotConfigured as DeploymentsNotConfigured,
    DeployQuotaFull as DeployQuotaFull,
    DeployRoleMissing as DeployRoleMissing,
    DeploySignInFailed as DeploySignInFailed,
    LostDeployment as LostDeployment,
    NeedsNoDeployment as NeedsNoDeployment,
    NoSuchDeployment as NoSuchDeployment,
)
from orchestrator.errors.endpoints import (
    AskingEnded as AskingEnded,
    EndpointBusy as EndpointBusy,
    EndpointError as EndpointError,
    EndpointNotUsable as EndpointNotUsable,
    EndpointUnreachable as EndpointUnreachable,
    KeyRefused as KeyRefused,
    NoAnswer as NoAnswer,
    NotAnAnswer as NotAnAnswer,
    OutcomeUnknown as OutcomeUnknown,
    QuotaExhausted as QuotaExhausted,
    RequestRefused as RequestRefused,
    RoleMissing as RoleMissing,
    SignInFailed as SignInFailed,
    SignInRefused as SignInRefused,
)
from orchestrator.errors.evaluations import (
    AnswersMissing as AnswersMissing,
    BatchRefused as BatchRefused,
    CasesInTraining as CasesInTraining,
    EvaluatedOtherwise as EvaluatedOtherwise,
    InvalidCases as InvalidCases,
    MatplotlibMissing as MatplotlibMissing,
    NoBaseToCompare as NoBaseToCompare,
    NoBatches as NoBatches,
    NoEvaluationFile as NoEvaluationFile,
    NoSuchModel as NoSuchModel,
    NotEvaluated as NotEvaluated,
    NothingCharged as NothingCharged,
    NothingToEvaluate as NothingToEvaluate,
    NoTunedModel as NoTunedModel,
    QuestionsUnderWay as QuestionsUnderWay,
    VariantNotThere as VariantNotThere,
)
from orchestrator.errors.jobfiles import (
    InvalidConfig as InvalidConfig,
    InvalidJobFile as InvalidJobFile,
    JobFileNotFitting as JobFileNotFitting,
    JobFileNotFound as JobFileNotFound,
    NoSuchEndpoint as NoSuchEndpoint,
    NotConfirmed as NotConfirmed,
    SeveralEndpoints as SeveralEndpoints,
    TomlSyntaxError as TomlSyntaxError,
    TomlUnreadable as TomlUnreadable,
    UnknownEndpoint as UnknownEndpoint,
    WishAgainstJobFile as WishAgainstJobFile,
)
from orchestrator.errors.runs import (
    AmbiguousRun as AmbiguousRun,
    CancelNotConfirmed as CancelNotConfirmed,
    DataFileUnusable as DataFileUnusable,
    IllegalMove as IllegalMove,
    LostRun as LostRun,
    NoSuchRun as NoSuchRun,
    WishRefused as WishRefused,
)
from orchestrator.errors.server import (
    AddressUnusable as AddressUnusable,
    EndpointStoreNewer as EndpointStoreNewer,
    EndpointStoreUnusable as EndpointStoreUnusable,
    ServerMissing as ServerMissing,
    TrainerUnknown as TrainerUnknown,
    UnreadableWeights as UnreadableWeights,
)
from orchestrator.errors.sweeps import (
    BudgetTooSmall as BudgetTooSmall,
    JobFileHasNoSweep as JobFileHasNoSweep,
    JobFileIsSweep as JobFileIsSweep,
    NoBestTrial as NoBestTrial,
    NoSuchSweep as NoSuchSweep,
    OptunaMissing as OptunaMissing,
    SweepNameTaken as SweepNameTaken,
    SweepNotExtended as SweepNotExtended,
)

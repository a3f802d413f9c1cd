"""Data files: training, validation, logs, prices."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, UsageError


class InvalidData(FtorchError):
    """The training data has errors, and nothing was uploaded."""


class DataFileNotFound(UsageError):
    """There is no data file {path}. Give the path of a JSONL file; a job file's paths are relative to it."""


class AddressUnreadable(FtorchError):
    """The data file {address} can't be had: {problem}. The endpoint would fetch it from there; see that it can be
    read with that address, or download it and name the file."""


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


class DefinitionsDiffer(FtorchError):
    """{reason}. {fix}."""


class ColumnsUnclear(UsageError):
    """{path}: {problem}. Its columns: {columns}. {fix}"""


class ToolsFileUnusable(UsageError):
    """The file of tool definitions {path} can't be used: {problem}. Give a JSON file that holds a list of tools."""


class ParquetMissing(FtorchError):
    """Reading Parquet needs pyarrow, which is not installed. Run: pip install 'ftorch[parquet]'"""

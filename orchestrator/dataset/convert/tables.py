"""CSV and Parquet files as flat rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

from orchestrator.dataset.checking.findings import shown
from orchestrator.dataset.convert.changes import NotConvertible
from orchestrator.dataset.convert.columns import ColumnNames, missing_column
from orchestrator.dataset.convert.documents import Row
from orchestrator.errors import ColumnsUnclear, DataFileUnreadable, ParquetMissing

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 32 << 20
_BATCH_ROWS = 1000


def csv_rows(stream: BinaryIO, path: object, names: ColumnNames) -> Iterator[Row]:
    """The rows under the header; the delimiter is the one of , ; tab | that the header holds most.

    Raises ColumnsUnclear where the header has no column for the prompt, or none for what follows it.
    """
    before = csv.field_size_limit(_LONGEST_CELL)  # it holds for the whole process
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        first = text.readline(_LONGEST_CELL)
        delimiter = max(_DELIMITERS, key=first.count)
        # Lines in pieces: one without end must not fill the memory.
        lines = chain([first], iter(partial(text.readline, _LONGEST_CELL), ""))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = _header(reader, path)
        _check_columns(header, names, path)
        yield from _csv_rows(reader, header)
    except UnicodeDecodeError:
        raise DataFileUnreadable(path=path, problem="it is not UTF-8 text; save it as UTF-8") from None
    finally:
        csv.field_size_limit(before)
        text.detach()


def _header(reader: Any, path: object) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error as error:
        raise DataFileUnreadable(path=path, problem=f"its first line is not valid CSV ({error})") from None


def _csv_rows(reader: Any, header: list[str]) -> Iterator[Row]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, None, problem=NotConvertible(f"it is not valid CSV: {error}", "Correct its quotes."))
            continue
        if len(cells) > len(header):
            problem = f"it has {len(cells)} cells, but the header names {len(header)} columns"
            yield Row(line, None, problem=NotConvertible(problem, "Put cells that hold delimiters in quotes."))
        elif any(cells):
            yield Row(line, dict(zip(header, cells, strict=False)))


def parquet_rows(stream: BinaryIO, path: object, names: ColumnNames) -> Iterator[Row]:
    """The rows of a Parquet file, counted from 1; nulls that only fill a struct's missing keys are left out.

    Raises ParquetMissing without pyarrow, ColumnsUnclear, or DataFileUnreadable.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ParquetMissing from None
    number = 0
    try:
        table = ParquetFile(stream)
        if "messages" not in table.schema_arrow.names and "conversations" not in table.schema_arrow.names:
            _check_columns(table.schema_arrow.names, names, path)
        for batch in table.iter_batches(batch_size=_BATCH_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield Row(number, _without_fillers(value))
    except ArrowException as error:
        problem = f"it is not a sound Parquet file ({str(error).splitlines()[0]})"
        raise DataFileUnreadable(path=path, problem=problem) from None


def _check_columns(columns: list[str], names: ColumnNames, path: object) -> None:
    if problem := missing_column(columns, names):
        listed = ", ".join(shown(column, 40) for column in columns[:30]) or "none"
        fix = "Name them with --prompt-column and --call-column (or --answer-column)."
        raise ColumnsUnclear(path=path, problem=problem, columns=listed, fix=fix)


def _without_fillers(value: Any) -> Any:
    """Parquet gives every struct every key; a null there stands for a key that the example never had."""
    if isinstance(value, list):
        return [_without_fillers(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _without_fillers(entry) for key, entry in value.items() if entry is not None}
    return value

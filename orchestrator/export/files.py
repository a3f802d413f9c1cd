"""Rows as CSV, JSON lines or Parquet. A file appears whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from orchestrator.errors import OutputExists, OutputUnwritable, ParquetMissing
from orchestrator.export.formulas import harmless
from orchestrator.export.rows import Row, Value

Form = Literal["csv", "jsonl", "parquet"]
_VARYING = ("evaluation", "asked.", "used.", "tag.")
"""How the names of columns begin that only some rows have, in their order."""


def write_file(
    rows: Iterable[Row], form: Form, path: Path, *, columns: Sequence[str] = (), force: bool = False
) -> int:
    """Write the rows into a new file, or with `force` over an existing one; returns how many there are.

    Without `columns` they are those of all rows. Raises OutputExists, OutputUnwritable and ParquetMissing.
    """
    if path.exists() and not force:
        raise OutputExists(path=path)
    write = writer_of(form)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            count = write(rows, stream, columns)
        partial.replace(path)
    except OSError as error:
        raise OutputUnwritable(path=path, problem=error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def writer_of(form: Form) -> Callable[[Iterable[Row], BinaryIO, Sequence[str]], int]:
    """What writes rows into a stream in this form. Raises ParquetMissing."""
    if form == "parquet":
        _require_pyarrow()
    return {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[form]


def _write_csv(rows: Iterable[Row], stream: BinaryIO, columns: Sequence[str]) -> int:
    text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
    names, rows = _columns(rows, columns)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(harmless, names))
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        writer.writerow([_cell(row.get(name)) for name in names])
    text.detach()
    return count


def _cell(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else harmless(value)


def _write_jsonl(rows: Iterable[Row], stream: BinaryIO, _columns: Sequence[str]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        stream.write(json.dumps({name: _finite(value) for name, value in row.items()}).encode() + b"\n")
    return count


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_parquet(rows: Iterable[Row], stream: BinaryIO, columns: Sequence[str]) -> int:
    import pyarrow
    from pyarrow import parquet

    names, rows = _columns(rows, columns)
    taken = list(rows)
    arrays = {name: pyarrow.array(_of_one_type([row.get(name) for row in taken])) for name in names}
    parquet.write_table(pyarrow.table(arrays), stream)
    return len(taken)


def _of_one_type(values: list[Value]) -> list[Value]:
    """A column of "auto" and numbers becomes text: a column of Parquet has one type."""
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if len(kinds) <= 1:
        return values
    return [None if value is None else str(value) for value in values]


def _columns(rows: Iterable[Row], columns: Sequence[str]) -> tuple[Sequence[str], Iterable[Row]]:
    """The names of all columns, and the rows: all are read for that if the names are not given."""
    if columns:
        return columns, rows
    taken = list(rows)
    names = dict.fromkeys(name for row in taken for name in row)
    return sorted(names, key=_place), taken


def _place(name: str) -> tuple[int, str]:
    """Columns that every row has stay in order; the others follow by group and name."""
    group = next((place for place, begin in enumerate(_VARYING, 1) if name.startswith(begin)), 0)
    return group, name if group else ""


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ParquetMissing from error

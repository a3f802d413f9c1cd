"""What a model gets of what a function returned: valid JSON of bounded size, of numpy's and pandas' values too."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.tools.results import LONGEST_RESULT, MOST_ROWS, result_text

np = pytest.importorskip("numpy")


class Side(Enum):
    BUY = "buy"


class Level(IntEnum):
    LOW = 1


@dataclass
class Order:
    side: Side
    price: Any


class Quote(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    close: Any = Field(serialization_alias="Close")


Pair = namedtuple("Pair", "bid ask")


def of(value: Any) -> Any:
    """What the text says, which must be JSON in the strict sense."""
    return json.loads(result_text(value), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        ([float("inf"), -float("inf")], ["Infinity", "-Infinity"]),
        (Decimal("511.290"), "511.290"),
        ([Decimal("NaN")], [None]),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        ({date(2026, 1, 2): 1, 3: 2, None: 3, ("a", 1): 4}, {"2026-01-02": 1, "3": 2, "null": 3, "a/1": 4}),
        (timedelta(days=1), "P1D"),
        (Order(Side.BUY, float("nan")), {"side": "buy", "price": None}),
        (Level.LOW, 1),
        (Quote(close=Decimal("1.5")), {"Close": "1.5"}),
        (Quote(close=np.float32(0.1)), {"Close": 0.1}),
        (Pair(1, Side.BUY), {"bid": 1, "ask": "buy"}),
        ({3, 1, 2}, [1, 2, 3]),
        ([b"text", b"\xff\x00"], ["text", "(binary data, 2 bytes)"]),
        ((each for each in range(3)), [0, 1, 2]),
        ({"a": 1}.values(), [1]),
        (2**70, 2**70),
    ],
)
def test_values_of_python(value: Any, expected: Any) -> None:
    assert of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.1), 0.1),
        (np.float64("nan"), None),
        (np.longdouble(1.25), 1.25),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ([np.str_("a")], ["a"]),
        (np.complex128(1 + 2j), "(1+2j)"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.datetime64("2026-01-02T03:04:05.500000000"), "2026-01-02T03:04:05.5"),
        (np.datetime64("2026-01-02T00:00:00.000000000"), "2026-01-02T00:00:00"),
        (np.datetime64("NaT"), None),
        (np.timedelta64(36, "h"), "P1DT12H"),
        (np.timedelta64(3, "M"), "3 months"),
        (np.array([1.0, np.nan, np.inf]), [1.0, None, "Infinity"]),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(3), 3),
        (np.ma.array([1, 2], mask=[0, 1]), [1, None]),
        (np.array([(1, "a")], dtype=[("x", int), ("y", "U3")]), [[1, "a"]]),
        ({np.int64(5): np.float32(2.5)}, {"5": 2.5}),
    ],
)
def test_values_of_numpy(value: Any, expected: Any) -> None:
    assert of(value) == expected


def test_a_long_array_keeps_its_ends_and_its_length() -> None:
    found = of(np.arange(1000))
    assert (len(found["values"]), found["values"][0], found["values"][-1]) == (MOST_ROWS, 0, 999)
    assert found["note"] == "1,000 elements: only the first 50 and the last 50 are included"
    assert len(result_text(np.ones((1000, 1000, 10)))) <= LONGEST_RESULT


def test_values_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    days = pd.date_range("2026-10-29", periods=2, tz="America/New_York", name="Date")
    prices = pd.DataFrame({"Close": [1.5, np.nan], "Volume": [1, 2], "Paid": [pd.NaT, days[0]]}, index=days)
    first, second = "2026-10-29T00:00:00-04:00", "2026-10-30T00:00:00-04:00"
    assert of(prices) == [
        {"Date": first, "Close": 1.5, "Volume": 1, "Paid": None},
        {"Date": second, "Close": None, "Volume": 2, "Paid": first},
    ]
    assert of(prices["Close"]) == {first: 1.5, second: None}
    assert of({"index": days, "one": days[0]}) == {"index": [first, second], "one": first}
    assert of([pd.NaT, pd.NA, pd.Timedelta("1D"), pd.Period("2026-01")]) == [None, None, "P1DT0H0M0S", "2026-01"]
    assert of(pd.Series([1, None], dtype="Int64")) == [1, None]
    assert of(pd.Series([0.1], dtype="float32")) == [0.1]
    assert of(pd.Series(["a", None], dtype="category")) == ["a", None]
    assert of(pd.Series([1, 2], index=["a", "a"])) == [{"index": "a", "value": 1}, {"index": "a", "value": 2}]
    assert of(pd.array([1, None])) == [1, None]
    assert of(pd.DataFrame()) == []


def test_names_of_a_data_frame_are_texts_and_distinct() -> None:
    pd = pytest.importorskip("pandas")
    columns = pd.MultiIndex.from_tuples([("Close", "MSFT"), ("Open", "MSFT")])
    assert of(pd.DataFrame([[1, 2]], columns=columns)) == [{"Close/MSFT": 1, "Open/MSFT": 2}]
    assert of(pd.DataFrame([[1, 2]], columns=["a", "a"])) == [{"a": 1, "a (2)": 2}]
    both = pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("A", 1)], names=["name", None]))
    assert of(both) == [{"name": "A", "level_1": 1, "x": 1}]


def test_a_long_data_frame_is_cut_with_the_number_of_its_rows() -> None:
    pd = pytest.importorskip("pandas")
    found = of(pd.DataFrame({"price": range(5000)}))
    assert found["note"] == "5,000 rows: only the first 50 and the last 50 are included"
    assert [found["rows"][0], found["rows"][-1]] == [{"price": 0}, {"price": 4999}]
    series = of(pd.Series(range(300), index=[f"d{number}" for number in range(300)]))
    assert (len(series["values"]), series["values"]["d299"]) == (MOST_ROWS, 299)
    wide = result_text(pd.DataFrame({f"column {number}": ["x" * 100] * 200 for number in range(500)}))
    assert len(wide) <= LONGEST_RESULT
    assert json.loads(wide)["note"].startswith("200 rows")


def test_what_is_far_too_long_is_cut_and_stays_json() -> None:
    assert of(list(range(10**6)))[-2:] == [999, "… 999,000 more"]
    assert of({str(number): "x" * 200 for number in range(5000)})["…"] == "… 4,900 more"
    assert of(itertools.count())[-1] == "… 99,001 more"


def test_what_has_no_json_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"^it returned dict with type in it, which can't be written as JSON$"):
        result_text({"a": [object]})
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="contains itself"):
        result_text(endless)


def test_neither_library_is_imported_for_it() -> None:
    program = (
        "import sys\nfrom orchestrator.tools.results import result_text\n"
        "result_text({'a': [1.5, object.__name__]})\n"
        "print(sorted({'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

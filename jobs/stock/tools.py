"""The two functions of the stock job, over a table of prices that are made up. For: ftorch chat stock --tools …

Everything that begins with an underscore is not shown to the model.
"""

import csv
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("made_up_prices.csv")
_SOURCE = "made-up table"


def get_current_price(ticker: str) -> dict[str, object]:
    """Get the price that a share of a listed company trades at now, in US dollars.

    Args:
        ticker: Symbol under which the company's shares trade on an American exchange, in capitals.
    """
    day, price = _closing_prices(ticker)[-1]
    return {"ticker": ticker, "price_usd": price, "day": day, "source": _SOURCE}


def get_past_prices(ticker: str, days: int) -> dict[str, object]:
    """Get the closing prices of a listed company's share on each of the last days, in US dollars.

    Args:
        ticker: Symbol under which the company's shares trade on an American exchange, in capitals.
        days: How many days to look back, counted from today.
    """
    prices = _closing_prices(ticker)
    if not 1 <= days <= len(prices):
        raise ValueError(f"the table holds {len(prices)} trading days, so it can't give the last {days}")
    return {"ticker": ticker, "prices_usd": dict(prices[-days:]), "source": _SOURCE}


def _closing_prices(ticker: str) -> list[tuple[str, float]]:
    if ticker not in _prices():
        raise LookupError(f'the table has no company with the ticker "{ticker}"')
    return _prices()[ticker]


@cache
def _prices() -> dict[str, list[tuple[str, float]]]:
    """For each ticker its days, oldest first, with their closing prices."""
    with _TABLE.open(newline="") as stream:
        return {
            row.pop("ticker"): [(day, float(price)) for day, price in row.items()] for row in csv.DictReader(stream)
        }

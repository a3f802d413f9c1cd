"""What hosting a fine-tuned model costs per day and per month, in figures and in words: one month for all."""

from __future__ import annotations

HOURS_A_DAY = 24
DAYS_A_MONTH = 30
"""Azure bills by the hour, and months differ: every monthly figure is of 30 days, and says so."""


def usd_per_day(usd_per_hour: float) -> float:
    return HOURS_A_DAY * usd_per_hour


def usd_per_month(usd_per_hour: float) -> float:
    """Of 30 days."""
    return DAYS_A_MONTH * usd_per_day(usd_per_hour)


def hosting_words(usd_per_hour: float, *, is_always: bool = True) -> str:
    """`$1.70 an hour, $40.80 a day, $1,224.00 per 30 days, used or not`; the last words where it is always
    charged."""
    day, month = usd_per_day(usd_per_hour), usd_per_month(usd_per_hour)
    end = ", used or not" if is_always else ""
    return f"${usd_per_hour:,.2f} an hour, ${day:,.2f} a day, ${month:,.2f} per {DAYS_A_MONTH} days{end}"

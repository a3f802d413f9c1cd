"""The ids that ftorch gives out: short ones for runs, evaluations and deployments; ULIDs for creation tokens."""

from __future__ import annotations

import random

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no characters that are easily confused."""


def short_id(rng: random.Random) -> str:
    """Eight letters and digits, 40 random bits."""
    return "".join(rng.choices(_LETTERS, k=8))


def ulid(rng: random.Random, now: float) -> str:
    """48 bits of milliseconds and 80 random bits in Crockford's base 32 (https://github.com/ulid/spec)."""
    number = int(now * 1000) << 80 | rng.getrandbits(80)
    return "".join(_LETTERS[number >> shift & 31] for shift in range(125, -1, -5)).upper()

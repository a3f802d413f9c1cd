"""When two JSON values are the same: typed, or leniently."""

from __future__ import annotations

from typing import Any, Final

import orjson


class _Absent:
    """Stands where there is no value, not even null."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()

# What the Berkeley Function-Calling Leaderboard takes out of strings before it compares them, and the quote that it
# replaces: standardize_string in eval_checker/ast_eval/ast_checker.py of bfcl-eval 2026.3.23.
_STANDARD = str.maketrans({**dict.fromkeys(" ,./-_*^"), "'": '"'})


def same(expected: Any, found: Any, lenient: bool) -> bool:
    """True where two JSON values mean the same: 5 and 5.0, but not 5, "5" and true; objects in any order of keys.

    Where `lenient`, strings are the same without case, blanks and the punctuation that BFCL leaves out.
    """
    if isinstance(expected, str):
        return isinstance(found, str) and (
            expected == found or (lenient and standardised(expected) == standardised(found))
        )
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, dict):
        if not isinstance(found, dict) or expected.keys() != found.keys():
            return False
        return all(same(value, found[name], lenient) for name, value in expected.items())
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return False
        return all(same(one, other, lenient) for one, other in zip(expected, found, strict=True))
    return bool(expected == found)


def strictly_same(expected: Any, found: Any) -> bool:
    """True where two JSON values are written alike, but for white space and the order of keys: 5 is not 5.0."""
    return canonical(expected) == canonical(found)


def canonical(value: Any) -> bytes:
    """The JSON text of a parsed value, without blanks and with sorted keys. ABSENT has one of its own."""
    return b"" if value is ABSENT else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def standardised(text: str) -> str:
    """The text as BFCL compares it: small letters, no blanks, none of `,./-_*^`, and one kind of quote."""
    return text.translate(_STANDARD).lower()

"""Exact decimals as integers: every price, quantity and amount of money is an int that counts 1e-8.

The grammar and the bounds are those of the C library (`mm_fixed_parse`), so a text means the same on both
sides. Nothing here goes through floating point. All functions are pure and may be called by any thread.
"""

from __future__ import annotations

import re
from typing import Final

E8: Final = 100_000_000
"""How many counts make one unit."""
INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)

_DECIMALS: Final = 8
# Longer than any exact int64 in 1e-8 with zeros a sane sender would add; bounds the work on hostile input.
_TEXT_MAX: Final = 64
_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def parse_e8(text: str) -> int:
    """The exact count of 1e-8 that `text` stands for.

    text: [-]digits[.digits], at most 64 characters; no sign but minus, no exponent, no blanks. Zeros after
    the eighth decimal are allowed.
    Raises ValueError with a message fit for a user if the text is not such a decimal, has more than 8
    decimals that are not zero, or does not fit int64.
    """
    if len(text) > _TEXT_MAX:
        raise ValueError(f"is not a decimal number: more than {_TEXT_MAX} characters")
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError("is not a decimal number like 12.5")
    sign, whole, decimals = match.group(1), match.group(2), match.group(3) or ""
    if decimals[_DECIMALS:].strip("0"):
        raise ValueError(f"has more than {_DECIMALS} decimals")
    magnitude = int(whole) * E8 + int(decimals[:_DECIMALS].ljust(_DECIMALS, "0"))
    return _checked(-magnitude if sign else magnitude)


def format_e8(value_e8: int) -> str:
    """The shortest exact decimal text of a count of 1e-8: 150000000 is "1.5", 100000000 is "1".

    value_e8: int64. Raises ValueError outside int64, where no exact value of the engine can be.
    """
    whole, rest = divmod(abs(_checked(value_e8)), E8)
    sign = "-" if value_e8 < 0 else ""
    decimals = f".{rest:08d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{decimals}"


def _checked(value_e8: int) -> int:
    if not INT64_MIN <= value_e8 <= INT64_MAX:
        raise ValueError("does not fit: the largest value is 92233720368.54775807")
    return value_e8

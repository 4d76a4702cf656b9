"""mm_fixed through cffi against Python's Decimal and big integers."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmcore._native import ffi, lib

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
E8 = 10**8

# Ours, and Decimal's name for the same.
ROUNDINGS = {
    lib.MM_ROUND_FLOOR: ROUND_FLOOR,
    lib.MM_ROUND_CEIL: ROUND_CEILING,
    lib.MM_ROUND_ZERO: ROUND_DOWN,
    lib.MM_ROUND_HALF_EVEN: ROUND_HALF_EVEN,
}

int64s = st.integers(INT64_MIN, INT64_MAX) | st.integers(-(10**12), 10**12) | st.sampled_from([INT64_MIN, INT64_MAX])
roundings = st.sampled_from(sorted(ROUNDINGS))


def rounded(value: Fraction, rounding: int) -> int:
    """The integer next to a fraction, by Decimal with digits enough for every quotient of 128 bits by 64."""
    with localcontext(Context(prec=200)):
        quotient, rest = divmod(abs(value.numerator), value.denominator)
        tail = Decimal(rest) / Decimal(value.denominator)
        exact = (Decimal(quotient) + tail) * (1 if value >= 0 else -1)
        return int(exact.to_integral_value(ROUNDINGS[rounding]))


def call(function: object, *arguments: object) -> int | str:
    """The result of a fixed-point function, or the name of its failure, after which the result is untouched."""
    result = ffi.new("int64_t *", -777)
    status = function(*arguments, result)  # type: ignore[operator]
    if status == lib.MM_OK:
        return int(result[0])
    assert result[0] == -777
    return str(ffi.string(lib.mm_status_name(status)).decode())


def fitted(value: int) -> int | str:
    return value if INT64_MIN <= value <= INT64_MAX else "MM_E_OVERFLOW"


def parse(text: bytes) -> int | str:
    return call(lib.mm_fixed_parse, text, len(text))


def form(value_e8: int, decimals_min: int) -> str:
    out = ffi.new("char[]", lib.MM_FIXED_TEXT_MAX)
    return str(ffi.buffer(out, lib.mm_fixed_format(value_e8, decimals_min, out))[:].decode())


@given(int64s, int64s, int64s, roundings)
@example(INT64_MIN, INT64_MIN, INT64_MIN, lib.MM_ROUND_CEIL)
@example(INT64_MIN, 1, -1, lib.MM_ROUND_ZERO)
@example(INT64_MAX, INT64_MAX, INT64_MAX, lib.MM_ROUND_HALF_EVEN)
def test_muldiv_is_the_exact_quotient_rounded_once(a: int, b: int, c: int, rounding: int) -> None:
    wanted = "MM_E_ARGUMENT" if c == 0 else fitted(rounded(Fraction(a * b, c), rounding))
    assert call(lib.mm_fixed_muldiv, a, b, c, rounding) == wanted


@given(int64s, int64s, roundings)
def test_mul_and_div_are_those_of_decimal(a: int, b: int, rounding: int) -> None:
    assert call(lib.mm_fixed_mul, a, b, rounding) == fitted(rounded(Fraction(a * b, E8), rounding))
    wanted = "MM_E_ARGUMENT" if b == 0 else fitted(rounded(Fraction(a * E8, b), rounding))
    assert call(lib.mm_fixed_div, a, b, rounding) == wanted


@given(int64s, int64s)
def test_add_and_sub_are_exact_or_an_overflow(a: int, b: int) -> None:
    assert call(lib.mm_fixed_add, a, b) == fitted(a + b)
    assert call(lib.mm_fixed_sub, a, b) == fitted(a - b)


@given(int64s, int64s, roundings)
def test_to_step_is_the_multiple_next_to_the_value(value: int, step: int, rounding: int) -> None:
    wanted = "MM_E_ARGUMENT" if step <= 0 else fitted(step * rounded(Fraction(value, max(step, 1)), rounding))
    assert call(lib.mm_fixed_to_step, value, step, rounding) == wanted


@given(
    st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1e13, 1e13),
    st.just((INT64_MIN, INT64_MAX)) | st.tuples(int64s, int64s),
    st.integers(1, 10**10) | int64s,
    roundings,
)
def test_from_double_rounds_the_double_itself_once(
    value: float, limits: tuple[int, int], step: int, rounding: int
) -> None:
    low, high = limits
    wanted: int | str = "MM_E_ARGUMENT"
    if step > 0 and value == value and abs(value) != float("inf") and low <= Fraction(value) <= high:
        multiple = step * rounded(Fraction(value) / step, rounding)
        wanted = multiple if low <= multiple <= high else "MM_E_ARGUMENT"
    assert call(lib.mm_fixed_from_double, value, low, high, step, rounding) == wanted


@given(int64s, st.integers(0, 8))
@example(INT64_MIN, 0)
@example(0, 0)
@example(0, 8)
def test_format_is_the_shortest_exact_text_and_parses_back(value_e8: int, decimals_min: int) -> None:
    text = form(value_e8, decimals_min)
    assert Decimal(text) * E8 == value_e8
    decimals = text.partition(".")[2]
    assert len(decimals) >= decimals_min
    assert len(decimals) == decimals_min or not decimals.endswith("0")
    assert parse(text.encode()) == value_e8


@given(st.from_regex(rb"\A-?[0-9]{1,14}(\.[0-9]{1,12})?\Z"))
def test_parse_reads_a_decimal_exactly_or_says_why_not(text: bytes) -> None:
    count = Decimal(text.decode()) * E8
    wanted = fitted(int(count)) if count == int(count) else "MM_E_PRECISION"
    assert parse(text) == wanted


@given(st.binary(max_size=12) | st.from_regex(rb"\A[-+ .0-9eE_]{0,12}\Z"))
def test_parse_refuses_all_other_bytes(text: bytes) -> None:
    digits = text.removeprefix(b"-")
    whole, point, fraction = digits.partition(b".")
    plain = whole.isdigit() and (fraction.isdigit() if point else not fraction)
    assert (parse(text) == "MM_E_SYNTAX") == (not plain)


@pytest.mark.parametrize("decimals_min", [0, 2, 8])
def test_a_thousand_prices_survive_the_way_through_text(decimals_min: int) -> None:
    for price_e8 in range(6_123_400_000_000, 6_123_401_000_000, 1_000):
        assert parse(form(price_e8, decimals_min).encode()) == price_e8

"""Exact decimals: text to counts of 1e-8 and back, against Python's Decimal."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmcore.units import E8, INT64_MAX, INT64_MIN, format_e8, parse_e8

int64s = st.integers(INT64_MIN, INT64_MAX) | st.integers(-(10**10), 10**10)
decimal_texts = st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,8}0{0,4})?", fullmatch=True)


@given(decimal_texts)
@example("-0")
@example("92233720368.54775807")
@example("-92233720368.54775808")
def test_a_text_means_what_decimal_says(text: str) -> None:
    with localcontext(prec=60):
        expected = int(Decimal(text) * E8)
    if INT64_MIN <= expected <= INT64_MAX:
        assert parse_e8(text) == expected
    else:
        with pytest.raises(ValueError, match="does not fit"):
            parse_e8(text)


@given(int64s)
@example(INT64_MIN)
@example(INT64_MAX)
@example(-1)
def test_formatting_is_exact_shortest_and_reads_back(value_e8: int) -> None:
    text = format_e8(value_e8)
    with localcontext(prec=60):
        assert Decimal(text) == Decimal(value_e8) / E8
        assert text == format((Decimal(value_e8) / E8).normalize(), "f")
    assert parse_e8(text) == value_e8


@pytest.mark.parametrize(
    "text",
    ["", "-", ".5", "5.", "+1", "1e-8", "1E3", " 1", "1 ", "1_000", "0x10", "--1", "1.2.3", "NaN", "inf", "٣", "1\n"],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a decimal number like 12\.5"):
        parse_e8(text)


def test_a_ninth_decimal_is_refused_unless_it_is_zero() -> None:
    assert parse_e8("0.123456780000") == 12_345_678
    with pytest.raises(ValueError, match="has more than 8 decimals"):
        parse_e8("0.000000001")


@pytest.mark.parametrize("text", ["92233720368.54775808", "-92233720368.54775809", "9" * 60])
def test_what_does_not_fit_int64_is_refused_and_never_wraps(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not fit: the largest value is 92233720368\.54775807"):
        parse_e8(text)


def test_a_very_long_text_is_refused_without_being_read() -> None:
    with pytest.raises(ValueError, match="more than 64 characters"):
        parse_e8("1" * 10_000_000)


@pytest.mark.parametrize("value_e8", [INT64_MAX + 1, INT64_MIN - 1])
def test_a_value_outside_int64_is_not_formatted(value_e8: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        format_e8(value_e8)

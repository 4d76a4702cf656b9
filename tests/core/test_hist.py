"""The histogram through its handle against a sorted list."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmcore._native import lib
from mmcore.core.hist import Histogram

INT64_MAX = 2**63 - 1

# Values of every size, those next to powers of two (bucket edges) among them.
values_ns = (
    st.integers(0, INT64_MAX)
    | st.integers(0, 200)
    | st.integers(0, 62).flatmap(lambda bit: st.sampled_from([(1 << bit) - 1, 1 << bit, (1 << bit) + 1]))
)
quantiles = st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0])


def histogram_of(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def exact(values: list[int], quantile: float) -> int:
    """The smallest value that this share of the sorted values does not exceed."""
    return sorted(values)[max(math.ceil(quantile * len(values)), 1) - 1]


@given(st.lists(values_ns, min_size=1, max_size=200), quantiles)
@example([INT64_MAX], 1.0)
@example([0, INT64_MAX], 0.5)
def test_a_quantile_is_never_below_the_true_one_and_at_most_a_32nd_above(values: list[int], quantile: float) -> None:
    found, true = histogram_of(values).quantile(quantile), exact(values, quantile)
    assert true <= found <= true + true // 32
    assert found <= max(values)


@given(st.lists(values_ns, max_size=100))
def test_count_sum_and_maximum_are_exact(values: list[int]) -> None:
    made = histogram_of(values)
    assert made.count == len(values) == int(made.buckets.sum())
    assert made.sum_ns == min(sum(values), 2**64 - 1)
    assert made.max_ns == max(values, default=0)


@given(st.lists(values_ns, max_size=60), st.lists(values_ns, max_size=60), quantiles)
def test_merging_two_is_adding_all_to_one(left: list[int], right: list[int], quantile: float) -> None:
    merged, whole = histogram_of(left), histogram_of(left + right)
    merged.merge(histogram_of(right))
    assert (merged.count, merged.sum_ns, merged.max_ns) == (whole.count, whole.sum_ns, whole.max_ns)
    assert merged.buckets.tolist() == whole.buckets.tolist()
    assert merged.quantile(quantile) == whole.quantile(quantile)


@given(values_ns)
def test_a_value_lands_in_the_bucket_of_its_power_and_32nd(value: int) -> None:
    octave = max(value.bit_length() - 6, 0)
    bucket = value if value < 32 else 32 * octave + (value >> octave)
    made = histogram_of([value])
    assert made.buckets[bucket] == 1
    assert len(made.buckets) == lib.MM_HIST_BUCKETS


def test_negative_values_count_as_0() -> None:
    made = histogram_of([-1, -(2**63)])
    assert (made.count, made.sum_ns, made.max_ns, int(made.buckets[0])) == (2, 0, 0, 2)


def test_an_empty_histogram_says_0() -> None:
    assert Histogram().quantile(0.5) == 0


def test_what_makes_no_sense_is_refused() -> None:
    made = histogram_of([1])
    for quantile in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="quantile"):
            made.quantile(quantile)
    with pytest.raises(ValueError, match="itself"):
        made.merge(made)
    assert made.count == 1


def test_buckets_share_the_histograms_memory() -> None:
    made = Histogram()
    buckets = made.buckets
    made.add(7)
    assert buckets[7] == 1

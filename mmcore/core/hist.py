"""A log-linear histogram of latencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mmcore._native import ffi, lib


class Histogram:
    """Counts of nanoseconds; a quantile it reports is at most 1/32 above the true one. One thread adds."""

    def __init__(self) -> None:
        self.raw: Any = ffi.new("mm_hist *")
        lib.mm_hist_init(self.raw)

    @property
    def count(self) -> int:
        """Values added."""
        return int(self.raw.count)

    @property
    def sum_ns(self) -> int:
        """Of all values; stops at 2^64 - 1."""
        return int(self.raw.sum_ns)

    @property
    def max_ns(self) -> int:
        """The largest value, 0 when there is none."""
        return int(self.raw.max_ns)

    @property
    def buckets(self) -> npt.NDArray[np.uint64]:
        """The counts themselves, sharing memory: 0 .. 31 ns one each, then 32 to every power of two."""
        return np.frombuffer(ffi.buffer(self.raw), dtype=np.uint64, count=lib.MM_HIST_BUCKETS,
                             offset=ffi.offsetof("mm_hist", "buckets"))

    def add(self, value_ns: int) -> None:
        """One value; negative ones count as 0."""
        lib.mm_hist_add(self.raw, value_ns)

    def merge(self, other: Histogram) -> None:
        """Adds all values of another histogram."""
        if other is self:
            raise ValueError("a histogram cannot be merged with itself")
        lib.mm_hist_merge(self.raw, other.raw)

    def quantile(self, quantile: float) -> int:
        """A value in ns that this share (0..1) of all values does not exceed; 0 when there are none."""
        if not 0.0 <= quantile <= 1.0:
            raise ValueError(f"quantile {quantile} is not in 0..1")
        return int(lib.mm_hist_quantile(self.raw, quantile))

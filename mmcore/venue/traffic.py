"""What clients sent, for the audit: how many requests, which were refused for their number, who did not wait."""

from __future__ import annotations

from typing import Any

from mmcore.venue.errors import VenueError

_GRACE_US = 250_000
"""A request on its way when the refusal was answered is not held against its sender for this long."""
_SLACK_US = 50_000
"""The end of a wait is told in the exchange's time, which clients know to some milliseconds."""


class Traffic:
    """Requests, refusals and waits. Times in microseconds. One thread."""

    def __init__(self) -> None:
        self._requests = 0
        self._by_status: dict[int, int] = {}
        self._by_code: dict[int, int] = {}
        self._wait_from_us = self._wait_until_us = 0
        self._orders_from_us = self._orders_until_us = 0
        self._during_wait = 0
        self._orders_during_wait = 0
        self._most_early_us = 0

    def note(self, operation: str, error: VenueError | None, now_us: int, server_us: int) -> None:
        """One request of class `operation` and what was answered, at market time `now_us`."""
        self._requests += 1
        places = operation in ("place", "cancel_replace")
        if self._wait_from_us + _GRACE_US <= now_us < self._wait_until_us - _SLACK_US:
            self._during_wait += 1
            self._orders_during_wait += places
            self._most_early_us = max(self._most_early_us, self._wait_until_us - now_us)
        elif places and self._orders_from_us + _GRACE_US <= now_us < self._orders_until_us - _SLACK_US:
            self._orders_during_wait += 1
            self._most_early_us = max(self._most_early_us, self._orders_until_us - now_us)
        if error is None:
            return
        self._by_status[error.status] = self._by_status.get(error.status, 0) + 1
        self._by_code[error.code] = self._by_code.get(error.code, 0) + 1
        if error.retry_at_ms is not None and error.status in (418, 429):
            self._wait(error.code == -1015, now_us, now_us + 1000 * error.retry_at_ms - server_us)

    def describe(self) -> dict[str, Any]:
        """For the audit. `during_wait` counts requests that came while a 429 or 418 had told to wait; `most_early_ms`
        is by how much at most.
        """
        return {
            "requests": self._requests,
            "by_status": {str(status): count for status, count in sorted(self._by_status.items())},
            "by_code": {str(code): count for code, count in sorted(self._by_code.items())},
            "during_wait": self._during_wait,
            "orders_during_wait": self._orders_during_wait,
            "most_early_ms": self._most_early_us // 1000,
        }

    def _wait(self, orders_only: bool, now_us: int, until_us: int) -> None:
        if orders_only:
            if now_us >= self._orders_until_us:
                self._orders_from_us = now_us
            self._orders_until_us = max(self._orders_until_us, until_us)
        else:
            if now_us >= self._wait_until_us:
                self._wait_from_us = now_us
            self._wait_until_us = max(self._wait_until_us, until_us)
